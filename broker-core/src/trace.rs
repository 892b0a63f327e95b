//! Every fact that a checker or a report may rely on, in the past tense.
//!
//! An event is stated by the machine that made it true, at the moment when it became true for that
//! machine. Checkers and reports read only these and the clients' history, never a machine's fields.

use alloc::vec::Vec;

use crate::disk::DiskError;
use crate::protocol::{Acks, ErrorCode, RecordBatch};
use crate::types::{
    BrokerEpoch, GroupEpoch, GroupId, GroupInstanceId, LeaderEpoch, MemberId, NodeId, Offset, PartitionEpoch,
    ProducerEpoch, ProducerId, Sequence, TopicId, TopicName, TopicPartition,
};

/// Whether a log was written as the leader or as a copy of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ReplicaRole {
    /// It decides offsets.
    Leader,
    /// It copies the leader.
    Follower,
}

/// Why a log was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TruncationCause {
    /// The leader answered that the logs part here (KIP-595 diverging epoch).
    DivergingEpoch,
    /// The leader's log begins later or ends earlier than this one could follow; everything was dropped.
    OutOfRange,
    /// The quirk `truncate-to-high-watermark`.
    HighWatermark,
}

/// A voter's or observer's part in the metadata quorum (KIP-595).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)] // the names are KIP-595's
pub enum QuorumRole {
    Unattached,
    Observer,
    Follower,
    Prospective,
    Candidate,
    Leader,
    Resigned,
}

/// The state of a group, of either protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub enum GroupState {
    /// No members; offsets may be there.
    Empty,
    /// Classic: members are called to join.
    PreparingRebalance,
    /// Classic: members have joined, the leader's assignment is awaited.
    CompletingRebalance,
    /// Consumer protocol: the target assignment is not the group epoch's yet.
    Assigning,
    /// Consumer protocol: members are on their way to the target assignment.
    Reconciling,
    /// Everybody has what it should have.
    Stable,
    /// Gone.
    Dead,
}

/// Why a member is none any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RemovalCause {
    /// It said so.
    Left,
    /// It was silent for longer than its session timeout.
    SessionTimeout,
    /// It did not join, sync or release its partitions in time.
    RebalanceTimeout,
    /// Another process took over its instance id.
    Replaced,
}

/// A fact about one node.
#[derive(Clone, Debug, Hash)]
pub enum Event {
    // ---- the log, also of the metadata partition
    /// A log was rebuilt from its files at the node's start.
    LogRecovered {
        /// Whose log.
        partition: TopicPartition,
        /// Its first offset.
        log_start_offset: Offset,
        /// The offset after its last intact batch.
        log_end_offset: Offset,
        /// Bytes behind the last intact batch that were cut.
        cut_bytes: u64,
        /// The batches that it has, oldest first.
        batches: Vec<RecordBatch>,
    },
    /// A batch was appended.
    Appended {
        /// Whose log.
        partition: TopicPartition,
        /// As what.
        role: ReplicaRole,
        /// The batch, with offset and leader epoch as stored.
        batch: RecordBatch,
    },
    /// A log was cut: `to` is its new end.
    Truncated {
        /// Whose log.
        partition: TopicPartition,
        /// The new end.
        to: Offset,
        /// The leader epoch in which the replica follows.
        leader_epoch: LeaderEpoch,
        /// Why.
        cause: TruncationCause,
    },
    /// Everything below `end` is durable.
    Flushed {
        /// Whose log.
        partition: TopicPartition,
        /// The durable end.
        end: Offset,
    },
    /// A disk operation failed and the log takes no part any more.
    LogWentOffline {
        /// Whose log.
        partition: TopicPartition,
        /// The failure.
        error: DiskError,
    },

