//! Groups and their coordinator through failovers.

use super::*;
use crate::protocol::Compacted;

const GROUP: &str = "workers";

/// A cluster with a topic, and the coordinator of the group.
fn with_coordinator(quirks: Quirks) -> (Cluster, TopicPartition, u32) {
    let mut cluster = Cluster::new(quirks);
    let partition = cluster.create_topic("orders");
    let coordinator = cluster.find(2, GROUP, None);
    cluster.pass(SECOND);
    (cluster, partition, coordinator)
}

#[test]
fn the_first_that_looks_for_a_coordinator_has_the_topic_created() {
    let mut cluster = Cluster::new(Quirks::default());
    let partition = cluster.create_topic("orders");
    assert_eq!(cluster.try_to_find(2, GROUP), Err(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(cluster.fetch(2, GROUP, partition), Err(ErrorCode::NotCoordinator));
    cluster.pass(SECOND);
    let created = cluster.events.iter().filter_map(|(node, event)| match event {
        Event::TopicCreated(trace::TopicCreated { name, .. }) if *node == 1 => Some(name.clone()),
        _ => None,
    });
    let created: Vec<TopicName> = created.collect();
    assert_eq!(
        created,
        [TopicName::from("orders"), TopicName::from("__consumer_offsets")],
        "once"
    );
    let coordinator = cluster.try_to_find(2, GROUP).expect("it is there");
    for other in BROKERS {
        assert_eq!(cluster.try_to_find(other, GROUP), Ok(coordinator), "asked of {other}");
        let expected = match other == coordinator {
            true => Ok(None),
            false => Err(ErrorCode::NotCoordinator),
        };
        assert_eq!(cluster.fetch(other, GROUP, partition), expected, "asked of {other}");
    }
}

#[test]
fn a_commit_outlives_its_coordinator() {
    let (mut cluster, partition, first) = with_coordinator(Quirks::default());
    assert_eq!(cluster.commit(first, GROUP, partition, 7), ErrorCode::None);
    assert_eq!(
        cluster.commit(first, GROUP, partition, 5),
        ErrorCode::None,
        "positions may go back"
    );
    assert_eq!(cluster.fetch(first, GROUP, partition), Ok(Some(5)));
    assert_eq!(cluster.fetch(first, "others", partition).unwrap_or(None), None);

    cluster.kill(first);
    let through = BROKERS.into_iter().find(|id| *id != first).unwrap();
    let second = cluster.find(through, GROUP, Some(first));
    cluster.pass(SECOND);
    assert_eq!(cluster.fetch(second, GROUP, partition), Ok(Some(5)));
    assert_eq!(cluster.commit(second, GROUP, partition, 9), ErrorCode::None);

    cluster.start(first);
    cluster.pass(5 * SECOND);
    cluster.kill(second);
    let third = cluster.find(first, GROUP, Some(second));
    cluster.pass(SECOND);
    assert_eq!(cluster.fetch(third, GROUP, partition), Ok(Some(9)));
}

/// What a coordinator says that it has read is what the log has.
#[test]
fn the_digest_of_what_was_read_is_that_of_the_log() {
    let (mut cluster, partition, first) = with_coordinator(Quirks::default());
    for offset in 0..20 {
        assert_eq!(cluster.commit(first, GROUP, partition, offset), ErrorCode::None);
    }
    cluster.kill(first);
    let through = BROKERS.into_iter().find(|id| *id != first).unwrap();
    let second = cluster.find(through, GROUP, Some(first));
    cluster.pass(SECOND);
    let loaded = cluster.events.iter().rev().find_map(|(node, event)| match event {
        Event::CoordinatorLoaded(trace::CoordinatorLoaded {
            partition, end, digest, ..
        }) if *node == second && *end > Offset(0) => Some((*partition, *end, *digest)),
        _ => None,
    });
    let (of, end, digest) = loaded.expect("it has loaded");
    let mut compacted = Compacted::default();
    for (node, event) in &cluster.events {
        if let Event::Appended(trace::Appended { partition, batch, .. }) = event
            && (*node, *partition) == (second, of)
            && batch.last_offset() < end
        {
            compacted.take_in(batch).expect("well formed");
        }
    }
    assert_eq!(compacted.digest(), digest);
    assert_ne!(Compacted::default().digest(), digest);
}

#[test]
fn what_never_reaches_the_isr_is_not_answered() {
    let (mut cluster, partition, first) = with_coordinator(Quirks::default());
    assert_eq!(cluster.commit(first, GROUP, partition, 1), ErrorCode::None);
    cluster.isolate(first);
    // The client still reaches it.
    cluster.cut.retain(|(from, to)| *from != CLIENT.0 && *to != CLIENT.0);
    assert_eq!(
        cluster.commit(first, GROUP, partition, 2),
        ErrorCode::CoordinatorNotAvailable,
        "after offsets.commit.timeout.ms"
    );
    let through = BROKERS.into_iter().find(|id| *id != first).unwrap();
    let second = cluster.find(through, GROUP, Some(first));
    cluster.pass(SECOND);
    assert_eq!(cluster.fetch(second, GROUP, partition), Ok(Some(1)));

    // Two more wait at the old coordinator when it learns that it is none.
    let waiting = cluster.send(first, commit_of(GROUP, partition, 3));
    let reader = cluster.send(first, fetch_of(GROUP, partition));
    cluster.pass(SECOND);
    assert!(!cluster.answers.contains_key(&waiting) && !cluster.answers.contains_key(&reader));
    cluster.cut.clear();
    for id in [waiting, reader] {
        let error = match cluster.wait(id, 4 * SECOND).expect("an answer") {
            Response::OffsetCommit(body) => body.partitions[0].1,
            Response::OffsetFetch(body) => body.error,
            other => panic!("{other:?}"),
        };
        assert_eq!(error, ErrorCode::NotCoordinator);
    }
    assert_eq!(cluster.fetch(second, GROUP, partition), Ok(Some(1)));
}

#[test]
fn a_coordinator_that_loads_answers_nobody() {
    let loading = ErrorCode::CoordinatorLoadInProgress;
    for (quirk, fetched, committed, afterwards) in [
        (false, Err(loading), loading, Some(4)),
        // It believes that there is nothing, and then takes what is old for new.
        (true, Ok(None), ErrorCode::None, Some(4)),
    ] {
        let quirks = Quirks {
            group_load_partial_state: quirk,
            ..Quirks::default()
        };
        let (mut cluster, partition, first) = with_coordinator(quirks);
        assert_eq!(cluster.commit(first, GROUP, partition, 4), ErrorCode::None);
        cluster.stuck.extend(BROKERS);
        cluster.kill(first);
        let through = BROKERS.into_iter().find(|id| *id != first).unwrap();
        let second = cluster.find(through, GROUP, Some(first));
        assert_eq!(cluster.fetch(second, GROUP, partition), fetched);
        assert_eq!(cluster.commit(second, GROUP, partition, 6), committed);
        cluster.free(second);
        cluster.pass(6 * SECOND);
        assert_eq!(cluster.fetch(second, GROUP, partition), Ok(afterwards));
    }
}
