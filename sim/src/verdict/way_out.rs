//! What to do about findings of which the user's own configuration or code is the cause.

use broker_core::protocol::ErrorCode;

use super::Check;

impl Check {
    /// The way out, if it is the same whenever this check finds something.
    #[must_use]
    pub fn way_out(self) -> Option<&'static str> {
        Some(match self {
            Check::FailedSends => {
                "the error says what the brokers refuse or why none answers: compare the producer's settings with those \
                 of the topic, and its timeouts with how long faults last"
            }
            Check::ThrownOut => {
                "seek when a poll ends with an error, or let auto.offset.reset name a position (earliest, latest, \
                 by_duration)"
            }
            Check::DeadWorker => {
                "the error says why: each static member needs a group.instance.id of its own, group.max.size room for \
                 all, and all members an assignor in common"
            }
            Check::SlowPoll => "a smaller max.poll.records, a longer max.poll.interval.ms, or less work on each record",
            Check::IdleGroup => {
                "see whether its members are given partitions, and poll records (`trial replay FILE --seed N --follow \
                 GROUP`)"
            }
            Check::Overload => {
                "more workers (and partitions for them), less work on each record, or `backpressure` of the producers; \
                 it is allowed unless the scenario says forbid = [\"overload\"]"
            }
            _ => return None,
        })
    }
}

/// What to do about a client that is refused for good with this error.
pub(crate) fn way_out_of(error: ErrorCode) -> Option<&'static str> {
    Some(match error {
        ErrorCode::FencedInstanceId | ErrorCode::UnreleasedInstanceId => {
            "give each member a group.instance.id of its own"
        }
        ErrorCode::GroupMaxSizeReached => "raise group.max.size, or run fewer members",
        ErrorCode::InconsistentGroupProtocol => {
            "let all members know one assignor: change it in two rollouts, with both in between"
        }
        ErrorCode::UnsupportedAssignor => "name an assignor that the brokers have (group.consumer.assignors)",
        ErrorCode::InvalidSessionTimeout => {
            "keep session.timeout.ms within group.min.session.timeout.ms and group.max.session.timeout.ms"
        }
        ErrorCode::MessageTooLarge => "raise the topic's max.message.bytes, or send smaller records",
        ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            "lower the topic's min.insync.replicas, or see to it that as many replicas are in sync"
        }
        ErrorCode::UnknownTopicOrPartition => "create the topic, or send to one that exists",
        _ => return None,
    })
}

/// A sentence of evidence, and behind it the way out.
pub(crate) fn with_way_out(said: String, way_out: Option<&str>) -> String {
    match way_out {
        Some(way_out) => format!("{said}; {way_out}"),
        None => said,
    }
}
