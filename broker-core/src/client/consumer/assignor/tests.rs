use alloc::string::String;
use alloc::vec;

use proptest::prelude::*;

use super::*;

const ALL: [&str; 4] = ["range", "roundrobin", "sticky", "cooperative-sticky"];

fn partition(text: &str) -> NamedPartition {
    let (topic, index) = text.rsplit_once('-').expect("topic-index");
    (TopicName::from(topic), PartitionIndex(index.parse().expect("an index")))
}

/// The words of `a,b,c`; none for nothing.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|word| !word.is_empty())
}

fn member(words: &mut dyn Iterator<Item = &str>) -> AssignorMember {
    let mut member = AssignorMember {
        id: MemberId::from(words.next().expect("an id")),
        instance: None,
        topics: Vec::new(),
        owned: Vec::new(),
        generation: GroupEpoch::NONE,
    };
    for word in words {
        match word.split_once('=').expect("key=value") {
            ("inst", instance) => member.instance = Some(GroupInstanceId::from(instance)),
            ("topics", topics) => member.topics = list(topics).map(TopicName::from).collect(),
            ("owned", owned) => member.owned = list(owned).map(partition).collect(),
            ("gen", generation) => member.generation = GroupEpoch(generation.parse().expect("a number")),
            (key, _) => panic!("what is {key}?"),
        }
    }
    member
}

fn as_sets(assignments: &Assignments) -> BTreeMap<&str, BTreeSet<NamedPartition>> {
    assignments
        .iter()
        .map(|(member, own)| (&*member.0, own.iter().cloned().collect()))
        .collect()
}

