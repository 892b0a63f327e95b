//! The dispatcher: each input goes to one module, the facts that come back go to the others.
//!
//! A node starts by reading its disk (`boot`). Then the quorum replicates the metadata log; what is committed there is
//! replayed into the node's [`ClusterImage`], and from it flow the states of its partitions. The controller's logic
//! is in every voter and acts in the one that leads.

mod boot;
mod coordinators;
mod forwarding;
mod inbound;
mod lifecycle;
mod metadata;
mod producer_ids;
mod shutdown;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::broker::boot::{Boot, Disk};
use crate::broker::coordinators::OffsetsTopic;
use crate::broker::forwarding::Forwarding;
use crate::broker::inbound::Inbound;
use crate::broker::lifecycle::Lifecycle;
use crate::broker::producer_ids::ProducerIds;
use crate::broker::shutdown::Shutdown;
use crate::config::{BrokerConfig, Quirks, millis};
use crate::controller::Controller;
use crate::controller::image::ClusterImage;
use crate::controller::records::MetadataRecord;
use crate::disk::{DiskError, DiskReply, FileName, OpId};
use crate::group::{GroupCoordinator, Topics as _};
use crate::log::{Log, LogConfig};
use crate::machine::{
    Channel, ConnectionId, Context, HaltReason, Input, Instant, Machine, Now, Outbox, Output, ReplyTo, RequestId,
    earliest,
};
use crate::protocol::{ApiVersionsResponse, ErrorCode, Request, Response};
use crate::quorum::{Quorum, QuorumFact};
use crate::random::Random;
use crate::replica::{PartitionState, Replicas};
use crate::trace::{self, Event};
use crate::types::{ClientId, Endpoint, Listener, Listeners, NodeId, Offset, PartitionEpoch, TopicPartition};

/// Which parts a node plays (`process.roles`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Roles {
    /// Partitions only.
    Broker,
    /// The metadata quorum only.
    Controller,
    /// Both.
    Combined,
}

/// One server of a cluster, and how it finds the others: those that it does not know yet say in their registrations where
/// they listen.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its `node.id`.
    pub id: NodeId,
    /// Its `process.roles`.
    pub roles: Roles,
    /// Where it listens (`listeners`).
    pub listeners: Listeners,
    /// The voters of the metadata quorum, and where each listens as a controller (`controller.quorum.voters`).
    pub voters: Vec<(NodeId, Endpoint)>,
}

/// What a node knows from its start.
struct Identity {
    id: NodeId,
    roles: Roles,
    voters: Vec<NodeId>,
    listeners: Listeners,
    config: BrokerConfig,
    quirks: Quirks,
    /// Names this run of the process.
    incarnation: u64,
}

/// A node of the cluster: broker, controller or both.
pub struct Broker {
    identity: Identity,
    rng: Random,
    out: Outbox,
    state: State,
}

enum State {
    /// Reading the disk; what comes meanwhile waits.
    Starting {
        boot: Boot,
        early: Vec<Input>,
    },
    Running(Box<Running>),
    /// Halted: the host stops it, and until then it does nothing.
    Stopped,
}

impl Broker {
    /// A node that starts at `now` with whatever its disk holds: its first output asks for the list of files.
    #[must_use]
    pub fn new(now: Now, server: Server, config: BrokerConfig, quirks: Quirks, mut rng: Random) -> Broker {
        let mut out = Outbox::with_set_up_timeout(
            millis(config.socket_connection_setup_timeout_ms),
            millis(config.socket_connection_setup_timeout_max_ms),
        );
        for (voter, endpoint) in &server.voters {
            out.learn(*voter, Listener::Controller, *endpoint);
        }
        let incarnation = rng.next_u64();
        let mut ctx = Context::new(now, &mut rng, &mut out);
        let boot = Boot::begin(&mut ctx);
        Broker {
            identity: Identity {
                id: server.id,
                roles: server.roles,
                voters: server.voters.into_iter().map(|(voter, _)| voter).collect(),
                listeners: server.listeners,
                config,
                quirks,
                incarnation,
            },
            rng,
            out,
            state: State::Starting {
                boot,
                early: Vec::new(),
            },
        }
    }
}

