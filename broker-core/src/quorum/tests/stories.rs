//! Stories of quorums: a script, and what must come of it.

use core::time::Duration;

use super::cluster::Cluster;
use crate::trace::QuorumRole;
use crate::types::{LeaderEpoch, NodeId, Offset};

fn settled(voters: u32, observers: u32, seed: u64) -> Cluster {
    let mut cluster = Cluster::new(voters, observers, seed);
    cluster.run_until(10, Cluster::is_settled);
    cluster
}

fn leader_of(cluster: &Cluster) -> NodeId {
    cluster.leader().expect("a leader")
}

#[test]
fn a_voter_alone_leads_at_once_and_commits() {
    let mut cluster = Cluster::new(1, 0, 1);
    let took = cluster.run_until(1, Cluster::is_settled);
    assert!(took < Duration::from_millis(20), "{took:?}");
    let offset = cluster.append(NodeId(1)).expect("it leads");
    cluster.run_until(1, Cluster::is_settled);
    assert_eq!(cluster.rules.committed_end(), offset.next());
    // Nobody has to listen to it: it leads on.
    cluster.run_for(Duration::from_secs(60));
    assert_eq!(cluster.node(1).leaderships, [Some(LeaderEpoch(1))]);
    cluster.lose_power(NodeId(1));
    cluster.start(NodeId(1));
    cluster.run_until(1, Cluster::is_settled);
    assert_eq!(cluster.rules.committed_values().len(), 1);
}

#[test]
fn voters_and_observers_agree_within_seconds() {
    for (voters, observers) in [(2, 0), (3, 0), (3, 3), (5, 2)] {
        for seed in 0..10 {
            let mut cluster = Cluster::new(voters, observers, seed);
            let took = cluster.run_until(10, Cluster::is_settled);
            assert!(took < Duration::from_secs(6), "{voters} voters, seed {seed}: {took:?}");
        }
    }
}

#[test]
fn values_reach_everybody_by_round_trips_alone() {
    let mut cluster = settled(3, 1, 1);
    let leader = leader_of(&cluster);
    for _ in 0..20 {
        cluster.append(leader).expect("it leads");
        let took = cluster.run_until(1, Cluster::is_settled);
        // Two disks one after the other, then the news of the high watermark; nobody waits for a long poll to end.
        assert!(took <= Duration::from_millis(10), "{took:?}");
    }
    assert_eq!(cluster.rules.committed_values().len(), 20);
}

#[test]
fn an_idle_quorum_stays_as_it_is() {
    let mut cluster = settled(3, 2, 3);
    let epoch = cluster.quorum(leader_of(&cluster)).epoch();
    cluster.run_for(Duration::from_secs(120));
    assert!(cluster.is_settled());
    assert_eq!(cluster.quorum(leader_of(&cluster)).epoch(), epoch);
}

#[test]
fn the_others_elect_when_the_leader_dies() {
    for seed in 0..10 {
        let mut cluster = settled(3, 1, seed);
        let old = leader_of(&cluster);
        cluster.append(old).expect("it leads");
        cluster.run_until(1, Cluster::is_settled);
        cluster.kill(old);
        let took = cluster.run_until(30, Cluster::is_settled);
        assert!(took < Duration::from_secs(8), "seed {seed}: {took:?}");
        let new = leader_of(&cluster);
        cluster.append(new).expect("it leads");
        cluster.run_until(1, Cluster::is_settled);
        cluster.start(old);
        cluster.run_until(10, Cluster::is_settled);
        assert_eq!(cluster.rules.committed_values().len(), 2);
        assert_eq!(leader_of(&cluster), new, "who comes back disturbs nobody");
    }
}

#[test]
fn a_cut_off_leader_resigns_and_its_entries_vanish() {
    let mut cluster = settled(3, 0, 5);
    let old = leader_of(&cluster);
    cluster.isolate(old);
    cluster.append(old).expect("it does not know yet");
    // 1.5 times the fetch timeout after the last majority.
    cluster.run_until(4, |cluster| !cluster.quorum(old).is_leader());
    let roles = &cluster.node(old.0).roles;
    assert_eq!(roles.last().map(|(role, _, _)| *role), Some(QuorumRole::Resigned));
    assert_eq!(cluster.node(old.0).leaderships.last(), Some(&None));
    cluster.run_until(10, |cluster| cluster.leader().is_some());
    let new = leader_of(&cluster);
    cluster.append(new).expect("it leads");
    cluster.run_for(Duration::from_secs(1));
    cluster.heal();
    cluster.run_until(10, Cluster::is_settled);
    // The old leader's value was never committed; the new one's was.
    assert_eq!(cluster.rules.committed_values().len(), 1);
}

