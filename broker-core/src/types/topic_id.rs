//! The id of a topic, a number of 128 bits.

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Names a topic for its whole life; a topic that is deleted and created again gets another id (KIP-516). `Display` gives
/// the 22 characters of base64 that Kafka prints, `FromStr` reads them back.
///
/// Packed, so that a partition's id takes 20 bytes and not 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u128", into = "u128")]
#[repr(C, packed(4))]
pub struct TopicId(pub u128);

impl From<u128> for TopicId {
    fn from(bits: u128) -> TopicId {
        TopicId(bits)
    }
}

impl From<TopicId> for u128 {
    fn from(id: TopicId) -> u128 {
        id.0
    }
}

/// The length of an id as text.
const TEXT: usize = 22;

impl TopicId {
    /// No topic (Kafka `Uuid.ZERO_UUID`).
    pub const ZERO: TopicId = TopicId(0);
    /// The metadata log (Kafka `Uuid.METADATA_TOPIC_ID`).
    pub const CLUSTER_METADATA: TopicId = TopicId(1);

    /// A new id: a random UUID of version 4 whose text does not begin with a dash, as command lines want it (Kafka
    /// `Uuid.randomUuid`). None of the reserved ids is one.
    #[must_use]
    pub fn random(rng: &mut Random) -> TopicId {
        loop {
            let most = rng.next_u64() & !0xf000 | 0x4000;
            let least = rng.next_u64() & !(0b11 << 62) | 0b10 << 62;
            let id = TopicId(u128::from(most) << 64 | u128::from(least));
            if id.text()[0] != b'-' {
                return id;
            }
        }
    }

    fn text(self) -> [u8; TEXT] {
        let mut text = [0; TEXT];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0.to_be_bytes(), &mut text);
        assert_eq!(written, Ok(TEXT), "16 bytes are 22 characters");
        text
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not one that [`TopicId`] writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the id of a topic")]
pub struct NoTopicId;

impl FromStr for TopicId {
    type Err = NoTopicId;

    fn from_str(text: &str) -> Result<TopicId, NoTopicId> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(TopicId(u128::from_be_bytes(bytes))),
            _ => Err(NoTopicId),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString as _;

    use super::*;
    use crate::types::TopicPartition;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        for (id, text) in [
            (TopicId::ZERO, "AAAAAAAAAAAAAAAAAAAAAA"),
            (TopicId::CLUSTER_METADATA, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (TopicId(u128::MAX), "_____________________w"),
            (TopicId(0xf8 << 120), "-AAAAAAAAAAAAAAAAAAAAA"),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "+AAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(text.parse::<TopicId>(), Err(NoTopicId), "{text}");
        }
    }

    #[test]
    fn random_ids_are_legal_and_differ() {
        let mut rng = Random::new(1, "ids");
        let ids: BTreeSet<TopicId> = (0..1_000).map(|_| TopicId::random(&mut rng)).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            let (text, bits) = (id.to_string(), id.0);
            assert!(!text.starts_with('-'), "{text}");
            assert_eq!((bits >> 76 & 0xf, bits >> 62 & 0b11), (4, 0b10), "a UUID of version 4");
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn a_partition_is_small() {
        assert_eq!(size_of::<TopicPartition>(), 20);
    }
}
