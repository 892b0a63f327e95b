//! Requests and responses of the cluster, and those of its logs; those of groups are in `groups`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::TopicConfig;
use crate::protocol::{ErrorCode, RecordBatch};
use crate::types::{
    BrokerEpoch, Endpoint, EpochEndOffset, LeaderEpoch, LeaderIdAndEpoch, Listeners, NodeId, Offset, PartitionEpoch,
    PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicName, TopicPartition,
};

/// How many replicas must have a batch before the producer is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Acks {
    /// Nobody is asked and nothing is answered.
    None,
    /// The leader alone.
    Leader,
    /// Every member of the ISR, and at least `min.insync.replicas` of them.
    All,
}

/// Append one batch to each of some partitions that the receiver leads.
#[derive(Clone, Debug, Hash)]
pub struct ProduceRequest {
    /// When to answer.
    pub acks: Acks,
    /// How long to wait for replicas at `acks=all` (the client's `request.timeout.ms`).
    pub timeout: Duration,
    /// One batch per partition.
    pub partitions: Vec<(TopicPartition, RecordBatch)>,
}

/// The answer to a [`ProduceRequest`] with acks other than none.
#[derive(Clone, Debug, Hash)]
pub struct ProduceResponse {
    /// One answer per partition of the request.
    pub partitions: Vec<ProducePartitionResponse>,
}

/// What became of one batch.
#[derive(Clone, Debug, Hash)]
pub struct ProducePartitionResponse {
    /// The partition.
    pub partition: TopicPartition,
    /// Success, or why not.
    pub error: ErrorCode,
    /// The offset of the batch's first record; `None` on errors and where the broker no longer knows it.
    pub base_offset: Option<Offset>,
    /// The first offset of the log.
    pub log_start_offset: Offset,
    /// With NOT_LEADER_OR_FOLLOWER: who leads now, if the broker knows (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}

/// Which records a reader may see. A leader takes no transactional batches, so its last stable offset is its high watermark,
/// and both levels read the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum IsolationLevel {
    /// All below the high watermark.
    ReadUncommitted,
    /// Below the last stable offset, aborted transactions left out by the client.
    ReadCommitted,
}

/// Who fetches, if it is a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FetchingReplica {
    /// The follower.
    pub id: NodeId,
    /// Its registration (KIP-903); `None` for voters and observers of the metadata quorum.
    pub broker_epoch: Option<BrokerEpoch>,
}

/// To which fetch session a request belongs, and its number in it (KIP-227; Kafka `FetchMetadata`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FetchMetadata {
    /// The session; 0 where there is none.
    pub session_id: i32,
    /// 0 begins a session, -1 wants none; both name all partitions. From 1 on the requests of a session are counted, and
    /// each names what changed since the one before.
    pub epoch: i32,
}

impl FetchMetadata {
    /// A request that begins a session.
    pub const INITIAL: FetchMetadata = FetchMetadata {
        session_id: 0,
        epoch: 0,
    };
    /// A request of a reader that wants no session.
    pub const NONE: FetchMetadata = FetchMetadata {
        session_id: 0,
        epoch: -1,
    };

    /// Whether the request names all partitions that are read.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.epoch <= 0
    }

    /// What comes after this request in the session `session_id`.
    #[must_use]
    pub fn next(self, session_id: i32) -> FetchMetadata {
        let epoch = match self.epoch {
            i32::MAX => 1,
            epoch => epoch.max(0) + 1,
        };
        FetchMetadata { session_id, epoch }
    }

    /// A request that ends this session, and begins another.
    #[must_use]
    pub fn replace(self) -> FetchMetadata {
        FetchMetadata { epoch: 0, ..self }
    }
}

/// Read from some partitions.
#[derive(Clone, Debug, Hash)]
pub struct FetchRequest {
    /// The replica that fetches; `None` for consumers.
    pub replica: Option<FetchingReplica>,
    /// The fetch session.
    pub metadata: FetchMetadata,
    /// How long to wait for `min_bytes`, in ms.
    pub max_wait_ms: u32,
    /// Answer once this many bytes are there.
    pub min_bytes: u32,
    /// Answer with at most this many bytes, but always with at least one batch if there is one (KIP-74).
    pub max_bytes: u32,
    /// What the reader may see.
    pub isolation: IsolationLevel,
    /// From where; within a session, what is new or has changed.
    pub partitions: Vec<FetchPartition>,
    /// What a session does not read any more.
    pub forgotten: Box<[TopicPartition]>,
}

