//! Answers that say nothing but an error.

use alloc::vec::Vec;

use crate::protocol::{
    ConsumerGroupHeartbeatResponse, ErrorCode, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    OffsetFetchResponse, Request, Response, SyncGroupResponse,
};
use crate::types::{GroupEpoch, GroupId};

/// The group that a request is about; none if it is not about a group.
pub(super) fn group_of(request: &Request) -> Option<&GroupId> {
    match request {
        Request::JoinGroup(body) => Some(&body.group),
        Request::SyncGroup(body) => Some(&body.group),
        Request::Heartbeat(body) => Some(&body.group),
        Request::LeaveGroup(body) => Some(&body.group),
        Request::ConsumerGroupHeartbeat(body) => Some(&body.group),
        Request::OffsetCommit(body) => Some(&body.group),
        Request::OffsetFetch(body) => Some(&body.group),
        _ => None,
    }
}

/// What is said instead of an answer that may not be given any more: nothing of it, but an error.
pub(super) fn failed(response: Response, error: ErrorCode) -> Response {
    match response {
        Response::JoinGroup(body) => JoinGroupResponse::error(error, body.member).into(),
        Response::SyncGroup(_) => SyncGroupResponse::error(error).into(),
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

/// What a client is answered when its coordinator could not append (Kafka's `CoordinatorOperationExceptionHelper`).
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
