//! Zig-zag variable-length numbers, as Kafka's records use them (`ByteUtils.java`; Protocol Buffers' `sint32`, `sint64`).
//!
//! A varint has at most 5 bytes and a varlong at most 10; a longer one is refused.

use alloc::vec::Vec;

/// Appends `value` as a varint. The bytes are those of the same number as a varlong.
pub(super) fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_varlong(out, i64::from(value));
}

/// Appends `value` as a varlong.
pub(super) fn write_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes `value` takes, as a varint or a varlong.
pub(super) fn size_of(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads through bytes from the front; `None` once they do not hold what is asked.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    /// The position of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A varint.
    pub(super) fn varint(&mut self) -> Option<i32> {
        // As in Java, bits of the fifth byte that do not fit fall off.
        let raw = self.unsigned(5)? as u32;
        Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A varlong.
    pub(super) fn varlong(&mut self) -> Option<i64> {
        let raw = self.unsigned(10)?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Steps over `count` bytes and returns the position of the first.
    pub(super) fn skip(&mut self, count: usize) -> Option<usize> {
        if count > self.left() {
            return None;
        }
        let from = self.at;
        self.at += count;
        Some(from)
    }

    fn unsigned(&mut self, most: u32) -> Option<u64> {
        let mut value = 0;
        for index in 0..most {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// The pairs of kafka-python's and aiokafka's suites.
    #[test]
    fn known_numbers() {
        for (value, bytes) in [
            (0, "00"),
            (-1, "01"),
            (1, "02"),
            (63, "7e"),
            (-64, "7f"),
            (64, "8001"),
            (-65, "8101"),
            (8191, "fe7f"),
            (-8192, "ff7f"),
            (8192, "808001"),
            (-8193, "818001"),
            (1048575, "feff7f"),
            (-1048576, "ffff7f"),
            (1048576, "80808001"),
            (-1048577, "81808001"),
            (134217727, "feffff7f"),
            (-134217728, "ffffff7f"),
            (134217728, "8080808001"),
            (-134217729, "8180808001"),
            (17179869183, "feffffff7f"),
            (-17179869184, "ffffffff7f"),
            (17179869184, "808080808001"),
            (-17179869185, "818080808001"),
            (2199023255551, "feffffffff7f"),
            (-2199023255552, "ffffffffff7f"),
            (2199023255552, "80808080808001"),
            (-2199023255553, "81808080808001"),
            (281474976710655, "feffffffffff7f"),
            (-281474976710656, "ffffffffffff7f"),
            (281474976710656, "8080808080808001"),
            (-281474976710657, "8180808080808001"),
            (36028797018963967, "feffffffffffff7f"),
            (-36028797018963968, "ffffffffffffff7f"),
            (36028797018963968, "808080808080808001"),
            (-36028797018963969, "818080808080808001"),
            (4611686018427387903, "feffffffffffffff7f"),
            (-4611686018427387904, "ffffffffffffffff7f"),
            (4611686018427387904, "80808080808080808001"),
            (-4611686018427387905, "81808080808080808001"),
            (i64::MAX, "feffffffffffffffff01"),
            (i64::MIN, "ffffffffffffffffff01"),
        ] {
            let bytes = hex(bytes);
            let mut written = Vec::new();
            write_varlong(&mut written, value);
            assert_eq!(written, bytes, "{value}");
            assert_eq!(size_of(value), bytes.len(), "{value}");
            assert_eq!(Reader::new(&bytes, 0).varlong(), Some(value));
            if let Ok(value) = i32::try_from(value) {
                assert_eq!(Reader::new(&bytes, 0).varint(), Some(value));
            }
        }
    }

    #[test]
    fn too_long_or_cut_short_is_refused() {
        for (bytes, varint, varlong) in [
            ("", None, None),
            ("80", None, None),
            ("80808080", None, None),
            ("ffffffff0f", Some(i32::MIN), Some(-2147483648)),
            ("808080808001", None, Some(17179869184)),
            ("80808080808080808080", None, None),
            ("8080808080808080808001", None, None),
        ] {
            let bytes = hex(bytes);
            assert_eq!(Reader::new(&bytes, 0).varint(), varint, "{bytes:02x?}");
            assert_eq!(Reader::new(&bytes, 0).varlong(), varlong, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_read_back(value: i64, small: i32) {
            let mut bytes = Vec::new();
            write_varlong(&mut bytes, value);
            write_varint(&mut bytes, small);
            prop_assert_eq!(bytes.len(), size_of(value) + size_of(i64::from(small)));
            let mut reader = Reader::new(&bytes, 0);
            prop_assert_eq!(reader.varlong(), Some(value));
            prop_assert_eq!(reader.varint(), Some(small));
            prop_assert_eq!(reader.left(), 0);
        }
    }
}