    // ---- replication
    /// The replica leads from now on.
    BecameLeader {
        /// The partition.
        partition: TopicPartition,
        /// In this epoch.
        leader_epoch: LeaderEpoch,
        /// By this controller state.
        partition_epoch: PartitionEpoch,
        /// Its log's end then: the start of the epoch.
        epoch_start_offset: Offset,
        /// Its high watermark then.
        high_watermark: Offset,
        /// The committed ISR.
        isr: Vec<NodeId>,
    },
    /// The replica follows from now on (or waits, without a leader).
    BecameFollower {
        /// The partition.
        partition: TopicPartition,
        /// Whom.
        leader: Option<NodeId>,
        /// In this epoch.
        leader_epoch: LeaderEpoch,
        /// Its log's end then.
        log_end_offset: Offset,
        /// Its high watermark then.
        high_watermark: Offset,
    },
    /// The replica's high watermark changed.
    HighWatermarkChanged {
        /// The partition.
        partition: TopicPartition,
        /// As what.
        role: ReplicaRole,
        /// In which epoch.
        leader_epoch: LeaderEpoch,
        /// Before.
        from: Offset,
        /// After.
        to: Offset,
    },
    /// A leader learnt a follower's log end from its fetch.
    FollowerFetched {
        /// The partition.
        partition: TopicPartition,
        /// The follower.
        follower: NodeId,
        /// Its registration, as its fetch says.
        broker_epoch: Option<BrokerEpoch>,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The follower has everything below.
        fetch_offset: Offset,
    },
    /// A leader asked the controller for another ISR; until the answer its maximal ISR is the union of both.
    IsrProposed {
        /// The partition.
        partition: TopicPartition,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The state on which the proposal is based.
        partition_epoch: PartitionEpoch,
        /// The proposal.
        isr: Vec<NodeId>,
        /// ISR and proposal together.
        maximal_isr: Vec<NodeId>,
    },
    /// A leader took over an ISR that the controller committed; nothing is pending any more.
    IsrChanged {
        /// The partition.
        partition: TopicPartition,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The committed state.
        partition_epoch: PartitionEpoch,
        /// The committed ISR.
        isr: Vec<NodeId>,
    },
    /// A leader gave a proposal up and returned to the committed ISR.
    IsrProposalRejected {
        /// The partition.
        partition: TopicPartition,
        /// The controller's word.
        error: ErrorCode,
    },
    /// A leader answered a producer.
    ProduceAnswered {
        /// The partition.
        partition: TopicPartition,
        /// What the producer asked for.
        acks: Acks,
        /// Success, or why not.
        error: ErrorCode,
        /// First and last offset, where the batch is in the log.
        offsets: Option<(Offset, Offset)>,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The leader's high watermark at the answer.
        high_watermark: Offset,
        /// The size of the committed ISR at the append.
        isr_at_append: u32,
        /// `min.insync.replicas`.
        min_insync_replicas: u32,
    },
    /// A leader gave records to a consumer: all in `from..to`.
    FetchServed {
        /// The partition.
        partition: TopicPartition,
        /// The consumer.
        reader: NodeId,
        /// The offset asked for.
        from: Offset,
        /// One past the last record given.
        to: Offset,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
    },

    // ---- the metadata quorum
    /// The node's part in the quorum changed.
    QuorumRoleChanged {
        /// The new part.
        role: QuorumRole,
        /// Its epoch.
        epoch: LeaderEpoch,
        /// The leader of that epoch, if known.
        leader: Option<NodeId>,
    },
    /// Epoch and vote are durable.
    VoteStored {
        /// The epoch.
        epoch: LeaderEpoch,
        /// For whom, if for anybody.
        voted_for: Option<NodeId>,
    },
    /// A vote was given (not a pre-vote); also a candidate's own.
    VoteGranted {
        /// The epoch.
        epoch: LeaderEpoch,
        /// To whom.
        candidate: NodeId,
    },
    /// The node applied committed metadata.
    MetadataApplied {
        /// The end of what it has applied.
        end: Offset,
        /// A digest of its whole image: equal ends must give equal digests.
        digest: u64,
    },

    // ---- the controller's state, stated by every node as it applies it; `offset` is the metadata record's
    /// A topic was created.
    TopicCreated {
        /// Of the metadata record.
        offset: Offset,
        /// Its name.
        name: TopicName,
        /// Its id.
        topic: TopicId,
    },
    /// A partition's state was set.
    PartitionChanged {
        /// Of the metadata record.
        offset: Offset,
        /// The partition.
        partition: TopicPartition,
        /// Its replicas.
        replicas: Vec<NodeId>,
        /// Those in sync.
        isr: Vec<NodeId>,
        /// Its leader.
        leader: Option<NodeId>,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The state's epoch.
        partition_epoch: PartitionEpoch,
    },
    /// A broker was registered, fenced or unfenced.
    BrokerChanged {
        /// Of the metadata record.
        offset: Offset,
        /// The broker.
        broker: NodeId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// Whether it may lead and join ISRs.
        fenced: bool,
    },

