//! Answers that say nothing but an error.

use alloc::vec::Vec;
use core::time::Duration;

use crate::group::classic::{refused_join, refused_sync};
use crate::protocol::{
    ConsumerGroupHeartbeatResponse, ErrorCode, HeartbeatResponse, LeaveGroupResponse, OffsetCommitResponse,
    OffsetFetchResponse, Request, Response,
};
use crate::types::{GroupEpoch, GroupId};

/// The group that a request is about.
pub(super) fn group_of(request: &Request) -> &GroupId {
    match request {
        Request::JoinGroup(body) => &body.group,
        Request::SyncGroup(body) => &body.group,
        Request::Heartbeat(body) => &body.group,
        Request::LeaveGroup(body) => &body.group,
        Request::ConsumerGroupHeartbeat(body) => &body.group,
        Request::OffsetCommit(body) => &body.group,
        Request::OffsetFetch(body) => &body.group,
        other => unreachable!("{:?} is no request of a group", other.api_key()),
    }
}

/// The answer to a request that is refused.
pub(super) fn refusal(request: &Request, error: ErrorCode) -> Response {
    match request {
        Request::JoinGroup(body) => refused_join(error, body.member.clone()),
        Request::SyncGroup(_) => refused_sync(error),
        Request::Heartbeat(_) => HeartbeatResponse { error }.into(),
        Request::LeaveGroup(_) => LeaveGroupResponse { error }.into(),
        Request::ConsumerGroupHeartbeat(_) => ConsumerGroupHeartbeatResponse {
            error,
            member_epoch: GroupEpoch::ZERO,
            heartbeat_interval: Duration::ZERO,
            assignment: None,
        }
        .into(),
        Request::OffsetCommit(body) => OffsetCommitResponse {
            partitions: body
                .partitions
                .iter()
                .map(|(partition, _)| (*partition, error))
                .collect(),
        }
        .into(),
        Request::OffsetFetch(_) => OffsetFetchResponse {
            error,
            partitions: Vec::new(),
        }
        .into(),
        other => unreachable!("{:?} is no request of a group", other.api_key()),
    }
}

/// What is said instead of an answer that may not be given any more: nothing of it, but an error.
pub(super) fn failed(response: Response, error: ErrorCode) -> Response {
    match response {
        Response::JoinGroup(body) => refused_join(error, body.member),
        Response::SyncGroup(_) => refused_sync(error),
        Response::Heartbeat(_) => HeartbeatResponse { error }.into(),
        Response::LeaveGroup(_) => LeaveGroupResponse { error }.into(),
        Response::ConsumerGroupHeartbeat(body) => ConsumerGroupHeartbeatResponse {
            error,
            member_epoch: GroupEpoch::ZERO,
            assignment: None,
            ..body
        }
        .into(),
        Response::OffsetCommit(mut body) => {
            for (_, answer) in &mut body.partitions {
                *answer = error;
            }
            body.into()
        }
        Response::OffsetFetch(_) => OffsetFetchResponse {
            error,
            partitions: Vec::new(),
        }
        .into(),
        other => unreachable!("{:?} is no answer of a group's coordinator", other.api_key()),
    }
}

/// What a client is told when its coordinator could not append (Kafka's `CoordinatorOperationExceptionHelper`).
pub(super) fn of_append(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge => ErrorCode::UnknownServerError,
        other => other,
    }
}
