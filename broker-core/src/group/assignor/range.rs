//! `range`: of each topic, every subscriber gets a run of neighbouring partitions, static members first.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Members, Target, nothing, partitions};
use crate::types::TopicId;

pub(super) fn assign(members: &Members, topics: &BTreeMap<TopicId, u32>) -> Target {
    let mut target = nothing(members);
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(id, member)| (member.instance.is_none(), &member.instance, *id));
    for (&topic, &count) in topics {
        let subscribers: Vec<_> = sorted
            .iter()
            .filter(|(_, member)| member.topics.contains(&topic))
            .collect();
        if subscribers.is_empty() {
            continue;
        }
        let each = count as usize / subscribers.len();
        let one_more = count as usize % subscribers.len();
        let mut rest = partitions(topic, count);
        for (rank, (id, _)) in subscribers.iter().enumerate() {
            let own = target.get_mut(*id).expect("every member has an entry");
            own.extend(rest.by_ref().take(each + usize::from(rank < one_more)));
        }
    }
    target
}
