//! Kafka's error codes, as far as the protocol here uses them (4.1.1, `Errors.java`).

/// The result of a request, for the peer. `None` is success.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(i16)]
#[allow(missing_docs)] // the names are Kafka's, and their meaning is documented there
pub enum ErrorCode {
    UnknownServerError = -1,
    None = 0,
    OffsetOutOfRange = 1,
    CorruptMessage = 2,
    UnknownTopicOrPartition = 3,
    LeaderNotAvailable = 5,
    NotLeaderOrFollower = 6,
    RequestTimedOut = 7,
    BrokerNotAvailable = 8,
    ReplicaNotAvailable = 9,
    MessageTooLarge = 10,
    OffsetMetadataTooLarge = 12,
    NetworkException = 13,
    CoordinatorLoadInProgress = 14,
    CoordinatorNotAvailable = 15,
    NotCoordinator = 16,
    InvalidTopic = 17,
    NotEnoughReplicas = 19,
    NotEnoughReplicasAfterAppend = 20,
    InvalidRequiredAcks = 21,
    IllegalGeneration = 22,
    InconsistentGroupProtocol = 23,
    InvalidGroupId = 24,
    UnknownMemberId = 25,
    InvalidSessionTimeout = 26,
    RebalanceInProgress = 27,
    InvalidCommitOffsetSize = 28,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    NotController = 41,
    InvalidRequest = 42,
    OutOfOrderSequenceNumber = 45,
    DuplicateSequenceNumber = 46,
    InvalidProducerEpoch = 47,
    InvalidTxnState = 48,
    KafkaStorageError = 56,
    UnknownProducerId = 59,
    NonEmptyGroup = 68,
    GroupIdNotFound = 69,
    FetchSessionIdNotFound = 70,
    InvalidFetchSessionEpoch = 71,
    FencedLeaderEpoch = 74,
    UnknownLeaderEpoch = 75,
    StaleBrokerEpoch = 77,
    OffsetNotAvailable = 78,
    MemberIdRequired = 79,
    GroupMaxSizeReached = 81,
    FencedInstanceId = 82,
    EligibleLeadersNotAvailable = 83,
    InvalidRecord = 87,
    UnstableOffsetCommit = 88,
    ProducerFenced = 90,
    InvalidUpdateVersion = 95,
    UnknownTopicId = 100,
    DuplicateBrokerRegistration = 101,
    BrokerIdNotRegistered = 102,
    IneligibleReplica = 107,
    NewLeaderElected = 108,
    FencedMemberEpoch = 110,
    UnreleasedInstanceId = 111,
    UnsupportedAssignor = 112,
    StaleMemberEpoch = 113,
    InvalidRegularExpression = 128,
}

impl ErrorCode {
    /// True for success.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == ErrorCode::None
    }

    /// Whether a client may send the same again and hope (Kafka's `RetriableException`).
    #[must_use]
    pub fn is_retriable(self) -> bool {
        use ErrorCode as E;
        matches!(
            self,
            E::CorruptMessage
                | E::UnknownTopicOrPartition
                | E::LeaderNotAvailable
                | E::NotLeaderOrFollower
                | E::RequestTimedOut
                | E::ReplicaNotAvailable
                | E::NetworkException
                | E::CoordinatorLoadInProgress
                | E::CoordinatorNotAvailable
                | E::NotCoordinator
                | E::NotEnoughReplicas
                | E::NotEnoughReplicasAfterAppend
                | E::NotController
                | E::KafkaStorageError
                | E::FetchSessionIdNotFound
                | E::InvalidFetchSessionEpoch
                | E::FencedLeaderEpoch
                | E::UnknownLeaderEpoch
                | E::OffsetNotAvailable
                | E::EligibleLeadersNotAvailable
                | E::UnstableOffsetCommit
                | E::UnknownTopicId
        )
    }

    /// Whether a fetch session is gone, and a fetch that begins another may be sent at once.
    #[must_use]
    pub fn is_lost_session(self) -> bool {
        use ErrorCode as E;
        matches!(self, E::FetchSessionIdNotFound | E::InvalidFetchSessionEpoch)
    }

    /// Whether the answer says that the client's metadata is out of date (`InvalidMetadataException`).
    #[must_use]
    pub fn is_stale_metadata(self) -> bool {
        use ErrorCode as E;
        matches!(
            self,
            E::UnknownTopicOrPartition
                | E::LeaderNotAvailable
                | E::NotLeaderOrFollower
                | E::ReplicaNotAvailable
                | E::NetworkException
                | E::KafkaStorageError
                | E::FencedLeaderEpoch
                | E::UnknownTopicId
        )
    }
}
