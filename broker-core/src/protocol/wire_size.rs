//! About how many bytes messages have on the wire.

use alloc::vec::Vec;

use super::api::{Request, Response};
use crate::protocol::{Acks, RecordBatch};

/// A header with client id and correlation id, and the frame's length.
const ENVELOPE: u64 = 32;
/// A partition entry of a list: topic id, index and a handful of fixed fields.
const ENTRY: u64 = 48;

impl Request {
    /// Whether the sender reads an answer: at `acks=0` it does not.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !matches!(self, Request::Produce(body) if body.acks == Acks::None)
    }

    /// About how many bytes the request has on the wire; exact for the records in it.
    #[must_use]
    pub fn wire_size(&self) -> u64 {
        let entries = match self {
            Request::Produce(body) => {
                return ENVELOPE
                    + body
                        .partitions
                        .iter()
                        .map(|(_, batch)| ENTRY + batch.size())
                        .sum::<u64>();
            }
            Request::Fetch(body) => body.partitions.len() + body.forgotten.len(),
            Request::ListOffsets(body) => body.partitions.len(),
            Request::OffsetForLeaderEpoch(body) => body.partitions.len(),
            Request::AlterPartition(body) => body.partitions.len(),
            Request::CreateTopics(body) => body.topics.len(),
            Request::OffsetCommit(body) => body.partitions.len(),
            Request::OffsetFetch(body) => body.partitions.as_ref().map_or(1, Vec::len),
            Request::JoinGroup(body) => {
                let metadata = body.protocols.iter().map(|(_, metadata)| metadata.len() as u64);
                return ENVELOPE + ENTRY + metadata.sum::<u64>();
            }
            Request::SyncGroup(body) => {
                let assignments = body.assignments.iter().map(|(_, bytes)| ENTRY + bytes.len() as u64);
                return ENVELOPE + ENTRY + assignments.sum::<u64>();
            }
            Request::ConsumerGroupHeartbeat(body) => 1 + body.owned.as_ref().map_or(0, Vec::len),
            _ => 1,
        };
        ENVELOPE + ENTRY * entries as u64
    }
}

impl Response {
    /// About how many bytes the response has on the wire; exact for the records in it.
    #[must_use]
    pub fn wire_size(&self) -> u64 {
        let entries = match self {
            Response::Fetch(body) => {
                let records = body.partitions.iter().flat_map(|partition| &partition.records);
                return ENVELOPE + ENTRY * body.partitions.len() as u64 + records.map(RecordBatch::size).sum::<u64>();
            }
            Response::Produce(body) => body.partitions.len(),
            Response::ListOffsets(body) => body.partitions.len(),
            Response::OffsetForLeaderEpoch(body) => body.partitions.len(),
            Response::AlterPartition(body) => body.partitions.len(),
            Response::CreateTopics(body) => body.topics.len(),
            Response::OffsetCommit(body) => body.partitions.len(),
            Response::OffsetFetch(body) => body.partitions.len(),
            Response::ApiVersions(body) => return ENVELOPE + 6 * body.api_keys.len() as u64,
            Response::JoinGroup(body) => {
                let members = body.members.iter().map(|member| ENTRY + member.metadata.len() as u64);
                return ENVELOPE + ENTRY + members.sum::<u64>();
            }
            Response::SyncGroup(body) => return ENVELOPE + ENTRY + body.assignment.len() as u64,
            Response::ConsumerGroupHeartbeat(body) => 1 + body.assignment.as_ref().map_or(0, Vec::len),
            Response::Metadata(body) => {
                body.brokers.len() + body.topics.iter().map(|t| 1 + t.partitions.len()).sum::<usize>()
            }
            _ => 1,
        };
        ENVELOPE + ENTRY * entries as u64
    }
}