/// From where to read in one partition.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct FetchPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader epoch that the reader believes in; the leader refuses another (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The first offset wanted.
    pub fetch_offset: Offset,
    /// The epoch of the last record that the reader has; the leader checks that its own log agrees (KIP-595).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Where a follower's log begins.
    pub log_start_offset: Offset,
    /// At most this many bytes from this partition.
    pub max_bytes: u32,
}

/// The answer to a [`FetchRequest`].
#[derive(Clone, Debug, Hash)]
pub struct FetchResponse {
    /// Success, or what is wrong with the session (FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH).
    pub error: ErrorCode,
    /// The session that the next request may continue; 0 if there is none.
    pub session_id: i32,
    /// One answer per partition of a request that names all; within a session, those about which there is something to
    /// say.
    pub partitions: Vec<FetchPartitionResponse>,
}

impl FetchResponse {
    /// The answer to a request that names all partitions, without a session to continue.
    #[must_use]
    pub fn of_all(partitions: Vec<FetchPartitionResponse>) -> FetchResponse {
        FetchResponse {
            error: ErrorCode::None,
            session_id: 0,
            partitions,
        }
    }
}

/// What was read from one partition.
#[derive(Clone, Debug, Hash)]
pub struct FetchPartitionResponse {
    /// The partition.
    pub partition: TopicPartition,
    /// Success, or why not.
    pub error: ErrorCode,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The first offset that an open transaction may still change.
    pub last_stable_offset: Offset,
    /// The first offset of the leader's log.
    pub log_start_offset: Offset,
    /// Where the reader's log stops agreeing with the leader's; then there are no records.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads, if the receiver does not or the reader's epoch is old.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Whole batches in offset order; the first may begin below the fetch offset.
    pub records: Vec<RecordBatch>,
}

impl FetchPartitionResponse {
    /// An answer without records.
    #[must_use]
    pub fn error(partition: TopicPartition, error: ErrorCode) -> FetchPartitionResponse {
        FetchPartitionResponse {
            partition,
            error,
            high_watermark: Offset(-1),
            last_stable_offset: Offset(-1),
            log_start_offset: Offset(-1),
            diverging_epoch: None,
            current_leader: None,
            records: Vec::new(),
        }
    }
}

/// Which offset is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OffsetSpec {
    /// The first offset of the log.
    Earliest,
    /// The high watermark (or the last stable offset).
    Latest,
    /// The first offset whose record is not older than this.
    AtTimestamp(Timestamp),
}

/// Look up offsets.
#[derive(Clone, Debug, Hash)]
pub struct ListOffsetsRequest {
    /// What the reader may see.
    pub isolation: IsolationLevel,
    /// Partition, believed leader epoch, and what is looked for.
    pub partitions: Vec<(TopicPartition, Option<LeaderEpoch>, OffsetSpec)>,
}

