//! Many trials: what is common to the sweeps of the command and to those of a user's own code.
//!
//! [`pool`] gives trials to threads and their results back in order, [`judge`] and [`tally`] fold outcomes into counters, [`failures`] and [`story`] say what came out, [`keep`] writes the files of
//! a trial.

// A library without the command uses a part of it.
#![cfg_attr(not(feature = "command"), allow(dead_code))]

pub(crate) mod failures;
mod judge;
pub(crate) mod keep;
pub(crate) mod pool;
pub(crate) mod seed;
pub(crate) mod story;
pub(crate) mod tally;
pub(crate) mod untested;

pub use judge::{Came, Ruled, judge};
