//! Which broker coordinates the group, and how it is found again when it was lost (Kafka `AbstractCoordinator`).

use core::time::Duration;

use crate::client::network::Reply;
use crate::config::millis;
use crate::machine::{Channel, Instant};
use crate::protocol::{ErrorCode, FindCoordinatorRequest, Request, Response};
use crate::types::{Listener, NodeId};

use super::Consumer;
use super::asked::{Asked, GroupAsked};
use super::assignment::Stage;

/// What is known of the coordinator.
#[derive(Default)]
pub(super) struct Coordinator {
    node: Option<NodeId>,
    /// Somebody is asked who it is.
    is_asked: bool,
    /// Nobody is asked before.
    retry_at: Instant,
    /// Fruitless answers in a row.
    failures: u32,
}

impl Consumer {
    /// Asks any broker who the coordinator is, if it is needed and not known.
    pub(super) fn find_coordinator(&mut self, now: Instant) {
        let is_needed = self.needs_coordinator();
        let Some(group) = &mut self.group else {
            return;
        };
        let coordinator = &mut group.coordinator;
        if !is_needed || coordinator.node.is_some() || coordinator.is_asked {
            return;
        }
        let retry_at = coordinator.retry_at;
        if retry_at > now {
            return self.wake_at(retry_at);
        }
        let mut cx = context!(self, now);
        let Some(to) = self.metadata.any_broker(&mut cx, &mut self.network) else {
            if let Some(at) = self.metadata.asks_at(&self.network, Some(now), None) {
                self.wake_at(at);
            }
            return;
        };
        coordinator.is_asked = true;
        let request = FindCoordinatorRequest {
            group: group.id.clone(),
        };
        let what = GroupAsked::Coordinator;
        self.network.request(
            &mut cx,
            (to, Channel::Client),
            request.into(),
            Asked::Group { to, what },
        );
    }

    /// The coordinator, if it is known and may be sent a request now.
    pub(super) fn ready_coordinator(&mut self, now: Instant) -> Option<NodeId> {
        let node = self.group.as_ref()?.coordinator.node?;
        let peer = (node, Channel::Coordinator);
        let ready_at = self.network.ready_at(peer)?;
        if ready_at > now {
            self.wake_at(ready_at);
            return None;
        }
        self.network.ready(&mut context!(self, now), peer).then_some(node)
    }

    /// Sends the coordinator a request, over a connection of its own.
    pub(super) fn ask_coordinator(&mut self, now: Instant, to: NodeId, request: Request, what: GroupAsked) {
        let timeout = millis(self.config.request_timeout_ms);
        self.ask_coordinator_within(now, timeout, to, request, what);
    }

    /// The same with a request that may wait for its answer for `timeout`.
    pub(super) fn ask_coordinator_within(
        &mut self,
        now: Instant,
        timeout: Duration,
        to: NodeId,
        request: Request,
        what: GroupAsked,
    ) {
        let asked = Asked::Group { to, what };
        let to = (to, Channel::Coordinator);
        self.network
            .request_within(&mut context!(self, now), timeout, to, request, asked);
    }

    /// `node` is not the coordinator, or cannot be reached. If it was taken for it, another must be found.
    pub(super) fn coordinator_lost(&mut self, node: NodeId) {
        let Some(group) = self.group.as_mut().filter(|group| group.coordinator.node == Some(node)) else {
            return;
        };
        group.coordinator.node = None;
        // What it was asked is to be asked of another, or of the same one once it is found again.
        self.network.give_up((node, Channel::Coordinator));
        self.membership_lost_coordinator();
    }

    /// Nothing has come from the coordinator for too long.
    pub(super) fn coordinator_silent(&mut self) {
        if let Some(node) = self.group.as_ref().and_then(|group| group.coordinator.node) {
            self.coordinator_lost(node);
        }
    }

    /// Takes what `error` says about the coordinator.
    pub(super) fn follow_coordinator_error(&mut self, from: NodeId, error: ErrorCode) {
        use ErrorCode as E;
        if matches!(
            error,
            E::NotCoordinator | E::CoordinatorNotAvailable | E::RequestTimedOut
        ) {
            self.coordinator_lost(from);
        }
    }

    /// A request about the group was answered.
    pub(super) fn group_replied(&mut self, now: Instant, from: NodeId, what: GroupAsked, reply: Reply) {
        match what {
            GroupAsked::Coordinator => self.coordinator_found(now, reply),
            GroupAsked::Join { turn } => self.joined(now, from, turn, reply),
            GroupAsked::Sync { turn } => self.synced(now, from, turn, reply),
            GroupAsked::Heartbeat { turn } => self.heartbeat_answered(now, from, turn, reply),
            GroupAsked::ConsumerHeartbeat { turn } => self.consumer_heartbeat_answered(now, from, turn, reply),
            GroupAsked::Leave => self.left(now),
            GroupAsked::Commit(id) => self.commit_answered(now, from, id, reply),
            GroupAsked::Offsets(turns) => self.committed_found(now, from, turns, reply),
        }
    }

    fn coordinator_found(&mut self, now: Instant, reply: Reply) {
        let found = match reply {
            Reply::Answer(Response::FindCoordinator(answer)) => answer.coordinator.filter(|_| answer.error.is_ok()),
            Reply::Answer(_) | Reply::Lost(_) => None,
        };
        if let Some((node, endpoint)) = found {
            self.out.learn(node, Listener::Broker, endpoint);
        }
        let Some(group) = &mut self.group else {
            return;
        };
        let coordinator = &mut group.coordinator;
        coordinator.is_asked = false;
        coordinator.node = found.map(|(node, _)| node);
        // A coordinator that denies being one at once is asked after with a pause, too.
        coordinator.failures = if found.is_some() { 0 } else { coordinator.failures + 1 };
        let attempts = coordinator.failures.saturating_sub(1);
        coordinator.retry_at = now + self.retry_backoff.after(attempts, &mut self.rng);
    }

    fn needs_coordinator(&self) -> bool {
        let has_commits = self.group.as_ref().is_some_and(|group| !group.commits.is_empty());
        let is_uncommitted = || {
            let mut unsettled = self.assigned.unsettled();
            unsettled.any(|place| self.assigned.at(place).stage() == Stage::Committed)
        };
        has_commits || self.membership.is_some() && self.is_active_member() || is_uncommitted()
    }
}
