//! The APIs: each request with its response, Kafka's number and versions, and the listeners that serve it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use super::groups::*;
use super::messages::*;
use crate::protocol::ErrorCode;
use crate::types::Listener;

macro_rules! api {
    ($($(#[$doc:meta])* $name:ident($request:ty, $response:ty) = $key:literal, $from:literal..=$to:literal, [$($listener:ident),*];)*) => {
        /// Every request, by API.
        #[derive(Clone, Debug, Hash)]
        pub enum Request { $($(#[$doc])* $name($request),)* }

        /// Every response, by API.
        #[derive(Clone, Debug, Hash)]
        pub enum Response { $($(#[$doc])* $name($response),)* }

        /// The APIs.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        pub enum ApiKey { $($(#[$doc])* $name,)* }

        impl ApiKey {
            /// All of them.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// Kafka's number of the API, and the first and last version that Kafka 4.1 serves.
            #[must_use]
            pub fn version(self) -> ApiVersion {
                match self {
                    $(ApiKey::$name => ApiVersion { api_key: $key, min_version: $from, max_version: $to },)*
                }
            }

            /// Whether such requests may come to this listener.
            #[must_use]
            pub fn is_served_by(self, listener: Listener) -> bool {
                match self { $(ApiKey::$name => [$(Listener::$listener,)*].contains(&listener),)* }
            }
        }

        impl Request {
            /// Which API it is.
            #[must_use]
            pub fn api_key(&self) -> ApiKey {
                match self { $(Request::$name(_) => ApiKey::$name,)* }
            }
        }

        impl Response {
            /// Which API it is.
            #[must_use]
            pub fn api_key(&self) -> ApiKey {
                match self { $(Response::$name(_) => ApiKey::$name,)* }
            }
        }

        $(impl From<$request> for Request {
            fn from(body: $request) -> Request { Request::$name(body) }
        }
        impl From<$response> for Response {
            fn from(body: $response) -> Response { Response::$name(body) }
        })*
    };
}

api! {
    /// Append records.
    Produce(ProduceRequest, ProduceResponse) = 0, 3..=13, [Broker];
    /// Read records: consumers, followers, and voters and observers of the metadata quorum.
    Fetch(FetchRequest, FetchResponse) = 1, 4..=18, [Broker, Controller];
    /// Which offset is the earliest, the latest, the first at a time?
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse) = 2, 1..=10, [Broker];
    /// Where does a leader epoch end?
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse) = 23, 2..=4, [Broker];
    /// Who leads what?
    Metadata(MetadataRequest, MetadataResponse) = 3, 0..=13, [Broker];
    /// Create topics; a broker forwards it to the controller.
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse) = 19, 2..=7, [Broker, Controller];
    /// A producer id for an idempotent producer.
    InitProducerId(InitProducerIdRequest, InitProducerIdResponse) = 22, 0..=6, [Broker];
    /// A block of producer ids for a broker (KIP-730).
    AllocateProducerIds(AllocateProducerIdsRequest, AllocateProducerIdsResponse) = 67, 0..=0, [Controller];
    /// A broker joins the cluster (KIP-631).
    BrokerRegistration(BrokerRegistrationRequest, BrokerRegistrationResponse) = 62, 0..=4, [Controller];
    /// A broker is alive (KIP-631).
    BrokerHeartbeat(BrokerHeartbeatRequest, BrokerHeartbeatResponse) = 63, 0..=1, [Controller];
    /// A leader proposes another ISR (KIP-497).
    AlterPartition(AlterPartitionRequest, AlterPartitionResponse) = 56, 2..=3, [Controller];
    /// A candidate asks for a vote (KIP-595; pre-vote KIP-996).
    Vote(VoteRequest, VoteResponse) = 52, 0..=2, [Controller];
    /// A new quorum leader makes itself known.
    BeginQuorumEpoch(BeginQuorumEpochRequest, BeginQuorumEpochResponse) = 53, 0..=1, [Controller];
    /// A quorum leader resigns.
    EndQuorumEpoch(EndQuorumEpochRequest, EndQuorumEpochResponse) = 54, 0..=1, [Controller];
    /// Give a topic more partitions; a broker forwards it to the controller (KIP-195).
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse) = 37, 0..=3, [Broker, Controller];
    /// Which broker coordinates a group?
    FindCoordinator(FindCoordinatorRequest, FindCoordinatorResponse) = 10, 0..=6, [Broker];
    /// A member of the classic protocol joins, or joins again.
    JoinGroup(Box<JoinGroupRequest>, JoinGroupResponse) = 11, 0..=9, [Broker];
    /// A member of the classic protocol asks for its assignment; the leader brings all of them.
    SyncGroup(SyncGroupRequest, SyncGroupResponse) = 14, 0..=5, [Broker];
    /// A member of the classic protocol is alive.
    Heartbeat(HeartbeatRequest, HeartbeatResponse) = 12, 0..=4, [Broker];
    /// A member of the classic protocol leaves.
    LeaveGroup(LeaveGroupRequest, LeaveGroupResponse) = 13, 0..=5, [Broker];
    /// A member of the consumer protocol joins, is alive, reports what it owns, or leaves (KIP-848).
    ConsumerGroupHeartbeat(Box<ConsumerGroupHeartbeatRequest>, ConsumerGroupHeartbeatResponse) = 68, 0..=1, [Broker];
    /// Store positions of a group.
    OffsetCommit(OffsetCommitRequest, OffsetCommitResponse) = 8, 2..=10, [Broker];
    /// The stored positions of a group.
    OffsetFetch(OffsetFetchRequest, OffsetFetchResponse) = 9, 1..=10, [Broker];
    /// Which APIs does the listener serve, and in which versions (KIP-35)?
    ApiVersions(ApiVersionsRequest, ApiVersionsResponse) = 18, 0..=4, [Broker, Controller];
}

// The large and rare ones lie in boxes, so that the others are moved in a few instructions: every message of a cluster
// is moved a dozen times on its way.
const _: () = assert!(size_of::<Request>() <= 96 && size_of::<Response>() <= 96);

impl From<JoinGroupRequest> for Request {
    fn from(body: JoinGroupRequest) -> Request {
        Request::JoinGroup(Box::new(body))
    }
}

impl From<ConsumerGroupHeartbeatRequest> for Request {
    fn from(body: ConsumerGroupHeartbeatRequest) -> Request {
        Request::ConsumerGroupHeartbeat(Box::new(body))
    }
}

impl ApiVersionsResponse {
    /// What a listener serves.
    #[must_use]
    pub fn of(listener: Listener) -> ApiVersionsResponse {
        let served = ApiKey::ALL.iter().filter(|api| api.is_served_by(listener));
        let mut api_keys: Vec<ApiVersion> = served.map(|api| api.version()).collect();
        api_keys.sort();
        ApiVersionsResponse {
            error: ErrorCode::None,
            api_keys,
        }
    }
}
