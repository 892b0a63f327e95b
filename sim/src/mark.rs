//! What the trial writes into a record to follow it: a uid, and whether the record is only a probe.
//!
//! A value begins with the record's uid, eight bytes, big-endian. What does not fit there stands in headers before those
//! of the sender:
//!
//! | header | value |
//! |---|---|
//! | `trial.uid` | the uid of a tombstone, which has no value to begin with it, 8 bytes |
//! | `trial.probe` | the uid once more; present on the records with which senders close a trial |
//!
//! Programs see neither these headers nor any record that is a probe.

use broker_core::protocol::Header;
use bytes::Bytes;

use crate::history::Uid;

const UID: &[u8] = b"trial.uid";
const PROBE: &[u8] = b"trial.probe";

/// The header of a tombstone.
pub(crate) fn of_tombstone(uid: Uid) -> Header {
    header(UID, uid)
}

/// The header of a probe.
pub(crate) fn of_probe(uid: Uid) -> Header {
    header(PROBE, uid)
}

fn header(key: &'static [u8], uid: Uid) -> Header {
    Header {
        key: Bytes::from_static(key),
        value: Some(Bytes::copy_from_slice(&uid.0.to_be_bytes())),
    }
}

/// Whether a header of this name is the trial's.
pub(crate) fn is_reserved(key: &[u8]) -> bool {
    key == UID || key == PROBE
}

/// The headers that the record's sender gave it.
#[must_use]
pub fn without_marks(headers: &[Header]) -> &[Header] {
    let marks = headers.iter().take_while(|header| is_reserved(&header.key)).count();
    &headers[marks..]
}

/// Whether the record is one of those that close a trial.
#[must_use]
pub fn is_probe(headers: &[Header]) -> bool {
    headers.first().is_some_and(|header| header.key == PROBE)
}

/// The uid of a record, if it has one.
#[must_use]
pub fn uid_of(value: Option<&[u8]>, headers: &[Header]) -> Option<Uid> {
    let carrier = match value {
        Some(value) => value,
        None => headers.first().filter(|header| header.key == UID)?.value.as_deref()?,
    };
    let head = carrier.get(..8)?;
    Some(Uid(u64::from_be_bytes(head.try_into().expect("eight bytes"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_read_from_a_value_and_from_a_tombstone() {
        let value = [&7_u64.to_be_bytes()[..], b"payload"].concat();
        let theirs = Header {
            key: Bytes::from_static(b"trace"),
            value: None,
        };
        let headers = [of_tombstone(Uid(7)), theirs.clone()];
        assert_eq!(uid_of(Some(&value), &[]), Some(Uid(7)));
        assert_eq!(uid_of(None, &headers), Some(Uid(7)));
        assert_eq!(uid_of(Some(b"short"), &headers), None, "a value has its own");
        assert_eq!(uid_of(None, core::slice::from_ref(&theirs)), None);
        assert_eq!(without_marks(&headers), [theirs]);
    }

    #[test]
    fn a_probe_is_known_by_its_first_header() {
        assert!(is_probe(&[of_probe(Uid(1))]) && without_marks(&[of_probe(Uid(1))]).is_empty());
        assert!(!is_probe(&[]) && !is_probe(&[of_tombstone(Uid(1))]));
    }
}
