//! The controller: decides about brokers, topics and partition leaders, by records in the metadata log.
//!
//! Decisions look at the state at the end of the log and return records with a reply; the records are appended as
//! one batch and replayed at once, and the reply leaves when they are committed. Whoever loses the quorum's
//! leadership drops all of it: the next active controller has the log.

mod alter_partition;
mod brokers;
mod elections;
pub mod image;
pub mod records;
#[cfg(test)]
mod tests;
mod topics;
mod view;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use self::brokers::BrokerControlState;
use self::image::ClusterImage;
use self::records::MetadataRecord;
use self::view::{Decision, View};
use crate::config::{BrokerConfig, millis};
use crate::machine::{Context, Instant, ReplyTo};
use crate::protocol::{BrokerHeartbeatRequest, ErrorCode, Request, Response};
use crate::quorum::{NotLeader, Quorum, QuorumFact};
use crate::replicated::Replies;
use crate::types::{NodeId, Offset};

/// The active controller's logic; idle on a node that does not lead the quorum.
pub struct Controller {
    session_timeout: Duration,
    /// Off if zero.
    max_idle_interval: Duration,
    state: State,
}

enum State {
    /// Another node leads the quorum, or none.
    Inactive,
    /// This node leads the quorum, but what its log has below its own first entry is not committed yet. Requests
    /// wait for that: brokers know the new leader at once, and would try again only after a heartbeat interval.
    Waiting(Vec<(ReplyTo, Request)>),
    Active(Active),
}

/// What an active controller has in memory.
struct Active {
    /// The cluster at the end of the log.
    image: ClusterImage,
    /// Every unfenced broker and no other. Not in the log: a new active controller gives everybody a fresh session.
    sessions: BTreeMap<NodeId, Session>,
    /// Brokers in controlled shutdown, with the end of the metadata that took their leaderships away. Not in the
    /// log: such a broker says so in every heartbeat.
    shutting_down: BTreeMap<NodeId, Offset>,
    replies: Replies<PendingReply>,
    last_append: Instant,
}

struct Session {
    last_contact: Instant,
    /// The end of the metadata that the broker has applied.
    metadata_end: Offset,
}

struct PendingReply {
    reply_to: ReplyTo,
    response: Response,
    /// What is said instead if leadership is lost before.
    refusal: Response,
}

impl Controller {
    /// An idle controller.
    #[must_use]
    pub fn new(config: &BrokerConfig) -> Controller {
        Controller {
            session_timeout: millis(config.broker_session_timeout_ms),
            max_idle_interval: millis(config.metadata_max_idle_interval_ms),
            state: State::Inactive,
        }
    }

    /// Takes a fact of the quorum. After `BecameLeader` it waits until its epoch's first entry is committed: then
    /// `committed` (the image with everything that facts up to this one reported) is all that the log has, and it acts on
    /// a copy of it. On `LostLeadership` it answers everybody NOT_CONTROLLER and drops its state. On `Committed` it
    /// releases replies.
    pub fn on_quorum(
        &mut self,
        ctx: &mut Context<'_>,
        quorum: &mut Quorum,
        committed: &ClusterImage,
        fact: &QuorumFact,
    ) {
        match fact {
            QuorumFact::BecameLeader { .. } => self.state = State::Waiting(Vec::new()),
            QuorumFact::LostLeadership => self.refuse_all(ctx),
            QuorumFact::Committed { end, .. } => match &mut self.state {
                State::Inactive => {}
                State::Waiting(requests) => {
                    if quorum.epoch_start_offset().is_some_and(|start| *end > start) {
                        let requests = core::mem::take(requests);
                        self.state = State::Active(Active::new(ctx.now, committed.clone(), *end));
                        for (reply_to, request) in requests {
                            self.on_request(ctx, quorum, reply_to, request);
                        }
                    }
                }
                State::Active(active) => active.release_replies(ctx, *end),
            },
        }
    }

    /// Takes a BrokerRegistration, BrokerHeartbeat, AlterPartition, CreateTopics, CreatePartitions or
    /// AllocateProducerIds. Answers NOT_CONTROLLER unless this node leads the quorum; otherwise answers when the decision is committed.
    pub fn on_request(&mut self, ctx: &mut Context<'_>, quorum: &mut Quorum, reply_to: ReplyTo, request: Request) {
        let refusal = request.error_response(ErrorCode::NotController);
        let active = match &mut self.state {
            State::Inactive => return ctx.out.respond(reply_to, refusal),
            State::Waiting(requests) => return requests.push((reply_to, request)),
            State::Active(active) => active,
        };
        let next_offset = quorum.log_end_offset();
        let decision = match &request {
            Request::BrokerRegistration(body) => {
                let is_in_session = active.is_in_session(body.broker, ctx.now, self.session_timeout);
                brokers::register(&active.view(), body, is_in_session, next_offset)
            }
            Request::BrokerHeartbeat(body) => active.heartbeat(ctx.now, body, next_offset),
            Request::AlterPartition(body) => alter_partition::alter_partitions(&active.view(), body),
            Request::CreateTopics(body) => topics::create_topics(&active.view(), ctx.rng, body),
            Request::CreatePartitions(body) => topics::create_partitions(&active.view(), ctx.rng, body),
            Request::AllocateProducerIds(body) => brokers::allocate_producer_ids(&active.view(), body),
            other => {
                return ctx
                    .out
                    .respond(reply_to, other.error_response(ErrorCode::InvalidRequest));
            }
        };
        match active.commit(ctx, quorum, &decision.records) {
            // Leadership is gone, and the fact that says so is on its way.
            Err(NotLeader) => ctx.out.respond(reply_to, refusal),
            Ok(()) => {
                let reply = PendingReply {
                    reply_to,
                    response: decision.response,
                    refusal,
                };
                if let Some(reply) = active.replies.hold(quorum.log_end_offset(), None, reply) {
                    ctx.out.respond(reply.reply_to, reply.response);
                }
            }
        }
    }

