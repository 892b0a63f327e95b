//! A deterministic simulator for distributed systems.
//!
//! ## Features
//!
//! - `rpc`: Enables built-in RPC framework.
//! - `macros`: Enables `#[madsim::main]` and `#[madsim::test]` macros.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "rpc", feature = "macros"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "rpc", feature = "macros"))))]
pub use madsim_macros::{service, Request};

// Changed by Trial: upstream has the simulator under `--cfg madsim`, and the real tokio without.
mod sim;
pub use sim::*;

// Includes re-exports used by macros.
#[doc(hidden)]
pub mod export {
    pub use futures_util as futures;
}
