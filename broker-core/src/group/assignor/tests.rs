use alloc::format;

use proptest::prelude::*;

use super::*;

fn partition(text: &str) -> TopicPartition {
    let (topic, index) = text.split_once('-').expect("topic-index");
    TopicPartition::new(TopicId(topic.parse().expect("an id")), index.parse().expect("an index"))
}

/// The words of `a,b,c`; none for nothing.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|word| !word.is_empty())
}

/// Members without partitions are as good as absent in the vectors.
fn owners(target: &Target) -> BTreeMap<TopicPartition, &str> {
    target
        .iter()
        .flat_map(|(member, own)| own.iter().map(|partition| (*partition, &*member.0)))
        .collect()
}

#[test]
fn targets_are_those_of_kafka() {
    let (mut case, mut topics, mut members, mut compared) = ("", BTreeMap::new(), Members::new(), 0);
    for line in include_str!("vectors.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(name) = line.strip_prefix("case ") {
            (case, topics, members) = (name, BTreeMap::new(), Members::new());
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next().expect("indented lines have words") {
            "topics" => {
                for (topic, count) in words.filter_map(|word| word.split_once('=')) {
                    topics.insert(TopicId(topic.parse().expect("an id")), count.parse().expect("a count"));
                }
            }
            "member" => {
                let id = MemberId::from(words.next().expect("an id"));
                let mut member = Subscriber {
                    instance: None,
                    topics: BTreeSet::new(),
                    target: Vec::new(),
                };
                for word in words {
                    match word.split_once('=').expect("key=value") {
                        ("topics", ids) => {
                            member.topics = list(ids).map(|id| TopicId(id.parse().expect("id"))).collect()
                        }
                        ("target", own) => member.target = list(own).map(partition).collect(),
                        (key, _) => panic!("what is {key}?"),
                    }
                }
                members.insert(id, member);
            }
            name => {
                let expected: BTreeMap<TopicPartition, &str> = words
                    .filter_map(|word| word.split_once('='))
                    .flat_map(|(member, own)| list(own).map(move |text| (partition(text), member)))
                    .collect();
                let target = assign(&AssignorName::from(name), &members, &topics);
                assert_eq!(owners(&target), expected, "{case}: {name}");
                assert_eq!(target.len(), members.len(), "{case}: {name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 19);
}

/// Up to 5 topics of up to 8 partitions, up to 8 members, alike or not, with any targets before.
fn groups() -> impl Strategy<Value = (Members, BTreeMap<TopicId, u32>)> {
    let member = (
        any::<bool>(),
        prop::collection::btree_set(0..5usize, 0..5),
        prop::collection::btree_set((0..6u64, 0..9i32), 0..8),
    );
    let alike = prop::option::of(prop::collection::btree_set(0..5usize, 0..5));
    (
        prop::collection::vec(0..9u32, 5),
        prop::collection::vec(member, 1..9),
        alike,
    )
        .prop_map(|(counts, members, alike)| {
            let topics = counts
                .iter()
                .enumerate()
                .map(|(at, &count)| (TopicId(at as u128), count))
                .collect();
            let members = members
                .into_iter()
                .enumerate()
                .map(|(at, (fixed, subscribed, target))| {
                    let subscriber = Subscriber {
                        instance: fixed.then(|| GroupInstanceId::from(&*format!("i{}", 9 - at))),
                        topics: alike
                            .as_ref()
                            .unwrap_or(&subscribed)
                            .iter()
                            .map(|&at| TopicId(at as u128))
                            .collect(),
                        target: target
                            .into_iter()
                            .map(|(id, at)| TopicPartition::new(TopicId(id.into()), at))
                            .collect(),
                    };
                    (MemberId::from(&*format!("m{at}")), subscriber)
                });
            (members.collect(), topics)
        })
}

proptest! {
    #[test]
    fn every_partition_once_to_a_subscriber((members, topics) in groups()) {
        let wanted: BTreeSet<TopicId> = members.values().flat_map(|member| &member.topics).copied().collect();
        let subscribed = topics.iter().filter(|(topic, _)| wanted.contains(topic));
        let expected: Vec<TopicPartition> = subscribed.flat_map(|(&topic, &count)| partitions(topic, count)).collect();
        for name in ["uniform", "range"] {
            let target = assign(&AssignorName::from(name), &members, &topics);
            for (id, own) in &target {
                prop_assert!(own.iter().all(|partition| members[id].topics.contains(&partition.topic)), "{}", name);
            }
            let mut given: Vec<_> = target.into_values().flatten().collect();
            given.sort();
            prop_assert_eq!(given, &*expected, "{}", name);
        }
    }

    #[test]
    fn balance((members, topics) in groups()) {
        let spread = |counts: Vec<usize>| counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
        let range = assign(&AssignorName::from("range"), &members, &topics);
        for topic in topics.keys() {
            let subscribers = members.iter().filter(|(_, member)| member.topics.contains(topic));
            let of_topic = subscribers.map(|(id, _)| range[id].iter().filter(|own| own.topic == *topic).count());
            prop_assert!(spread(of_topic.collect()) <= 1);
        }
        let uniform = assign(&AssignorName::from("uniform"), &members, &topics);
        if alike(&members) {
            prop_assert!(spread(uniform.values().map(Vec::len).collect()) <= 1);
        }
        // Nobody could take over a partition from one who has two more.
        for (giver, own) in &uniform {
            for partition in own {
                for (taker, _) in members.iter().filter(|(_, member)| member.topics.contains(&partition.topic)) {
                    prop_assert!(uniform[giver].len() <= uniform[taker].len() + 1);
                }
            }
        }
    }

    /// Once a target is there it stays; and when a member of many alike leaves, the others keep what they have.
    #[test]
    fn stickiness((mut members, topics) in groups(), leaving in 0..8usize) {
        let name = AssignorName::from("uniform");
        let target = assign(&name, &members, &topics);
        for (id, member) in &mut members {
            member.target = target[id].clone();
        }
        prop_assert_eq!(&assign(&name, &members, &topics), &target);
        if let Some(id) = members.keys().nth(leaving).cloned().filter(|_| alike(&members)) {
            members.remove(&id);
            let after = assign(&name, &members, &topics);
            for (id, own) in &after {
                prop_assert!(target[id].iter().all(|partition| own.contains(partition)));
            }
        }
    }
}
