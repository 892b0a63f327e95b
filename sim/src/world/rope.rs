//! The content of a file as shared pieces of bytes: a write copies nothing.

use bytes::{Bytes, BytesMut};

/// Bytes in pieces, without gaps.
#[derive(Clone, Default)]
pub(super) struct Rope {
    /// Where each piece begins, and its bytes; none is empty.
    pieces: Vec<(u64, Bytes)>,
    len: u64,
}

impl Rope {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Puts `bytes` at `at`, over what is there; a gap before it is filled with zeros.
    pub(super) fn write(&mut self, at: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if at > self.len {
            let gap = (at - self.len) as usize;
            self.append(BytesMut::zeroed(gap).freeze());
        }
        let end = at + bytes.len() as u64;
        let behind = if end < self.len {
            self.pieces_from(end)
        } else {
            Vec::new()
        };
        self.truncate(at);
        self.append(bytes);
        for piece in behind {
            self.append(piece);
        }
    }

    /// Cuts everything from `len` on.
    pub(super) fn truncate(&mut self, len: u64) {
        if len >= self.len {
            return;
        }
        let keep = self.pieces.partition_point(|(start, _)| *start < len);
        self.pieces.truncate(keep);
        if let Some((start, bytes)) = self.pieces.last_mut() {
            bytes.truncate((len - *start) as usize);
        }
        self.len = len;
    }

    /// At most `len` bytes from `at`; shared if they lie in one piece.
    pub(super) fn read(&self, at: u64, len: u64) -> Bytes {
        let end = at.saturating_add(len).min(self.len);
        if at >= end {
            return Bytes::new();
        }
        let first = self.pieces.partition_point(|(start, _)| *start <= at) - 1;
        let (start, bytes) = &self.pieces[first];
        if end <= start + bytes.len() as u64 {
            return bytes.slice((at - start) as usize..(end - start) as usize);
        }
        let mut joined = BytesMut::with_capacity((end - at) as usize);
        for (start, bytes) in &self.pieces[first..] {
            if *start >= end {
                break;
            }
            let from = at.saturating_sub(*start) as usize;
            let to = (end - start).min(bytes.len() as u64) as usize;
            joined.extend_from_slice(&bytes[from..to]);
        }
        joined.freeze()
    }

    fn append(&mut self, bytes: Bytes) {
        let start = self.len;
        self.len += bytes.len() as u64;
        self.pieces.push((start, bytes));
    }

    fn pieces_from(&self, at: u64) -> Vec<Bytes> {
        let first = self.pieces.partition_point(|(start, _)| *start <= at) - 1;
        let pieces = self.pieces[first..].iter();
        pieces
            .map(|(start, bytes)| bytes.slice(at.saturating_sub(*start) as usize..))
            .filter(|bytes| !bytes.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rope_is_a_vector_of_bytes(script in prop::collection::vec((any::<bool>(), 0u64..40, 0usize..20), 1..40)) {
            let mut rope = Rope::default();
            let mut model: Vec<u8> = Vec::new();
            for (step, (write, at, len)) in script.into_iter().enumerate() {
                if write {
                    let end = at as usize + len;
                    if len > 0 && model.len() < end {
                        model.resize(end, 0);
                    }
                    if len > 0 {
                        model[at as usize..end].fill(step as u8 + 1);
                    }
                    rope.write(at, vec![step as u8 + 1; len].into());
                } else {
                    model.truncate(at as usize);
                    rope.truncate(at);
                }
                prop_assert_eq!(rope.len(), model.len() as u64);
                prop_assert_eq!(&rope.read(0, u64::MAX)[..], &model[..]);
                let from = (at as usize).min(model.len());
                let to = (from + len).min(model.len());
                prop_assert_eq!(&rope.read(at, len as u64)[..], &model[from..to]);
            }
        }
    }

    #[test]
    fn one_piece_is_read_without_a_copy() {
        let bytes = Bytes::from(vec![7; 100]);
        let mut rope = Rope::default();
        rope.write(0, bytes.clone());
        assert_eq!(rope.read(10, 20).as_ptr(), bytes[10..].as_ptr());
    }
}
