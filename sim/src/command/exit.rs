//! What the exit code says.

use std::process::ExitCode;

/// How the command ended. A run with a failed trial never ends with [`Exit::AsExpected`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// 0: every trial came out as its scenario expects.
    AsExpected = 0,
    /// 1: a check was violated, a bound or a measure was not kept, or an anomaly that the scenario expects was found in
    /// none of its trials. From `replay`: the failure was reproduced.
    Violation = 1,
    /// 2: a trial could not be judged, because it reached a limit.
    Inconclusive = 2,
    /// 3: one seed gave two different runs.
    NotDeterministic = 3,
    /// 4: nothing was selected: a folder without scenarios, filters that mean none, an empty range of seeds.
    NothingSelected = 4,
    /// 64: the command line or a scenario file is wrong.
    Usage = 64,
    /// 70: Trial itself failed: a panic inside a trial, a file that could not be written.
    Internal = 70,
}

impl Exit {
    /// All of them, as the help text lists them.
    pub const MEANINGS: &'static str = "\
Exit codes:
   0  all as expected
   1  a violation, a bound or measure that was not kept, or an expected anomaly that was never found
   2  inconclusive: a trial reached a limit
   3  not deterministic: one seed, two different runs
   4  nothing selected
  64  wrong use, or a wrong scenario file
  70  internal error";

    /// The graver of two. What makes the other results doubtful is graver than they are.
    #[must_use]
    pub fn or_worse(self, other: Exit) -> Exit {
        let gravity = |exit: Exit| match exit {
            Exit::AsExpected => 0,
            Exit::NothingSelected => 1,
            Exit::Inconclusive => 2,
            Exit::Violation => 3,
            Exit::NotDeterministic => 4,
            Exit::Usage => 5,
            Exit::Internal => 6,
        };
        if gravity(other) > gravity(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
