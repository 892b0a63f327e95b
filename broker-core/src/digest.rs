//! A fast 64-bit hash that is the same on every machine, for digests of images and of traces.
//!
//! `core::hash` hands integers over by value, and this hasher takes each at a fixed width: a derived
//! `Hash` of structs, enums and newtypes gives one digest everywhere. A slice of primitive integers
//! (`[u32]`) is the exception, since `core` hands over its memory: hash such elements one by one.

use core::hash::{Hash, Hasher};

/// Mixes words of 64 bits one after the other. Each step is a bijection of the state, so that two
/// streams that differ in one word only can never meet.
#[derive(Clone, Copy, Debug)]
pub struct DigestHasher(u64);

/// 2^64 divided by the golden ratio, odd.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x243f_6a88_85a3_08d3;

impl DigestHasher {
    /// The hash of nothing yet.
    #[must_use]
    pub fn new() -> DigestHasher {
        DigestHasher(SEED)
    }

    fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 32);
    }
}

impl Default for DigestHasher {
    fn default() -> Self {
        DigestHasher::new()
    }
}

impl Hasher for DigestHasher {
    /// Little-endian words of 8 bytes; in the last one, the length of a rest fills the highest byte. (Slices and
    /// strings state their own length or end, as `core::hash` asks of them.)
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            last[7] = rest.len() as u8;
            self.word(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn write_u128(&mut self, value: u128) {
        self.word(value as u64);
        self.word((value >> 64) as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    /// Discriminants of enums come here: extended by their sign, so that 32-bit machines agree.
    fn write_isize(&mut self, value: isize) {
        self.word(value as i64 as u64);
    }

    /// The state once more stirred, since its last word has only passed one multiplication.
    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

/// The digest of one value.
#[must_use]
pub fn digest_of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DigestHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;
    use crate::types::{NodeId, Offset, TopicName};

    #[test]
    fn digests_are_the_same_for_good() {
        // These numbers are part of every recorded run: a change of the hasher invalidates recorded digests.
        for (name, digest, expected) in [
            ("nothing", DigestHasher::new().finish(), 0xe9e0_033e_3bad_af36),
            ("offset", digest_of(&Offset(7)), 0x9276_596d_e0e6_9955),
            ("name", digest_of(&TopicName::from("orders")), 0xe5a4_21f7_7ab7_b191),
            ("nodes", digest_of(&[NodeId(1), NodeId(2)][..]), 0x6e65_618d_c6f1_6a45),
        ] {
            assert_eq!(digest, expected, "{name}: {digest:#018x}");
        }
    }

    #[test]
    fn widths_do_not_show() {
        let wide = {
            let mut hasher = DigestHasher::new();
            hasher.write_u64(5);
            hasher.write_u64(u64::MAX);
            hasher.finish()
        };
        let native = {
            let mut hasher = DigestHasher::new();
            hasher.write_usize(5);
            hasher.write_isize(-1);
            hasher.finish()
        };
        assert_eq!(wide, native);
    }

    #[test]
    fn every_byte_and_every_length_counts() {
        let base = [0u8; 24];
        let mut digests = BTreeSet::new();
        for length in 0..=base.len() {
            assert!(digests.insert(digest_of(&base[..length])), "{length} zeros");
        }
        for position in 0..base.len() {
            for bit in 0..8 {
                let mut flipped: Vec<u8> = base.to_vec();
                flipped[position] ^= 1 << bit;
                assert!(digests.insert(digest_of(&flipped[..])), "bit {bit} of byte {position}");
            }
        }
    }
}
