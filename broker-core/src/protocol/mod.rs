//! What nodes say to each other: requests, responses, error codes and record batches.
//!
//! Messages are Rust values with Kafka's names and fields; record batches are Kafka's bytes. A message
//! knows its [size on the wire](Request::wire_size), so that a host can charge bandwidth for it.

mod api;
mod api_versions;
#[cfg(test)]
pub mod arbitrary;
pub mod consumer_protocol;
pub mod error;
mod error_response;
pub mod groups;
pub mod messages;
pub mod murmur2;
pub mod record_batch;
mod varint;
mod wire_size;

pub use api::{ApiKey, Request, Response};
pub use api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
pub use error::ErrorCode;
pub use groups::*;
pub use messages::*;
pub use record_batch::{BatchBuilder, Compacted, CorruptBatch, Header, Record, RecordBatch, RecordView};
