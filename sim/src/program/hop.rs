//! Where the record of a retry or dead-letter topic comes from, in its headers.
//!
//! | header | value |
//! |---|---|
//! | `trial.origin` | the uid of the first record, 8 bytes |
//! | `trial.from` | topic id (8 bytes), partition (4) and offset (8) of the record that it is a copy of |
//! | `trial.attempts` | how many attempts were made before the copy, 4 bytes |
//! | `trial.not-before` | nanoseconds since the trial began before which nobody may try again, 8 bytes; absent if at once |
//! | `trial.dead-letter` | empty; present on a dead letter |
//!
//! All numbers are big-endian.

use broker_core::protocol::Header;
use broker_core::types::{Offset, TopicId, TopicPartition};
use bytes::{BufMut, Bytes, BytesMut};

use crate::history::{Hop, SimTime, Uid};

const ORIGIN: &[u8] = b"trial.origin";
const FROM: &[u8] = b"trial.from";
const ATTEMPTS: &[u8] = b"trial.attempts";
const NOT_BEFORE: &[u8] = b"trial.not-before";
const DEAD_LETTER: &[u8] = b"trial.dead-letter";

/// The headers that describe `hop`.
#[must_use]
pub fn headers(hop: &Hop) -> Vec<Header> {
    let mut from = BytesMut::with_capacity(28);
    from.put_u128(hop.from.0.topic.0);
    from.put_i32(hop.from.0.partition.0);
    from.put_i64(hop.from.1.0);
    let mut headers = vec![
        header(ORIGIN, Bytes::copy_from_slice(&hop.origin.0.to_be_bytes())),
        header(FROM, from.freeze()),
        header(ATTEMPTS, Bytes::copy_from_slice(&hop.attempts.to_be_bytes())),
    ];
    if let Some(time) = hop.not_before {
        headers.push(header(NOT_BEFORE, Bytes::copy_from_slice(&time.0.to_be_bytes())));
    }
    if hop.dead_letter {
        headers.push(header(DEAD_LETTER, Bytes::new()));
    }
    headers
}

/// The hop that the headers describe; `None` if the record is no copy.
#[must_use]
pub fn read(headers: &[Header]) -> Option<Hop> {
    if headers.is_empty() {
        return None;
    }
    let value = |key: &[u8]| {
        let header = headers.iter().find(|header| header.key == key)?;
        header.value.clone()
    };
    let number = |key: &[u8]| Some(u64::from_be_bytes(value(key)?[..].try_into().ok()?));
    let from = value(FROM)?;
    let (topic, rest) = from.split_at_checked(16)?;
    let (partition, offset) = rest.split_at_checked(4)?;
    let topic = TopicId(u128::from_be_bytes(topic.try_into().ok()?));
    let partition = i32::from_be_bytes(partition.try_into().ok()?);
    Some(Hop {
        origin: Uid(number(ORIGIN)?),
        from: (
            TopicPartition::new(topic, partition),
            Offset(i64::from_be_bytes(offset.try_into().ok()?)),
        ),
        attempts: u32::from_be_bytes(value(ATTEMPTS)?[..].try_into().ok()?),
        not_before: number(NOT_BEFORE).map(SimTime),
        dead_letter: value(DEAD_LETTER).is_some(),
    })
}

/// The headers that do not describe a hop.
pub(super) fn without_hop(headers: &[Header]) -> impl Iterator<Item = &Header> {
    let of_hop = [ORIGIN, FROM, ATTEMPTS, NOT_BEFORE, DEAD_LETTER];
    headers.iter().filter(move |header| !of_hop.contains(&&*header.key))
}

fn header(key: &'static [u8], value: Bytes) -> Header {
    Header {
        key: Bytes::from_static(key),
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop() -> Hop {
        Hop {
            origin: Uid(7),
            from: (TopicPartition::new(TopicId(100), 3), Offset(1 << 40)),
            attempts: 2,
            not_before: Some(SimTime(5_000_000_000)),
            dead_letter: false,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let dead = Hop {
            not_before: None,
            dead_letter: true,
            ..hop()
        };
        for hop in [hop(), dead] {
            assert_eq!(read(&headers(&hop)), Some(hop));
        }
    }

    #[test]
    fn headers_of_others_are_no_hop() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[header(b"trace-id", Bytes::from_static(b"12345678"))]), None);
        for missing in 0..3 {
            let mut headers = headers(&hop());
            headers.remove(missing);
            assert_eq!(read(&headers), None, "without header {missing}");
        }
        for short in 0..3 {
            let mut headers = headers(&hop());
            headers[short].value = Some(Bytes::from_static(b"x"));
            assert_eq!(read(&headers), None, "a short header {short}");
        }
    }
}
