//! L1, L2, L5, L8: what the healed cluster must come to. What groups must come to is in [`super::groups::progress`].

use broker_core::config::AutoOffsetReset;
use broker_core::types::{NodeId, Offset};

use super::Checks;
use super::flow::Flow;
use super::groups::fate::Fate;
use super::ledger::Committed;
use super::model::Partition;
use super::wait::{On, Wait};
use super::witness::{Evidence, Line, Notes};
use crate::history::At;
use crate::verdict::Check;

impl Checks {
    /// What is still waited for, and by which check. Empty when the cluster has recovered and drained.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let of_quorum = self.quorum.waits_for(&self.nodes);
        let mut waits: Vec<Wait> = of_quorum
            .map(|text| Wait::new(Check::L1, On::Quorum, text))
            .into_iter()
            .collect();
        for node in self.nodes.down() {
            let text = format!("{} is not running", self.nodes.named(node));
            waits.push(Wait::new(Check::L8, On::Node(node), text));
        }
        for (place, partition) in self.model.partitions.iter().enumerate() {
            let found = self.partition_waits(partition).into_iter();
            waits.extend(found.map(|(check, text, since)| Wait {
                since,
                ..Wait::new(check, On::Partition(place), text)
            }));
        }
        if let Some(oldest) = self.sends.oldest_pending() {
            let text = format!("{} sends have not ended", self.sends.pending());
            waits.push(Wait {
                since: self.sends.sends[oldest].invoked,
                ..Wait::new(Check::L5, On::Send(oldest), text)
            });
        }
        let unreached = self.sends.unreached(&self.nodes);
        waits.extend(unreached.map(|(text, send)| Wait::new(Check::L5, On::Send(send), text)));
        self.consumer_waits(&mut waits);
        self.groups.waits(&self.nodes, &self.model, &self.reads, &mut waits);
        waits
    }

    /// L2 and the replicas' half of L8, and since when.
    fn partition_waits(&self, partition: &Partition) -> Vec<(Check, String, At)> {
        let mut waits = Vec::new();
        let ever = At::default();
        let label = &partition.label;
        let Some(state) = &partition.state else { return waits };
        let leader = state.leader.filter(|leader| {
            let replica = &partition.replicas[*leader];
            partition.is_live(*leader, &self.nodes) && replica.leading.is_some() && replica.epoch == state.leader_epoch
        });
        let Some(leader) = leader else {
            waits.push((Check::L2, format!("{label} has no leader that leads"), ever));
            return waits;
        };
        let (end, high_watermark) = {
            let leader = &partition.replicas[leader];
            (leader.mirror.end(), leader.high_watermark)
        };
        if high_watermark < end {
            let next = partition.append_of(high_watermark, self.now);
            waits.push((
                Check::L2,
                format!("the high watermark of {label} is {high_watermark} of {end}"),
                next.map_or(ever, |append| append.at),
            ));
        }
        for slot in state.replicas.iter() {
            let node = self.nodes.named(partition.replicas[slot].node);
            if !partition.is_live(slot, &self.nodes) {
                waits.push((
                    Check::L8,
                    format!("{node} has not taken up its replica of {label}"),
                    ever,
                ));
            } else if !partition.holds_all(slot) {
                waits.push((Check::L8, format!("{node} lacks committed records of {label}"), ever));
            } else if !state.isr.contains(slot) {
                waits.push((Check::L8, format!("{node} is not in sync for {label}"), ever));
            }
        }
        waits
    }

    /// The consumers' half of L8.
    fn consumer_waits(&self, waits: &mut Vec<Wait>) {
        let reading = self
            .readers
            .iter()
            .filter(|reader| reader.resets != AutoOffsetReset::None);
        let mut wanted: Vec<(&str, usize)> = Vec::new();
        for reader in reading {
            match wanted.iter_mut().find(|(topic, _)| *topic == reader.topic) {
                Some((_, count)) => *count += 1,
                None => wanted.push((&reader.topic, 1)),
            }
        }
        for (place, partition) in self.model.partitions.iter().enumerate() {
            let Some(topic) = partition.topic.map(|topic| self.model.topics[topic].name.as_str()) else {
                continue;
            };
            // Consumers that are assigned by hand have what there was when they were.
            let given = partition.topic.and_then(|topic| self.model.topics[topic].partitions);
            if given.is_some_and(|given| partition.id.partition.0 >= given as i32) {
                continue;
            }
            let Some((_, wanted)) = wanted.iter().find(|(wanted, _)| *wanted == topic) else {
                continue;
            };
            let streams = self
                .reads
                .streams()
                .iter()
                .filter(|stream| stream.partition == place && stream.life == self.nodes.life(stream.node));
            let done = streams
                .filter(|stream| stream.next().is_some_and(|next| partition.is_drained(next)))
                .count();
            if done < *wanted {
                let end = partition.ledger.end();
                waits.push(Wait::new(
                    Check::L8,
                    On::Reader(place),
                    format!("{done} of {wanted} consumers have read {} up to {end}", partition.label),
                ));
            }
        }
    }
}