impl Machine for Broker {
    fn handle(&mut self, now: Now, input: Input) {
        let mut ctx = Context::new(now, &mut self.rng, &mut self.out);
        let result = match (&mut self.state, input) {
            (State::Stopped, _) => return,
            // It has not begun anything that would have to be put in order.
            (State::Starting { .. }, Input::Stop) => Err(HaltReason::Stopped),
            (State::Running(running), input) => running.handle(&mut ctx, &self.identity, input),
            (State::Starting { boot, early }, Input::Disk { op, file, result }) => {
                match boot.on_disk(&mut ctx, op, file, result) {
                    Ok(None) => return,
                    Err(error) => Err(HaltReason::LogDirOffline(error)),
                    Ok(Some(disk)) => {
                        let early = core::mem::take(early);
                        match Running::start(&mut ctx, &self.identity, disk, early) {
                            Ok(running) => {
                                self.state = State::Running(Box::new(running));
                                return;
                            }
                            Err(reason) => Err(reason),
                        }
                    }
                }
            }
            (State::Starting { early, .. }, input) => {
                early.push(input);
                return;
            }
        };
        if let Err(reason) = result {
            self.out.halt(reason);
            self.state = State::Stopped;
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(running) => earliest([running.deadline(), self.out.deadline()]),
            State::Starting { .. } | State::Stopped => None,
        }
    }
}

/// A node that has read its disk.
struct Running {
    quorum: Quorum,
    controller: Option<Controller>,
    /// The cluster as committed, up to `applied`.
    image: ClusterImage,
    applied: Offset,
    broker: Option<BrokerRole>,
    inbound: Inbound,
    /// Once it is asked to end.
    shutdown: Option<Shutdown>,
}

/// What only brokers have.
struct BrokerRole {
    replicas: Replicas,
    groups: GroupCoordinator,
    offsets_topic: OffsetsTopic,
    /// Topics came or grew, and the coordinators have not been notified.
    topics_grew: bool,
    lifecycle: Lifecycle,
    producer_ids: ProducerIds,
    /// Whether the replicas have taken over the image; from then on they take its changes.
    follows_metadata: bool,
    forwarding: Forwarding,
}

impl Running {
    fn start(ctx: &mut Context<'_>, identity: &Identity, disk: Disk, early: Vec<Input>) -> Result<Running, HaltReason> {
        let log = recover_metadata_log(ctx, disk.metadata_segments);
        let voters = identity.voters.clone();
        let quorum = Quorum::new(ctx, identity.id, voters, &identity.config, &disk.quorum_state, log);
        let plays_broker = identity.roles != Roles::Controller;
        let mut running = Running {
            quorum: quorum.map_err(HaltReason::CorruptState)?,
            controller: (identity.roles != Roles::Broker).then(|| Controller::new(&identity.config)),
            image: ClusterImage::default(),
            applied: Offset::ZERO,
            broker: plays_broker.then(|| BrokerRole {
                replicas: Replicas::new(
                    ctx.now,
                    ctx.rng,
                    identity.id,
                    &identity.config,
                    identity.quirks,
                    disk.segments,
                    &disk.checkpoint,
                ),
                groups: GroupCoordinator::new(&identity.config, identity.quirks),
                offsets_topic: OffsetsTopic::new(&identity.config),
                topics_grew: false,
                lifecycle: Lifecycle::new(identity),
                producer_ids: ProducerIds::new(identity.id),
                follows_metadata: false,
                forwarding: Forwarding::new(&identity.config),
            }),
            inbound: Inbound::new(millis(identity.config.connections_max_idle_ms)),
            shutdown: None,
        };
        running.follow_up(ctx)?;
        for input in early {
            running.handle(ctx, identity, input)?;
        }
        Ok(running)
    }

