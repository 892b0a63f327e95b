//! Positions: stored, told and expired.

use alloc::string::String;

use super::*;

fn word_of(bytes: usize) -> OffsetAndMetadata {
    OffsetAndMetadata {
        metadata: String::from_utf8(alloc::vec![b'x'; bytes]).expect("ASCII"),
        ..OffsetAndMetadata::at(Offset(3))
    }
}

/// Each position by itself: what it is told, and whether it is stored.
#[test]
fn commits_are_stored_position_by_position() {
    let unknown = TopicPartition::new(TopicId(999), 0);
    let (good, long) = (word_of(4096), word_of(4097));
    for (row, positions, errors) in [
        ("nothing", alloc::vec![], alloc::vec![]),
        (
            "one",
            alloc::vec![(orders(0), good.clone())],
            alloc::vec![ErrorCode::None],
        ),
        (
            "a word too long",
            alloc::vec![(orders(0), long.clone())],
            alloc::vec![ErrorCode::OffsetMetadataTooLarge],
        ),
        (
            "good ones and bad ones",
            alloc::vec![
                (orders(1), long),
                (orders(2), good.clone()),
                (unknown, good.clone()),
                (orders(3), good)
            ],
            alloc::vec![
                ErrorCode::OffsetMetadataTooLarge,
                ErrorCode::None,
                ErrorCode::UnknownTopicOrPartition,
                ErrorCode::None
            ],
        ),
    ] {
        let mut desk = Desk::new();
        let Response::OffsetCommit(body) = desk.ask(commit_of(GROUP, &positions)) else {
            panic!("another answer")
        };
        let partitions = positions.iter().map(|(partition, _)| *partition);
        let expected: Vec<_> = partitions.zip(errors.iter().copied()).collect();
        assert_eq!(body.partitions, expected, "{row}");
        let stored: Vec<_> = expected.into_iter().filter(|(_, error)| error.is_ok()).collect();
        let stored: Vec<_> = stored.into_iter().map(|(partition, _)| (partition, 3)).collect();
        assert_eq!(desk.fetch(GROUP), Ok(stored.clone()), "{row}");
        let traced = desk.events.iter().filter_map(|event| match event {
            Event::OffsetCommitted(trace::OffsetCommitted {
                partition, offset, at, ..
            }) => Some((*partition, offset.0, *at)),
            _ => None,
        });
        let at = |index: usize| (OFFSETS, Offset(index as i64));
        let expected = stored.iter().enumerate();
        let expected = expected.map(|(index, (partition, offset))| (*partition, *offset, at(index)));
        assert_eq!(traced.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{row}");
    }
}

#[test]
fn positions_are_told_as_asked_for() {
    let mut desk = Desk::new();
    let at = |offset| OffsetAndMetadata::at(Offset(offset));
    desk.ask(commit_of(GROUP, &[(orders(0), at(5)), (orders(1), at(7))]));
    desk.ask(commit_of(GROUP, &[(orders(1), at(4))]));
    for (row, group, asked, expected) in [
        ("all", GROUP, None, alloc::vec![(0, Some(5)), (1, Some(4))]),
        ("some", GROUP, Some(alloc::vec![1]), alloc::vec![(1, Some(4))]),
        (
            "one without",
            GROUP,
            Some(alloc::vec![3, 0]),
            alloc::vec![(3, None), (0, Some(5))],
        ),
        ("none", GROUP, Some(alloc::vec![]), alloc::vec![]),
        ("all of an unknown group", "others", None, alloc::vec![]),
        (
            "some of an unknown group",
            "others",
            Some(alloc::vec![0]),
            alloc::vec![(0, None)],
        ),
    ] {
        let asked = asked.map(|indexes| indexes.into_iter().map(orders).collect());
        let Response::OffsetFetch(body) = desk.ask(fetch_of(group, asked)) else {
            panic!("another answer")
        };
        let found = body.partitions.iter();
        let found = found.map(|(partition, position)| (*partition, position.as_ref().map(|position| position.offset)));
        let found: Vec<_> = found.collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(index, offset): (i32, Option<i64>)| (orders(index), offset.map(Offset)))
            .collect();
        assert_eq!((body.error, &found), (ErrorCode::None, &expected), "{row}");
        let Some(Event::OffsetsFetched(trace::OffsetsFetched {
            group: of,
            client,
            partitions,
        })) = desk.events.last()
        else {
            panic!("{row}: {:?}", desk.events.last())
        };
        assert_eq!((&*of.0, *client, partitions), (group, NodeId(9), &expected), "{row}");
    }
}

#[test]
fn positions_of_an_empty_group_grow_old() {
    let config = BrokerConfig {
        offsets_retention_minutes: 2,
        offsets_retention_check_interval_ms: 60_000,
        ..BrokerConfig::default()
    };
    let mut desk = Desk::idle(config, Quirks::default(), TopicConfig::default());
    desk.lead(&[1], &[1]);
    let at = |offset| OffsetAndMetadata::at(Offset(offset));
    // Checks are at second 60, 120, and so on.
    desk.ask(commit_of(GROUP, &[(orders(0), at(1)), (orders(1), at(1))]));
    desk.pass(30 * SECOND);
    desk.ask(commit_of(GROUP, &[(orders(1), at(2))]));
    desk.pass(89 * SECOND);
    let both = [(orders(0), 1), (orders(1), 2)];
    assert_eq!(desk.fetch(GROUP), Ok(both.into()), "second 119");
    desk.pass(2 * SECOND);
    assert_eq!(desk.fetch(GROUP), Ok([(orders(1), 2)].into()), "second 121");
    desk.pass(58 * SECOND);
    assert_eq!(desk.fetch(GROUP), Ok([(orders(1), 2)].into()), "second 179");
    desk.pass(2 * SECOND);
    assert_eq!(desk.fetch(GROUP), Ok([].into()), "second 181");
    assert_eq!(desk.log_end(), 5, "three commits and two tombstones");
    let expired = desk.events.iter().filter_map(|event| match event {
        Event::OffsetExpired(trace::OffsetExpired { partition, .. }) => Some(*partition),
        _ => None,
    });
    assert_eq!(expired.collect::<Vec<_>>(), [orders(0), orders(1)]);
    // The next coordinator does not know them any more either.
    desk.lead(&[1], &[1]);
    assert_eq!(desk.fetch(GROUP), Ok([].into()));
}
