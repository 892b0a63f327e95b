//! The records that programs send: their uids, their values, and what the history says of them.

use broker_core::client::producer::ProducerRecord;
use bytes::{BufMut, Bytes, BytesMut};

use super::Station;
use crate::history::{SentRecord, Uid, fingerprint};
use crate::mark;
use crate::program::hop;

/// Values are cut from pieces of this size.
const CHUNK: usize = 65_536;

impl Station {
    /// A name that no other record of the trial has.
    pub(crate) fn next_uid(&mut self) -> Uid {
        self.records += 1;
        Uid(self.records)
    }

    /// A value of `size` bytes (at least 8): the uid, big-endian, and then a byte that depends on it, over and over.
    pub(crate) fn value(&mut self, uid: Uid, size: usize) -> Bytes {
        assert!(size >= 8, "a value of {size} bytes has no room for its uid");
        let room = self.room(size);
        room.put_u64(uid.0);
        room.put_bytes((uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8, size - 8);
        room.split().freeze()
    }

    /// A value with this payload behind the uid.
    pub(crate) fn value_of(&mut self, uid: Uid, payload: &[u8]) -> Bytes {
        let room = self.room(8 + payload.len());
        room.put_u64(uid.0);
        room.put_slice(payload);
        room.split().freeze()
    }

    fn room(&mut self, size: usize) -> &mut BytesMut {
        if self.values.capacity() < size {
            self.values = BytesMut::with_capacity(size.max(CHUNK));
        }
        &mut self.values
    }
}

/// A record as the history has it when it is sent.
pub(super) fn sent_record(record: &ProducerRecord) -> SentRecord {
    let value = record.value.as_deref();
    SentRecord {
        uid: mark::uid_of(value, &record.headers).expect("all that is sent carries a uid"),
        topic: record.topic.clone(),
        key: record.key.clone(),
        value: record.value.clone(),
        fingerprint: fingerprint(record.key.as_deref(), value, &record.headers),
        payload: value.map_or(SentRecord::TOMBSTONE, |value| crc32c::crc32c(&value[8..])),
        hop: hop::read(&record.headers).map(Box::new),
        is_probe: mark::is_probe(&record.headers),
    }
}
