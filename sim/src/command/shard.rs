//! `--shard m/n`: one of n parts of a run.
//!
//! The seeds of each scenario are cut into n stretches of nearly equal length, and the first stretch of the next scenario
//! goes to the next shard, so that scenarios with few seeds do not all meet in one. A scenario that expects an anomaly is
//! not cut: whether that was never found is seen by who has all of its seeds.

use core::ops::Range;
use core::str::FromStr;

/// One part of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Which, from 0.
    index: u64,
    /// Of how many.
    of: u64,
}

/// The text is no shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a shard is `m/n`, with m from 1 to n and n up to 10,000: `3/20`")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let (index, of) = text.split_once('/').ok_or(ShardError)?;
        let (index, of): (u64, u64) = (
            index.parse().map_err(|_| ShardError)?,
            of.parse().map_err(|_| ShardError)?,
        );
        match (1..=of).contains(&index) && of <= 10_000 {
            true => Ok(Shard { index: index - 1, of }),
            false => Err(ShardError),
        }
    }
}

impl core::fmt::Display for Shard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl Shard {
    /// The seeds of scenario number `place` that are this shard's; may be empty.
    #[must_use]
    pub fn part(self, place: usize, seeds: Range<u64>, is_cut: bool) -> Range<u64> {
        // This shard's stretch: the first one of scenario number `place` is that of the shard with this number.
        let stretch = (self.index + self.of - place as u64 % self.of) % self.of;
        if !is_cut {
            return match stretch {
                0 => seeds,
                _ => seeds.start..seeds.start,
            };
        }
        let length = u128::from(seeds.end - seeds.start);
        let cut = |stretch: u64| seeds.start + (length * u128::from(stretch) / u128::from(self.of)) as u64;
        cut(stretch)..cut(stretch + 1)
    }

    /// The whole of a range that is meant to be unending, from which this shard takes its own part: shard 2 begins a
    /// million seeds behind shard 1.
    #[must_use]
    pub fn unending(self, start: u64) -> Range<u64> {
        let begin = start.saturating_add(self.index * Shard::UNENDING);
        begin..begin.saturating_add(Shard::UNENDING)
    }

    /// More seeds than anybody waits for.
    pub const UNENDING: u64 = 1_000_000;

    /// The only part.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(
            "3/20".parse::<Shard>().map(|shard| shard.to_string()),
            Ok("3/20".to_owned())
        );
        for wrong in ["0/3", "4/3", "1", "1/", "/3", "a/b", "-1/3", "1/0", "1/10001", "1/2/3"] {
            assert_eq!(wrong.parse::<Shard>(), Err(ShardError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_union_of_all_shards_is_the_whole(
            lengths in proptest::collection::vec(0_u64..200, 1..20),
            of in 1_u64..40,
            start in 0_u64..1_000_000,
            is_cut in any::<bool>(),
        ) {
            let shards = || (0..of).map(|index| Shard { index, of });
            let mut most = 0;
            for (place, length) in lengths.iter().enumerate() {
                let whole: Vec<u64> = (start..start + length).collect();
                let mut parts: Vec<u64> = shards().flat_map(|shard| shard.part(place, start..start + length, is_cut)).collect();
                parts.sort_unstable();
                prop_assert_eq!(parts, whole);
            }
            for shard in shards() {
                let parts = lengths.iter().enumerate().map(|(place, length)| shard.part(place, 0..*length, true));
                most = most.max(parts.map(|part| part.end - part.start).sum::<u64>());
            }
            let total: u64 = lengths.iter().sum();
            prop_assert!(most <= total / of + lengths.len() as u64, "{} of {} in one of {}", most, total, of);
        }
    }
}
