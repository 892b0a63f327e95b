//! The first entry of every epoch: a control batch that names the leader (Kafka's `LeaderChangeMessage`).

use crate::protocol::{BatchBuilder, RecordBatch};
use crate::types::{NodeId, Timestamp};

/// Version 0, type 2: the key of a leader change among Kafka's control records.
const LEADER_CHANGE_KEY: [u8; 4] = [0, 0, 0, 2];

/// A control batch with one record. It gives the epoch an entry of its own: only with one committed may
/// entries of earlier epochs count as committed (Raft, section 5.4.2).
pub(super) fn leader_change(leader: NodeId, timestamp: Timestamp) -> RecordBatch {
    let mut builder = BatchBuilder::control();
    builder.push(timestamp, Some(&LEADER_CHANGE_KEY), Some(&leader.0.to_be_bytes()), &[]);
    builder.build()
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
