//! The answer to any request that says nothing but an error (Kafka's `AbstractRequest.getErrorResponse`).

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{
    AllocateProducerIdsResponse, AlterPartitionResponse, ApiVersionsResponse, BeginQuorumEpochResponse,
    BrokerHeartbeatResponse, BrokerRegistrationResponse, ConsumerGroupHeartbeatResponse, CreatePartitionsResponse,
    CreateTopicsResponse, EndQuorumEpochResponse, ErrorCode, FetchPartitionResponse, FetchResponse,
    FindCoordinatorResponse, HeartbeatResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse,
    ListOffsetsPartitionResponse, ListOffsetsResponse, MetadataResponse, MetadataTopic, OffsetCommitResponse,
    OffsetFetchResponse, OffsetForLeaderEpochResponse, ProducePartitionResponse, ProduceResponse, Request, Response,
    SyncGroupResponse, VoteResponse,
};
use crate::types::{BrokerEpoch, GroupEpoch, LeaderEpoch, MemberId, Offset, ProducerEpoch, ProducerId, Timestamp};

impl Request {
    /// The answer of a node that refuses the request as a whole: `error`, and in everything else nothing. A producer of
    /// `acks=0` reads no answer, also not this one.
    #[must_use]
    pub fn error_response(&self, error: ErrorCode) -> Response {
        match self {
            Request::Produce(body) => {
                let refused = |(partition, _): &(_, _)| ProducePartitionResponse {
                    partition: *partition,
                    error,
                    base_offset: None,
                    log_start_offset: Offset(-1),
                    current_leader: None,
                };
                let partitions = body.partitions.iter().map(refused).collect();
                ProduceResponse { partitions }.into()
            }
            Request::Fetch(body) => {
                let asked = body.partitions.iter().map(|fetch| fetch.partition);
                let partitions = asked.map(|partition| FetchPartitionResponse::error(partition, error));
                FetchResponse {
                    error,
                    session_id: 0,
                    partitions: partitions.collect(),
                }
                .into()
            }
            Request::ListOffsets(body) => {
                let refused = |(partition, ..): &(_, _, _)| ListOffsetsPartitionResponse {
                    partition: *partition,
                    error,
                    offset: None,
                    timestamp: Timestamp::NONE,
                    leader_epoch: None,
                };
                let partitions = body.partitions.iter().map(refused).collect();
                ListOffsetsResponse { partitions }.into()
            }
            Request::OffsetForLeaderEpoch(body) => {
                let asked = body.partitions.iter();
                let partitions = asked.map(|(partition, ..)| (*partition, error, None)).collect();
                OffsetForLeaderEpochResponse { partitions }.into()
            }
            Request::Metadata(body) => {
                let refused = |name: &_| MetadataTopic {
                    name: Clone::clone(name),
                    id: None,
                    error,
                    partitions: Vec::new(),
                };
                MetadataResponse {
                    brokers: Vec::new(),
                    topics: body.topics.iter().flatten().map(refused).collect(),
                }
                .into()
            }
            Request::CreateTopics(body) => {
                let topics = body.topics.iter().map(|topic| (topic.name.clone(), error, None));
                let topics = topics.collect();
                CreateTopicsResponse { topics }.into()
            }
            Request::InitProducerId(_) => InitProducerIdResponse {
                error,
                producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch::NONE,
            }
            .into(),
            Request::AllocateProducerIds(_) => AllocateProducerIdsResponse {
                error,
                start: ProducerId::NONE,
                len: 0,
            }
            .into(),
            Request::BrokerRegistration(_) => BrokerRegistrationResponse {
                error,
                broker_epoch: BrokerEpoch(-1),
            }
            .into(),
            Request::BrokerHeartbeat(_) => BrokerHeartbeatResponse {
                error,
                is_caught_up: false,
                is_fenced: true,
                should_shut_down: false,
            }
            .into(),
            Request::AlterPartition(_) => AlterPartitionResponse {
                error,
                partitions: Vec::new(),
            }
            .into(),
            Request::Vote(body) => VoteResponse {
                error,
                epoch: LeaderEpoch::NONE,
                leader: None,
                granted: false,
                pre_vote: body.pre_vote,
            }
            .into(),
            Request::BeginQuorumEpoch(_) => BeginQuorumEpochResponse {
                error,
                epoch: LeaderEpoch::NONE,
                leader: None,
            }
            .into(),
            Request::EndQuorumEpoch(_) => EndQuorumEpochResponse {
                error,
                epoch: LeaderEpoch::NONE,
            }
            .into(),
            Request::CreatePartitions(_) => CreatePartitionsResponse { error }.into(),
            Request::FindCoordinator(_) => FindCoordinatorResponse {
                error,
                coordinator: None,
            }
            .into(),
            Request::JoinGroup(body) => JoinGroupResponse::error(error, body.member.clone()).into(),
            Request::SyncGroup(_) => SyncGroupResponse::error(error).into(),
            Request::Heartbeat(_) => HeartbeatResponse { error }.into(),
            Request::LeaveGroup(_) => LeaveGroupResponse { error }.into(),
            Request::ConsumerGroupHeartbeat(_) => ConsumerGroupHeartbeatResponse {
                error,
                member_epoch: GroupEpoch::ZERO,
                heartbeat_interval: Duration::ZERO,
                assignment: None,
            }
            .into(),
            Request::OffsetCommit(body) => {
                let asked = body.partitions.iter();
                let partitions = asked.map(|(partition, _)| (*partition, error)).collect();
                OffsetCommitResponse { partitions }.into()
            }
            Request::ApiVersions(_) => ApiVersionsResponse {
                error,
                api_keys: Vec::new(),
            }
            .into(),
            Request::OffsetFetch(_) => OffsetFetchResponse {
                error,
                partitions: Vec::new(),
            }
            .into(),
        }
    }
}

impl JoinGroupResponse {
    /// A refusal, with the id that the member has or is to come back with.
    #[must_use]
    pub fn error(error: ErrorCode, member: Option<MemberId>) -> JoinGroupResponse {
        JoinGroupResponse {
            error,
            generation: GroupEpoch::NONE,
            protocol: None,
            leader: None,
            member,
            members: Vec::new(),
            skip_assignment: false,
        }
    }
}

impl SyncGroupResponse {
    /// A refusal.
    #[must_use]
    pub fn error(error: ErrorCode) -> SyncGroupResponse {
        SyncGroupResponse {
            error,
            assignment: Bytes::new(),
        }
    }
}
