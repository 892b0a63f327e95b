//! `roundrobin`: all partitions of all topics are dealt out like cards, each to the next member that subscribes to its
//! topic.

use alloc::collections::BTreeMap;

use super::{Assignments, AssignorMember, by_instance, nothing, partitions, subscribed};
use crate::types::TopicName;

pub(super) fn assign(members: &[AssignorMember], topics: &BTreeMap<TopicName, u32>) -> Assignments {
    let mut assignments = nothing(members);
    let sorted = by_instance(members);
    let mut dealer = sorted.iter().cycle();
    for (topic, count) in subscribed(members, topics) {
        for partition in partitions(topic, count) {
            let taker = dealer.find(|member| member.topics.contains(topic));
            let taker = taker.expect("a subscribed topic has a subscriber");
            assignments
                .get_mut(&taker.id)
                .expect("every member has an entry")
                .push(partition);
        }
    }
    assignments
}