/// The answer to a [`ListOffsetsRequest`].
#[derive(Clone, Debug, Hash)]
pub struct ListOffsetsResponse {
    /// One answer per partition of the request.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// The offset of one partition.
#[derive(Clone, Debug, Hash)]
pub struct ListOffsetsPartitionResponse {
    /// The partition.
    pub partition: TopicPartition,
    /// Success, or why not.
    pub error: ErrorCode,
    /// The offset; `None` where there is no such record.
    pub offset: Option<Offset>,
    /// The timestamp of the record found, for [`OffsetSpec::AtTimestamp`].
    pub timestamp: Timestamp,
    /// The leader epoch of that offset.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Where do epochs end?
#[derive(Clone, Debug, Hash)]
pub struct OffsetForLeaderEpochRequest {
    /// Partition, believed leader epoch, and the epoch asked about.
    pub partitions: Vec<(TopicPartition, Option<LeaderEpoch>, LeaderEpoch)>,
}

/// The answer to an [`OffsetForLeaderEpochRequest`].
#[derive(Clone, Debug, Hash)]
pub struct OffsetForLeaderEpochResponse {
    /// Partition, error, and the end; `None` if the leader knows no epoch up to the asked one.
    pub partitions: Vec<(TopicPartition, ErrorCode, Option<EpochEndOffset>)>,
}

/// Who leads what?
#[derive(Clone, Debug, Hash)]
pub struct MetadataRequest {
    /// The topics; `None` asks for all.
    pub topics: Option<Vec<TopicName>>,
}

/// The answer to a [`MetadataRequest`], as far as the answering broker knows.
#[derive(Clone, Debug, Hash)]
pub struct MetadataResponse {
    /// Live brokers, each with its endpoint of the listener that the request came over.
    pub brokers: Vec<(NodeId, Endpoint)>,
    /// Topics by name.
    pub topics: Vec<MetadataTopic>,
}

/// One topic of a [`MetadataResponse`].
#[derive(Clone, Debug, Hash)]
pub struct MetadataTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id; `None` with an error.
    pub id: Option<TopicId>,
    /// Success, or UNKNOWN_TOPIC_OR_PARTITION.
    pub error: ErrorCode,
    /// Its partitions by index.
    pub partitions: Vec<MetadataPartition>,
}

/// One partition of a [`MetadataTopic`].
#[derive(Clone, Debug, Hash)]
pub struct MetadataPartition {
    /// Its index.
    pub index: PartitionIndex,
    /// Success, or LEADER_NOT_AVAILABLE.
    pub error: ErrorCode,
    /// Its leader, if it has one.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those in sync.
    pub isr: Vec<NodeId>,
}

/// Create topics.
#[derive(Clone, Debug, Hash)]
pub struct CreateTopicsRequest {
    /// The topics.
    pub topics: Vec<NewTopic>,
}

/// A topic to be created.
#[derive(Clone, Debug, Hash)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas of each.
    pub replication_factor: u16,
    /// Its settings.
    pub config: TopicConfig,
}

/// The answer to a [`CreateTopicsRequest`].
#[derive(Clone, Debug, Hash)]
pub struct CreateTopicsResponse {
    /// Name, error, and the id on success.
    pub topics: Vec<(TopicName, ErrorCode, Option<TopicId>)>,
}

/// A producer id, please.
#[derive(Clone, Debug, Hash)]
pub struct InitProducerIdRequest {
    /// The id and epoch that a transactional producer has, to get the next epoch of it (KIP-360); means nothing for others.
    pub current: Option<(ProducerId, ProducerEpoch)>,
}

/// The answer to an [`InitProducerIdRequest`].
#[derive(Clone, Debug, Hash)]
pub struct InitProducerIdResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// The producer's id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
}

/// A block of producer ids, please.
#[derive(Clone, Debug, Hash)]
pub struct AllocateProducerIdsRequest {
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
}

/// The answer to an [`AllocateProducerIdsRequest`].
#[derive(Clone, Debug, Hash)]
pub struct AllocateProducerIdsResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// The first id of the block.
    pub start: ProducerId,
    /// How many ids it has.
    pub len: u32,
}

/// A broker joins.
#[derive(Clone, Debug, Hash)]
pub struct BrokerRegistrationRequest {
    /// The broker.
    pub broker: NodeId,
    /// Names this run of the broker's process, drawn at its start.
    pub incarnation: u64,
    /// Where it listens for clients and other brokers.
    pub listeners: Listeners,
}

/// The answer to a [`BrokerRegistrationRequest`].
#[derive(Clone, Debug, Hash)]
pub struct BrokerRegistrationResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// The epoch of the registration.
    pub broker_epoch: BrokerEpoch,
}

/// A broker is alive.
#[derive(Clone, Debug, Hash)]
pub struct BrokerHeartbeatRequest {
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The end of the metadata that it has applied.
    pub current_metadata_offset: Offset,
    /// It asks to stay fenced (or to be fenced).
    pub want_fence: bool,
    /// It asks for a controlled shutdown.
    pub want_shut_down: bool,
}

/// The answer to a [`BrokerHeartbeatRequest`].
#[derive(Clone, Debug, Hash)]
pub struct BrokerHeartbeatResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// It has applied the metadata up to its own registration.
    pub is_caught_up: bool,
    /// The controller holds it fenced.
    pub is_fenced: bool,
    /// It may stop now.
    pub should_shut_down: bool,
}

