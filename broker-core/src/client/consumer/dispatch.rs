//! What the consumer does with the replies to its requests.

use crate::client::network::{Lost, Reply};
use crate::machine::{Channel, Instant};
use crate::protocol::{FetchPartitionResponse, Response};
use crate::trace::{Event, ResetCause};
use crate::types::{NodeId, TopicPartition};

use super::Consumer;
use super::asked::Asked;
use super::assignment::{Change, Outcome, Stage};
use super::fetcher::Fetched;
use super::offset_fetcher;

impl Consumer {
    /// Closes the connections that were given up, and those whose oldest request has waited for too long.
    pub(super) fn close_connections(&mut self, now: Instant) {
        loop {
            let mut cx = context!(self, now);
            let Some(lost) = self.network.expire(&mut cx) else {
                break;
            };
            self.connection_lost(now, lost);
        }
    }

    /// A connection was lost, and all requests on it.
    pub(super) fn connection_lost(&mut self, now: Instant, lost: Lost<Asked>) {
        self.metadata.request_update();
        if let (node, Channel::Coordinator) = lost.peer {
            self.coordinator_lost(node);
        }
        for asked in lost.requests {
            self.replied(now, asked, Reply::Lost(lost.error));
        }
    }

    /// A request was answered, or its connection was lost.
    pub(super) fn replied(&mut self, now: Instant, asked: Asked, reply: Reply) {
        match (asked, reply) {
            (Asked::Metadata, Reply::Answer(Response::Metadata(answer))) => {
                if self.metadata.update(&mut context!(self, now), answer) {
                    self.follow_metadata();
                }
            }
            (Asked::Metadata, _) => self.metadata.failed(&mut context!(self, now)),
            (Asked::Fetch { to }, reply) => self.fetch_replied(now, to, reply),
            (Asked::Partitions { kind, turns }, reply) => {
                let places = self.assigned.end_turns(turns);
                let policy = self.config.auto_offset_reset;
                for (place, outcome) in offset_fetcher::replied(&mut self.assigned, kind, places, reply, policy) {
                    self.conclude(now, place, outcome);
                }
            }
            (Asked::Group { to, what }, reply) => self.group_replied(now, to, what, reply),
        }
    }

    /// Takes new metadata over: ids and leaders.
    pub(super) fn follow_metadata(&mut self) {
        let first_stage = self.first_stage();
        for place in 0..self.assigned.len() {
            let partition = self.assigned.at(place);
            let Some(topic) = self.metadata.topic(&partition.topic) else {
                continue;
            };
            let id = TopicPartition {
                topic: topic.id,
                partition: partition.partition,
            };
            let is_new = self.assigned.identify(place, id, first_stage);
            if is_new && matches!(first_stage, Stage::Reset(_)) {
                let change = self.assigned.begin_reset(place, self.config.auto_offset_reset);
                self.announce(change);
            }
            self.assigned.follow(place, self.metadata.leader(id));
        }
        self.follow_pattern();
        self.target_changed();
    }

    fn fetch_replied(&mut self, now: Instant, from: NodeId, reply: Reply) {
        match self.fetcher.replied(&self.assigned, from, reply) {
            Fetched::Partitions(partitions) => {
                for partition in partitions {
                    if let Some(place) = self.assigned.awaiting(partition.partition, from) {
                        self.fetched(now, place, partition);
                    }
                }
            }
            Fetched::Failed(places) => {
                for place in places {
                    self.back_off(now, place);
                }
            }
        }
    }

    fn fetched(&mut self, now: Instant, place: usize, answer: FetchPartitionResponse) {
        if let Some(leader) = answer.current_leader
            && self.metadata.learn_leader(answer.partition, leader)
        {
            // KIP-951: the new leader is asked without back-off.
            self.assigned.follow(place, self.metadata.leader(answer.partition));
            if !answer.error.is_ok() || self.assigned.at(place).stage() != Stage::Fetch {
                return;
            }
        }
        let outcome = self.assigned.fetched(place, answer, self.config.auto_offset_reset);
        self.conclude(now, place, outcome);
    }

    /// Does what an answer about a partition calls for.
    fn conclude(&mut self, now: Instant, place: usize, outcome: Outcome) {
        match outcome {
            Outcome::Done(change) => self.announce(change),
            Outcome::Failed => {
                self.metadata.request_update();
                if self.quirks.reset_on_transient_error && self.assigned.at(place).stage() == Stage::Fetch {
                    let policy = self.config.auto_offset_reset;
                    let change = self.assigned.reset(place, ResetCause::OutOfRange, policy);
                    self.announce(change);
                }
                self.back_off(now, place);
            }
            Outcome::Unanswered => self.back_off(now, place),
        }
    }

    /// Makes known what became of a position.
    pub(super) fn announce(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Moved(reset)) => self.out.trace(Event::PositionReset(reset)),
            Some(Change::Halted(notice)) => self.notices.push_back(notice),
            None => {}
        }
    }

    /// Nothing is asked about a partition for a while.
    pub(super) fn back_off(&mut self, now: Instant, place: usize) {
        let partition = self.assigned.at_mut(place);
        partition.retry_at = now + self.retry_backoff.after(partition.failures, &mut self.rng);
        partition.failures = partition.failures.saturating_add(1);
    }
}