    // ---- groups, stated by their coordinators
    /// A coordinator began to read a partition of the offsets topic, which it leads now.
    CoordinatorLoading {
        /// The partition of the offsets topic.
        partition: TopicPartition,
        /// The epoch in which it leads.
        leader_epoch: LeaderEpoch,
    },
    /// It has read all of it, and answers from now on.
    CoordinatorLoaded {
        /// The partition.
        partition: TopicPartition,
        /// The epoch.
        leader_epoch: LeaderEpoch,
        /// The end of what it has read.
        end: Offset,
        /// A digest of the state that was read: equal to that of the committed log up to `end`, by
        /// [`Compacted`](crate::protocol::Compacted).
        digest: u64,
    },
    /// It does not lead the partition any more, and has dropped its state.
    CoordinatorUnloaded {
        /// The partition.
        partition: TopicPartition,
        /// The epoch in which it led.
        leader_epoch: LeaderEpoch,
    },
    /// A group's state or epoch changed.
    GroupChanged {
        /// The group.
        group: GroupId,
        /// Its state now.
        state: GroupState,
        /// Its generation, or group epoch.
        epoch: GroupEpoch,
        /// How many members it has.
        members: u32,
    },
    /// A member joined, reached another epoch, or got another assignment. Stated when it is decided; committed by the
    /// time that the member is told.
    MemberChanged {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Its instance id, if it is static.
        instance: Option<GroupInstanceId>,
        /// The generation of a classic member, the member epoch of a consumer's.
        epoch: GroupEpoch,
        /// What it may own in that epoch.
        assigned: Vec<TopicPartition>,
        /// What it must release first (consumer protocol).
        revoking: Vec<TopicPartition>,
    },
    /// A member is none any more.
    MemberRemoved {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Why.
        cause: RemovalCause,
    },
    /// A coordinator took a position of a group and wrote it to its log.
    OffsetCommitted {
        /// The group.
        group: GroupId,
        /// Who committed, if a member.
        member: Option<MemberId>,
        /// In which generation or member epoch.
        epoch: GroupEpoch,
        /// The partition.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
        /// Where the record stands in the log of the offsets topic.
        at: (TopicPartition, Offset),
    },
    /// A coordinator told somebody the stored positions of a group.
    OffsetsFetched {
        /// The group.
        group: GroupId,
        /// Whom.
        client: NodeId,
        /// The positions, for the partitions that were asked for.
        partitions: Vec<(TopicPartition, Option<Offset>)>,
    },
    /// A position was too old and is gone.
    OffsetExpired {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
    },

    // ---- members, stated by the consumers themselves
    /// A consumer owns these from now on, besides what it had.
    PartitionsAssigned {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Its generation or member epoch.
        epoch: GroupEpoch,
        /// The new ones.
        partitions: Vec<TopicPartition>,
    },
    /// A consumer gave these up in good order.
    PartitionsRevoked {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Its generation or member epoch.
        epoch: GroupEpoch,
        /// What it gave up.
        partitions: Vec<TopicPartition>,
    },
    /// A consumer learnt that it has lost these: it was fenced, or left by not polling.
    PartitionsLost {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },

    // ---- clients
    /// A producer got an id.
    ProducerIdAssigned {
        /// The id.
        producer_id: ProducerId,
        /// Its epoch.
        producer_epoch: ProducerEpoch,
    },
    /// A producer put a batch into a request.
    BatchSent {
        /// The partition.
        partition: TopicPartition,
        /// To whom.
        to: NodeId,
        /// Counts from 1.
        attempt: u32,
        /// The producer's first sequence number, or `NONE`.
        base_sequence: Sequence,
        /// How many records.
        records: u32,
    },
    /// A producer's batch ended.
    BatchCompleted {
        /// The partition.
        partition: TopicPartition,
        /// Success, or why not.
        error: ErrorCode,
        /// Its first offset, if known.
        base_offset: Option<Offset>,
        /// After so many attempts.
        attempts: u32,
    },
    /// A consumer's position moved without a record being read.
    PositionReset {
        /// The partition.
        partition: TopicPartition,
        /// Before, if it had one.
        from: Option<Offset>,
        /// After.
        to: Offset,
        /// Why.
        cause: ResetCause,
    },
}

/// Why a consumer's position moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ResetCause {
    /// It had none.
    NoPosition,
    /// The leader's log does not reach it.
    OutOfRange,
    /// The log was cut below it (KIP-320).
    Truncated,
    /// The application asked for it.
    Seek,
    /// The group's stored position.
    Committed,
}
