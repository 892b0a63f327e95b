//! Members of both protocols, through a failover of their coordinator.

use super::*;
use crate::protocol::consumer_protocol::{Assignment, Subscription};
use crate::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use crate::types::{AssignorName, MemberId, PartitionIndex};

const GROUP: &str = "workers";
const SESSION: Duration = Duration::from_secs(20);

struct Member {
    id: MemberId,
    epoch: GroupEpoch,
}

impl Member {
    fn commit(&self, partition: TopicPartition, offset: i64) -> OffsetCommitRequest {
        OffsetCommitRequest {
            generation_id_or_member_epoch: self.epoch,
            member: Some(self.id.clone()),
            ..commit_of(GROUP, partition, offset)
        }
    }
}

impl Cluster {
    fn commit_as(&mut self, to: u32, member: &Member, partition: TopicPartition, offset: i64) -> ErrorCode {
        match self.ask(to, member.commit(partition, offset)) {
            Response::OffsetCommit(body) => body.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, to: u32, member: Option<MemberId>) -> JoinGroupResponse {
        let subscription = Subscription {
            topics: [TopicName::from("orders")].into(),
            user_data: None,
            owned: Vec::new(),
            generation: GroupEpoch::NONE,
        };
        let request = JoinGroupRequest {
            group: GroupId::from(GROUP),
            session_timeout: SESSION,
            rebalance_timeout: SESSION,
            member,
            instance: None,
            protocol_type: "consumer".into(),
            protocols: [(AssignorName::from("range"), subscription.encode())].into(),
        };
        match self.ask(to, request) {
            Response::JoinGroup(body) => body,
            other => panic!("{other:?}"),
        }
    }

    /// A member that joins alone, and assigns itself everything.
    fn join_classic(&mut self, to: u32) -> Member {
        let first = self.join(to, None);
        assert_eq!(first.error, ErrorCode::MemberIdRequired);
        let joined = self.join(to, first.member);
        assert_eq!(joined.error, ErrorCode::None);
        assert_eq!(joined.leader, joined.member);
        let id = joined.member.expect("it has an id by now");
        let assignment = Assignment {
            partitions: [(TopicName::from("orders"), [PartitionIndex(0)].into())].into(),
        };
        let request = SyncGroupRequest {
            group: GroupId::from(GROUP),
            generation: joined.generation,
            member: id.clone(),
            instance: None,
            assignments: [(id.clone(), assignment.encode())].into(),
        };
        let Response::SyncGroup(SyncGroupResponse { error, .. }) = self.ask(to, request) else {
            panic!("another answer")
        };
        assert_eq!(error, ErrorCode::None);
        let epoch = joined.generation;
        Member { id, epoch }
    }

    fn heartbeat(&mut self, to: u32, member: &Member) -> ErrorCode {
        let request = HeartbeatRequest {
            group: GroupId::from(GROUP),
            generation: member.epoch,
            member: member.id.clone(),
            instance: None,
        };
        match self.ask(to, request) {
            Response::Heartbeat(body) => body.error,
            other => panic!("{other:?}"),
        }
    }

    /// The heartbeat of a member of the consumer protocol, which reports what it owns.
    fn consumer_heartbeat(
        &mut self,
        to: u32,
        member: &Member,
        owned: &[TopicPartition],
    ) -> ConsumerGroupHeartbeatResponse {
        let joins = member.epoch == GroupEpoch::ZERO;
        let request = ConsumerGroupHeartbeatRequest {
            group: GroupId::from(GROUP),
            member: member.id.clone(),
            member_epoch: member.epoch,
            instance: None,
            rebalance_timeout: joins.then_some(SESSION),
            subscribed_topics: joins.then(|| [TopicName::from("orders")].into()),
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: Some(owned.to_vec()),
        };
        match self.ask(to, request) {
            Response::ConsumerGroupHeartbeat(body) => body,
            other => panic!("{other:?}"),
        }
    }

    /// Ends the coordinator, and finds the next one once it has loaded.
    fn fail_over(&mut self, coordinator: u32) -> u32 {
        self.kill(coordinator);
        let through = BROKERS
            .into_iter()
            .find(|id| *id != coordinator)
            .expect("there are three");
        let next = self.find(through, GROUP, Some(coordinator));
        self.pass(SECOND);
        next
    }
}

fn with_coordinator(quirks: Quirks) -> (Cluster, TopicPartition, u32) {
    let mut cluster = Cluster::new(quirks);
    let partition = cluster.create_topic("orders");
    let coordinator = cluster.find(1, GROUP, None);
    cluster.pass(SECOND);
    (cluster, partition, coordinator)
}

#[test]
fn a_classic_member_stays_one_when_its_coordinator_dies() {
    let (mut cluster, partition, first) = with_coordinator(Quirks::default());
    let member = cluster.join_classic(first);
    assert_eq!(cluster.commit_as(first, &member, partition, 3), ErrorCode::None);
    assert_eq!(
        cluster.commit(first, GROUP, partition, 4),
        ErrorCode::UnknownMemberId,
        "the group is not empty"
    );

    let second = cluster.fail_over(first);
    assert_eq!(cluster.heartbeat(second, &member), ErrorCode::None);
    assert_eq!(cluster.commit_as(second, &member, partition, 5), ErrorCode::None);
    let early = Member {
        epoch: GroupEpoch(member.epoch.0 - 1),
        id: member.id.clone(),
    };
    assert_eq!(
        cluster.commit_as(second, &early, partition, 6),
        ErrorCode::IllegalGeneration
    );

    // Silent for its session timeout, it is none any more, and then anybody may commit.
    cluster.pass(SESSION + SECOND);
    assert_eq!(cluster.heartbeat(second, &member), ErrorCode::UnknownMemberId);
    assert_eq!(
        cluster.commit_as(second, &member, partition, 7),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(cluster.fetch(second, GROUP, partition), Ok(Some(5)));
    assert_eq!(cluster.commit(second, GROUP, partition, 8), ErrorCode::None);
}

#[test]
fn a_member_of_the_consumer_protocol_stays_one_when_its_coordinator_dies() {
    let (mut cluster, partition, first) = with_coordinator(Quirks::default());
    let mut member = Member {
        id: MemberId::from("m-1"),
        epoch: GroupEpoch::ZERO,
    };
    let joined = cluster.consumer_heartbeat(first, &member, &[]);
    assert_eq!(
        (joined.error, joined.assignment),
        (ErrorCode::None, Some([partition].into()))
    );
    member.epoch = joined.member_epoch;
    let settled = cluster.consumer_heartbeat(first, &member, &[partition]);
    assert_eq!((settled.error, settled.member_epoch), (ErrorCode::None, member.epoch));
    assert_eq!(cluster.commit_as(first, &member, partition, 3), ErrorCode::None);

    let second = cluster.fail_over(first);
    let kept = cluster.consumer_heartbeat(second, &member, &[partition]);
    assert_eq!((kept.error, kept.member_epoch), (ErrorCode::None, member.epoch));
    assert_eq!(cluster.commit_as(second, &member, partition, 5), ErrorCode::None);
    let early = Member {
        epoch: GroupEpoch(member.epoch.0 - 1),
        id: member.id.clone(),
    };
    assert_eq!(
        cluster.commit_as(second, &early, partition, 6),
        ErrorCode::StaleMemberEpoch
    );
    assert_eq!(cluster.commit(second, GROUP, partition, 6), ErrorCode::UnknownMemberId);
    assert_eq!(cluster.fetch(second, GROUP, partition), Ok(Some(5)));
}

/// Kafka's rule and the two quirks that break it, by what a former member of a classic group may store.
#[test]
fn former_members_may_not_commit() {
    let zombie = Quirks {
        zombie_offset_commit: true,
        ..Quirks::default()
    };
    let relaxed = Quirks {
        relaxed_commit_check: true,
        ..Quirks::default()
    };
    let (none, unknown, illegal) = (
        ErrorCode::None,
        ErrorCode::UnknownMemberId,
        ErrorCode::IllegalGeneration,
    );
    for (row, quirks, expected) in [
        ("as it should be", Quirks::default(), [illegal, unknown, none]),
        ("zombies commit", zombie, [none, none, none]),
        ("any earlier generation commits", relaxed, [none, unknown, none]),
    ] {
        let (mut cluster, partition, coordinator) = with_coordinator(quirks);
        let member = cluster.join_classic(coordinator);
        let early = Member {
            epoch: GroupEpoch(member.epoch.0 - 1),
            id: member.id.clone(),
        };
        let stranger = Member {
            epoch: member.epoch,
            id: MemberId::from("stranger"),
        };
        let errors = [early, stranger, member].map(|member| cluster.commit_as(coordinator, &member, partition, 1));
        assert_eq!(errors, expected, "{row}");
    }
}

/// `GroupMetadataManager`: a client id, or the id of a static member's instance, and what no other has.
#[test]
fn a_new_member_is_named_after_its_client() {
    let mut cluster = Cluster::new(Quirks::default());
    let coordinator = cluster.find(1, "workers", None);
    let answer = cluster.join(coordinator, None);
    assert_eq!(answer.error, ErrorCode::MemberIdRequired);
    let id = answer.member.expect("an id to join with");
    assert!(id.0.starts_with("app-"), "{id}");
    let other = cluster.join(coordinator, None).member;
    assert!(other.is_some_and(|other| other != id && other.0.starts_with("app-")));
}