#[test]
fn a_voter_that_was_cut_off_disturbs_nobody() {
    let mut cluster = settled(3, 0, 7);
    let leader = leader_of(&cluster);
    let epoch = cluster.quorum(leader).epoch();
    let cut_off = *cluster.ids().iter().find(|id| **id != leader).expect("a follower");
    cluster.isolate(cut_off);
    cluster.run_for(Duration::from_secs(60));
    assert_eq!(
        cluster.quorum(cut_off).epoch(),
        epoch,
        "pre-votes raise no epoch (KIP-996)"
    );
    cluster.heal();
    cluster.run_until(10, Cluster::is_settled);
    assert_eq!((leader_of(&cluster), cluster.quorum(leader).epoch()), (leader, epoch));
}

#[test]
fn a_follower_that_is_not_heard_keeps_its_leader() {
    // It hears the leader's answers no more, but everybody else does, and answers its pre-votes.
    let mut cluster = settled(3, 0, 8);
    let leader = leader_of(&cluster);
    let epoch = cluster.quorum(leader).epoch();
    let deaf = *cluster.ids().iter().find(|id| **id != leader).expect("a follower");
    cluster.network.cut.insert((leader, deaf));
    cluster.run_for(Duration::from_secs(60));
    assert_eq!((leader_of(&cluster), cluster.quorum(leader).epoch()), (leader, epoch));
    cluster.heal();
    cluster.run_until(10, Cluster::is_settled);
}

#[test]
fn two_of_three_go_on_and_one_waits() {
    let mut cluster = settled(3, 0, 11);
    let leader = leader_of(&cluster);
    let others: alloc::vec::Vec<NodeId> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    cluster.kill(others[0]);
    let offset = cluster.append(leader).expect("it leads");
    cluster.run_until(2, |cluster| cluster.rules.committed_end() == offset.next());
    cluster.kill(others[1]);
    let lonely = cluster.append(leader).expect("it does not know yet");
    cluster.run_for(Duration::from_secs(30));
    assert!(!cluster.quorum(leader).is_leader());
    assert_eq!(
        cluster.rules.committed_end(),
        lonely,
        "nothing is committed by one of three"
    );
    cluster.start(others[0]);
    cluster.run_until(20, Cluster::is_settled);
}

#[test]
fn nothing_is_committed_while_no_second_disk_answers() {
    let mut cluster = settled(3, 0, 13);
    let leader = leader_of(&cluster);
    for id in cluster.ids() {
        if id != leader {
            cluster.network.stuck_disks.insert(id);
        }
    }
    let offset = cluster.append(leader).expect("it leads");
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(cluster.rules.committed_end(), offset);
    for id in cluster.ids() {
        if id != leader {
            assert_eq!(
                cluster.quorum(id).log_end_offset(),
                offset.next(),
                "they have it, but only in memory"
            );
        }
    }
}

#[test]
fn a_late_observer_is_served_from_the_disk() {
    let mut cluster = Cluster::new(3, 2, 17);
    let late = NodeId(5);
    cluster.kill(late);
    cluster.run_until(10, Cluster::is_settled);
    let leader = leader_of(&cluster);
    for _ in 0..200 {
        cluster.append(leader).expect("it leads");
        cluster.run_for(Duration::from_millis(5));
    }
    cluster.run_until(10, Cluster::is_settled);
    cluster.start(late);
    assert_eq!(cluster.quorum(late).high_watermark(), Offset(0));
    cluster.run_until(10, Cluster::is_settled);
    assert_eq!(cluster.rules.committed_values().len(), 200);
}

#[test]
fn a_restart_of_all_keeps_all_that_was_committed() {
    for seed in 0..10 {
        let mut cluster = settled(3, 1, seed);
        let leader = leader_of(&cluster);
        for _ in 0..30 {
            cluster.append(leader).expect("it leads");
        }
        cluster.run_until(10, Cluster::is_settled);
        for id in cluster.ids() {
            cluster.lose_power(id);
        }
        for id in cluster.ids() {
            cluster.start(id);
        }
        cluster.run_until(20, Cluster::is_settled);
        assert_eq!(cluster.rules.committed_values().len(), 30, "seed {seed}");
    }
}

#[test]
fn an_entry_of_an_old_epoch_commits_only_under_a_new_one() {
    // Raft's figure 8: a leader's entry that only a minority has comes back under a later leader.
    let mut cluster = settled(3, 0, 19);
    let old = leader_of(&cluster);
    cluster.isolate(old);
    let offset = cluster.append(old).expect("it does not know yet");
    cluster.run_for(Duration::from_millis(100));
    for id in cluster.ids() {
        cluster.kill(id);
    }
    cluster.heal();
    // It stands again together with one empty-handed voter, which has to take its entry over.
    cluster.start(old);
    let other = *cluster.ids().iter().find(|id| **id != old).expect("another");
    cluster.start(other);
    cluster.run_until(30, Cluster::is_settled);
    assert_eq!(leader_of(&cluster), old, "only its log is long enough");
    // The entry, then the leader change of the new epoch: the rules see that the first waited for the second.
    assert_eq!(cluster.rules.committed_end(), offset.plus(2));
    assert_eq!(cluster.rules.committed_values().len(), 1);
}
