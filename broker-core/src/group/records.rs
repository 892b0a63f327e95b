//! What the offsets topic holds, and its bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol::OffsetAndMetadata;
use crate::types::{GroupId, Timestamp, TopicPartition};

/// One record of the offsets topic. Without a value it is a tombstone: what its key names is gone.
///
/// Every kind of record has its key's fields first and `value: Option<_>` last: that is where its bytes are parted
/// into the key and the value of a log record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum GroupRecord {
    /// The position of a group in a partition.
    OffsetCommit {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
        /// The position, and when it was committed.
        value: Option<(OffsetAndMetadata, Timestamp)>,
    },
}

/// Postcard's byte for `None`.
const NONE: u8 = 0;
/// Postcard's byte for `Some`.
const SOME: u8 = 1;

impl GroupRecord {
    /// The group that it is about.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        match self {
            GroupRecord::OffsetCommit { group, .. } => group,
        }
    }

    /// The record that makes what this one's key names be gone.
    #[must_use]
    pub fn tombstone(&self) -> GroupRecord {
        let mut tombstone = self.clone();
        match &mut tombstone {
            GroupRecord::OffsetCommit { value, .. } => *value = None,
        }
        tombstone
    }

    /// Key and value of the log record; no value for a tombstone.
    #[must_use]
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        let bytes_of = |record: &GroupRecord| -> Bytes {
            let bytes = postcard::to_allocvec(record).expect("a record is always serialisable into memory");
            bytes.into()
        };
        let mut whole = bytes_of(self);
        let mut key = bytes_of(&self.tombstone());
        key.truncate(key.len() - 1);
        let value = whole.split_off(key.len());
        let value = (value[0] == SOME).then(|| value.slice(1..));
        (key, value)
    }

    /// The record of a key and a value.
    ///
    /// # Errors
    /// When they were not written by [`GroupRecord::encode`].
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord, String> {
        let mut whole: Vec<u8> = key.into();
        match value {
            None => whole.push(NONE),
            Some(value) => {
                whole.push(SOME);
                whole.extend_from_slice(value);
            }
        }
        match postcard::take_from_bytes(&whole) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => Err(format!("{} bytes follow a group record", rest.len())),
            Err(error) => Err(format!("malformed group record: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Offset, TopicId};

    #[test]
    fn records_read_back() {
        let position = OffsetAndMetadata {
            metadata: "a word".into(),
            ..OffsetAndMetadata::at(Offset(i64::MAX))
        };
        for record in [GroupRecord::OffsetCommit {
            group: GroupId::from("workers"),
            partition: TopicPartition::new(TopicId(100), 2),
            value: Some((position, Timestamp(1))),
        }] {
            let (key, value) = record.encode();
            let value = value.expect("it has one");
            assert_eq!(GroupRecord::decode(&key, Some(&value)), Ok(record.clone()));
            assert_eq!(GroupRecord::decode(&key, None), Ok(record.tombstone()));
            assert_eq!(record.tombstone().encode(), (key.clone(), None));
            for broken in [&value[..value.len() - 1], &[&value[..], &[0]].concat()] {
                assert!(GroupRecord::decode(&key, Some(broken)).is_err());
            }
            assert!(GroupRecord::decode(&key[..key.len() - 1], None).is_err());
            assert!(GroupRecord::decode(b"garbage", Some(&value)).is_err());
        }
    }
}