    fn handle(&mut self, ctx: &mut Context<'_>, identity: &Identity, input: Input) -> Result<(), HaltReason> {
        match input {
            Input::Opened {
                connection,
                listener,
                client_id,
                ..
            } => self.inbound.opened(ctx.now, connection, listener, client_id),
            // What was sent over it is on its way already.
            Input::Connected { connection } => {
                ctx.out.connected(connection);
            }
            Input::Request { reply_to, body } => self.read(ctx, reply_to, body),
            Input::Response { connection, id, body } => {
                // Nobody waits for answers over a connection that was closed.
                if let Some((from, channel)) = ctx.out.peer(connection) {
                    self.on_response(ctx, channel, from, id, body);
                }
            }
            Input::Closed {
                connection: connection @ ConnectionId::Outbound(_),
                ..
            } => {
                if let Some((peer, channel)) = ctx.out.closed(connection) {
                    self.on_disconnected(ctx, channel, peer);
                }
            }
            Input::Closed { connection, .. } => self.on_inbound_closed(connection),
            Input::Disk { op, file, result } => self.on_disk(ctx, op, file, &result)?,
            Input::Wake => self.on_wake(ctx)?,
            Input::Stop => self.begin_shutdown(ctx, identity),
        }
        self.notice_ends(ctx);
        self.follow_up(ctx)?;
        while self.read_on(ctx) {
            self.follow_up(ctx)?;
        }
        self.notice_ends(ctx);
        self.continue_shutdown(ctx)
    }

    fn on_request(&mut self, ctx: &mut Context<'_>, listener: Listener, reply_to: ReplyTo, request: Request) {
        match request {
            Request::Vote(_) | Request::BeginQuorumEpoch(_) | Request::EndQuorumEpoch(_) => {
                self.quorum.on_request(ctx, reply_to, request);
            }
            Request::Fetch(body) if is_of_metadata_log(&body.partitions) => {
                self.quorum.on_request(ctx, reply_to, body.into());
            }
            Request::ApiVersions(body) => {
                let response = match body.is_valid() {
                    true => ApiVersionsResponse::of(listener).into(),
                    false => Request::ApiVersions(body).error_response(ErrorCode::InvalidRequest),
                };
                ctx.out.respond(reply_to, response);
            }
            Request::CreateTopics(_) | Request::CreatePartitions(_)
                if self.should_forward(listener)
                    && let Some(broker) = &mut self.broker =>
            {
                broker.forwarding.forward(ctx, self.quorum.leader(), reply_to, request);
            }
            Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::AlterPartition(_)
            | Request::CreateTopics(_)
            | Request::CreatePartitions(_)
            | Request::AllocateProducerIds(_) => match &mut self.controller {
                Some(controller) => controller.on_request(ctx, &mut self.quorum, reply_to, request),
                None => ctx
                    .out
                    .respond(reply_to, request.error_response(ErrorCode::NotController)),
            },
            request => match &mut self.broker {
                Some(broker) => {
                    let controller = self.quorum.leader();
                    let client = self.inbound.client_of(reply_to.connection);
                    broker.on_client_request(ctx, (&self.image, controller), (listener, client), reply_to, request);
                }
                // The process is about to end, and its connections with it.
                None if self.shutdown.is_some() => {}
                None => refuse(ctx, reply_to, &request),
            },
        }
    }

    /// A request for the controller that came to the broker is passed on, unless this node is the controller itself. What
    /// came to the controller stays here, so that two nodes that take each other for the active one do not send it to and
    /// fro.
    fn should_forward(&self, listener: Listener) -> bool {
        listener == Listener::Broker && !self.quorum.is_leader()
    }

