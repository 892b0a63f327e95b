//! A coordinator with one member, which the test can make fail, and what a member of a group does in a test.

use alloc::string::ToString;

use bytes::Bytes;

use super::*;
use crate::config::GroupProtocol;
use crate::protocol::consumer_protocol::Assignment;
use crate::protocol::{
    ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, FindCoordinatorResponse, HeartbeatResponse,
    JoinGroupMember, JoinGroupResponse, LeaveGroupResponse, OffsetAndMetadata, OffsetCommitResponse,
    OffsetFetchResponse, SyncGroupResponse,
};
use crate::types::{Endpoint, GroupEpoch, Listener, MemberId};

pub(super) struct Coordinator {
    pub node: u32,
    pub generation: i32,
    /// It answers the next request of this kind so.
    pub fails: Option<(ApiKey, ErrorCode)>,
    pub stored: BTreeMap<TopicPartition, OffsetAndMetadata>,
    /// What the member of the consumer protocol is to own.
    pub target: Vec<TopicPartition>,
    /// What it was asked, in order.
    pub asked: Vec<Request>,
    /// Members that join besides; the tested one leads.
    pub others: Vec<JoinGroupMember>,
    /// What its last leader assigned.
    pub assigned: Vec<(MemberId, Bytes)>,
}

impl Default for Coordinator {
    fn default() -> Coordinator {
        Coordinator {
            node: 2,
            generation: 0,
            fails: None,
            stored: BTreeMap::new(),
            target: Vec::new(),
            asked: Vec::new(),
            others: Vec::new(),
            assigned: Vec::new(),
        }
    }
}

pub(super) fn me() -> MemberId {
    MemberId::from("me")
}

impl Coordinator {
    /// The kinds of what it was asked since the last call.
    pub fn kinds(&mut self) -> Vec<ApiKey> {
        self.asked.drain(..).map(|request| request.api_key()).collect()
    }

    /// The heartbeats of the consumer protocol that it got since the last call.
    pub fn heartbeats(&mut self) -> Vec<ConsumerGroupHeartbeatRequest> {
        let heartbeat = |request| match request {
            Request::ConsumerGroupHeartbeat(request) => Some(*request),
            _ => None,
        };
        self.asked.drain(..).filter_map(heartbeat).collect()
    }