impl Checks {
    /// What became of the slowest of the consumers that have not read a partition to its end, if all of them work all
    /// the time.
    pub(super) fn fate_of_reader(&self, place: usize, waits_for: &str) -> Option<(NodeId, Fate)> {
        let partition = &self.model.partitions[place];
        let streams = || {
            let streams = self.reads.streams().iter();
            streams.filter(|stream| stream.life == self.nodes.life(stream.node))
        };
        let behind = streams()
            .filter(|stream| stream.partition == place && stream.next().is_none_or(|next| !partition.is_drained(next)));
        let mut slowest: Option<(f64, NodeId, String)> = None;
        for stream in behind {
            let name = self.nodes.named(stream.node).to_string();
            let (of, _) = name.rsplit_once('/')?;
            let reader = self.readers.iter().find(|reader| reader.name == of)?;
            let work = self.clients.busy_rate(stream.node, reader.processing, self.now)?;
            if !self.clients.gets_on(stream.node, partition.id, self.now) {
                return None;
            }
            if slowest.as_ref().is_none_or(|(rate, ..)| work < *rate) {
                slowest = Some((work, stream.node, name));
            }
        }
        let (work, node, name) = slowest?;
        // A consumer shares its time between all partitions that it reads.
        let theirs = streams().filter(|stream| stream.node == node);
        let flow = Flow::to(theirs.map(|stream| &self.model.partitions[stream.partition]));
        let fate = match flow.rate() > work {
            true => Fate::Found(Box::new(flow.overload(&name, work, waits_for, self.now))),
            false => Fate::CatchingUp(work),
        };
        Some((node, fate))
    }

    /// Why something is still waited for, at most eight events.
    pub(super) fn why(&self, wait: &Wait) -> Vec<String> {
        let (at, nodes) = (self.now, &self.nodes);
        let of = |notes: &Notes, mut evidence: Evidence| notes.witness(wait.check, at, &mut evidence, nodes);
        match &wait.on {
            On::Quorum => of(self.quorum.notes(), Evidence::default()),
            On::Node(node) => {
                let since = nodes.down_since(*node).unwrap_or(at);
                let ended = format!("the process of {} ended", nodes.named(*node));
                super::witness::shown(vec![Line { at: since, text: ended }])
            }
            On::Partition(place) | On::Reader(place) => of(&self.model.partitions[*place].notes, Evidence::default()),
            On::Send(place) => {
                let send = &self.sends.sends[*place];
                let (sender, record) = (self.sends.sender(send, nodes), self.sends.record(send));
                let topic = &*self.sends.topic(send).0;
                let sent = format!("{sender} sent {record} to {topic}");
                let mut lines = vec![Line {
                    at: send.invoked,
                    text: sent,
                }];
                // It waits for the leader of one of these.
                for partition in self.model.partitions_of(topic) {
                    let elected = partition.notes.newest_first().find(|note| note.what.is_election());
                    lines.extend(elected.map(|note| partition.notes.line(note, nodes)));
                }
                super::witness::shown(lines)
            }
            On::Group(group, partition) => self
                .groups
                .why(&self.model, nodes, (wait.check, at), (group, *partition)),
        }
    }
}

impl Partition {
    /// Whether a consumer at this position has got everything visible.
    pub fn is_drained(&self, position: Offset) -> bool {
        let rest = self.ledger.records.get(position.0 as usize..).unwrap_or(&[]);
        !rest.iter().any(|record| record.visible)
    }

    /// Whether a program whose work ends at this position has got everything that is for programs.
    pub fn is_worked_off(&self, position: Offset) -> bool {
        let rest = self.ledger.records.get(position.0 as usize..).unwrap_or(&[]);
        !rest.iter().any(Committed::is_for_programs)
    }
}
