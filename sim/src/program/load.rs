//! The load: a program that sends records at a rate.

use std::time::Duration;

use broker_core::client::producer::ProducerRecord;
use broker_core::protocol::Header;
use broker_core::random::Random;
use broker_core::types::{Timestamp, TopicName};
use bytes::Bytes;

use super::clock::Clock;
use super::lag::LagBrake;
use super::producer::ProducerClient;
use crate::history::SimTime;
use crate::mark;
use crate::scenario::{KeyStrategy, Keys, ProducerGroup};

/// Records that are due within this time of each other are sent together, as a load generator that sleeps by the
/// millisecond does.
const TICK: u64 = 1_000_000;

/// Sends at the group's rate, with exponentially distributed gaps, from the group's start to its stop or `until`, and
/// waits until all sends have ended. With a brake it sends less while its readers are behind.
pub(super) async fn run(
    group: &ProducerGroup,
    keys: &KeySource,
    until: SimTime,
    producer: &ProducerClient,
    brake: Option<&LagBrake>,
    clock: &Clock,
    mut random: Random,
) {
    clock.topics_exist().await;
    clock.sleep_until(SimTime::after(group.start)).await;
    let stop = group.stop.map_or(until, |stop| SimTime::after(stop).min(until));
    let mean_gap = 1e9 / group.rate;
    let mut shape = RecordShape::new(group);
    // At a rate of 0 nothing is ever due.
    let mut due = clock.now().0.saturating_add(exponential(mean_gap, &mut random));
    let mut tick = 0;
    while due < stop.0 {
        clock.sleep_until(SimTime(due.max(tick).min(stop.0 - 1))).await;
        let now = clock.now();
        tick = now.0 + TICK;
        while due <= now.0 && due < stop.0 {
            let key = keys.draw(&mut random);
            let record = shape.record(producer, key, &mut random);
            // A record that is refused is in the history as failed; the next one may do better.
            let _ = producer.send_prepared(record).enqueued().await;
            let slowed = brake.map_or(1.0, LagBrake::factor);
            due = due.saturating_add(exponential(mean_gap * slowed, &mut random));
        }
    }
    producer.flush().await;
}

/// Makes the records of one producer.
struct RecordShape<'a> {
    group: &'a ProducerGroup,
    topics: Vec<TopicName>,
    header_names: Vec<Bytes>,
    /// How many records were made.
    count: u64,
}