    pub fn serve(&mut self, sent: &Sent) -> Response {
        self.asked.push(sent.body.clone());
        let error = self.fails.take_if(|(kind, _)| *kind == sent.body.api_key());
        let mut error = error.map_or(ErrorCode::None, |(_, error)| error);
        if sent.to != NodeId(self.node) && sent.body.api_key() != ApiKey::FindCoordinator {
            error = ErrorCode::NotCoordinator;
        }
        match &sent.body {
            Request::FindCoordinator(_) => FindCoordinatorResponse {
                error,
                coordinator: error.is_ok().then(|| {
                    let node = NodeId(self.node);
                    (node, Endpoint::of(node, Listener::Broker))
                }),
            }
            .into(),
            Request::JoinGroup(request) => {
                let mut answer = JoinGroupResponse {
                    error,
                    generation: GroupEpoch::NONE,
                    protocol: None,
                    leader: None,
                    member: request.member.clone(),
                    members: Vec::new(),
                    skip_assignment: false,
                };
                if error.is_ok() && request.member.is_none() && request.instance.is_none() {
                    answer.error = ErrorCode::MemberIdRequired;
                    answer.member = Some(me());
                } else if error.is_ok() {
                    self.generation += 1;
                    let (protocol, metadata) = &request.protocols[0];
                    answer.generation = GroupEpoch(self.generation);
                    answer.protocol = Some(protocol.clone());
                    answer.leader = Some(me());
                    answer.member = Some(me());
                    answer.members = self.others.clone();
                    answer.members.push(JoinGroupMember {
                        member: me(),
                        instance: request.instance.clone(),
                        metadata: metadata.clone(),
                    });
                }
                answer.into()
            }
            Request::SyncGroup(request) => {
                self.assigned = request.assignments.clone();
                let own = self.assigned.iter().find(|(member, _)| *member == me());
                SyncGroupResponse {
                    error,
                    assignment: own.map(|(_, bytes)| bytes.clone()).unwrap_or_default(),
                }
                .into()
            }
            Request::Heartbeat(_) => HeartbeatResponse { error }.into(),
            Request::LeaveGroup(_) => LeaveGroupResponse { error }.into(),
            Request::OffsetCommit(request) => {
                if error.is_ok() {
                    self.stored.extend(request.partitions.iter().cloned());
                }
                OffsetCommitResponse {
                    partitions: request.partitions.iter().map(|(id, _)| (*id, error)).collect(),
                }
                .into()
            }
            Request::OffsetFetch(request) => {
                let asked = request.partitions.iter().flatten();
                OffsetFetchResponse {
                    error,
                    partitions: asked.map(|id| (*id, self.stored.get(id).cloned())).collect(),
                }
                .into()
            }
            Request::ConsumerGroupHeartbeat(request) => {
                if request.member_epoch == GroupEpoch::ZERO && error.is_ok() {
                    self.generation += 1;
                }
                ConsumerGroupHeartbeatResponse {
                    error,
                    member_epoch: GroupEpoch(self.generation),
                    heartbeat_interval: ms(5_000),
                    assignment: error.is_ok().then(|| self.target.clone()),
                }
                .into()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The settings of a member, before the test changes them.
pub(super) fn member_config(protocol: GroupProtocol) -> ConsumerConfig {
    ConsumerConfig {
        group_id: Some("g".to_string()),
        group_protocol: protocol,
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        ..ConsumerConfig::default()
    }
}

impl Bench {
    /// A member of the classic protocol that owns `partitions` partitions.
    pub fn member(config: ConsumerConfig, partitions: usize) -> Bench {
        let mut bench = Bench::with(config, partitions);
        bench.coordinator.target = (0..partitions).map(|index| tp(index as i32)).collect();
        bench.consumer.subscribe(bench.now(), vec!["t".into()]);
        bench.settle();
        assert_eq!(bench.poll(), [assigned(0..partitions as i32)]);
        bench.settle();
        bench.coordinator.asked.clear();
        bench.events.clear();
        bench
    }

    /// The application polls and hears what there is to hear.
    pub fn poll(&mut self) -> Vec<Rebalance> {
        self.consumer.polled(self.now());
        self.settle();
        let mut heard = Vec::new();
        while let Some(told) = self.consumer.rebalance() {
            heard.push(told.clone());
            assert!(!self.consumer.has_records(), "first the rebalance, then records");
            self.consumer.rebalance_done(self.now());
            self.settle();
        }
        heard
    }

    /// The first request of this kind that it sends when everything else is answered, until `time` has passed.
    pub fn next(&mut self, kind: ApiKey, time: Duration) -> Sent {
        let until = self.now + time;
        loop {
            let mut found = None;
            let sent = self.requests();
            let is_quiet = sent.is_empty();
            for sent in sent {
                if sent.body.api_key() == kind && found.is_none() {
                    found = Some(sent);
                } else if sent.body.api_key() != ApiKey::Fetch {
                    let body = self.serve(&sent);
                    self.respond(&sent, body);
                }
            }
            if let Some(found) = found {
                return found;
            }
            if !is_quiet {
                continue;
            }
            let at = self.consumer.deadline().filter(|at| *at <= until);
            let at = at.unwrap_or_else(|| panic!("no {kind:?} within {time:?}"));
            self.now = self.now.max(at);
            self.handle(Input::Wake);
        }
    }

    /// The notices since the last call.
    pub fn notices(&mut self) -> Vec<ConsumerNotice> {
        core::iter::from_fn(|| self.consumer.next_notice()).collect()
    }
}

pub(super) fn ids(partitions: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    partitions.into_iter().map(tp).collect()
}

pub(super) fn assigned(partitions: impl IntoIterator<Item = i32>) -> Rebalance {
    Rebalance::Assigned(ids(partitions))
}

pub(super) fn revoked(partitions: impl IntoIterator<Item = i32>) -> Rebalance {
    Rebalance::Revoked(ids(partitions))
}

pub(super) fn lost(partitions: impl IntoIterator<Item = i32>) -> Rebalance {
    Rebalance::Lost(ids(partitions))
}

pub(super) fn assignment(partitions: impl IntoIterator<Item = i32>) -> Bytes {
    let partitions: Vec<PartitionIndex> = partitions.into_iter().map(PartitionIndex).collect();
    Assignment {
        partitions: vec![("t".into(), partitions)],
    }
    .encode()
}
