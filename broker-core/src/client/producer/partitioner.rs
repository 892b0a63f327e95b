//! Which partition a record goes to (KIP-480, KIP-794).

use alloc::vec::Vec;

use crate::random::Random;

/// The sticky partition of one topic: records without a key go to it until `batch.size` bytes have gone there.
///
/// Kafka's `BuiltInPartitioner` without the weights for slow brokers: the next partition is drawn uniformly from those
/// that have a leader.
#[derive(Default, Debug)]
pub(super) struct StickyPartitioner {
    /// Partition and the bytes that went to it.
    current: Option<(usize, u64)>,
}

impl StickyPartitioner {
    /// The partition for the next record. `is_available` says which have a leader.
    pub fn partition(&mut self, partitions: usize, is_available: impl Fn(usize) -> bool, rng: &mut Random) -> usize {
        if let Some((partition, _)) = self.current {
            return partition;
        }
        let available: Vec<usize> = (0..partitions).filter(|partition| is_available(*partition)).collect();
        let partition = match available.len() {
            0 => rng.below(partitions as u64) as usize,
            count => available[rng.below(count as u64) as usize],
        };
        self.current = Some((partition, 0));
        partition
    }

    /// Before a record is added to the sticky partition: leaves it if it has had its bytes and no batch of it is open. True if
    /// another must be drawn.
    pub fn leave_if_exhausted(&mut self, batch_size: u64, all_batches_full: bool) -> bool {
        self.produced(0, batch_size, all_batches_full);
        self.current.is_none()
    }

    /// `bytes` were added. The partition is left at a batch's end, so that no small batch stays behind, but never
    /// later than after twice the bytes.
    pub fn produced(&mut self, bytes: u64, batch_size: u64, all_batches_full: bool) {
        if let Some((_, produced)) = &mut self.current {
            *produced += bytes;
            if (*produced >= batch_size.max(1) && all_batches_full) || *produced >= 2 * batch_size.max(1) {
                self.current = None;
            }
        }
    }
}
