//! A moment of a trial, as it is typed: a step, or a time.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crate::units::{duration, show_count, show_duration};

/// A moment of a trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The number of a delivered event.
    Step(u64),
    /// Simulated time since the beginning.
    Time(Duration),
}

/// A text is no moment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a moment is a step (`5000`) or a simulated time with its unit (`12s`, `500ms`, `2m`)")]
pub struct NotAMoment;

impl Moment {
    /// Whether what happened in this step, so many seconds after the beginning, was not before.
    #[must_use]
    pub fn is_by(self, step: u64, seconds: f64) -> bool {
        match self {
            Moment::Step(from) => from <= step,
            Moment::Time(from) => from.as_secs_f64() <= seconds,
        }
    }

    /// Whether it was not after.
    #[must_use]
    pub fn is_from(self, step: u64, seconds: f64) -> bool {
        match self {
            Moment::Step(to) => step <= to,
            Moment::Time(to) => seconds <= to.as_secs_f64(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Step(step) => write!(f, "step {}", show_count(*step)),
            Moment::Time(time) => f.write_str(&show_duration(*time)),
        }
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Moment, NotAMoment> {
        match text.parse() {
            Ok(step) => Ok(Moment::Step(step)),
            Err(_) => duration(text).map(Moment::Time).map_err(|_| NotAMoment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_step_or_a_time() {
        let moment = |text: &str| text.parse::<Moment>();
        assert_eq!(moment("5000"), Ok(Moment::Step(5_000)));
        assert_eq!(moment("12s"), Ok(Moment::Time(Duration::from_secs(12))));
        assert_eq!(moment("500ms"), Ok(Moment::Time(Duration::from_millis(500))));
        assert_eq!(moment("noon"), Err(NotAMoment));
        let (step, time) = (Moment::Step(7), Moment::Time(Duration::from_secs(2)));
        assert!(step.is_by(7, 0.0) && step.is_from(7, 9.0) && !step.is_by(6, 9.0) && !step.is_from(8, 0.0));
        assert!(time.is_by(0, 2.0) && time.is_from(9, 2.0) && !time.is_by(9, 1.9) && !time.is_from(0, 2.1));
    }
}
