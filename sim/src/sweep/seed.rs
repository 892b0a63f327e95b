//! Seeds as people write them.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

/// A seed as it is typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed(pub u64);

/// Why a text is no seed, or no range of seeds.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SeedError {
    /// It is neither of the three forms.
    #[error("a seed is a decimal number below 2^64 - 1, a hex number such as 0x1f, or a commit id of 40 hex digits")]
    NotASeed,
    /// It has no `..`.
    #[error("a range of seeds is A..B: from A up to, but not including, B")]
    NotARange,
    /// It ends before it begins.
    #[error("the range ends before it begins; A..B goes from A up to, but not including, B")]
    Backwards,
}

impl FromStr for Seed {
    type Err = SeedError;

    /// A commit id counts by its first 16 digits.
    fn from_str(text: &str) -> Result<Seed, SeedError> {
        let number = parse_seed(text.trim())?;
        // One past a seed must be a number too: ranges are half-open.
        if number == u64::MAX {
            Err(SeedError::NotASeed)
        } else {
            Ok(Seed(number))
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A half-open range of seeds as it is typed; it may be empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeedRange(pub Range<u64>);

impl FromStr for SeedRange {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<SeedRange, SeedError> {
        let (from, to) = text.split_once("..").ok_or(SeedError::NotARange)?;
        let (Seed(from), Seed(to)) = (from.parse()?, to.parse()?);
        if to < from {
            return Err(SeedError::Backwards);
        }
        Ok(SeedRange(from..to))
    }
}

fn parse_seed(text: &str) -> Result<u64, SeedError> {
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let commit = (text.len() == 40).then_some(text);
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match (commit, hex) {
        (Some(commit), _) if is_hex(commit) => u64::from_str_radix(&commit[..16], 16),
        (_, Some(digits)) if is_hex(digits) => u64::from_str_radix(digits, 16),
        (_, None) if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse(),
        _ => return Err(SeedError::NotASeed),
    };
    number.map_err(|_| SeedError::NotASeed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_decimal_hex_or_commit_ids() {
        for (text, seed) in [
            ("0", Ok(0)),
            ("42", Ok(42)),
            ("18446744073709551614", Ok(u64::MAX - 1)),
            ("18446744073709551615", Err(SeedError::NotASeed)),
            ("0x1F", Ok(31)),
            ("a7af33650fde95ed1b3ef1b1f5bc73b63a0d7f2f", Ok(0xa7af_3365_0fde_95ed)),
            ("1111111111111111111111111111111111111111", Ok(0x1111_1111_1111_1111)),
            ("18446744073709551616", Err(SeedError::NotASeed)),
            ("-1", Err(SeedError::NotASeed)),
            ("+1", Err(SeedError::NotASeed)),
            ("1f", Err(SeedError::NotASeed)),
            ("0x", Err(SeedError::NotASeed)),
            ("0x+1", Err(SeedError::NotASeed)),
            ("", Err(SeedError::NotASeed)),
        ] {
            assert_eq!(text.parse(), seed.map(Seed), "{text}");
        }
    }

    #[test]
    fn ranges_end_before_their_second_number() {
        for (text, range) in [
            ("0..3", Ok(0..3)),
            ("0x10..32", Ok(16..32)),
            ("5..5", Ok(5..5)),
            ("5..4", Err(SeedError::Backwards)),
            ("5", Err(SeedError::NotARange)),
            ("1..=3", Err(SeedError::NotASeed)),
        ] {
            assert_eq!(text.parse(), range.map(SeedRange), "{text}");
        }
    }
}
