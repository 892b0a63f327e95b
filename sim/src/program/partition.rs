//! Partitions as programs name them.

use std::fmt;

use broker_core::types::{PartitionIndex, TopicName};

/// A partition of a topic, by name: `orders/0`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// Which of its partitions.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// Partition `partition` (from 0) of `topic`.
    #[must_use]
    pub fn new(topic: impl AsRef<str>, partition: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.as_ref().into(),
            partition: PartitionIndex(partition),
        }
    }
}

impl From<(&str, i32)> for TopicPartition {
    fn from((topic, partition): (&str, i32)) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }
}

impl From<&TopicPartition> for TopicPartition {
    fn from(partition: &TopicPartition) -> TopicPartition {
        partition.clone()
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_called_by_its_name() {
        let partition = TopicPartition::from(("orders", 3));
        assert_eq!(format!("{partition} {partition:?}"), "orders/3 orders/3");
    }
}
