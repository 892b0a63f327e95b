//! Which partition a record goes to (KIP-480, KIP-794).

use alloc::vec::Vec;

use crate::random::Random;

/// How things stand with one partition, for records that may go to any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queue {
    /// It has no leader.
    Leaderless,
    /// Batches wait for it, and its leader has taken none for `partitioner.availability.timeout.ms`.
    Unavailable,
    /// So many batches wait for it.
    Waiting(u64),
}

/// The sticky partition of one topic: records without a key go to it until `batch.size` bytes have gone there.
///
/// Kafka's `BuiltInPartitioner`: the next partition is drawn from those that have a leader, and the more batches wait
/// for one, the less likely it is to be drawn; those that are not available are left out. Without
/// `partitioner.adaptive.partitioning.enable`, until each partition has had a batch, and when none is available, all
/// are equally likely.
#[derive(Default, Debug)]
pub(super) struct StickyPartitioner {
    /// Partition and the bytes that went to it.
    current: Option<(usize, u64)>,
}

impl StickyPartitioner {
    /// The partition for the next record. A topic that was created again may have fewer than before.
    pub fn partition(
        &mut self,
        queues: impl ExactSizeIterator<Item = Queue>,
        adaptive: bool,
        rng: &mut Random,
    ) -> usize {
        if let Some((partition, _)) = self.current.filter(|(partition, _)| *partition < queues.len()) {
            return partition;
        }
        let queues: Vec<Queue> = queues.collect();
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
fn weights(queues: &[Queue], adaptive: bool) -> Vec<u64> {
    let lengths = queues.iter().filter_map(|queue| match queue {
        Queue::Waiting(length) => Some(*length),
        Queue::Leaderless | Queue::Unavailable => None,
    });
    let longest = lengths.max().filter(|_| adaptive);
    let weight = |queue: &Queue| match (queue, longest) {
        (Queue::Leaderless, _) | (Queue::Unavailable, Some(_)) => 0,
        (Queue::Waiting(length), Some(longest)) => longest + 1 - length,
        (Queue::Waiting(_) | Queue::Unavailable, None) => 1,
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
    fn a_partition_that_is_gone_is_left() {
        let mut rng = Random::new(1, "partitioner");
        let mut sticky = StickyPartitioner::default();
        let mut partition = |count| sticky.partition(vec![Queue::Waiting(0); count].into_iter(), true, &mut rng);
        let among_many = partition(1_000);
        assert!(among_many > 0, "by this seed");
        assert_eq!(partition(1_000), among_many);
        assert_eq!(partition(1), 0);
    }

    #[test]
    fn the_longer_the_queue_the_smaller_the_share() {
        use Queue::{Leaderless, Unavailable, Waiting};
        // The first row is the example in Kafka's code, the second that of its test.
        let rows = [
            (vec![Waiting(0), Waiting(3), Waiting(1)], vec![4, 1, 3]),
            (
                vec![Waiting(5), Waiting(0), Waiting(3), Waiting(0), Waiting(1)],
                vec![1, 6, 3, 6, 5],
            ),
            (vec![Waiting(2), Waiting(2), Waiting(2)], vec![1, 1, 1]),
            (vec![Leaderless, Waiting(0), Waiting(4)], vec![0, 5, 1]),
            (vec![Leaderless, Leaderless], vec![0, 0]),
            (vec![Unavailable, Waiting(0), Waiting(1)], vec![0, 2, 1]),
            (vec![Unavailable, Leaderless, Unavailable], vec![1, 0, 1]),
        ];
        for (queues, expected) in rows {
            assert_eq!(weights(&queues, true), expected, "{queues:?}");
            let even: Vec<u64> = queues.iter().map(|queue| u64::from(*queue != Leaderless)).collect();
            assert_eq!(weights(&queues, false), even, "{queues:?}");
        }
        let lots: Vec<usize> = (0..8).map(|lot| drawn(&[4, 1, 3], lot)).collect();
        assert_eq!(lots, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(drawn(&[0, 5, 1], 0), 1, "a partition without a leader is never drawn");
    }
}