    fn on_response(
        &mut self,
        ctx: &mut Context<'_>,
        channel: Channel,
        from: NodeId,
        id: RequestId,
        response: Response,
    ) {
        if channel == Channel::Raft {
            self.quorum.on_response(ctx, from, id, &response);
            return;
        }
        let Some(broker) = &mut self.broker else {
            return;
        };
        match channel {
            Channel::Heartbeat => {
                broker.lifecycle.on_response(ctx, id, &response);
                if let Some(broker_epoch) = broker.lifecycle.broker_epoch() {
                    broker.replicas.set_registration(broker_epoch);
                }
            }
            Channel::Fetcher | Channel::AlterPartition => {
                broker.replicas.on_response(ctx, from, id, response);
            }
            Channel::Forwarding => {
                let Some(response) = broker.forwarding.on_response(ctx, id, response) else {
                    return;
                };
                if let Response::AllocateProducerIds(body) = &response {
                    broker.producer_ids.on_response(ctx, id, body);
                } else {
                    broker.offsets_topic.on_response(id);
                }
            }
            Channel::Raft | Channel::Client | Channel::Coordinator => {}
        }
    }

    /// Connections that this node has closed: one that was not established in time, or over which a request has waited for
    /// too long, with whatever else waits for answers over it; and those of peers.
    fn notice_ends(&mut self, ctx: &mut Context<'_>) {
        self.notice_hung_up(ctx);
        while let Some((peer, channel)) = ctx.out.next_timed_out(ctx.now) {
            self.on_disconnected(ctx, channel, peer);
        }
    }

    /// A connection to `peer` is gone.
    fn on_disconnected(&mut self, ctx: &mut Context<'_>, channel: Channel, peer: NodeId) {
        if channel == Channel::Raft {
            self.quorum.on_disconnected(ctx, peer);
            return;
        }
        let Some(broker) = &mut self.broker else {
            return;
        };
        match channel {
            Channel::Heartbeat => broker.lifecycle.on_disconnected(ctx, peer),
            Channel::Fetcher => broker.replicas.on_fetcher_disconnected(ctx, peer),
            Channel::AlterPartition => broker.replicas.on_alter_disconnected(ctx, peer),
            Channel::Forwarding => {
                broker.producer_ids.on_disconnected(ctx, peer);
                broker.offsets_topic.on_disconnected(peer);
                broker.forwarding.on_disconnected(ctx, peer);
            }
            Channel::Raft | Channel::Client | Channel::Coordinator => {}
        }
    }

    fn on_disk(
        &mut self,
        ctx: &mut Context<'_>,
        op: OpId,
        file: Option<FileName>,
        result: &Result<DiskReply, DiskError>,
    ) -> Result<(), HaltReason> {
        let Some(file) = file else {
            return Ok(());
        };
        match file {
            FileName::QuorumState
            | FileName::Segment {
                partition: TopicPartition::CLUSTER_METADATA,
                ..
            } => {
                let outcome = self.quorum.on_disk(ctx, op, file, result);
                outcome.map_err(HaltReason::LogDirOffline)?;
            }
            FileName::Segment { .. } | FileName::HighWatermarkCheckpoint => {
                let replicas = self.broker.as_mut().map(|broker| &mut broker.replicas);
                if let Some(replicas) = replicas.or_else(|| self.shutdown.as_mut()?.flushing()) {
                    replicas.on_disk(ctx, op, file, result);
                }
                // There is no other log directory. A broker that lived on would keep its leaderships, and the followers
                // that it no longer serves would leave the ISR: the controller learns of it by the session that ends.
                result.as_ref().map_err(|error| HaltReason::LogDirOffline(*error))?;
            }
        }
        Ok(())
    }

    fn on_wake(&mut self, ctx: &mut Context<'_>) -> Result<(), HaltReason> {
        let now = ctx.now;
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if is_due(self.quorum.deadline()) {
            self.quorum.on_wake(ctx);
        }
        if let Some(controller) = &mut self.controller
            && is_due(controller.deadline())
        {
            controller.on_wake(ctx, &mut self.quorum);
        }
        if let Some(broker) = &mut self.broker {
            if is_due(broker.replicas.deadline()) {
                broker.replicas.on_wake(ctx);
                broker.tell_coordinators(ctx, &self.image)?;
            }
            if is_due(broker.groups.deadline()) {
                broker.groups.on_wake(ctx, &mut broker.replicas, &self.image);
            }
            broker.forwarding.on_wake(ctx);
        }
        self.close_idle(ctx);
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let broker = self.broker.as_ref();
        earliest([
            self.quorum.deadline(),
            self.controller.as_ref().and_then(Controller::deadline),
            broker.and_then(|broker| broker.replicas.deadline()),
            broker.and_then(|broker| broker.groups.deadline()),
            broker.and_then(|broker| broker.lifecycle.deadline()),
            broker.and_then(|broker| broker.producer_ids.deadline()),
            broker.and_then(|broker| broker.forwarding.deadline()),
            self.shutdown.as_ref().and_then(Shutdown::deadline),
            self.inbound.deadline(),
        ])
    }