/// A leader proposes another ISR for some partitions.
#[derive(Clone, Debug, Hash)]
pub struct AlterPartitionRequest {
    /// The leader.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The proposals.
    pub partitions: Vec<AlterPartition>,
}

/// A proposal for one partition.
#[derive(Clone, Debug, Hash)]
pub struct AlterPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The proposed ISR, each member with the registration in which it caught up (KIP-903).
    pub new_isr: Vec<(NodeId, BrokerEpoch)>,
    /// The partition epoch on which the proposal is based.
    pub partition_epoch: PartitionEpoch,
}

/// The answer to an [`AlterPartitionRequest`].
#[derive(Clone, Debug, Hash)]
pub struct AlterPartitionResponse {
    /// An error for the request as a whole (NOT_CONTROLLER, STALE_BROKER_EPOCH).
    pub error: ErrorCode,
    /// One answer per partition of the request, if there is no error.
    pub partitions: Vec<AlterPartitionResult>,
}

/// The state of one partition after a proposal.
#[derive(Clone, Debug, Hash)]
pub struct AlterPartitionResult {
    /// The partition.
    pub partition: TopicPartition,
    /// Success, or why not; the rest is only meant on success.
    pub error: ErrorCode,
    /// Its leader.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The committed ISR.
    pub isr: Vec<NodeId>,
    /// The committed partition epoch.
    pub partition_epoch: PartitionEpoch,
}

/// A vote, please.
#[derive(Clone, Debug, Hash)]
pub struct VoteRequest {
    /// The epoch of the election (for a pre-vote: the candidate's current epoch).
    pub epoch: LeaderEpoch,
    /// Who asks.
    pub candidate: NodeId,
    /// The epoch of the candidate's last entry.
    pub last_epoch: LeaderEpoch,
    /// The end of the candidate's log.
    pub last_epoch_end_offset: Offset,
    /// Only asked whether a vote would be granted; nothing is remembered (KIP-996).
    pub pre_vote: bool,
}

/// The answer to a [`VoteRequest`].
#[derive(Clone, Debug, Hash)]
pub struct VoteResponse {
    /// Success, or why the request is void.
    pub error: ErrorCode,
    /// The voter's epoch.
    pub epoch: LeaderEpoch,
    /// The leader of that epoch, if the voter knows it.
    pub leader: Option<NodeId>,
    /// The vote.
    pub granted: bool,
    /// Echo of the request.
    pub pre_vote: bool,
}

/// "I lead epoch `epoch`."
#[derive(Clone, Debug, Hash)]
pub struct BeginQuorumEpochRequest {
    /// The leader.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// The answer to a [`BeginQuorumEpochRequest`].
#[derive(Clone, Debug, Hash)]
pub struct BeginQuorumEpochResponse {
    /// Success, or FENCED_LEADER_EPOCH.
    pub error: ErrorCode,
    /// The receiver's epoch.
    pub epoch: LeaderEpoch,
    /// The leader of that epoch, if the receiver knows it.
    pub leader: Option<NodeId>,
}

/// "I no longer lead epoch `epoch`."
#[derive(Clone, Debug, Hash)]
pub struct EndQuorumEpochRequest {
    /// The leader that resigns.
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Who should stand first, best first.
    pub preferred_successors: Vec<NodeId>,
}

/// The answer to an [`EndQuorumEpochRequest`].
#[derive(Clone, Debug, Hash)]
pub struct EndQuorumEpochResponse {
    /// Success, or FENCED_LEADER_EPOCH.
    pub error: ErrorCode,
    /// The receiver's epoch.
    pub epoch: LeaderEpoch,
}

/// Give a topic more partitions.
#[derive(Clone, Debug, Hash)]
pub struct CreatePartitionsRequest {
    /// The topic.
    pub topic: TopicName,
    /// How many partitions it has afterwards; more than before.
    pub count: u32,
}

/// The answer to a [`CreatePartitionsRequest`].
#[derive(Clone, Debug, Hash)]
pub struct CreatePartitionsResponse {
    /// Success, or why not (INVALID_PARTITIONS, UNKNOWN_TOPIC_OR_PARTITION, NOT_CONTROLLER).
    pub error: ErrorCode,
}