    /// Another node is the controller, or will be: nothing that waits here has an answer from this one.
    fn refuse_all(&mut self, ctx: &mut Context<'_>) {
        match core::mem::replace(&mut self.state, State::Inactive) {
            State::Inactive => {}
            State::Waiting(requests) => {
                for (reply_to, request) in requests {
                    ctx.out
                        .respond(reply_to, request.error_response(ErrorCode::NotController));
                }
            }
            State::Active(mut active) => {
                for reply in active.replies.drain() {
                    ctx.out.respond(reply.reply_to, reply.refusal);
                }
            }
        }
    }

    /// Acts on what is due: fences silent brokers, writes no-op records.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>, quorum: &mut Quorum) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        // One batch for each broker: the second decision sees the first.
        while let Some(broker) = active.expired_broker(ctx.now, self.session_timeout) {
            let records = brokers::fence(&active.view(), broker);
            if active.commit(ctx, quorum, &records).is_err() {
                return;
            }
        }
        if active.no_op_at(self.max_idle_interval).is_some_and(|at| ctx.now >= at) {
            // Without leadership there is nothing to show, and the fact that says so is on its way.
            let _ = active.commit(ctx, quorum, &[MetadataRecord::NoOp]);
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let State::Active(active) = &self.state else {
            return None;
        };
        let no_op = active.no_op_at(self.max_idle_interval);
        let sessions = active.sessions.values();
        // A session expires strictly after its timeout.
        let expiries = sessions.map(|session| session.last_contact + self.session_timeout + Duration::from_nanos(1));
        expiries.chain(no_op).min()
    }
}

impl Active {
    /// When a record is due that only shows that there is a leader.
    fn no_op_at(&self, interval: Duration) -> Option<Instant> {
        (!interval.is_zero()).then(|| self.last_append + interval)
    }

    fn new(now: Instant, image: ClusterImage, committed_end: Offset) -> Active {
        let unfenced = image.brokers.iter().filter(|(_, broker)| !broker.fenced);
        let sessions = unfenced.map(|(id, _)| (*id, Session::new(now)));
        Active {
            sessions: sessions.collect(),
            shutting_down: BTreeMap::new(),
            replies: Replies::new(committed_end),
            last_append: now,
            image,
        }
    }

    fn view(&self) -> View<'_> {
        View {
            image: &self.image,
            shutting_down: &self.shutting_down,
        }
    }

    /// Appends the records as one batch and applies them at once.
    fn commit(
        &mut self,
        ctx: &mut Context<'_>,
        quorum: &mut Quorum,
        records: &[MetadataRecord],
    ) -> Result<(), NotLeader> {
        if records.is_empty() {
            return Ok(());
        }
        let values: Vec<Bytes> = records.iter().map(MetadataRecord::encode).collect();
        let offsets = quorum.append(ctx, &values)?;
        for (offset, record) in offsets.into_iter().zip(records) {
            self.image.replay(offset, record);
            self.follow_sessions(ctx.now, record);
        }
        self.last_append = ctx.now;
        Ok(())
    }

    /// Keeps `sessions` to the unfenced brokers.
    fn follow_sessions(&mut self, now: Instant, record: &MetadataRecord) {
        match record {
            MetadataRecord::BrokerRegistrationChange {
                broker, fenced: false, ..
            } => {
                self.sessions.entry(*broker).or_insert(Session::new(now));
            }
            MetadataRecord::RegisterBroker { broker, .. } | MetadataRecord::BrokerRegistrationChange { broker, .. } => {
                self.sessions.remove(broker);
                self.shutting_down.remove(broker);
            }
            _ => {}
        }
    }

    fn heartbeat(&mut self, now: Instant, request: &BrokerHeartbeatRequest, log_end: Offset) -> Decision {
        let is_known = self.view().registration(request.broker, request.broker_epoch).is_ok();
        if let Some(session) = self.sessions.get_mut(&request.broker).filter(|_| is_known) {
            session.last_contact = now;
            session.metadata_end = request.current_metadata_offset;
        }
        let active = self
            .sessions
            .iter()
            .filter(|(id, _)| !self.shutting_down.contains_key(id));
        let lowest_active_end = active.map(|(_, session)| session.metadata_end).min();
        let (decision, next) = brokers::heartbeat(&self.view(), request, lowest_active_end);
        if next == BrokerControlState::ControlledShutdown {
            let end = log_end.plus(decision.records.len() as i64);
            self.shutting_down.entry(request.broker).or_insert(end);
        }
        decision
    }

    fn is_in_session(&self, broker: NodeId, now: Instant, timeout: Duration) -> bool {
        let session = self.sessions.get(&broker);
        session.is_some_and(|session| now.since(session.last_contact) <= timeout)
    }

    /// A broker that has been silent for longer than `timeout`.
    fn expired_broker(&self, now: Instant, timeout: Duration) -> Option<NodeId> {
        let mut brokers = self.sessions.keys().copied();
        brokers.find(|broker| !self.is_in_session(*broker, now, timeout))
    }

    fn release_replies(&mut self, ctx: &mut Context<'_>, committed_end: Offset) {
        self.replies.commit(committed_end);
        while let Some(reply) = self.replies.next_committed() {
            ctx.out.respond(reply.reply_to, reply.response);
        }
    }
}

impl Session {
    /// A session that begins now, of a broker of whose metadata nothing is known.
    fn new(now: Instant) -> Session {
        Session {
            last_contact: now,
            metadata_end: Offset::ZERO,
        }
    }
}
