//! Which partition a record goes to (KIP-480, KIP-794).

use alloc::vec::Vec;

use crate::random::Random;

/// The sticky partition of one topic: records without a key go to it until `batch.size` bytes have gone there.
///
/// Kafka's `BuiltInPartitioner`: the next partition is drawn from those that have a leader, and the more batches wait
/// for one, the less likely it is to be drawn. Without `partitioner.adaptive.partitioning.enable`, and until each
/// partition has had a batch, all are equally likely. `partitioner.availability.timeout.ms` is not modelled.
#[derive(Default, Debug)]
pub(super) struct StickyPartitioner {
    /// Partition and the bytes that went to it.
    current: Option<(usize, u64)>,
}

impl StickyPartitioner {
    /// The partition for the next record. `queues` gives how many batches wait for each; `None` without a leader.
    pub fn partition(&mut self, queues: impl Iterator<Item = Option<u64>>, adaptive: bool, rng: &mut Random) -> usize {
        if let Some((partition, _)) = self.current {
            return partition;
        }
        let queues: Vec<Option<u64>> = queues.collect();
        let weights = weights(&queues, adaptive);
        let total: u64 = weights.iter().sum();
        let partition = match total {
            0 => rng.below(queues.len() as u64) as usize,
            total => drawn(&weights, rng.below(total)),
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

/// How likely each partition is to be the next, in shares of the sum (`BuiltInPartitioner.updatePartitionLoadStats`).
fn weights(queues: &[Option<u64>], adaptive: bool) -> Vec<u64> {
    let longest = queues.iter().flatten().max().copied().unwrap_or(0);
    let shortest = queues.iter().flatten().min().copied().unwrap_or(0);
    let is_even = !adaptive || longest == shortest;
    let weight = |queue: &Option<u64>| match queue {
        None => 0,
        Some(_) if is_even => 1,
        Some(queue) => longest + 1 - queue,
    };
    queues.iter().map(weight).collect()
}

/// Where a lot below the sum of the weights falls.
fn drawn(weights: &[u64], lot: u64) -> usize {
    let mut end = 0;
    let ends = weights.iter().map(|weight| {
        end += weight;
        end
    });
    ends.take_while(|end| *end <= lot).count()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn the_longer_the_queue_the_smaller_the_share() {
        // The first row is the example in Kafka's code, the second that of its test.
        let rows = [
            (vec![Some(0), Some(3), Some(1)], vec![4, 1, 3]),
            (vec![Some(5), Some(0), Some(3), Some(0), Some(1)], vec![1, 6, 3, 6, 5]),
            (vec![Some(2), Some(2), Some(2)], vec![1, 1, 1]),
            (vec![None, Some(0), Some(4)], vec![0, 5, 1]),
            (vec![None, None], vec![0, 0]),
        ];
        for (queues, expected) in rows {
            assert_eq!(weights(&queues, true), expected, "{queues:?}");
            let even: Vec<u64> = queues.iter().map(|queue| u64::from(queue.is_some())).collect();
            assert_eq!(weights(&queues, false), even, "{queues:?}");
        }
        let lots: Vec<usize> = (0..8).map(|lot| drawn(&[4, 1, 3], lot)).collect();
        assert_eq!(lots, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(drawn(&[0, 5, 1], 0), 1, "a partition without a leader is never drawn");
    }
}
