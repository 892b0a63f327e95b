//! What consumers of the classic protocol exchange through the coordinator, which does not look into it:
//! subscriptions and assignments (Kafka `ConsumerProtocolSubscription`, `ConsumerProtocolAssignment`).
//!
//! Both begin with a version (16 bits); numbers are big-endian, arrays have 32-bit lengths, strings 16-bit lengths.

use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::types::{GroupEpoch, PartitionIndex, TopicName};

const SUBSCRIPTION_VERSION: i16 = 3;
const ASSIGNMENT_VERSION: i16 = 0;

/// What a member subscribes to, and what it still owns (version 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// The topics.
    pub topics: Vec<TopicName>,
    /// For the assignor alone.
    pub user_data: Option<Bytes>,
    /// What it owns, by topic (KIP-429).
    pub owned: Vec<(TopicName, Vec<PartitionIndex>)>,
    /// The generation in which it came to own that (KIP-792); [`GroupEpoch::NONE`] for nothing.
    pub generation: GroupEpoch,
}

/// What a member is to own (version 0).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// The partitions, by topic.
    pub partitions: Vec<(TopicName, Vec<PartitionIndex>)>,
}

/// What a member with the eager `sticky` assignor had, which it has given up before it joins: the user data of its
/// subscription (Kafka `StickyAssignorUserData` version 1, without a version of its own).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StickyMemory {
    /// The partitions, by topic.
    pub partitions: Vec<(TopicName, Vec<PartitionIndex>)>,
    /// The generation in which it had them.
    pub generation: GroupEpoch,
}

/// The bytes are no subscription or no assignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed bytes of the consumer protocol")]
pub struct MalformedConsumerProtocol;

impl Subscription {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(SUBSCRIPTION_VERSION);
        out.put_i32(self.topics.len() as i32);
        for topic in &self.topics {
            put_string(&mut out, &topic.0);
        }
        match &self.user_data {
            None => out.put_i32(-1),
            Some(data) => {
                out.put_i32(data.len() as i32);
                out.put_slice(data);
            }
        }
        put_partitions(&mut out, &self.owned);
        out.put_i32(self.generation.0);
        // No rack.
        out.put_i16(-1);
        out.freeze()
    }

    /// From bytes of version 3 or later.
    ///
    /// # Errors
    /// When they are malformed or older.
    pub fn decode(mut bytes: &[u8]) -> Result<Subscription, MalformedConsumerProtocol> {
        let from = &mut bytes;
        if get_i16(from)? < SUBSCRIPTION_VERSION {
            return Err(MalformedConsumerProtocol);
        }
        let mut topics = Vec::new();
        for _ in 0..get_length(from)? {
            topics.push(get_string(from)?);
        }
        let user_data = match get_i32(from)? {
            -1 => None,
            length => Some(Bytes::copy_from_slice(take(from, length)?)),
        };
        Ok(Subscription {
            topics,
            user_data,
            owned: get_partitions(from)?,
            generation: GroupEpoch(get_i32(from)?),
        })
    }
}

impl Assignment {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(ASSIGNMENT_VERSION);
        put_partitions(&mut out, &self.partitions);
        out.put_i32(-1);
        out.freeze()
    }

    /// From bytes; no bytes at all are an empty assignment.
    ///
    /// # Errors
    /// When they are malformed.
    pub fn decode(mut bytes: &[u8]) -> Result<Assignment, MalformedConsumerProtocol> {
        if bytes.is_empty() {
            return Ok(Assignment::default());
        }
        let from = &mut bytes;
        if get_i16(from)? < ASSIGNMENT_VERSION {
            return Err(MalformedConsumerProtocol);
        }
        Ok(Assignment {
            partitions: get_partitions(from)?,
        })
    }
}

