//! A broker's standing with the controller: registration, then heartbeats for as long as it runs, and leave to go at the
//! end (KIP-631; Kafka `BrokerLifecycleManager`).

use core::time::Duration;

use crate::broker::Identity;
use crate::config::millis;
use crate::controller::image::BrokerImage;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{BrokerHeartbeatRequest, BrokerRegistrationRequest, Response};
use crate::types::{BrokerEpoch, Listener, Listeners, NodeId, Offset};

/// The pause between heartbeats while the broker is not yet unfenced for the first time.
const STARTING_INTERVAL: Duration = Duration::from_millis(10);

/// The pause after the first heartbeat that asks for a controlled shutdown: the leaders may have moved by then.
const LEAVING_INTERVAL: Duration = Duration::from_millis(50);

/// Registration and heartbeats of one run of a broker.
pub(super) struct Lifecycle {
    id: NodeId,
    incarnation: u64,
    interval: Duration,
    request_timeout: Duration,
    listeners: Listeners,
    broker_epoch: Option<BrokerEpoch>,
    /// It has been unfenced since it started.
    has_started: bool,
    shutdown: ControlledShutdown,
    controller: Option<NodeId>,
    in_flight: Option<(RequestId, Instant)>,
    next_at: Instant,
}

/// How far the broker is on its way out (Kafka `PENDING_CONTROLLED_SHUTDOWN`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum ControlledShutdown {
    NotWanted,
    /// Its heartbeats say that it wants to shut down.
    Wanted,
    /// The controller has been notified, and moves its leaderships away.
    Pending,
    /// The controller lets it go.
    Granted,
}

/// What a broker says of itself: controllers are found by other means (`advertised.listeners`).
fn advertised(listeners: &Listeners) -> Listeners {
    let of_broker = listeners.0.iter().filter(|(listener, _)| *listener == Listener::Broker);
    Listeners(of_broker.copied().collect())
}

impl Lifecycle {
    pub fn new(identity: &Identity) -> Lifecycle {
        Lifecycle {
            id: identity.id,
            incarnation: identity.incarnation,
            listeners: advertised(&identity.listeners),
            interval: millis(identity.config.broker_heartbeat_interval_ms),
            request_timeout: millis(identity.config.broker_session_timeout_ms),
            broker_epoch: None,
            has_started: false,
            shutdown: ControlledShutdown::NotWanted,
            controller: None,
            in_flight: None,
            next_at: Instant::default(),
        }
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Whether a committed registration is the one of this run of the process.
    pub fn is_of_this_run(&self, registered: &BrokerImage) -> bool {
        registered.incarnation == self.incarnation
    }

    /// The registration, once there is one.
    pub fn broker_epoch(&self) -> Option<BrokerEpoch> {
        self.broker_epoch
    }

    /// Sends what is due to the controller. `applied` is the end of the metadata that this broker has applied.
    pub fn drive(&mut self, ctx: &mut Context<'_>, controller: Option<NodeId>, applied: Offset) {
        if self.controller != controller {
            self.controller = controller;
            self.in_flight = None;
            self.next_at = ctx.now;
        }
        let Some(controller) = self.controller else {
            return;
        };
        if self
            .in_flight
            .take_if(|(_, give_up_at)| *give_up_at <= ctx.now)
            .is_some()
        {
            ctx.out.disconnect(Channel::Heartbeat, controller);
        }
        if self.in_flight.is_some() || ctx.now < self.next_at {
            return;
        }
        let request = match self.broker_epoch {
            None => BrokerRegistrationRequest {
                broker: self.id,
                incarnation: self.incarnation,
                listeners: self.listeners.clone(),
            }
            .into(),
            Some(broker_epoch) => BrokerHeartbeatRequest {
                broker: self.id,
                broker_epoch,
                current_metadata_offset: applied,
                want_fence: false,
                want_shut_down: self.shutdown != ControlledShutdown::NotWanted,
            }
            .into(),
        };
        let id = ctx.request(Channel::Heartbeat, controller, request);
        self.in_flight = Some((id, ctx.now + self.request_timeout));
    }

    /// Asks the controller for leave to shut down, beginning now. False if there is nobody to ask and nothing to move: the
    /// broker has not been unfenced yet.
    pub fn begin_controlled_shutdown(&mut self, ctx: &mut Context<'_>) -> bool {
        if !self.has_started {
            return false;
        }
        self.shutdown = ControlledShutdown::Wanted;
        // An answer that is still to come speaks of an earlier wish.
        self.in_flight = None;
        self.next_at = ctx.now;
        true
    }

    /// The controller has moved the broker's leaderships away, and everybody knows.
    pub fn may_shut_down(&self) -> bool {
        self.shutdown == ControlledShutdown::Granted
    }

    pub fn on_response(&mut self, ctx: &mut Context<'_>, id: RequestId, response: &Response) {
        if self.in_flight.take_if(|(sent, _)| *sent == id).is_none() {
            return;
        }
        self.next_at = ctx.now + self.interval;
        match response {
            Response::BrokerRegistration(body) if body.error.is_ok() => {
                self.broker_epoch = Some(body.broker_epoch);
                self.next_at = ctx.now;
            }
            Response::BrokerHeartbeat(body) if body.error.is_ok() => {
                self.has_started |= !body.is_fenced;
                if !self.has_started {
                    self.next_at = ctx.now + STARTING_INTERVAL;
                }
                if body.should_shut_down {
                    self.shutdown = ControlledShutdown::Granted;
                } else if self.shutdown == ControlledShutdown::Wanted {
                    self.shutdown = ControlledShutdown::Pending;
                    self.next_at = ctx.now + LEAVING_INTERVAL;
                }
            }
            _ => {}
        }
    }

    pub fn on_disconnected(&mut self, ctx: &mut Context<'_>, peer: NodeId) {
        if self.controller == Some(peer) && self.in_flight.take().is_some() {
            self.next_at = ctx.now + self.interval;
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.controller?;
        Some(self.in_flight.map_or(self.next_at, |(_, give_up_at)| give_up_at))
    }
}