    /// Spreads what the quorum committed and decided and what the replicas report to coordinators, then sends what is due to
    /// the controller.
    fn follow_up(&mut self, ctx: &mut Context<'_>) -> Result<(), HaltReason> {
        while let Some(fact) = self.quorum.next_fact() {
            if let QuorumFact::Committed { entries, end } = &fact {
                self.apply(ctx, entries, *end);
            }
            if let Some(controller) = &mut self.controller {
                controller.on_quorum(ctx, &mut self.quorum, &self.image, &fact);
            }
        }
        if let Some(broker) = &mut self.broker {
            broker.tell_coordinators(ctx, &self.image)?;
            let controller = self.quorum.leader();
            broker.replicas.set_controller(ctx, controller);
            broker.lifecycle.drive(ctx, controller, self.applied);
            let broker_epoch = broker.lifecycle.broker_epoch();
            broker.producer_ids.drive(ctx, controller, broker_epoch);
        }
        Ok(())
    }

    /// Replays committed records into the image and hands their effects to the partitions.
    fn apply(&mut self, ctx: &mut Context<'_>, entries: &[(Offset, Bytes)], end: Offset) {
        let mut changed = Vec::new();
        for (offset, value) in entries {
            let record = MetadataRecord::decode(value).expect("the quorum holds only what a controller encoded");
            if record == MetadataRecord::NoOp {
                continue;
            }
            self.image.replay(*offset, &record);
            metadata::learn(ctx, &record);
            metadata::trace(ctx, &self.image, *offset, &record);
            changed.push(record);
        }
        self.applied = end;
        if changed.is_empty() {
            return;
        }
        ctx.out.trace(Event::MetadataApplied(trace::MetadataApplied {
            end,
            digest: self.image.digest(),
        }));
        if let Some(broker) = &mut self.broker {
            broker.take_metadata(ctx, &self.image, &changed);
        }
    }
}

impl BrokerRole {
    fn on_client_request(
        &mut self,
        ctx: &mut Context<'_>,
        (image, controller): (&ClusterImage, Option<NodeId>),
        (listener, client): (Listener, Option<&ClientId>),
        reply_to: ReplyTo,
        request: Request,
    ) {
        match request {
            Request::Produce(body) => self.replicas.on_produce(ctx, reply_to, body),
            Request::Fetch(body) => self.replicas.on_fetch(ctx, reply_to, body),
            Request::ListOffsets(body) => self.replicas.on_list_offsets(ctx, reply_to, &body),
            Request::OffsetForLeaderEpoch(body) => self.replicas.on_offset_for_leader_epoch(ctx, reply_to, &body),
            Request::Metadata(body) => ctx
                .out
                .respond(reply_to, metadata::describe(image, &body, listener).into()),
            Request::InitProducerId(_) => {
                self.producer_ids.on_request(ctx, reply_to);
                self.producer_ids.drive(ctx, controller, self.lifecycle.broker_epoch());
            }
            Request::FindCoordinator(body) => {
                if image.topic(&self.offsets_topic.name).is_none() {
                    self.offsets_topic.create(ctx, controller);
                }
                let found = coordinators::find_coordinator(image, &self.groups, &body, listener);
                ctx.out.respond(reply_to, found.into());
            }
            Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::ConsumerGroupHeartbeat(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_) => {
                self.groups
                    .on_request(ctx, &mut self.replicas, image, reply_to, client, request);
            }
            other => ctx
                .out
                .respond(reply_to, other.error_response(ErrorCode::InvalidRequest)),
        }
    }

