//! The group coordinator: who is in which consumer group, who owns what, and how far each group is.
//!
//! A broker coordinates the groups of those partitions of `__consumer_offsets` that it leads; a group belongs to
//! partition `abs(hash(group id)) mod count`, with Java's string hash.

mod groups;
mod records;

pub use groups::{Decision, Groups};
pub use records::GroupRecord;

use crate::types::{TopicId, TopicName};

/// What a coordinator must know of the cluster's topics.
pub trait Topics {
    /// Id and number of partitions of the topic of this name.
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)>;

    /// The name of the topic of this id.
    fn name(&self, id: TopicId) -> Option<TopicName>;
}
