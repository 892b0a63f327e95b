//! Reading the log, whatever the disk does.

use super::*;
use crate::protocol::{BatchBuilder, Compacted, HeartbeatRequest, LeaveGroupRequest};
use crate::types::{MemberId, Timestamp};

fn small_segments() -> TopicConfig {
    TopicConfig {
        segment_bytes: 500,
        ..TopicConfig::default()
    }
}

/// End and digest of each time that the coordinator had read its log.
fn loads(desk: &Desk) -> Vec<(i64, u64)> {
    let loads = desk.events.iter().filter_map(|event| match event {
        Event::CoordinatorLoaded(trace::CoordinatorLoaded { end, digest, .. }) => Some((end.0, *digest)),
        _ => None,
    });
    loads.collect()
}

#[test]
fn a_log_is_read_piece_by_piece() {
    let mut desk = Desk::idle(BrokerConfig::default(), Quirks::default(), small_segments());
    desk.lead(&[1], &[1]);
    let mut compacted = Compacted::default();
    for offset in 0..40 {
        assert_eq!(desk.commit(offset), ErrorCode::None);
        compacted.take_in(desk.last_batch()).expect("well formed");
    }
    desk.reads = None;
    desk.lead(&[1], &[1]);
    let mut pieces = 0;
    while !desk.waiting.is_empty() {
        assert_eq!(desk.fetch(GROUP), Err(ErrorCode::CoordinatorLoadInProgress));
        // One answer, and then no more.
        let rest = desk.waiting.split_off(1);
        desk.reads = Some(Ok(()));
        let (op, file, at, len) = desk.waiting.remove(0);
        let content = Bytes::copy_from_slice(&desk.files[&file][at as usize..(at + len) as usize]);
        desk.reads = None;
        desk.with(|replicas, _, ctx| replicas.on_disk(ctx, op, file, &Ok(DiskReply::Data(content))));
        desk.waiting.extend(rest);
        pieces += 1;
    }
    assert!(pieces >= 5, "{pieces} pieces");
    assert_eq!(desk.fetch(GROUP), Ok([(orders(0), 39)].into()));
    let empty = Compacted::default().digest();
    assert_eq!(loads(&desk), [(0, empty), (40, compacted.digest())]);
}

#[test]
fn a_failed_read_is_tried_again() {
    let mut desk = Desk::new();
    desk.commit(5);
    desk.reads = Some(Err(DiskError::Io));
    desk.lead(&[1], &[1]);
    desk.pass(10 * SECOND);
    assert_eq!(desk.fetch(GROUP), Err(ErrorCode::CoordinatorLoadInProgress));
    desk.reads = Some(Ok(()));
    desk.pass(SECOND);
    assert_eq!(desk.fetch(GROUP), Ok([(orders(0), 5)].into()));
}

#[test]
fn a_leadership_that_ends_ends_the_reading() {
    let mut desk = Desk::new();
    desk.commit(5);
    desk.reads = None;
    desk.lead(&[1], &[1]);
    desk.follow();
    assert_eq!(desk.fetch(GROUP), Err(ErrorCode::NotCoordinator));
    desk.lead(&[1], &[1]);
    assert_eq!(desk.waiting.len(), 2, "one read of each epoch");
    desk.reads = Some(Ok(()));
    desk.with(|_, _, _| ());
    assert_eq!(loads(&desk).len(), 2, "the first, and the last");
    assert_eq!(desk.fetch(GROUP), Ok([(orders(0), 5)].into()));
    let unloaded = desk.events.iter();
    let unloaded = unloaded.filter(|event| matches!(event, Event::CoordinatorUnloaded(_)));
    assert_eq!(unloaded.count(), 2);
}

#[test]
fn a_log_with_a_strange_record_halts_the_node() {
    for (row, key, value) in [
        ("no key", None, Some(&b"value"[..])),
        ("a strange key", Some(&b"key"[..]), Some(&b"value"[..])),
        ("no such record", Some(&[99, 0][..]), None),
    ] {
        let mut desk = Desk::new();
        desk.commit(5);
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(0), key, value, &[]);
        let batch = builder.build();
        let appended = desk.with(|replicas, _, ctx| replicas.append_for_coordinator(ctx, OFFSETS, &batch));
        assert_eq!(appended, Ok(Offset(1)));
        desk.reads = None;
        desk.lead(&[1], &[1]);
        desk.reads = Some(Ok(()));
        let Err(HaltReason::CorruptState(why)) = desk.pump() else {
            panic!("{row}: it took the record");
        };
        assert!(why.starts_with("1 of AAAAAAAAAAAAAAAAAAAAZA-0: "), "{row}: {why}");
    }
}

#[test]
fn what_is_said_while_loading() {
    let mut desk = Desk::new();
    desk.commit(5);
    desk.reads = None;
    desk.lead(&[1], &[1]);
    let (group, member) = (GroupId::from(GROUP), MemberId::from("m"));
    let heartbeat = HeartbeatRequest {
        group: group.clone(),
        generation: GroupEpoch(1),
        member: member.clone(),
        instance: None,
    };
    // As in Kafka: there is nothing better for the member to do than to go on.
    let Response::Heartbeat(body) = desk.ask(heartbeat) else {
        panic!("another answer")
    };
    assert_eq!(body.error, ErrorCode::None);
    let leave = LeaveGroupRequest {
        group,
        member: Some(member),
        instance: None,
    };
    let Response::LeaveGroup(body) = desk.ask(leave) else {
        panic!("another answer")
    };
    assert_eq!(body.error, ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(desk.commit(6), ErrorCode::CoordinatorLoadInProgress);
}