    /// Hands committed partition states to the replicas. What was committed before this run of the broker registered
    /// speaks of an earlier run: to lead again by it, with a log that may have lost its end, would give one epoch two
    /// contents. So nothing is taken before the registration, and then everything at once.
    fn take_metadata(&mut self, ctx: &mut Context<'_>, image: &ClusterImage, changed: &[MetadataRecord]) {
        let registration = image.brokers.get(&self.lifecycle.id());
        if !registration.is_some_and(|broker| self.lifecycle.is_of_this_run(broker)) {
            return;
        }
        let unfenced = image.brokers.iter().filter(|(_, broker)| !broker.fenced);
        let unfenced = unfenced.map(|(id, broker)| (*id, broker.broker_epoch)).collect();
        self.replicas.set_unfenced(ctx, unfenced);
        if let Some((topic, partitions)) = image.topic(&self.offsets_topic.name) {
            self.replicas.watch(topic);
            self.groups.set_topic(topic, partitions);
        }
        if core::mem::replace(&mut self.follows_metadata, true) {
            for record in changed {
                if let MetadataRecord::Partition { partition, .. } = record {
                    self.take_partition(ctx, image, *partition);
                }
            }
        } else {
            for (partition, _) in image.partitions() {
                self.take_partition(ctx, image, partition);
            }
        }
        self.topics_grew |= changed.iter().any(is_growth);
    }

    /// Notifies coordinators of what became of their partitions, and then of the cluster's topics: a coordinator that is none
    /// any more must not decide about those.
    fn tell_coordinators(&mut self, ctx: &mut Context<'_>, image: &ClusterImage) -> Result<(), HaltReason> {
        loop {
            while let Some(fact) = self.replicas.next_fact() {
                self.groups.on_replica(ctx, &mut self.replicas, image, fact)?;
            }
            if !core::mem::take(&mut self.topics_grew) {
                return Ok(());
            }
            self.groups.topics_changed(ctx, &mut self.replicas, image);
        }
    }

    /// Hands over a partition's state, if this broker has a replica of it.
    fn take_partition(&mut self, ctx: &mut Context<'_>, image: &ClusterImage, partition: TopicPartition) {
        let topic = image.topics.get(&partition.topic);
        let Some((topic, state)) = topic.zip(image.partition(partition)) else {
            return;
        };
        if !state.replicas.contains(&self.lifecycle.id()) {
            return;
        }
        let state = PartitionState {
            replicas: state.replicas.clone(),
            isr: state.isr.clone(),
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
        };
        self.replicas.apply(ctx, partition, &topic.config, state);
    }
}

/// Whether a record gives the cluster a topic or a topic a partition.
fn is_growth(record: &MetadataRecord) -> bool {
    match record {
        MetadataRecord::Topic { .. } => true,
        MetadataRecord::Partition { partition_epoch, .. } => *partition_epoch == PartitionEpoch(0),
        _ => false,
    }
}

/// A node without the role of a broker serves no partition but that of the metadata log (`KafkaRaftClient.handleFetch`).
fn refuse(ctx: &mut Context<'_>, reply_to: ReplyTo, request: &Request) {
    if request.is_answered() {
        ctx.out
            .respond(reply_to, request.error_response(ErrorCode::InvalidRequest));
    }
}

fn recover_metadata_log(ctx: &mut Context<'_>, segments: Vec<(Offset, Bytes)>) -> Log {
    // Every voter answers for what it has acknowledged, so each append is flushed before it counts.
    let config = LogConfig {
        segment_bytes: 1 << 30,
        flush_messages: 1,
        tail_cache_bytes: 8 << 20,
    };
    if segments.is_empty() {
        return Log::new(TopicPartition::CLUSTER_METADATA, config, Offset::ZERO);
    }
    Log::recover(TopicPartition::CLUSTER_METADATA, config, segments).repair(ctx)
}

fn is_of_metadata_log(partitions: &[crate::protocol::FetchPartition]) -> bool {
    matches!(partitions, [fetch] if fetch.partition == TopicPartition::CLUSTER_METADATA)
}
