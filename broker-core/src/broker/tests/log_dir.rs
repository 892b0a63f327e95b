//! A disk that fails.

use super::*;

/// The broker ends, and the controller gives its leadership to a follower: nobody is ejected by a leader that cannot serve
/// the others.
#[test]
fn a_leader_whose_only_log_directory_fails_ends_and_another_takes_over() {
    let mut cluster = Cluster::new(Quirks::default());
    let orders = cluster.create_topic("orders");
    let leader = cluster.describe(1, "orders").leader.expect("it has one").0;
    assert_eq!(cluster.produce(leader, orders), ErrorCode::None);

    cluster.broken.insert((leader, orders));
    assert_ne!(
        cluster.produce(leader, orders),
        ErrorCode::None,
        "its log cannot take it"
    );
    cluster.pass(SECOND / 10);
    assert!(cluster.nodes[&leader].machine.is_none(), "the process has ended");
    let went_offline = |(node, event): &(u32, Event)| {
        let is_why = matches!(event, Event::LogWentOffline(trace::LogWentOffline { partition, error: DiskError::Io }) if *partition == orders);
        *node == leader && is_why
    };
    assert!(cluster.events.iter().any(went_offline), "and says why");

    let other = BROKERS.into_iter().find(|id| *id != leader).expect("there are three");
    cluster.pass(20 * SECOND);
    let now = cluster.describe(other, "orders");
    let next = now.leader.expect("a follower took over").0;
    assert!(
        next != leader && now.isr.len() == 2 && !now.isr.contains(&NodeId(leader)),
        "{now:?}"
    );
    assert_eq!(cluster.produce(next, orders), ErrorCode::None);
}
