//! Any well-typed request and response, for tests: plausible values, wrong ones, and the ends of their ranges.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::consumer_protocol::{Assignment, Subscription};
use super::record_batch::{CONTROL, TRANSACTIONAL};
use super::*;
use crate::config::TopicConfig;
use crate::random::Random;
use crate::types::{
    AssignorName, BrokerEpoch, Endpoint, EpochEndOffset, GroupEpoch, GroupId, GroupInstanceId, Host, LeaderEpoch,
    LeaderIdAndEpoch, Listener, Listeners, MemberId, NodeId, Offset, PartitionEpoch, PartitionIndex, ProducerEpoch,
    ProducerId, Sequence, Timestamp, TopicId, TopicName, TopicPartition,
};

/// Draws messages from a stream of randomness. Names and ids are few, so that they meet; the topics' ids are given.
pub struct Arbitrary<'a>(pub &'a mut Random, pub &'a [TopicId]);

impl Arbitrary<'_> {
    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize].clone()
    }

    fn some<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.0.chance(0.6).then(|| draw(self))
    }

    fn list<T>(&mut self, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.0.below(4)).map(|_| draw(self)).collect()
    }

    fn number(&mut self) -> i64 {
        match self.0.below(12) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => -1,
            3 => i64::from(i32::MAX),
            _ => self.0.below(8) as i64,
        }
    }

    fn small(&mut self) -> i32 {
        self.number().clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    fn bool(&mut self) -> bool {
        self.0.chance(0.5)
    }

    fn duration(&mut self) -> Duration {
        Duration::from_millis(self.0.below(20_000))
    }

    /// One of a session or rebalance timeout that a group may take.
    fn timeout(&mut self) -> Duration {
        let millis = self.one_of(&[0, 1, 6_000, 10_000, 45_000, u64::MAX]);
        Duration::from_millis(millis)
    }

    fn node(&mut self) -> NodeId {
        NodeId(self.one_of(&[0, 1, 2, 3, 4, 9]))
    }

    fn listener(&mut self) -> Listener {
        self.one_of(&[Listener::Broker, Listener::Broker, Listener::Controller])
    }

    fn endpoint(&mut self) -> Endpoint {
        Endpoint {
            host: Host(self.one_of(&[0, 1, 2, 3, 4, 9])),
            port: self.one_of(&[0, 9092, 9092, 9093, u16::MAX]),
        }
    }

    fn offset(&mut self) -> Offset {
        Offset(self.number())
    }

    fn epoch(&mut self) -> LeaderEpoch {
        LeaderEpoch(self.small())
    }

    fn topic(&mut self) -> TopicName {
        TopicName::from(self.one_of(&["orders", "payments", "", TopicName::CONSUMER_OFFSETS]))
    }

    fn pattern(&mut self) -> String {
        self.one_of(&["orders|payments", "p.*", "", "("]).into()
    }

    fn partition(&mut self) -> TopicPartition {
        let others = [
            TopicId(102),
            TopicId::ZERO,
            TopicId::CLUSTER_METADATA,
            TopicId(u128::MAX),
        ];
        let topic = match self.0.chance(0.6) {
            true => self.one_of(self.1),
            false => self.one_of(&others),
        };
        TopicPartition::new(topic, self.one_of(&[0, 0, 0, 1, 2, -1, i32::MAX]))
    }

    fn group(&mut self) -> GroupId {
        GroupId::from(self.one_of(&["workers", "workers", "others", ""]))
    }

    fn member(&mut self) -> MemberId {
        MemberId::from(self.one_of(&["a", "b", ""]))
    }

    fn instance(&mut self) -> Option<GroupInstanceId> {
        self.0
            .chance(0.2)
            .then(|| GroupInstanceId::from(self.one_of(&["i", "j", ""])))
    }

    fn assignor(&mut self) -> AssignorName {
        AssignorName::from(self.one_of(&["range", "cooperative-sticky", "uniform", "sticky", "roundrobin", ""]))
    }

    fn group_epoch(&mut self) -> GroupEpoch {
        GroupEpoch(self.one_of(&[-3, -2, -1, 0, 0, 1, 2, 3, i32::MAX]))
    }

    fn owned(&mut self) -> Vec<(TopicName, Vec<PartitionIndex>)> {
        self.list(|draw| (draw.topic(), draw.list(|draw| PartitionIndex(draw.small()))))
    }

    /// A subscription or an assignment, in order or not.
    fn group_bytes(&mut self) -> Bytes {
        match self.0.below(3) {
            0 => Subscription {
                topics: self.list(Self::topic),
                user_data: self.some(|_| Bytes::from_static(b"\0\0\0\x01")),
                owned: self.owned(),
                generation: self.group_epoch(),
            }
            .encode(),
            1 => Assignment {
                partitions: self.owned(),
            }
            .encode(),
            _ => Bytes::from_static(b"garbage"),
        }
    }

    fn batch(&mut self) -> RecordBatch {
        let attributes = self.one_of(&[0, 0, 0, 0, CONTROL, TRANSACTIONAL]);
        let mut builder = BatchBuilder::with_attributes(attributes);
        for _ in 0..=self.0.below(3) {
            let key = self.some(|_| b"key".as_slice());
            let value = self.some(|_| b"value".as_slice());
            builder.push(Timestamp(self.number()), key, value, &[]);
        }
        let batch = builder.build();
        let batch = match self.bool() {
            true => {
                let epoch = ProducerEpoch(self.one_of(&[-1, 0, 1, i16::MAX]));
                batch.with_producer(ProducerId(self.number()), epoch, Sequence(self.small()))
            }
            false => batch,
        };
        let base = self.one_of(&[0, 0, 1, 5, i64::MAX - 8]);
        batch.stamped(Offset(base), self.epoch())
    }

    fn position(&mut self) -> OffsetAndMetadata {
        OffsetAndMetadata {
            offset: self.offset(),
            leader_epoch: self.some(Self::epoch),
            metadata: String::from("x").repeat(self.one_of(&[0, 1, 5_000])),
        }
    }

    fn error(&mut self) -> ErrorCode {
        use ErrorCode as E;
        self.one_of(&[
            E::None,
            E::None,
            E::None,
            E::UnknownServerError,
            E::OffsetOutOfRange,
            E::UnknownTopicOrPartition,
            E::NotLeaderOrFollower,
            E::RequestTimedOut,
            E::MessageTooLarge,
            E::CoordinatorLoadInProgress,
            E::NotCoordinator,
            E::IllegalGeneration,
            E::UnknownMemberId,
            E::RebalanceInProgress,
            E::MemberIdRequired,
            E::FencedInstanceId,
            E::FencedMemberEpoch,
            E::StaleMemberEpoch,
            E::OutOfOrderSequenceNumber,
            E::DuplicateSequenceNumber,
            E::InvalidProducerEpoch,
            E::UnknownProducerId,
            E::ProducerFenced,
            E::FencedLeaderEpoch,
            E::UnknownLeaderEpoch,
            E::OffsetNotAvailable,
            E::UnknownTopicId,
            E::NotController,
            E::KafkaStorageError,
            E::UnsupportedVersion,
        ])
    }

    fn fetch_metadata(&mut self) -> FetchMetadata {
        FetchMetadata {
            session_id: self.one_of(&[0, 1, 2, -1, i32::MAX]),
            epoch: self.one_of(&[0, 0, -1, 1, 2, i32::MIN, i32::MAX]),
        }
    }

    fn epoch_end(&mut self) -> EpochEndOffset {
        EpochEndOffset {
            leader_epoch: self.epoch(),
            end_offset: self.offset(),
        }
    }

    fn leader(&mut self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader: self.some(Self::node),
            leader_epoch: self.epoch(),
        }
    }

    /// Any request that a client may send; those of brokers and controllers too if `peers` says so. What a replica says of
    /// its own log is believed, so that no voter claims to hold what it does not.
    pub fn request(&mut self, peers: bool) -> Request {
        let kind = match (peers, self.0.below(if peers { 24 } else { 15 })) {
            (false, 14) => 23,
            (_, kind) => kind,
        };
        match kind {
            0 => ProduceRequest {
                acks: self.one_of(&[Acks::None, Acks::Leader, Acks::All]),
                timeout: self.duration(),
                partitions: self.list(|draw| (draw.partition(), draw.batch())),
            }
            .into(),
            1 => FetchRequest {
                replica: self.some(|draw| FetchingReplica {
                    id: NodeId(draw.one_of(&[0, 4, 9])),
                    broker_epoch: draw.some(|draw| BrokerEpoch(draw.number())),
                }),
                metadata: self.fetch_metadata(),
                max_wait_ms: self.one_of(&[0, 1, 500, u32::MAX]),
                min_bytes: self.one_of(&[0, 1, u32::MAX]),
                max_bytes: self.one_of(&[0, 1, 1 << 20, u32::MAX]),
                isolation: self.one_of(&[IsolationLevel::ReadUncommitted, IsolationLevel::ReadCommitted]),
                partitions: self.list(|draw| FetchPartition {
                    partition: draw.partition(),
                    current_leader_epoch: draw.some(Self::epoch),
                    fetch_offset: draw.offset(),
                    last_fetched_epoch: draw.some(Self::epoch),
                    log_start_offset: draw.offset(),
                    max_bytes: draw.one_of(&[0, 1, 1 << 20, u32::MAX]),
                }),
                forgotten: self.list(Self::partition).into(),
            }
            .into(),
            2 => ListOffsetsRequest {
                isolation: self.one_of(&[IsolationLevel::ReadUncommitted, IsolationLevel::ReadCommitted]),
                partitions: self.list(|draw| {
                    let timestamp = Timestamp(draw.number());
                    let specs = [
                        OffsetSpec::Earliest,
                        OffsetSpec::Latest,
                        OffsetSpec::AtTimestamp(timestamp),
                    ];
                    (draw.partition(), draw.some(Self::epoch), draw.one_of(&specs))
                }),
            }
            .into(),
            3 => OffsetForLeaderEpochRequest {
                partitions: self.list(|draw| (draw.partition(), draw.some(Self::epoch), draw.epoch())),
            }
            .into(),
            4 => MetadataRequest {
                topics: self.some(|draw| draw.list(Self::topic)),
            }
            .into(),
            5 => CreateTopicsRequest {
                topics: self.list(|draw| NewTopic {
                    name: draw.topic(),
                    partitions: draw.one_of(&[0, 1, 3, 20_000]),
                    replication_factor: draw.one_of(&[0, 1, 3, u16::MAX]),
                    config: TopicConfig::default(),
                }),
            }
            .into(),
            6 => CreatePartitionsRequest {
                topic: self.topic(),
                count: self.one_of(&[0, 1, 2, 4, u32::MAX]),
            }
            .into(),
            7 => FindCoordinatorRequest { group: self.group() }.into(),
            8 => JoinGroupRequest {
                group: self.group(),
                session_timeout: self.timeout(),
                rebalance_timeout: self.duration(),
                member: self.some(Self::member),
                instance: self.instance(),
                protocol_type: String::from(self.one_of(&["consumer", "consumer", "connect", ""])),
                protocols: self.list(|draw| (draw.assignor(), draw.group_bytes())),
            }
            .into(),
            9 => match self.0.below(3) {
                0 => SyncGroupRequest {
                    group: self.group(),
                    generation: self.group_epoch(),
                    member: self.member(),
                    instance: self.instance(),
                    assignments: self.list(|draw| (draw.member(), draw.group_bytes())),
                }
                .into(),
                1 => HeartbeatRequest {
                    group: self.group(),
                    generation: self.group_epoch(),
                    member: self.member(),
                    instance: self.instance(),
                }
                .into(),
                _ => LeaveGroupRequest {
                    group: self.group(),
                    member: self.some(Self::member),
                    instance: self.instance(),
                }
                .into(),
            },
            10 => ConsumerGroupHeartbeatRequest {
                group: self.group(),
                member: self.member(),
                member_epoch: self.group_epoch(),
                instance: self.instance(),
                rebalance_timeout: self.some(Self::duration),
                subscribed_topics: self.some(|draw| draw.list(Self::topic)),
                subscribed_topic_regex: self.some(Self::pattern),
                server_assignor: self.some(Self::assignor),
                owned: self.some(|draw| draw.list(Self::partition)),
            }
            .into(),
            11 => OffsetCommitRequest {
                group: self.group(),
                generation_id_or_member_epoch: self.group_epoch(),
                member: self.some(Self::member),
                instance: self.instance(),
                partitions: self.list(|draw| (draw.partition(), draw.position())),
            }
            .into(),
            12 => OffsetFetchRequest {
                group: self.group(),
                member: self.some(Self::member),
                member_epoch: self.group_epoch(),
                partitions: self.some(|draw| draw.list(Self::partition)),
                require_stable: self.bool(),
            }
            .into(),
            13 => InitProducerIdRequest {
                current: self.some(|draw| {
                    let epoch = ProducerEpoch(draw.one_of(&[-1, 0, i16::MAX]));
                    (ProducerId(draw.number()), epoch)
                }),
            }
            .into(),
            14 => AllocateProducerIdsRequest {
                broker: self.node(),
                broker_epoch: BrokerEpoch(self.number()),
            }
            .into(),
            15 => BrokerRegistrationRequest {
                broker: NodeId(self.one_of(&[0, 4, 9])),
                incarnation: self.0.below(3),
                listeners: Listeners(self.list(|draw| (draw.listener(), draw.endpoint()))),
            }
            .into(),
            16 => BrokerHeartbeatRequest {
                broker: NodeId(self.one_of(&[0, 4, 9])),
                broker_epoch: BrokerEpoch(self.number()),
                current_metadata_offset: self.offset(),
                want_fence: self.bool(),
                want_shut_down: self.bool(),
            }
            .into(),
            17 => AlterPartitionRequest {
                broker: self.node(),
                broker_epoch: BrokerEpoch(self.number()),
                partitions: self.list(|draw| AlterPartition {
                    partition: draw.partition(),
                    leader_epoch: draw.epoch(),
                    new_isr: draw.list(|draw| (draw.node(), BrokerEpoch(draw.number()))),
                    partition_epoch: PartitionEpoch(draw.small()),
                }),
            }
            .into(),
            18 | 19 => VoteRequest {
                epoch: self.epoch(),
                candidate: self.node(),
                last_epoch: self.epoch(),
                last_epoch_end_offset: self.offset(),
                pre_vote: self.bool(),
            }
            .into(),
            20 | 21 => BeginQuorumEpochRequest {
                leader: self.node(),
                epoch: self.epoch(),
            }
            .into(),
            23 => ApiVersionsRequest {
                client_software_name: self.one_of(&["trial", "", "-", "apache-kafka-java"]).into(),
                client_software_version: self.one_of(&["4.1.1", "4.1.", "\u{e9}"]).into(),
            }
            .into(),
            _ => EndQuorumEpochRequest {
                leader: self.node(),
                epoch: self.epoch(),
                preferred_successors: self.list(Self::node),
            }
            .into(),
        }
    }

    /// An answer to this request: right in its type, and with something about what was asked or about anything else.
    pub fn response(&mut self, request: &Request) -> Response {
        if self.0.chance(0.1) {
            return request.error_response(self.error());
        }
        match request {
            Request::Produce(body) => {
                let asked: Vec<TopicPartition> = body.partitions.iter().map(|(partition, _)| *partition).collect();
                let partitions = self.about(&asked, |draw, partition| ProducePartitionResponse {
                    partition,
                    error: draw.error(),
                    base_offset: draw.some(Self::offset),
                    log_start_offset: draw.offset(),
                    current_leader: draw.some(Self::leader),
                });
                ProduceResponse { partitions }.into()
            }
            Request::Fetch(body) => {
                let asked: Vec<TopicPartition> = body.partitions.iter().map(|fetch| fetch.partition).collect();
                let partitions = self.about(&asked, |draw, partition| FetchPartitionResponse {
                    partition,
                    error: draw.error(),
                    high_watermark: draw.offset(),
                    last_stable_offset: draw.offset(),
                    log_start_offset: draw.offset(),
                    diverging_epoch: draw.some(Self::epoch_end).filter(|_| draw.bool()),
                    current_leader: draw.some(Self::leader),
                    records: draw.list(Self::batch),
                });
                FetchResponse {
                    error: self.error(),
                    session_id: self.one_of(&[0, 1, body.metadata.session_id, i32::MAX]),
                    partitions,
                }
                .into()
            }
            Request::ListOffsets(body) => {
                let asked: Vec<TopicPartition> = body.partitions.iter().map(|(partition, ..)| *partition).collect();
                let partitions = self.about(&asked, |draw, partition| ListOffsetsPartitionResponse {
                    partition,
                    error: draw.error(),
                    offset: draw.some(Self::offset),
                    timestamp: Timestamp(draw.number()),
                    leader_epoch: draw.some(Self::epoch),
                });
                ListOffsetsResponse { partitions }.into()
            }
            Request::OffsetForLeaderEpoch(body) => {
                let asked: Vec<TopicPartition> = body.partitions.iter().map(|(partition, ..)| *partition).collect();
                let partitions = self.about(&asked, |draw, partition| {
                    (partition, draw.error(), draw.some(Self::epoch_end))
                });
                OffsetForLeaderEpochResponse { partitions }.into()
            }
            Request::Metadata(_) => MetadataResponse {
                brokers: self.list(|draw| (draw.node(), draw.endpoint())),
                topics: self.list(|draw| MetadataTopic {
                    name: draw.topic(),
                    id: draw.some(|draw| draw.partition().topic),
                    error: draw.error(),
                    partitions: draw.list(|draw| MetadataPartition {
                        index: PartitionIndex(draw.one_of(&[0, 0, 1, -1, i32::MAX])),
                        error: draw.error(),
                        leader: draw.some(Self::node),
                        leader_epoch: draw.epoch(),
                        replicas: draw.list(Self::node),
                        isr: draw.list(Self::node),
                    }),
                }),
            }
            .into(),
            Request::InitProducerId(_) => InitProducerIdResponse {
                error: self.error(),
                producer_id: ProducerId(self.number()),
                producer_epoch: ProducerEpoch(self.one_of(&[-1, 0, 1, i16::MAX])),
            }
            .into(),
            Request::FindCoordinator(_) => FindCoordinatorResponse {
                error: self.error(),
                coordinator: self.some(|draw| (draw.node(), draw.endpoint())),
            }
            .into(),
            Request::JoinGroup(_) => JoinGroupResponse {
                error: self.error(),
                generation: self.group_epoch(),
                protocol: self.some(Self::assignor),
                leader: self.some(Self::member),
                member: self.some(Self::member),
                members: self.list(|draw| JoinGroupMember {
                    member: draw.member(),
                    instance: draw.instance(),
                    metadata: draw.group_bytes(),
                }),
                skip_assignment: self.bool(),
            }
            .into(),
            Request::SyncGroup(_) => SyncGroupResponse {
                error: self.error(),
                assignment: self.group_bytes(),
            }
            .into(),
            Request::ConsumerGroupHeartbeat(_) => ConsumerGroupHeartbeatResponse {
                error: self.error(),
                member_epoch: self.group_epoch(),
                heartbeat_interval: self.duration(),
                assignment: self.some(|draw| draw.list(Self::partition)),
            }
            .into(),
            Request::OffsetCommit(body) => {
                let asked: Vec<TopicPartition> = body.partitions.iter().map(|(partition, _)| *partition).collect();
                let partitions = self.about(&asked, |draw, partition| (partition, draw.error()));
                OffsetCommitResponse { partitions }.into()
            }
            Request::ApiVersions(_) => ApiVersionsResponse {
                error: self.error(),
                api_keys: self.list(|draw| ApiVersion {
                    api_key: draw.one_of(&[0, 1, -1, i16::MAX]),
                    min_version: draw.one_of(&[0, 3, i16::MAX]),
                    max_version: draw.one_of(&[-1, 0, 18]),
                }),
            }
            .into(),
            Request::OffsetFetch(body) => {
                let asked = body.partitions.clone().unwrap_or_default();
                OffsetFetchResponse {
                    error: self.error(),
                    partitions: self.about(&asked, |draw, partition| (partition, draw.some(Self::position))),
                }
                .into()
            }
            other => other.error_response(self.error()),
        }
    }

    /// What is said about each of these partitions, or about others.
    fn about<T>(&mut self, asked: &[TopicPartition], mut draw: impl FnMut(&mut Self, TopicPartition) -> T) -> Vec<T> {
        let mut about: Vec<TopicPartition> = asked.to_vec();
        if self.0.chance(0.2) {
            about = self.list(Self::partition);
        }
        about.into_iter().map(|partition| draw(self, partition)).collect()
    }
}

#[test]
fn every_api_is_drawn() {
    let mut rng = Random::new(1, "apis");
    let topics = [TopicId(100)];
    let mut draw = Arbitrary(&mut rng, &topics);
    let drawn: alloc::collections::BTreeSet<ApiKey> = (0..2_000).map(|_| draw.request(true).api_key()).collect();
    assert_eq!(drawn.len(), ApiKey::ALL.len(), "{drawn:?}");
}
