//! Durations and sizes as people write them: `250ms`, `1m30s`, `64KiB`, `125MB/s`.

use core::fmt::Write as _;
use core::time::Duration;

/// Longest unit first, so that writing takes the largest one that fits.
const TIME_UNITS: [(&str, u64); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Other words for units of time.
const TIME_WORDS: [(&str, &str); 16] = [
    ("week", "w"),
    ("weeks", "w"),
    ("day", "d"),
    ("days", "d"),
    ("hour", "h"),
    ("hours", "h"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    // The micro sign, and the Greek letter.
    ("\u{b5}s", "us"),
    ("\u{3bc}s", "us"),
];

/// The units of time, for hints.
pub const TIMES: &str = "units: w, d, h, m, s, ms, us, ns";
/// The units of size, for hints.
pub const SIZES: &str = "units: B, kB, MB, GB, TB, KiB, MiB, GiB; of bandwidth also kbit/s, Mbit/s, Gbit/s";

/// How times, sizes and bandwidths are written, and what they are.
pub const EXAMPLES: [(&str, &str); 9] = [
    ("1w 2d", "weeks, days (also week, weeks, day, days)"),
    ("1h 30m", "hours, minutes (also hour, hours, min, minute, minutes)"),
    ("5 min", "a space before the unit is allowed"),
    ("2.5s", "seconds (also sec, second, seconds)"),
    ("250ms", "milliseconds"),
    ("20us", "microseconds (also \u{b5}s)"),
    ("500ns", "nanoseconds"),
    (
        "64KiB",
        "sizes: B, kB, MB, GB, TB are powers of 1,000; KiB, MiB, GiB of 1,024; a plain number is in bytes",
    ),
    ("125MB/s", "bandwidths: a size a second, or kbit/s, Mbit/s, Gbit/s"),
];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const BIT_UNITS: [(&str, u64); 3] = [("kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)];

/// Reads `30s`, `1m30s`, `2.5ms`, `5 min`, `2 days`.
///
/// # Errors
/// A lowercase fragment that says what is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err("a duration cannot be negative".to_owned());
    }
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return Err("a duration is a number with a unit".to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        if number.is_empty() {
            return Err(format!("`{rest}` does not begin with a number"));
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let factor = match &after[..end] {
            "" => return Err(format!("`{number}` has no unit")),
            unit => time_unit(unit)?,
        };
        nanos = nanos.saturating_add(scaled(number, factor)?);
        rest = after[end..].trim_start();
    }
    let nanos = u64::try_from(nanos).map_err(|_| "it is longer than 584 years".to_owned())?;
    Ok(Duration::from_nanos(nanos))
}

/// Reads a duration that may be a fraction of a nanosecond, as nanoseconds.
///
/// # Errors
/// A lowercase fragment that says what is wrong with the text.
pub fn nanoseconds(text: &str) -> Result<f64, String> {
    let (number, unit) = split_number(text.trim());
    let value: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a number with a unit"))?;
    Ok(value * time_unit(unit.trim_start())? as f64)
}

/// A unit of time in nanoseconds.
fn time_unit(unit: &str) -> Result<u64, String> {
    let word = TIME_WORDS.iter().find(|(word, _)| *word == unit);
    let short = word.map_or(unit, |(_, short)| short);
    let known = TIME_UNITS.iter().find(|(name, _)| *name == short);
    known
        .map(|(_, factor)| *factor)
        .ok_or_else(|| format!("`{unit}` is no unit of time"))
}

/// Reads `512`, `64KiB`, `1.5GB`, and with `/s` behind it a bandwidth (`125MB/s`, `1Gbit/s`), in bytes.
///
/// # Errors
/// A lowercase fragment that says what is wrong with the text.
pub fn bytes(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err("a size cannot be negative".to_owned());
    }
    let size = trimmed.strip_suffix("/s").unwrap_or(trimmed);
    let (number, unit) = split_number(size);
    let unit = unit.trim();
    if number.is_empty() {
        return Err(format!("`{trimmed}` does not begin with a number"));
    }
    let whole = if unit.is_empty() {
        scaled(number, 1)?
    } else if let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        scaled(number, *factor)?
    } else if let Some((_, factor)) = BIT_UNITS.iter().find(|(name, _)| *name == unit) {
        scaled(number, *factor)? / 8
    } else {
        return Err(format!("`{unit}` is no unit of size"));
    };
    u64::try_from(whole).map_err(|_| "it is more than 16 EiB".to_owned())
}

/// A number as [`duration`] and [`bytes`] read it, as a regular expression (ECMA-262).
const NUMBER: &str = r"[0-9_]+(\.[0-9_]+)?";

/// A regular expression (ECMA-262) of the texts that [`duration`] reads. It takes some that are too long or too fine, too.
#[must_use]
pub fn duration_pattern() -> String {
    format!(r"^\s*({NUMBER}\s*({})\s*)+$", time_units())
}

/// The same of lengths of time that may go back.
#[must_use]
pub fn signed_duration_pattern() -> String {
    duration_pattern().replacen(r"^\s*", r"^\s*-?\s*", 1)
}

/// The same of [`nanoseconds`]: one number and its unit.
#[must_use]
pub fn nanoseconds_pattern() -> String {
    format!(r"^\s*{NUMBER}\s*({})\s*$", time_units())
}

/// A regular expression (ECMA-262) of the texts that [`bytes()`] reads. It takes some that are too large or too fine, too.
#[must_use]
pub fn bytes_pattern() -> String {
    let units = SIZE_UNITS.iter().chain(&BIT_UNITS).map(|(unit, _)| *unit);
    let units = units.collect::<Vec<_>>().join("|");
    format!(r"^\s*{NUMBER}\s*({units})?\s*(/s)?\s*$")
}

fn time_units() -> String {
    let short = TIME_UNITS.iter().map(|(unit, _)| *unit);
    let words = TIME_WORDS.iter().map(|(word, _)| *word);
    short.chain(words).collect::<Vec<_>>().join("|")
}

/// A duration in the shortest words that [`duration`] reads back exactly: `1m30s`, `250ms`, `0s`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // A week more or less is easier to read in days.
    for (unit, factor) in &TIME_UNITS[1..] {
        let factor = *factor;
        let count = nanos / u128::from(factor);
        nanos %= u128::from(factor);
        if count > 0 {
            write!(text, "{count}{unit}").expect("a string takes all that is written");
        }
    }
    text
}

