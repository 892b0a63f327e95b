//! What is written down: the digest, the history, and for who replays a trial a line for everything that happens.

use std::hash::Hasher;

use broker_core::digest::DigestHasher;
use broker_core::machine::{ConnectionId, Input};
use broker_core::trace::Event;
use broker_core::types::{MemberId, NodeId, TopicId, TopicName};

use super::engine::World;
use super::event::{Kind, NOWHERE};
use crate::history::{At, Entry, Environment, Observer, SimTime, What};
use crate::words::{Names, Words};

/// States a line, if somebody replays the trial. Free of charge if not.
macro_rules! say {
    ($world:expr, $level:ident, $node:expr, $($text:tt)+) => {
        if $world.trace {
            let text = format!($($text)+);
            let (step, time, node) = ($world.step, SimTime($world.now), $world.name_of($node));
            tracing::$level!(target: $crate::traced::WORLD, step, %time, node = %node, message = %text);
        }
    };
}

impl<O: Observer> World<'_, O> {
    pub(super) fn at(&self) -> At {
        At {
            step: self.step,
            time: SimTime(self.now),
        }
    }

    /// Counts a delivered event and folds it into the digest.
    pub(super) fn count(&mut self, kind: Kind, node: NodeId, body: impl FnOnce(&mut DigestHasher)) {
        self.step += 1;
        self.digest.write_u64(self.now);
        self.digest.write_u64(u64::from(node.0) << 8 | kind as u64);
        body(&mut self.digest);
        if !matches!(kind, Kind::Input) {
            say!(self, trace, node, "{}", kind.words());
        }
    }

    /// States an input that is about to be handled.
    pub(super) fn say_input(&self, node: NodeId, input: &Input) {
        say!(self, trace, node, "{}", Words(self).input(node, input));
    }

    /// Why a machine halts.
    pub(super) fn say_halt(&self, node: NodeId, reason: &broker_core::machine::HaltReason) {
        say!(self, debug, node, "{}", Words(self).halt(reason));
    }

    /// A machine states a fact.
    pub(super) fn state_fact(&mut self, index: usize, event: &Event) {
        let node = self.nodes[index].id;
        self.cluster.observe(node, event);
        say!(self, debug, node, "{}", Words(self).event(event));
        self.observer.fact(self.at(), node, event);
    }

    /// Adds to the history what the environment did to a node.
    pub(super) fn note(&mut self, index: usize, what: Environment) {
        let node = &self.nodes[index];
        let (process, incarnation) = (node.id, node.incarnation);
        self.write(process, incarnation, what);
    }

    /// Adds to the history what the environment did to no single node.
    pub(super) fn note_everywhere(&mut self, what: Environment) {
        self.write(NOWHERE, 0, what);
    }

    fn write(&mut self, process: NodeId, incarnation: u32, what: Environment) {
        let at = self.at();
        let what = What::Environment(what);
        self.pass_on(&Entry {
            at,
            process,
            incarnation,
            what,
        });
    }

    /// Hands the lines of the history that programs and their clients have written to the observer.
    pub(super) fn pass_on_entries(&mut self) {
        if self.station.entries.is_empty() {
            return;
        }
        let mut entries = std::mem::take(&mut self.station.entries);
        for entry in entries.drain(..) {
            self.pass_on(&entry);
        }
        self.station.entries = entries;
    }

    /// Hands a line of the history to the observer.
    pub(super) fn pass_on(&mut self, entry: &Entry) {
        self.memory += size_of_entry(entry);
        say!(self, debug, entry.process, "{}", Words(self).what(&entry.what));
        self.observer.entry(entry);
    }

    // ---- words

    fn name_of(&self, node: NodeId) -> String {
        match node {
            NOWHERE => "everywhere".to_owned(),
            _ => self.nodes[self.place(node)].name.clone(),
        }
    }
}

impl<O: Observer> Names for World<'_, O> {
    fn node(&self, node: NodeId) -> String {
        self.name_of(node)
    }

    fn topic(&self, topic: TopicId) -> Option<TopicName> {
        let mut topics = self.cluster.topics();
        topics.find(|(_, id)| **id == topic).map(|(name, _)| name.clone())
    }

    fn member(&self, member: &MemberId) -> Option<NodeId> {
        self.cluster.member(member)
    }

    fn peer(&self, node: NodeId, connection: ConnectionId) -> Option<NodeId> {
        Some(self.peer_of(self.place(node), connection))
    }
}

/// About how many bytes a line of history takes in memory.
fn size_of_entry(entry: &Entry) -> u64 {
    let more = match &entry.what {
        What::SendInvoked(sent) => sent.key.as_ref().map_or(0, |key| key.len()),
        What::Polled(records) => size_of_val(&records[..]),
        _ => 0,
    };
    (size_of::<Entry>() + more) as u64
}
