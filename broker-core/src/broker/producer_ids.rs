//! Producer ids for clients, from blocks that the controller gives away (KIP-730).

use alloc::vec::Vec;
use core::time::Duration;

use crate::machine::{Channel, Context, Instant, ReplyTo, RequestId};
use crate::protocol::{AllocateProducerIdsRequest, AllocateProducerIdsResponse, ErrorCode, InitProducerIdResponse};
use crate::types::{BrokerEpoch, NodeId, ProducerEpoch, ProducerId};

/// The pause after a failed allocation.
const RETRY: Duration = Duration::from_millis(50);
/// How long an allocation waits for its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The rest of the block, and who waits for the next one.
pub(super) struct ProducerIds {
    broker: NodeId,
    next: ProducerId,
    left: u32,
    waiting: Vec<ReplyTo>,
    in_flight: Option<(RequestId, NodeId, Instant)>,
    retry_at: Option<Instant>,
}

impl ProducerIds {
    pub fn new(broker: NodeId) -> ProducerIds {
        ProducerIds {
            broker,
            next: ProducerId::NONE,
            left: 0,
            waiting: Vec::new(),
            in_flight: None,
            retry_at: None,
        }
    }

    /// Gives the producer a new id, whatever id it says it has: without a transactional id there is nothing by which that
    /// could be verified (Kafka `TransactionCoordinator.handleInitProducerId`).
    pub fn on_request(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo) {
        self.waiting.push(reply_to);
        self.serve(ctx);
    }

    fn serve(&mut self, ctx: &mut Context<'_>) {
        while self.left > 0 && !self.waiting.is_empty() {
            let reply_to = self.waiting.remove(0);
            answer(ctx, reply_to, self.next);
            self.next = ProducerId(self.next.0 + 1);
            self.left -= 1;
        }
    }

    /// Asks for a block if somebody waits for one.
    pub fn drive(&mut self, ctx: &mut Context<'_>, controller: Option<NodeId>, broker_epoch: Option<BrokerEpoch>) {
        if let Some((_, late, _)) = self.in_flight.take_if(|(_, _, give_up_at)| *give_up_at <= ctx.now) {
            ctx.out.time_out(Channel::Forwarding, late);
            self.retry_at = Some(ctx.now + RETRY);
        }
        self.retry_at.take_if(|at| *at <= ctx.now);
        let (Some(controller), Some(broker_epoch)) = (controller, broker_epoch) else {
            return;
        };
        if self.waiting.is_empty() || self.in_flight.is_some() || self.retry_at.is_some() {
            return;
        }
        let request = AllocateProducerIdsRequest {
            broker: self.broker,
            broker_epoch,
        };
        let id = ctx.request(Channel::Forwarding, controller, request.into());
        self.in_flight = Some((id, controller, ctx.now + REQUEST_TIMEOUT));
    }

    pub fn on_response(&mut self, ctx: &mut Context<'_>, id: RequestId, body: &AllocateProducerIdsResponse) {
        if self.in_flight.take_if(|(sent, ..)| *sent == id).is_none() {
            return;
        }
        if body.error.is_ok() {
            self.next = body.start;
            self.left = body.len;
            self.serve(ctx);
        } else {
            self.retry_at = Some(ctx.now + RETRY);
        }
    }

    pub fn on_disconnected(&mut self, ctx: &mut Context<'_>, peer: NodeId) {
        if self.in_flight.take_if(|(_, to, _)| *to == peer).is_some() {
            self.retry_at = Some(ctx.now + RETRY);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let give_up_at = self.in_flight.map(|(_, _, at)| at);
        give_up_at.into_iter().chain(self.retry_at).min()
    }
}

fn answer(ctx: &mut Context<'_>, reply_to: ReplyTo, producer_id: ProducerId) {
    let response = InitProducerIdResponse {
        error: ErrorCode::None,
        producer_id,
        producer_epoch: ProducerEpoch(0),
    };
    ctx.out.respond(reply_to, response.into());
}
