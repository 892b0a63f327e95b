//! The probe: after the heal every partition must take one more record, from everybody who sends. These records are
//! marked ([`crate::mark`]): consumers get them, and keep them from their programs.

use std::time::Duration;

use broker_core::client::producer::{ProducerRecord, SendId, SendRefused};
use broker_core::config::ProducerConfig;
use broker_core::types::{PartitionIndex, TopicName};

use super::blocked::Blocked;
use super::{Pause, Step};
use crate::history::SimTime;
use crate::mark;
use crate::program::station::Station;

/// The pause before the partitions are tried again that took no record.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends one record to each of the first partitions of each topic, again and again until it has got there.
pub(crate) struct Probe {
    client: usize,
    max_block_ms: u64,
    /// The partitions that have taken no record.
    left: Vec<(TopicName, PartitionIndex)>,
    /// The sends of this round to the first of them; none for one that was refused.
    sent: Vec<Option<SendId>>,
    state: State,
}

enum State {
    /// The topics do not exist yet.
    Beginning,
    Sending,
    /// The buffer is full.
    Blocked(Blocked),
    Flushing,
    /// Some partitions took none.
    Pausing(SimTime),
    Done,
}

impl Probe {
    /// A probe of the first partitions of each topic, as many as are named with it, by the producer of `client`.
    pub(crate) fn new(client: usize, topics: &[(TopicName, u32)], config: &ProducerConfig) -> Probe {
        let all = topics
            .iter()
            .flat_map(|(topic, count)| (0..*count).map(|index| (topic.clone(), PartitionIndex(index as i32))));
        Probe {
            client,
            max_block_ms: config.max_block_ms,
            left: all.collect(),
            sent: Vec::new(),
            state: State::Beginning,
        }
    }

    /// Sends to the next partition of the round.
    fn send(&mut self, station: &mut Station) {
        let (topic, partition) = self.left[self.sent.len()].clone();
        let uid = station.next_uid();
        let record = ProducerRecord {
            topic,
            partition: Some(partition),
            key: None,
            value: Some(station.value(uid, 8)),
            headers: vec![mark::of_probe(uid)],
            timestamp: None,
        };
        match station.enqueue(self.client, &record, true) {
            Err(SendRefused::BufferFull) => {
                self.state = State::Blocked(Blocked::new(record, station, self.max_block_ms, true));
            }
            end => self.sent.push(end.ok()),
        }
    }

    /// The sends of the round have ended: which partitions are left?
    fn end_round(&mut self, station: &mut Station) {
        let ends = self.sent.drain(..);
        let arrived: Vec<bool> = ends
            .map(|send| send.is_some_and(|id| matches!(station.end_of(self.client, id), Some(Ok(_)))))
            .collect();
        let mut arrived = arrived.into_iter();
        self.left.retain(|_| !arrived.next().unwrap_or(false));
    }
}

impl Step for Probe {
    fn step(&mut self, station: &mut Station) -> Pause {
        loop {
            match &mut self.state {
                State::Beginning => {
                    station.clients[self.client].is_probing = true;
                    if !station.has_topics() {
                        return Pause::for_news();
                    }
                    self.state = State::Sending;
                }
                State::Sending if self.sent.len() < self.left.len() => self.send(station),
                State::Sending => {
                    station.flush(self.client);
                    self.state = State::Flushing;
                }
                State::Blocked(record) => match record.try_again(station, self.client) {
                    Err(pause) => return pause,
                    Ok(sent) => {
                        self.sent.push(sent);
                        self.state = State::Sending;
                    }
                },
                State::Flushing if station.clients[self.client].open_sends() > 0 => return Pause::for_news(),
                State::Flushing => {
                    self.end_round(station);
                    self.state = match self.left.is_empty() {
                        true => State::Done,
                        false => State::Pausing(station.at.time + PAUSE),
                    };
                    station.clients[self.client].is_probing = !self.left.is_empty();
                }
                State::Pausing(until) if station.at.time < *until => return Pause::until(*until),
                State::Pausing(_) => self.state = State::Sending,
                State::Done => return Pause::END,
            }
        }
    }
}