#[test]
fn assignments_are_those_of_kafka() {
    let (mut case, mut topics, mut members, mut compared) = ("", BTreeMap::new(), Vec::new(), 0);
    for line in include_str!("vectors.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(name) = line.strip_prefix("case ") {
            (case, topics, members) = (name, BTreeMap::new(), Vec::new());
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next().expect("indented lines have words") {
            "topics" => {
                for (topic, count) in words.filter_map(|word| word.split_once('=')) {
                    topics.insert(TopicName::from(topic), count.parse().expect("a count"));
                }
            }
            "member" => members.push(member(&mut words)),
            name => {
                let expected: BTreeMap<&str, BTreeSet<_>> = words
                    .filter_map(|word| word.split_once('='))
                    .map(|(member, own)| (member, list(own).map(partition).collect()))
                    .collect();
                let assignments = assign(&AssignorName::from(name), &members, &topics).expect("it exists");
                assert_eq!(as_sets(&assignments), expected, "{case}: {name}");
                // The order in which members come decides nothing.
                members.reverse();
                let again = assign(&AssignorName::from(name), &members, &topics);
                assert_eq!(again, Some(assignments), "{case}: {name}, members in the other order");
                members.reverse();
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 61);
}

#[test]
fn names() {
    for name in ALL {
        assert!(supported(&AssignorName::from(name)));
        assert_eq!(is_cooperative(&AssignorName::from(name)), name == "cooperative-sticky");
    }
    let unknown = AssignorName::from("uniform");
    assert!(!supported(&unknown));
    assert_eq!(assign(&unknown, &[], &BTreeMap::new()), None);
}

/// A claim from an earlier generation is worth less than one of the newest, and two claims of one generation are
/// worth nothing: then `cooperative-sticky` gives the partition to nobody, because either may still work on it.
#[test]
fn claims_that_contradict_each_other() {
    let topics = BTreeMap::from([(TopicName::from("t"), 3)]);
    let claims = |first: &str, second: &str| {
        [
            member(&mut first.split_whitespace()),
            member(&mut second.split_whitespace()),
        ]
    };
    for (assignor, first, second, expected_first, expected_second) in [
        (
            "sticky",
            "a topics=t owned=t-0,t-1 gen=1",
            "b topics=t owned=t-0,t-1 gen=2",
            "t-2",
            "t-0,t-1",
        ),
        (
            "sticky",
            "a topics=t owned=t-0 gen=1",
            "b topics=t owned=t-0 gen=1",
            "t-0,t-2",
            "t-1",
        ),
        (
            "cooperative-sticky",
            "a topics=t owned=t-0 gen=1",
            "b topics=t owned=t-0 gen=1",
            "t-2",
            "t-1",
        ),
    ] {
        let members = claims(first, second);
        let assignments = assign(&AssignorName::from(assignor), &members, &topics).expect("it exists");
        let expected = [("a", expected_first), ("b", expected_second)];
        let expected = expected.map(|(member, own)| (member, list(own).map(partition).collect::<BTreeSet<_>>()));
        assert_eq!(
            as_sets(&assignments),
            BTreeMap::from(expected),
            "{assignor}: {first}; {second}"
        );
    }
}

/// Up to 5 topics of up to 8 partitions, up to 8 members; alike or not, with claims or without, which may contradict
/// each other.
fn groups() -> impl Strategy<Value = (Vec<AssignorMember>, BTreeMap<TopicName, u32>)> {
    let topic = |at: usize| TopicName::from(&*alloc::format!("t{at}"));
    let member = (
        any::<bool>(),
        prop::collection::btree_set(0..6usize, 0..5),
        prop::collection::btree_set((0..6usize, 0..9i32), 0..8),
        -1..3i32,
    );
    let alike = prop::option::of(prop::collection::btree_set(0..6usize, 0..5));
    (
        prop::collection::vec(0..9u32, 1..6),
        prop::collection::vec(member, 1..9),
        alike,
    )
        .prop_map(move |(counts, members, alike)| {
            let topics = counts
                .iter()
                .enumerate()
                .map(|(at, &count)| (topic(at), count))
                .collect();
            let members = members
                .into_iter()
                .enumerate()
                .map(|(at, (fixed, subscribed, owned, generation))| AssignorMember {
                    id: MemberId::from(&*alloc::format!("m{at}")),
                    instance: fixed.then(|| GroupInstanceId::from(&*alloc::format!("i{}", 9 - at))),
                    topics: alike
                        .as_ref()
                        .unwrap_or(&subscribed)
                        .iter()
                        .map(|&at| topic(at))
                        .collect(),
                    owned: owned
                        .into_iter()
                        .map(|(at, index)| (topic(at), PartitionIndex(index)))
                        .collect(),
                    generation: GroupEpoch(generation),
                });
            (members.collect(), topics)
        })
}

/// What a group looks like after everybody has taken over its assignment.
fn taken_over(members: &[AssignorMember], assignments: &Assignments, generation: i32) -> Vec<AssignorMember> {
    let take = |member: &AssignorMember| AssignorMember {
        owned: assignments[&member.id].clone(),
        generation: GroupEpoch(generation),
        ..member.clone()
    };
    members.iter().map(take).collect()
}

/// The assignments of a group that joins again, each time with what it was given, until nothing changes: how often, and
/// what it came to. No partition has two owners in between.
fn settled(name: &AssignorName, members: &[AssignorMember], topics: &BTreeMap<TopicName, u32>) -> (i32, Assignments) {
    let mut members = members.to_vec();
    let mut last = assign(name, &members, topics).expect("it exists");
    for round in 1..=9 {
        let mut given: Vec<_> = last.values().flatten().collect();
        given.sort();
        assert!(given.is_sorted_by(|one, other| one < other), "no partition twice");
        members = taken_over(&members, &last, 3 + round);
        let next = assign(name, &members, topics).expect("it exists");
        if as_sets(&next) == as_sets(&last) {
            return (round, next);
        }
        last = next;
    }
    panic!("{name} gives something else each time");
}

proptest! {
    /// Every partition of a subscribed topic goes to one subscriber; with cooperative-sticky once the group has settled.
    #[test]
    fn every_partition_once_to_a_subscriber((members, topics) in groups()) {
        let expected: Vec<NamedPartition> =
            subscribed(&members, &topics).into_iter().flat_map(|(topic, count)| partitions(topic, count)).collect();
        for name in ALL {
            let name = AssignorName::from(name);
            let assignments = match is_cooperative(&name) {
                true => settled(&name, &members, &topics).1,
                false => assign(&name, &members, &topics).expect("it exists"),
            };
            prop_assert_eq!(assignments.len(), members.len());
            for member in &members {
                prop_assert!(assignments[&member.id].iter().all(|(topic, _)| member.topics.contains(topic)));
            }
            let mut given: Vec<_> = assignments.into_values().flatten().collect();
            given.sort();
            prop_assert_eq!(&given, &expected, "{}", name);
        }
    }

    #[test]
    fn balance((members, topics) in groups()) {
        let run = |name: &str| assign(&AssignorName::from(name), &members, &topics).expect("it exists");
        let spread = |counts: &mut dyn Iterator<Item = usize>| {
            let counts: Vec<usize> = counts.collect();
            counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
        };
        // By range, the subscribers of each topic differ by at most one partition of that topic.
        let range = run("range");
        for topic in topics.keys() {
            let subscribers = members.iter().filter(|member| member.topics.contains(topic));
            let of_topic = |member: &AssignorMember| range[&member.id].iter().filter(|(name, _)| name == topic).count();
            prop_assert!(spread(&mut subscribers.map(of_topic)) <= 1);
        }
        let everyone: BTreeSet<_> = members[0].topics.iter().collect();
        if members.iter().all(|member| member.topics.iter().collect::<BTreeSet<_>>() == everyone) {
            for name in ["roundrobin", "sticky"] {
                prop_assert!(spread(&mut run(name).values().map(Vec::len)) <= 1, "{}", name);
            }
        }
        // When nobody owned anything, nobody can take over a partition from one who has two more.
        let fresh: Vec<_> = members.iter().map(|member| AssignorMember { owned: vec![], ..member.clone() }).collect();
        let sticky = assign(&AssignorName::from("sticky"), &fresh, &topics).expect("it exists");
        for giver in &members {
            for (topic, _) in &sticky[&giver.id] {
                for taker in members.iter().filter(|member| member.topics.contains(topic)) {
                    prop_assert!(sticky[&giver.id].len() <= sticky[&taker.id].len() + 1);
                }
            }
        }
    }

    /// What everybody has taken over stays where it is, at the latest after a few rounds when subscriptions differ and
    /// partitions change hands one after the other; and when members leave, the others keep what they have.
    #[test]
    fn stickiness((members, topics) in groups(), leaving in 0..8usize) {
        for name in ["sticky", "cooperative-sticky"] {
            let name = AssignorName::from(name);
            let (rounds, assignments) = settled(&name, &members, &topics);
            let mut now = taken_over(&members, &assignments, 99);
            let everyone: BTreeSet<_> = members[0].topics.iter().collect();
            let alike = members.iter().all(|member| member.topics.iter().collect::<BTreeSet<_>>() == everyone);
            prop_assert!(!alike || rounds <= 2, "{}: {} rounds", &name, rounds);
            if alike && leaving < now.len() {
                now.remove(leaving);
                let after = assign(&name, &now, &topics).expect("it exists");
                for member in &now {
                    prop_assert!(member.owned.iter().all(|own| after[&member.id].contains(own)), "{}", &name);
                }
            }
        }
    }
}

#[test]
fn nobody_gets_nothing() {
    let topics = BTreeMap::from([(TopicName::from("t"), 3)]);
    for name in ALL {
        let assignments = assign(&AssignorName::from(name), &[], &topics);
        assert_eq!(assignments, Some(Assignments::new()), "{}", String::from(name));
    }
}