/// A number with its sign, as people write it: `-5,000`.
#[must_use]
pub fn show_signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", show_count(number.unsigned_abs()))
}

/// A length of time that may go back, in nanoseconds: `-1m30s`.
#[must_use]
pub fn show_signed_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", show_duration(Duration::from_nanos(nanos.unsigned_abs())))
}

/// A whole number with commas between thousands.
#[must_use]
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number to two digits, with commas: what is only a guess.
#[must_use]
pub fn show_rounded(number: u64) -> String {
    let scale = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    show_count(number / scale * scale)
}

/// Splits digits and point off the front.
fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number times a factor, exactly; digits below one are refused.
fn scaled(number: &str, factor: u64) -> Result<u128, String> {
    let digits = number.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let malformed = || format!("`{number}` is not a number");
    let too_large = || format!("`{number}` is too large");
    if fraction.contains('.') || whole.is_empty() || digits.ends_with('.') {
        return Err(malformed());
    }
    let mut value = u128::from(whole.parse::<u64>().map_err(|_| too_large())?) * u128::from(factor);
    let mut unit = u128::from(factor);
    for digit in fraction.trim_end_matches('0').bytes() {
        if !unit.is_multiple_of(10) {
            return Err(format!("`{number}` is too fine for its unit"));
        }
        unit /= 10;
        value += u128::from(digit - b'0') * unit;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, nanos) in [
            ("30s", 30_000_000_000),
            ("250ms", 250_000_000),
            ("2m", 120_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h 2m", 3_720_000_000_000),
            ("2.5ms", 2_500_000),
            ("20us", 20_000),
            ("20µs", 20_000),
            ("1ns", 1),
            ("0s", 0),
            ("1_000ms", 1_000_000_000),
            ("5 min", 300_000_000_000),
            ("30 seconds", 30_000_000_000),
            ("2 days 3h", 183_600_000_000_000),
            ("1w", 604_800_000_000_000),
            ("20 \u{3bc}s", 20_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn bad_durations_say_why() {
        for (text, why) in [
            ("", "a duration is a number with a unit"),
            ("30", "`30` has no unit"),
            ("s", "`s` does not begin with a number"),
            ("30 fortnights", "`fortnights` is no unit of time"),
            ("30M", "`M` is no unit of time"),
            ("5 ", "`5` has no unit"),
            ("-3s", "a duration cannot be negative"),
            ("1.5ns", "`1.5` is too fine for its unit"),
            ("1.2.3s", "`1.2.3` is not a number"),
            (".5s", "`.5` is not a number"),
            ("99999999999999999999s", "`99999999999999999999` is too large"),
            ("9999999999h", "it is longer than 584 years"),
        ] {
            assert_eq!(duration(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_exactly() {
        for (text, size) in [
            ("512", Ok(512)),
            ("1MiB", Ok(1_048_576)),
            ("64 KiB", Ok(65_536)),
            ("1.5kB", Ok(1_500)),
            ("125MB/s", Ok(125_000_000)),
            ("1Gbit/s", Ok(125_000_000)),
            ("1.0001kB", Err("`1.0001` is too fine for its unit")),
            ("-1MB", Err("a size cannot be negative")),
            ("MB", Err("`MB` does not begin with a number")),
            ("1MBit", Err("`MBit` is no unit of size")),
        ] {
            assert_eq!(bytes(text), size.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn every_example_is_read() {
        for (example, _) in EXAMPLES {
            assert!(duration(example).is_ok() || bytes(example).is_ok(), "{example}");
        }
        let names = TIME_UNITS.iter().map(|(name, _)| *name);
        assert_eq!(TIMES, format!("units: {}", names.collect::<Vec<_>>().join(", ")));
    }

    #[test]
    fn counts_have_commas() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(show_count(count), text);
        }
        for (count, text) in [(0, "0"), (7, "7"), (99, "99"), (1_234_567, "1,200,000")] {
            assert_eq!(show_rounded(count), text);
        }
        assert!(show_rounded(u64::MAX).starts_with("18,000,"));
    }

    proptest! {
        #[test]
        fn shown_durations_read_back(nanos in any::<u64>()) {
            let before = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&show_duration(before)), Ok(before));
        }

        #[test]
        fn no_text_breaks_the_readers(text in ".{0,20}") {
            let _ = (duration(&text), bytes(&text), nanoseconds(&text));
        }
    }
}
