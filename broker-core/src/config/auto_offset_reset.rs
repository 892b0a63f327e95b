//! Kafka's `auto.offset.reset`, in its words.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a consumer without a valid position begins. Kafka's default is [`AutoOffsetReset::Latest`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AutoOffsetReset {
    /// At the first record.
    Earliest,
    /// At the next record to come.
    Latest,
    /// Nowhere: an error goes to the application.
    None,
    /// At the first record that is no older than this (KIP-1106), `by_duration:PT1H`; without one, at the next to come.
    ByDuration(Duration),
}

/// This is no value of `auto.offset.reset`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is none of `earliest`, `latest`, `none`, `by_duration:PT1H`")]
pub struct UnknownReset(String);

impl FromStr for AutoOffsetReset {
    type Err = UnknownReset;

    fn from_str(text: &str) -> Result<AutoOffsetReset, UnknownReset> {
        let found = match text {
            "earliest" => Some(AutoOffsetReset::Earliest),
            "latest" => Some(AutoOffsetReset::Latest),
            "none" => Some(AutoOffsetReset::None),
            _ => {
                let duration = text.strip_prefix("by_duration:").and_then(iso_duration);
                duration.map(AutoOffsetReset::ByDuration)
            }
        };
        found.ok_or_else(|| UnknownReset(text.to_owned()))
    }
}

impl fmt::Display for AutoOffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutoOffsetReset::Earliest => f.write_str("earliest"),
            AutoOffsetReset::Latest => f.write_str("latest"),
            AutoOffsetReset::None => f.write_str("none"),
            AutoOffsetReset::ByDuration(ago) if ago.subsec_millis() == 0 => {
                write!(f, "by_duration:PT{}S", ago.as_secs())
            }
            AutoOffsetReset::ByDuration(ago) => {
                write!(f, "by_duration:PT{}.{:03}S", ago.as_secs(), ago.subsec_millis())
            }
        }
    }
}

impl From<AutoOffsetReset> for String {
    fn from(reset: AutoOffsetReset) -> String {
        reset.to_string()
    }
}

impl TryFrom<String> for AutoOffsetReset {
    type Error = UnknownReset;

    fn try_from(text: String) -> Result<AutoOffsetReset, UnknownReset> {
        text.parse()
    }
}

/// Reads what Java's `Duration.parse` reads of times that are not negative: `P1DT2H3M4.5S`, each part at most once, in
/// milliseconds.
fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    let mut millis: u64 = 0;
    let mut rest = days;
    take_part(&mut rest, 'D', 86_400_000, &mut millis)?;
    if !rest.is_empty() {
        return None;
    }
    rest = time;
    for (unit, factor) in [('H', 3_600_000), ('M', 60_000)] {
        take_part(&mut rest, unit, factor, &mut millis)?;
    }
    if let Some(seconds) = rest.strip_suffix('S') {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let thousandths: u64 = alloc::format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        millis = millis
            .checked_add(whole.checked_mul(1_000)?)?
            .checked_add(thousandths)?;
    } else if !rest.is_empty() {
        return None;
    }
    (!days.is_empty() || !time.is_empty()).then(|| Duration::from_millis(millis))
}

/// Takes a number with this unit off the front of `rest`, if there is one.
fn take_part(rest: &mut &str, unit: char, factor: u64, millis: &mut u64) -> Option<()> {
    if let Some((number, behind)) = rest.split_once(unit) {
        let number: u64 = number.parse().ok()?;
        *millis = millis.checked_add(number.checked_mul(factor)?)?;
        *rest = behind;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_setting() {
        let ms = |ms| Some(AutoOffsetReset::ByDuration(Duration::from_millis(ms)));
        for (text, expected) in [
            ("earliest", Some(AutoOffsetReset::Earliest)),
            ("latest", Some(AutoOffsetReset::Latest)),
            ("none", Some(AutoOffsetReset::None)),
            ("by_duration:PT1H", ms(3_600_000)),
            ("by_duration:P1D", ms(86_400_000)),
            ("by_duration:P1DT2H3M4.5S", ms(93_784_500)),
            ("by_duration:PT0S", ms(0)),
            ("by_duration:PT0.25S", ms(250)),
            ("by_duration", None),
            ("by_duration:", None),
            ("by_duration:P", None),
            ("by_duration:PT", None),
            ("by_duration:P1DT", None),
            ("by_duration:1h", None),
            ("by_duration:PT1M1H", None),
            ("by_duration:PT-1H", None),
            ("by_duration:PT99999999999999999999S", None),
            ("Latest", None),
            ("", None),
        ] {
            let read = text.parse::<AutoOffsetReset>().ok();
            assert_eq!(read, expected, "{text}");
            if let Some(reset) = read {
                assert_eq!(reset.to_string().parse(), Ok(reset), "{text} is read back");
            }
        }
    }
}
