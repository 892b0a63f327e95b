//! Sends whatever the consumer may send now.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::{Channel, Instant, earliest};
use crate::types::NodeId;

use super::Consumer;
use super::asked::{Asked, Kind};
use super::offset_fetcher::{self, Askable};

impl Consumer {
    /// Sends whatever may be sent now.
    pub(super) fn pump(&mut self, now: Instant) {
        self.wake = None;
        self.pump_group(now);
        if self.network.has_given_up() {
            self.close_connections(now);
            self.pump_group(now);
        }
        self.ask_for_metadata(now);
        self.ask_leaders(now);
        self.send_fetches(now);
    }

    fn ask_for_metadata(&mut self, now: Instant) {
        if self.metadata.refresh_at().is_none_or(|due| due > now) {
            return;
        }
        let mut cx = context!(self, now);
        if let Some(node) = self.metadata.any_broker(&mut cx, &mut self.network) {
            let request = self.metadata.request();
            let to = (node, Channel::Client);
            self.network.request(&mut cx, to, request.into(), Asked::Metadata);
        }
    }

    /// Looks at the partitions that have changed or wait for something: sees that the next fetches ask for them what they
    /// should, and asks their leaders whatever else is needed.
    fn ask_leaders(&mut self, now: Instant) {
        let mut groups: BTreeMap<(NodeId, Kind), Vec<usize>> = BTreeMap::new();
        for place in self.assigned.unsettled().collect::<Vec<_>>() {
            let partition = self.assigned.at(place);
            let is_unknown = partition.id().is_some_and(|id| !self.metadata.knows(id));
            if is_unknown {
                // It is younger than the metadata: the topic has more partitions now.
                self.metadata.request_update();
            }
            let Some(kind) = offset_fetcher::kind(partition.stage()) else {
                let (fetcher, assigned) = (&mut self.fetcher, &mut self.assigned);
                let next = fetcher.follow(assigned, place, is_unknown, &self.config, now);
                self.wake = earliest([self.wake, next]);
                continue;
            };
            self.fetcher.stop(&mut self.assigned, place);
            let partition = self.assigned.at(place);
            let node = match offset_fetcher::askable(partition, kind) {
                Askable::Nobody => continue,
                Askable::Outdated => {
                    self.metadata.request_update();
                    continue;
                }
                Askable::Leader(node) => node,
            };
            let to = (node, Channel::Client);
            let Some(ready_at) = self.network.ready_at(to) else {
                continue;
            };
            let at = ready_at.max(partition.retry_at);
            if at > now {
                self.wake_at(at);
            } else if self.network.ready(&mut context!(self, now), to) {
                groups.entry((node, kind)).or_default().push(place);
            }
        }
        for ((node, kind), places) in groups {
            let turns = self.assigned.begin_turns(&places);
            let request = offset_fetcher::request(&self.assigned, kind, &places, &self.config, self.wall);
            let asked = Asked::Partitions { kind, turns };
            let to = (node, Channel::Client);
            self.network.request(&mut context!(self, now), to, request, asked);
        }
    }

    /// Fetches from every broker that can be asked.
    fn send_fetches(&mut self, now: Instant) {
        for (node, source) in self.fetcher.due(&mut self.assigned) {
            let to = (node, Channel::Client);
            let Some(ready_at) = self.network.ready_at(to) else {
                continue;
            };
            if ready_at > now {
                self.wake = earliest([self.wake, Some(ready_at)]);
            } else if self.network.ready(&mut context!(self, now), to) {
                let request = source.fetch(&self.config).into();
                let asked = Asked::Fetch { to: node };
                self.network.request(&mut context!(self, now), to, request, asked);
            }
        }
    }
}
