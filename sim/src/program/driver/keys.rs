//! The keys of a load's records.

use broker_core::random::Random;
use bytes::Bytes;

use crate::scenario::{KeyStrategy, Keys};

/// Draws keys, and has them ready.
pub(crate) struct KeySource {
    keys: Vec<Bytes>,
    shape: Shape,
    strategy: KeyStrategy,
}

enum Shape {
    None,
    Uniform,
    Weighted(Cumulative),
    /// The share of the first key.
    Hot(f64),
}

impl KeySource {
    pub(crate) fn new(keys: &Keys, strategy: KeyStrategy) -> KeySource {
        let (count, shape) = match *keys {
            Keys::None => (0, Shape::None),
            Keys::Uniform { count } => (count, Shape::Uniform),
            Keys::Zipf { count, exponent } => (count, Shape::Weighted(Cumulative::new(zipf(count, exponent)))),
            Keys::Hot { count, share } => (count, Shape::Hot(share)),
        };
        KeySource {
            keys: (1..=count).map(|number| Bytes::from(format!("key-{number}"))).collect(),
            shape,
            strategy,
        }
    }

    pub(super) fn draw(&self, random: &mut Random) -> Option<Bytes> {
        let count = self.keys.len() as u64;
        let index = match &self.shape {
            Shape::None => return None,
            Shape::Uniform => random.below(count),
            Shape::Weighted(sums) => sums.find(random.unit()) as u64,
            Shape::Hot(share) if count == 1 || random.chance(*share) => 0,
            Shape::Hot(_) => 1 + random.below(count - 1),
        };
        let key = &self.keys[index as usize];
        Some(match self.strategy {
            KeyStrategy::Plain => key.clone(),
            KeyStrategy::Salted(salts) => with_field(key, '#', random.below(salts.into())),
            KeyStrategy::Compound(values) => with_field(key, '/', 1 + random.below(values.into())),
        })
    }
}

fn with_field(key: &Bytes, mark: char, field: u64) -> Bytes {
    let key = std::str::from_utf8(key).expect("keys are made of letters and digits");
    Bytes::from(format!("{key}{mark}{field}"))
}

/// Finds the key that a point of 0..1 belongs to, when each key takes a stretch as long as its probability. A guide
/// says where to look first (Chen and Asau 1974), so that the search takes one or two steps however many keys there are.
struct Cumulative {
    /// The probability of each key and all before it.
    sums: Vec<f64>,
    /// For each of `guide.len()` equal parts of 0..1 the key to which its beginning belongs.
    guide: Vec<u32>,
}

impl Cumulative {
    fn new(sums: Vec<f64>) -> Cumulative {
        // With a power of two, the beginnings of the parts and the part of a point are exact.
        let parts = sums.len().next_power_of_two();
        let begins = (0..parts).map(|part| part as f64 / parts as f64);
        Cumulative {
            guide: begins
                .map(|begin| sums.partition_point(|sum| *sum <= begin) as u32)
                .collect(),
            sums,
        }
    }

    fn find(&self, point: f64) -> usize {
        let first = self.guide[(point * self.guide.len() as f64) as usize] as usize;
        let passed = self.sums[first..].iter().take_while(|sum| **sum <= point).count();
        // Rounding may leave the last sum a little below 1.
        (first + passed).min(self.sums.len() - 1)
    }
}

fn zipf(count: u64, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|number| libm::pow(number as f64, -exponent));
    let mut sums: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or(1.0);
    for sum in &mut sums {
        *sum /= total;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares of the first three keys among many draws.
    fn shares(keys: Keys) -> [f64; 3] {
        let source = KeySource::new(&keys, KeyStrategy::Plain);
        let mut random = Random::new(1, "keys");
        let mut counts = [0u32; 3];
        for _ in 0..20_000 {
            let key = source.draw(&mut random).expect("keys");
            let number: usize = std::str::from_utf8(&key[4..]).unwrap().parse().unwrap();
            if number <= 3 {
                counts[number - 1] += 1;
            }
        }
        counts.map(|count| f64::from(count) / 20_000.0)
    }

    #[test]
    fn keys_have_their_shares() {
        let h4 = 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0;
        for (keys, expected) in [
            (Keys::Uniform { count: 4 }, [0.25, 0.25, 0.25]),
            (
                Keys::Zipf {
                    count: 4,
                    exponent: 1.0,
                },
                [1.0 / h4, 0.5 / h4, 1.0 / 3.0 / h4],
            ),
            (
                Keys::Zipf {
                    count: 4,
                    exponent: 0.0,
                },
                [0.25, 0.25, 0.25],
            ),
            (Keys::Hot { count: 11, share: 0.6 }, [0.6, 0.04, 0.04]),
            (Keys::Hot { count: 1, share: 0.5 }, [1.0, 0.0, 0.0]),
        ] {
            let got = shares(keys.clone());
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 0.015, "{keys:?}: {got} is not {expected}");
            }
        }
        assert_eq!(
            KeySource::new(&Keys::None, KeyStrategy::Plain).draw(&mut Random::new(1, "keys")),
            None
        );
    }

    #[test]
    fn the_guide_finds_what_a_search_finds() {
        let mut random = Random::new(1, "points");
        for count in [1, 2, 3, 1000, 1024] {
            let sums = zipf(count, 1.0);
            let guided = Cumulative::new(sums.clone());
            let edges: Vec<f64> = sums.iter().copied().filter(|edge| *edge < 1.0).collect();
            for point in edges.into_iter().chain((0..1000).map(|_| random.unit())) {
                let searched = sums.partition_point(|sum| *sum <= point).min(sums.len() - 1);
                assert_eq!(guided.find(point), searched, "{point} of {count}");
            }
        }
    }

    #[test]
    fn a_strategy_changes_the_key_and_not_which_one_is_drawn() {
        let keys = Keys::Hot { count: 3, share: 0.9 };
        let draw = |strategy, count: usize| -> std::collections::BTreeSet<String> {
            let source = KeySource::new(&keys, strategy);
            let mut random = Random::new(1, "keys");
            let draws = (0..count).map(|_| source.draw(&mut random).expect("a key"));
            draws.map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
        };
        let plain = draw(KeyStrategy::Plain, 1000);
        assert_eq!(plain.iter().collect::<Vec<_>>(), ["key-1", "key-2", "key-3"]);
        for (strategy, mark, fields) in [
            (KeyStrategy::Salted(4), '#', ["0", "1", "2", "3"]),
            (KeyStrategy::Compound(4), '/', ["1", "2", "3", "4"]),
        ] {
            let drawn = draw(strategy, 2000);
            let all = plain
                .iter()
                .flat_map(|key| fields.map(|field| format!("{key}{mark}{field}")));
            assert_eq!(drawn, all.collect(), "{strategy:?}");
        }
    }
}