impl StickyMemory {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_partitions(&mut out, &self.partitions);
        out.put_i32(self.generation.0);
        out.freeze()
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are malformed.
    pub fn decode(mut bytes: &[u8]) -> Result<StickyMemory, MalformedConsumerProtocol> {
        let from = &mut bytes;
        Ok(StickyMemory {
            partitions: get_partitions(from)?,
            generation: GroupEpoch(get_i32(from)?),
        })
    }
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_partitions(out: &mut BytesMut, partitions: &[(TopicName, Vec<PartitionIndex>)]) {
    out.put_i32(partitions.len() as i32);
    for (topic, indexes) in partitions {
        put_string(out, &topic.0);
        out.put_i32(indexes.len() as i32);
        for index in indexes {
            out.put_i32(index.0);
        }
    }
}

fn take<'a>(from: &mut &'a [u8], length: i32) -> Result<&'a [u8], MalformedConsumerProtocol> {
    let length = usize::try_from(length).map_err(|_| MalformedConsumerProtocol)?;
    let (head, rest) = from.split_at_checked(length).ok_or(MalformedConsumerProtocol)?;
    *from = rest;
    Ok(head)
}

fn get_i16(from: &mut &[u8]) -> Result<i16, MalformedConsumerProtocol> {
    from.try_get_i16().map_err(|_| MalformedConsumerProtocol)
}

fn get_i32(from: &mut &[u8]) -> Result<i32, MalformedConsumerProtocol> {
    from.try_get_i32().map_err(|_| MalformedConsumerProtocol)
}

/// The length of an array. Each entry takes at least two bytes, so that no length asks for more than there is.
fn get_length(from: &mut &[u8]) -> Result<i32, MalformedConsumerProtocol> {
    let length = get_i32(from)?;
    if length < 0 || length as usize > from.len() / 2 {
        return Err(MalformedConsumerProtocol);
    }
    Ok(length)
}

fn get_string(from: &mut &[u8]) -> Result<TopicName, MalformedConsumerProtocol> {
    let length = get_i16(from)?;
    let text = core::str::from_utf8(take(from, length.into())?);
    Ok(TopicName::from(text.map_err(|_| MalformedConsumerProtocol)?))
}

fn get_partitions(from: &mut &[u8]) -> Result<Vec<(TopicName, Vec<PartitionIndex>)>, MalformedConsumerProtocol> {
    let mut partitions = Vec::new();
    for _ in 0..get_length(from)? {
        let topic = get_string(from)?;
        let mut indexes = Vec::new();
        for _ in 0..get_length(from)? {
            indexes.push(PartitionIndex(get_i32(from)?));
        }
        partitions.push((topic, indexes));
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
        (0..text.len()).step_by(2).map(digit).collect()
    }

    /// Bodies that Kafka 4.1.1's own classes wrote, each after its version.
    #[test]
    fn bytes_are_those_of_kafka() {
        let subscription = Subscription {
            topics: [TopicName::from("t")].into(),
            user_data: None,
            owned: [(TopicName::from("t"), [PartitionIndex(0)].into())].into(),
            generation: GroupEpoch(1),
        };
        let expected = hex("000300000001000174ffffffff00000001000174000000010000000000000001ffff");
        assert_eq!(subscription.encode(), expected);
        assert_eq!(Subscription::decode(&expected), Ok(subscription));

        let assignment = Assignment {
            partitions: [(TopicName::from("t"), [PartitionIndex(0), PartitionIndex(1)].into())].into(),
        };
        let expected = hex("000000000001000174000000020000000000000001ffffffff");
        assert_eq!(assignment.encode(), expected);
        assert_eq!(Assignment::decode(&expected), Ok(assignment));
        assert_eq!(Assignment::decode(&[]), Ok(Assignment::default()));
    }

    #[test]
    fn every_cut_is_malformed() {
        let whole = hex("000300000001000174ffffffff00000001000174000000010000000000000001ffff");
        // The rack at the end is not looked at.
        for end in 0..whole.len() - 2 {
            assert_eq!(
                Subscription::decode(&whole[..end]),
                Err(MalformedConsumerProtocol),
                "{end}"
            );
        }
        let huge = hex("00037fffffff0001");
        assert_eq!(Subscription::decode(&huge), Err(MalformedConsumerProtocol));
    }
}