impl RecordShape<'_> {
    fn new(group: &ProducerGroup) -> RecordShape<'_> {
        RecordShape {
            group,
            topics: group.topics.iter().map(|topic| topic.as_str().into()).collect(),
            header_names: (1..=group.headers)
                .map(|number| Bytes::from(format!("header-{number}")))
                .collect(),
            count: 0,
        }
    }

    /// The next record. Nothing is drawn for what the group does not have.
    fn record(&mut self, producer: &ProducerClient, key: Option<Bytes>, random: &mut Random) -> ProducerRecord {
        let group = self.group;
        let turn = (self.count % self.topics.len() as u64) as usize;
        self.count += 1;
        let uid = producer.next_uid();
        let (mut headers, mut value) = (Vec::new(), None);
        if group.tombstones > 0.0 && random.chance(group.tombstones) {
            headers.push(mark::of_tombstone(uid));
        } else {
            value = Some(producer.value(uid, group.record_size as usize));
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
            let now = producer.timestamp().0;
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

/// A gap of this mean, at least a nanosecond.
pub(super) fn exponential(mean: f64, random: &mut Random) -> u64 {
    ((-libm::log(1.0 - random.unit()) * mean) as u64).max(1)
}

/// Draws keys, and has them ready.
pub(crate) struct KeySource {
    keys: Vec<Bytes>,
    shape: Shape,
    strategy: KeyStrategy,
}

enum Shape {
    None,
    Uniform,
    Weighted(Cumulative),
    /// The share of the first key.
    Hot(f64),
}

impl KeySource {
    pub(crate) fn new(keys: &Keys, strategy: KeyStrategy) -> KeySource {
        let (count, shape) = match *keys {
            Keys::None => (0, Shape::None),
            Keys::Uniform { count } => (count, Shape::Uniform),
            Keys::Zipf { count, exponent } => (count, Shape::Weighted(Cumulative::new(zipf(count, exponent)))),
            Keys::Hot { count, share } => (count, Shape::Hot(share)),
        };
        KeySource {
            keys: (1..=count).map(|number| Bytes::from(format!("key-{number}"))).collect(),
            shape,
            strategy,
        }
    }

    fn draw(&self, random: &mut Random) -> Option<Bytes> {
        let count = self.keys.len() as u64;
        let index = match &self.shape {
            Shape::None => return None,
            Shape::Uniform => random.below(count),
            Shape::Weighted(sums) => sums.find(random.unit()) as u64,
            Shape::Hot(share) if count == 1 || random.chance(*share) => 0,
            Shape::Hot(_) => 1 + random.below(count - 1),
        };
        let key = &self.keys[index as usize];
        Some(match self.strategy {
            KeyStrategy::Plain => key.clone(),
            KeyStrategy::Salted(salts) => with_field(key, '#', random.below(salts.into())),
            KeyStrategy::Compound(values) => with_field(key, '/', 1 + random.below(values.into())),
        })
    }
}

fn with_field(key: &Bytes, mark: char, field: u64) -> Bytes {
    let key = std::str::from_utf8(key).expect("keys are made of letters and digits");
    Bytes::from(format!("{key}{mark}{field}"))
}

/// Finds the key that a point of 0..1 belongs to, when each key takes a stretch as long as its probability. A guide
/// says where to look first (Chen and Asau 1974), so that the search takes one or two steps however many keys there are.
struct Cumulative {
    /// The probability of each key and all before it.
    sums: Vec<f64>,
    /// For each of `guide.len()` equal parts of 0..1 the key to which its beginning belongs.
    guide: Vec<u32>,
}

impl Cumulative {
    fn new(sums: Vec<f64>) -> Cumulative {
        // With a power of two, the beginnings of the parts and the part of a point are exact.
        let parts = sums.len().next_power_of_two();
        let begins = (0..parts).map(|part| part as f64 / parts as f64);
        Cumulative {
            guide: begins
                .map(|begin| sums.partition_point(|sum| *sum <= begin) as u32)
                .collect(),
            sums,
        }
    }

    fn find(&self, point: f64) -> usize {
        let first = self.guide[(point * self.guide.len() as f64) as usize] as usize;
        let passed = self.sums[first..].iter().take_while(|sum| **sum <= point).count();
        // Rounding may leave the last sum a little below 1.
        (first + passed).min(self.sums.len() - 1)
    }
}

fn zipf(count: u64, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|number| libm::pow(number as f64, -exponent));
    let mut sums: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or(1.0);
    for sum in &mut sums {
        *sum /= total;
    }
    sums
}

/// How long `count` records take a program that works this long on each.
pub(super) fn work(each: Duration, count: usize) -> Duration {
    each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares of the first three keys among many draws.
    fn shares(keys: Keys) -> [f64; 3] {
        let source = KeySource::new(&keys, KeyStrategy::Plain);
        let mut random = Random::new(1, "keys");
        let mut counts = [0u32; 3];
        for _ in 0..20_000 {
            let key = source.draw(&mut random).expect("keys");
            let number: usize = std::str::from_utf8(&key[4..]).unwrap().parse().unwrap();
            if number <= 3 {
                counts[number - 1] += 1;
            }
        }
        counts.map(|count| f64::from(count) / 20_000.0)
    }

    #[test]
    fn keys_have_their_shares() {
        let h4 = 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0;
        for (keys, expected) in [
            (Keys::Uniform { count: 4 }, [0.25, 0.25, 0.25]),
            (
                Keys::Zipf {
                    count: 4,
                    exponent: 1.0,
                },
                [1.0 / h4, 0.5 / h4, 1.0 / 3.0 / h4],
            ),
            (
                Keys::Zipf {
                    count: 4,
                    exponent: 0.0,
                },
                [0.25, 0.25, 0.25],
            ),
            (Keys::Hot { count: 11, share: 0.6 }, [0.6, 0.04, 0.04]),
            (Keys::Hot { count: 1, share: 0.5 }, [1.0, 0.0, 0.0]),
        ] {
            let got = shares(keys.clone());
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 0.015, "{keys:?}: {got} is not {expected}");
            }
        }
        assert_eq!(
            KeySource::new(&Keys::None, KeyStrategy::Plain).draw(&mut Random::new(1, "keys")),
            None
        );
    }

    #[test]
    fn the_guide_finds_what_a_search_finds() {
        let mut random = Random::new(1, "points");
        for count in [1, 2, 3, 1000, 1024] {
            let sums = zipf(count, 1.0);
            let guided = Cumulative::new(sums.clone());
            let edges: Vec<f64> = sums.iter().copied().filter(|edge| *edge < 1.0).collect();
            for point in edges.into_iter().chain((0..1000).map(|_| random.unit())) {
                let searched = sums.partition_point(|sum| *sum <= point).min(sums.len() - 1);
                assert_eq!(guided.find(point), searched, "{point} of {count}");
            }
        }
    }

    #[test]
    fn a_strategy_changes_the_key_and_not_which_one_is_drawn() {
        let keys = Keys::Hot { count: 3, share: 0.9 };
        let draw = |strategy, count: usize| -> std::collections::BTreeSet<String> {
            let source = KeySource::new(&keys, strategy);
            let mut random = Random::new(1, "keys");
            let draws = (0..count).map(|_| source.draw(&mut random).expect("a key"));
            draws.map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
        };
        let plain = draw(KeyStrategy::Plain, 1000);
        assert_eq!(plain.iter().collect::<Vec<_>>(), ["key-1", "key-2", "key-3"]);
        for (strategy, mark, fields) in [
            (KeyStrategy::Salted(4), '#', ["0", "1", "2", "3"]),
            (KeyStrategy::Compound(4), '/', ["1", "2", "3", "4"]),
        ] {
            let drawn = draw(strategy, 2000);
            let all = plain
                .iter()
                .flat_map(|key| fields.map(|field| format!("{key}{mark}{field}")));
            assert_eq!(drawn, all.collect(), "{strategy:?}");
        }
    }

    #[test]
    fn gaps_have_their_mean() {
        let mut random = Random::new(1, "gaps");
        let sum: u64 = (0..20_000).map(|_| exponential(1e6, &mut random)).sum();
        assert!((sum / 20_000).abs_diff(1_000_000) < 20_000);
    }
}
