//! Brokers come, stay alive, fall silent and leave (KIP-631).

use alloc::vec;
use alloc::vec::Vec;

use super::elections::{with_broker, without_broker};
use super::records::MetadataRecord;
use super::view::{Decision, View};
use crate::protocol::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, BrokerHeartbeatRequest, BrokerHeartbeatResponse,
    BrokerRegistrationRequest, BrokerRegistrationResponse, ErrorCode,
};
use crate::types::{BrokerEpoch, NodeId, Offset, ProducerId};

/// How many producer ids a broker gets at once (Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const PRODUCER_ID_BLOCK: u32 = 1000;

/// A broker registers. Its epoch is `next_offset`, where the registration record will stand, and it is fenced
/// until a heartbeat shows that it has caught up.
///
/// - The same run of the process again (its first answer was lost): the registration that it has.
/// - Another run, while the registered one is unfenced and in session: DUPLICATE_BROKER_REGISTRATION. A broker that
///   restarts fast is refused like this and tries again until its old session has expired, as in Kafka.
/// - Another run otherwise: a new registration, and the old one's leaderships end with it.
pub(super) fn register(
    view: &View<'_>,
    request: &BrokerRegistrationRequest,
    is_in_session: bool,
    next_offset: Offset,
) -> Decision {
    let answer = |records, error, broker_epoch| Decision {
        records,
        response: BrokerRegistrationResponse { error, broker_epoch }.into(),
    };
    if let Some(registered) = view.image.brokers.get(&request.broker) {
        if registered.incarnation == request.incarnation {
            return answer(Vec::new(), ErrorCode::None, registered.broker_epoch);
        }
        if !registered.fenced && is_in_session {
            return answer(Vec::new(), ErrorCode::DuplicateBrokerRegistration, BrokerEpoch(-1));
        }
    }
    let broker_epoch = BrokerEpoch(next_offset.0);
    let mut records = vec![MetadataRecord::RegisterBroker {
        broker: request.broker,
        incarnation: request.incarnation,
        broker_epoch,
        listeners: request.listeners.clone(),
    }];
    records.extend(without_broker(view, request.broker));
    answer(records, ErrorCode::None, broker_epoch)
}

/// Fences a broker whose session has expired.
pub(super) fn fence(view: &View<'_>, broker: NodeId) -> Vec<MetadataRecord> {
    let mut records: Vec<MetadataRecord> = registration_change(view, broker, true).into_iter().collect();
    records.extend(without_broker(view, broker));
    records
}

/// A broker's standing with the controller (Kafka's `BrokerControlState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BrokerControlState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

/// What a heartbeat comes to: the decision, and the broker's state after it.
pub(super) fn heartbeat(
    view: &View<'_>,
    request: &BrokerHeartbeatRequest,
    lowest_active_end: Option<Offset>,
) -> (Decision, BrokerControlState) {
    use BrokerControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
    let broker = request.broker;
    let registered = match view.registration(broker, request.broker_epoch) {
        Ok(registered) => registered,
        Err(error) => {
            let response = BrokerHeartbeatResponse {
                error,
                is_caught_up: false,
                is_fenced: true,
                should_shut_down: false,
            };
            return (
                Decision {
                    records: Vec::new(),
                    response: response.into(),
                },
                Fenced,
            );
        }
    };
    let shutdown_end = view.shutting_down.get(&broker).copied();
    let state = match registered.fenced {
        true => Fenced,
        false if shutdown_end.is_some() => ControlledShutdown,
        false => Unfenced,
    };
    let is_caught_up = request.current_metadata_offset.0 > registered.broker_epoch.0;
    let is_leaving = request.want_shut_down || shutdown_end.is_some();
    let next = next_state(&Heartbeat {
        state,
        want_fence: request.want_fence,
        want_shut_down: request.want_shut_down,
        is_caught_up,
        leads: is_leaving && view.image.partitions().any(|(_, state)| state.leader == Some(broker)),
        others_know: shutdown_end.is_some_and(|end| lowest_active_end.is_none_or(|lowest| lowest >= end)),
    });
    let records = match (state, next) {
        (Fenced, Unfenced) => {
            let mut records: Vec<MetadataRecord> = registration_change(view, broker, false).into_iter().collect();
            records.extend(with_broker(view, broker));
            records
        }
        (Unfenced, ControlledShutdown) => without_broker(view, broker),
        (Unfenced | ControlledShutdown, Fenced | ShutdownNow) => fence(view, broker),
        _ => Vec::new(),
    };
    let response = BrokerHeartbeatResponse {
        error: ErrorCode::None,
        is_caught_up,
        is_fenced: matches!(next, Fenced | ShutdownNow),
        should_shut_down: next == ShutdownNow,
    };
    let decision = Decision {
        records,
        response: response.into(),
    };
    (decision, next)
}

