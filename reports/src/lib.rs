//! The run record of a trial, and everything that draws it.
//!
//! A trial leaves one [`record::RunRecord`] behind: versioned JSON that holds all a report needs, so that a stored
//! run can be drawn again without being run again. Everything else here is a pure function of records.
//!
//! | module | what it makes |
//! | --- | --- |
//! | [`record`] | the schema, its checks, and the file `record.json` |
//! | [`numbers`] | numbers as people read them |
//! | `plot` | throughput, lag and groups over time, as SVG and PNG (feature `plots`) |
//! | [`run`] | a whole run for pages of CI systems: Markdown, annotations, JUnit XML (feature `junit`) |
//! | [`summary`] | the table that the command prints after a run |
//! | [`verdict`] | the word for how a trial came out |
//! | [`whole`] | files that are there whole or not at all |
//!
//! Nothing here reads a clock, the environment or a system font: equal records give equal bytes on every machine.
//! The crate knows neither the simulator nor the broker; `sim` fills the record in.
#![forbid(unsafe_code)]

pub mod numbers;
#[cfg(feature = "plots")]
pub mod plot;
pub mod record;
pub mod run;
pub mod summary;
pub mod verdict;
pub mod whole;
