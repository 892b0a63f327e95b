//! Clients' requests for the controller, passed on by the broker that they asked (KIP-590; Kafka `ForwardingManager`).
//!
//! Kafka's broker tries for a minute, with other controllers too. This one asks once: its client gets NOT_CONTROLLER or
//! REQUEST_TIMED_OUT, both of which it may try again.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::config::{BrokerConfig, millis};
use crate::machine::{Channel, ConnectionId, Context, Instant, ReplyTo, RequestId};
use crate::protocol::{ErrorCode, Request, Response};
use crate::types::NodeId;

/// The requests that wait for the controller's answers.
pub(super) struct Forwarding {
    timeout: Duration,
    in_flight: BTreeMap<RequestId, Forwarded>,
}

struct Forwarded {
    controller: NodeId,
    reply_to: ReplyTo,
    request: Request,
    give_up_at: Instant,
}

impl Forwarded {
    fn refuse(self, ctx: &mut Context<'_>, error: ErrorCode) {
        ctx.out.respond(self.reply_to, self.request.error_response(error));
    }
}

impl Forwarding {
    pub fn new(config: &BrokerConfig) -> Forwarding {
        Forwarding {
            timeout: millis(config.controller_socket_timeout_ms),
            in_flight: BTreeMap::new(),
        }
    }

    /// Passes a request on to the controller, if one is known.
    pub fn forward(&mut self, ctx: &mut Context<'_>, controller: Option<NodeId>, reply_to: ReplyTo, request: Request) {
        let Some(controller) = controller else {
            let refusal = request.error_response(ErrorCode::NotController);
            return ctx.out.respond(reply_to, refusal);
        };
        let id = ctx.request(Channel::Forwarding, controller, request.clone());
        let forwarded = Forwarded {
            controller,
            reply_to,
            request,
            give_up_at: ctx.now + self.timeout,
        };
        self.in_flight.insert(id, forwarded);
    }

    /// Takes the controller's answer; gives it back if it answers nothing that was passed on.
    pub fn on_response(&mut self, ctx: &mut Context<'_>, id: RequestId, response: Response) -> Option<Response> {
        match self.in_flight.remove(&id) {
            None => Some(response),
            Some(forwarded) if forwarded.request.api_key() == response.api_key() => {
                ctx.out.respond(forwarded.reply_to, response);
                None
            }
            Some(forwarded) => {
                forwarded.refuse(ctx, ErrorCode::UnknownServerError);
                None
            }
        }
    }

    pub fn on_disconnected(&mut self, ctx: &mut Context<'_>, peer: NodeId) {
        let lost = self
            .in_flight
            .extract_if(.., |_, forwarded| forwarded.controller == peer);
        for (_, forwarded) in lost {
            forwarded.refuse(ctx, ErrorCode::NotController);
        }
    }

    /// Nobody waits any more for answers over `connection`.
    pub fn on_closed(&mut self, connection: ConnectionId) {
        self.in_flight
            .retain(|_, forwarded| forwarded.reply_to.connection != connection);
    }

    /// Gives up what has waited for too long.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.now;
        let late = self
            .in_flight
            .extract_if(.., |_, forwarded| forwarded.give_up_at <= now);
        for (_, forwarded) in late {
            ctx.out.time_out(Channel::Forwarding, forwarded.controller);
            forwarded.refuse(ctx, ErrorCode::RequestTimedOut);
        }
    }

    /// When the first of them has waited for too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.in_flight.values().map(|forwarded| forwarded.give_up_at).min()
    }
}
