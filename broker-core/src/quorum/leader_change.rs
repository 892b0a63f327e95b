//! The first entry of every epoch: a control batch that names the leader (Kafka's `LeaderChangeMessage`).

use bytes::Bytes;

use crate::protocol::{BatchBuilder, RecordBatch};
use crate::types::{NodeId, Timestamp};

/// Version 0, type 2: the key of a leader change among Kafka's control records.
const LEADER_CHANGE_KEY: [u8; 4] = [0, 0, 0, 2];
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const CONTROL_BIT: u8 = 0x20;

/// A control batch with one record. It gives the epoch an entry of its own: only with one committed may
/// entries of earlier epochs count as committed (Raft, section 5.4.2).
pub(super) fn leader_change(leader: NodeId, timestamp: Timestamp) -> RecordBatch {
    let mut builder = BatchBuilder::new();
    builder.push(timestamp, Some(&LEADER_CHANGE_KEY), Some(&leader.0.to_be_bytes()), &[]);
    let mut bytes = builder.build().bytes().to_vec();
    bytes[ATTRIBUTES_AT + 1] |= CONTROL_BIT;
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    RecordBatch::parse(&Bytes::from(bytes)).expect("a batch with its CRC renewed is intact")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_intact_control_batch() {
        let batch = leader_change(NodeId(3), Timestamp(5));
        assert!(batch.is_control());
        assert_eq!(batch.count(), 1);
        let record = batch.records().next().expect("one record").expect("well-formed");
        assert_eq!(record.value.as_deref(), Some(&[0, 0, 0, 3][..]));
        assert_eq!(RecordBatch::parse(batch.bytes()), Ok(batch));
    }
}
