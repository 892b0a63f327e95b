//! `range`: of each topic, every subscriber gets a run of neighbouring partitions. Topics with equal partition counts
//! and subscribers are cut alike, so that partition n of all of them goes to one member.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Assignments, AssignorMember, by_instance, nothing, partitions, subscribed};
use crate::types::TopicName;

pub(super) fn assign(members: &[AssignorMember], topics: &BTreeMap<TopicName, u32>) -> Assignments {
    let mut assignments = nothing(members);
    let sorted = by_instance(members);
    for (topic, count) in subscribed(members, topics) {
        let subscribers: Vec<_> = sorted.iter().filter(|member| member.topics.contains(topic)).collect();
        let each = count as usize / subscribers.len();
        let one_more = count as usize % subscribers.len();
        let mut rest = partitions(topic, count);
        for (rank, member) in subscribers.iter().enumerate() {
            let own = assignments.get_mut(&member.id).expect("every member has an entry");
            own.extend(rest.by_ref().take(each + usize::from(rank < one_more)));
        }
    }
    assignments
}