/// All that a broker's next state depends on.
#[derive(Debug)]
struct Heartbeat {
    state: BrokerControlState,
    want_fence: bool,
    want_shut_down: bool,
    /// It has applied the metadata up to its own registration.
    is_caught_up: bool,
    /// It leads some partition. Only asked of a broker that is about to leave.
    leads: bool,
    /// All active brokers have applied the metadata that took its leaderships away.
    others_know: bool,
}

/// Kafka's `BrokerHeartbeatManager.calculateNextBrokerState`.
fn next_state(heartbeat: &Heartbeat) -> BrokerControlState {
    use BrokerControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
    match heartbeat.state {
        Fenced if heartbeat.want_shut_down => ShutdownNow,
        Fenced if !heartbeat.want_fence && heartbeat.is_caught_up => Unfenced,
        Fenced => Fenced,
        Unfenced if heartbeat.want_shut_down && heartbeat.leads => ControlledShutdown,
        Unfenced if heartbeat.want_shut_down => ShutdownNow,
        Unfenced if heartbeat.want_fence => Fenced,
        Unfenced => Unfenced,
        ControlledShutdown if !heartbeat.leads && heartbeat.others_know => ShutdownNow,
        ControlledShutdown => ControlledShutdown,
        ShutdownNow => ShutdownNow,
    }
}

fn registration_change(view: &View<'_>, broker: NodeId, fenced: bool) -> Option<MetadataRecord> {
    let registered = view.image.brokers.get(&broker)?;
    Some(MetadataRecord::BrokerRegistrationChange {
        broker,
        broker_epoch: registered.broker_epoch,
        fenced,
    })
}

/// A broker wants a block of producer ids (KIP-730). Ids of a block whose answer is lost are never given again.
pub(super) fn allocate_producer_ids(view: &View<'_>, request: &AllocateProducerIdsRequest) -> Decision {
    let start = view.image.next_producer_id;
    let next_producer_id = ProducerId(start.0 + i64::from(PRODUCER_ID_BLOCK));
    let (records, response) = match view.registration(request.broker, request.broker_epoch) {
        Ok(_) => (
            vec![MetadataRecord::ProducerIds { next_producer_id }],
            AllocateProducerIdsResponse {
                error: ErrorCode::None,
                start,
                len: PRODUCER_ID_BLOCK,
            },
        ),
        Err(error) => (
            Vec::new(),
            AllocateProducerIdsResponse {
                error,
                start: ProducerId::NONE,
                len: 0,
            },
        ),
    };
    Decision {
        records,
        response: response.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_follow_the_table() {
        use BrokerControlState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
        // State, want_fence, want_shut_down, caught up, leads, others know; next state.
        for (state, want_fence, want_shut_down, is_caught_up, leads, others_know, next) in [
            (Fenced, false, false, false, false, false, Fenced),
            (Fenced, false, false, true, false, false, Unfenced),
            (Fenced, true, false, true, false, false, Fenced),
            (Fenced, false, true, true, false, false, ShutdownNow),
            (Fenced, true, true, false, false, false, ShutdownNow),
            (Unfenced, false, false, false, true, false, Unfenced),
            (Unfenced, true, false, true, true, false, Fenced),
            (Unfenced, false, true, true, true, false, ControlledShutdown),
            (Unfenced, false, true, true, false, false, ShutdownNow),
            (ControlledShutdown, false, true, true, true, true, ControlledShutdown),
            (ControlledShutdown, false, true, true, false, false, ControlledShutdown),
            (ControlledShutdown, false, true, true, false, true, ShutdownNow),
            // There is no way back.
            (ControlledShutdown, false, false, true, true, true, ControlledShutdown),
        ] {
            let heartbeat = Heartbeat {
                state,
                want_fence,
                want_shut_down,
                is_caught_up,
                leads,
                others_know,
            };
            assert_eq!(next_state(&heartbeat), next, "{heartbeat:?}");
        }
    }
}
