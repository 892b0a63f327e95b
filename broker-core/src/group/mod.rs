//! The group coordinator: who is in which consumer group, who owns what, and how far each group is.
//!
//! A broker coordinates the groups of those partitions of `__consumer_offsets` that it leads; a group belongs to
//! partition `abs(hash(group id)) mod count`, with Java's string hash. What a coordinator knows durably is what the
//! records of its partition say ([`GroupRecord`]): it decides, appends, replays, and answers once that is committed.
//!
//! | file | what is in it |
//! |---|---|
//! | `coordinator` | the partitions that this broker leads: loading, requests, time, the end of leadership |
//! | `offsets` | positions: stored, told, expired |
//! | `groups` | members and generations, of both protocols |
//! | `records` | what the log holds |

mod coordinator;
mod groups;
mod offsets;
mod records;

pub use coordinator::GroupCoordinator;
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
