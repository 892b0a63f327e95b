//! Many trials: what is common to the sweeps of the command and to those of a user's own code.
//!
//! [`pool`] gives trials to threads and their results back in order, [`panics`] makes an outcome of a panic, [`judge`]
//! and [`tally`] fold outcomes into counters, [`keep`] writes the files of a trial.

mod judge;
pub(crate) mod keep;
pub(crate) mod panics;
pub(crate) mod pool;
pub(crate) mod tally;

pub use judge::{Came, Panic, Ruled, judge};
