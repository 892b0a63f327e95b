//! The load: sends records at a rate.

use std::sync::Arc;

use broker_core::client::producer::{ProducerRecord, SendRefused};
use broker_core::protocol::Header;
use broker_core::random::Random;
use broker_core::types::{Timestamp, TopicName};
use bytes::Bytes;

use super::blocked::Blocked;
use super::brake::LagBrake;
use super::keys::KeySource;
use super::probe::Probe;
use super::{Pause, Step};
use crate::history::SimTime;
use crate::mark;
use crate::program::station::Station;
use crate::scaled::exponential;
use crate::scenario::ProducerGroup;

/// Records that are due within this time of each other are sent together, as a load generator that sleeps by the
/// millisecond does.
const TICK: u64 = 1_000_000;

/// Sends at the group's rate, with exponentially distributed gaps, from the group's start to its stop or the end of the
/// safety phase, and waits until all sends have ended; then it speaks once more ([`Probe`]). With a brake it sends less
/// while its readers are behind.
pub(crate) struct Load {
    client: usize,
    keys: Arc<KeySource>,
    brake: Option<LagBrake>,
    random: Random,
    mean_gap: f64,
    stop: u64,
    until: SimTime,
    shape: RecordShape,
    state: State,
    probe: Probe,
}

enum State {
    /// The topics do not exist yet, or its time has not come.
    Beginning,
    Sending {
        /// When the next record is due.
        due: u64,
        /// What is due by then is sent now.
        turn: u64,
    },
    /// The buffer is full.
    Blocked {
        due: u64,
        turn: u64,
        record: Blocked,
    },
    /// Nothing more is sent.
    Flushing,
    Probing,
}

impl Load {
    /// A load that uses the producer of `client`; its probe goes to that many partitions of each topic.
    pub(crate) fn new(
        client: usize,
        group: &Arc<ProducerGroup>,
        keys: &Arc<KeySource>,
        topics: &[(TopicName, u32)],
        until: SimTime,
        brake: Option<LagBrake>,
        random: Random,
    ) -> Load {
        Load {
            client,
            keys: Arc::clone(keys),
            brake,
            random,
            mean_gap: 1e9 / group.rate,
            stop: group.stop.map_or(until, |stop| SimTime::after(stop).min(until)).0,
            until,
            shape: RecordShape::new(group),
            state: State::Beginning,
            probe: Probe::new(client, topics, &group.config),
        }
    }

    fn send(&mut self, station: &mut Station, due: u64, turn: u64) {
        let key = self.keys.draw(&mut self.random);
        let record = self.shape.record(station, self.client, key, &mut self.random);
        self.state = match station.enqueue(self.client, &record, false) {
            Err(SendRefused::BufferFull) => State::Blocked {
                due,
                turn,
                record: Blocked::new(record, station, self.shape.group.config.max_block_ms, false),
            },
            // A record that is refused is in the history as failed; the next one may do better.
            Ok(_) | Err(_) => self.after_record(station, due, turn),
        };
    }

    fn after_record(&mut self, station: &Station, due: u64, turn: u64) -> State {
        let slowed = self.brake.as_ref().map_or(1.0, |brake| brake.factor(station));
        let gap = exponential(self.mean_gap * slowed, &mut self.random);
        State::Sending {
            due: due.saturating_add(gap),
            turn,
        }
    }
}

impl Step for Load {
    fn step(&mut self, station: &mut Station) -> Pause {
        loop {
            let now = station.at.time.0;
            match &mut self.state {
                State::Beginning => {
                    let start = SimTime::after(self.shape.group.start);
                    if !station.has_topics() {
                        return Pause::for_news();
                    }
                    if now < start.0 {
                        return Pause::until(start);
                    }
                    // At a rate of 0 nothing is ever due.
                    let due = now.saturating_add(exponential(self.mean_gap, &mut self.random));
                    self.state = State::Sending { due, turn: 0 };
                }
                State::Sending { due, .. } if *due >= self.stop => {
                    station.flush(self.client);
                    self.state = State::Flushing;
                }
                State::Sending { due, turn } if *due <= *turn => {
                    let (due, turn) = (*due, *turn);
                    self.send(station, due, turn);
                }
                State::Sending { due, turn } => {
                    let next = (*due).max(turn.saturating_add(TICK)).min(self.stop - 1);
                    if now < next {
                        return Pause::until(SimTime(next));
                    }
                    *turn = now;
                }
                State::Blocked { due, turn, record } => {
                    if let Err(pause) = record.try_again(station, self.client) {
                        return pause;
                    }
                    let (due, turn) = (*due, *turn);
                    self.state = self.after_record(station, due, turn);
                }
                State::Flushing if station.clients[self.client].open_sends() > 0 => return Pause::for_news(),
                State::Flushing if now < self.until.0 => return Pause::until(self.until),
                State::Flushing => self.state = State::Probing,
                State::Probing => return self.probe.step(station),
            }
        }
    }
}

/// Makes the records of one producer.
struct RecordShape {
    group: Arc<ProducerGroup>,
    topics: Vec<TopicName>,
    header_names: Vec<Bytes>,
    /// How many records were made.
    count: u64,
}

impl RecordShape {
    fn new(group: &Arc<ProducerGroup>) -> RecordShape {
        RecordShape {
            topics: group.topics.iter().map(|topic| topic.as_str().into()).collect(),
            header_names: (1..=group.headers)
                .map(|number| Bytes::from(format!("header-{number}")))
                .collect(),
            group: Arc::clone(group),
            count: 0,
        }
    }

    /// The next record. Nothing is drawn for what the group does not have.
    fn record(
        &mut self,
        station: &mut Station,
        client: usize,
        key: Option<Bytes>,
        random: &mut Random,
    ) -> ProducerRecord {
        let group = &self.group;
        let turn = (self.count % self.topics.len() as u64) as usize;
        self.count += 1;
        let uid = station.next_uid();
        let (mut headers, mut value) = (Vec::new(), None);
        if group.tombstones > 0.0 && random.chance(group.tombstones) {
            headers.push(mark::of_tombstone(uid));
        } else {
            value = Some(station.value(uid, group.record_size as usize));
        }
        if !self.header_names.is_empty() {
            let number = Bytes::from(self.count.to_string());
            let named = self.header_names.iter().map(|name| Header {
                key: name.clone(),
                value: Some(number.clone()),
            });
            headers.extend(named);
        }
        let behind = group.behind.as_millis() as u64;
        let timestamp = (behind > 0).then(|| {
            let now = station.local_time(client).wall.0;
            Timestamp(now - random.within(0..=behind) as i64)
        });
        ProducerRecord {
            topic: self.topics[turn].clone(),
            partition: None,
            key,
            value,
            headers,
            timestamp,
        }
    }
}
