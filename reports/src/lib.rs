//! The run record of a trial, and everything that draws it.

pub mod record;
