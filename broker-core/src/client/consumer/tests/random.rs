//! Random elections, cuts, losses, duplicates and delays of answers: the application reads every log in order without
//! a gap, and hears of every record that was replaced after it had read it.

use proptest::prelude::*;

use super::*;
use crate::client::consumer::assignment::Position;

#[derive(Clone, Debug)]
struct Faults {
    /// Out of 100 steps.
    lost: u64,
    duplicate: u64,
    election: u64,
    /// Elections after which the log lacks its last batches.
    unclean: u64,
    append: u64,
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..20u64, 0..30u64, 0..15u64, 0..60u64, 5..40u64).prop_map(|(lost, duplicate, election, unclean, append)| Faults {
        lost,
        duplicate,
        election,
        unclean,
        append,
    })
}

/// What the application has of one partition.
#[derive(Default)]
struct Reader {
    next: i64,
    seen: BTreeMap<i64, alloc::string::String>,
}

struct World {
    bench: Bench,
    rng: Random,
    faults: Faults,
    out: Vec<Sent>,
    answers: Vec<(Sent, Response)>,
    readers: Vec<Reader>,
}

impl World {
    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn step(&mut self) {
        let sent = self.bench.requests();
        self.out.extend(sent);
        self.follow_resets();
        match self.rng.below(5) {
            0 | 1 if !self.out.is_empty() => {
                let at = self.rng.below(self.out.len() as u64) as usize;
                let sent = self.out.remove(at);
                let body = self.bench.serve(&sent);
                self.answers.push((sent, body));
            }
            2 if !self.answers.is_empty() => {
                let at = self.rng.below(self.answers.len() as u64) as usize;
                let (sent, body) = self.answers.swap_remove(at);
                if self.chance(self.faults.duplicate) {
                    self.bench.respond(&sent, body.clone());
                }
                self.bench.respond(&sent, body);
            }
            3 => self.read(),
            _ => {
                let most = ms(self.rng.below(300));
                let wait = self
                    .bench
                    .consumer
                    .deadline()
                    .map_or(most, |at| at.since(self.bench.now));
                self.bench.now = self.bench.now + wait.min(most);
                self.bench.handle(Input::Wake);
            }
        }
        if self.chance(self.faults.lost) {
            let peer = NodeId(1 + self.rng.below(2) as u32);
            self.out.retain(|sent| sent.to != peer);
            self.answers.retain(|(sent, _)| sent.to != peer);
            self.bench.lose(peer.0);
        }
        let at = self.rng.below(self.bench.logs.len() as u64) as usize;
        if self.chance(self.faults.append) {
            let count = 1 + self.rng.below(4) as i64;
            self.bench.logs[at].append(count);
        }
        if self.chance(self.faults.election) {
            let (is_unclean, leader) = (self.chance(self.faults.unclean), 1 + self.rng.below(2) as u32);
            let cut = self.rng.below(3) as usize;
            // As in Kafka, no leader is asked about a position that a reset has found: what was read there before the next
            // change of leaders may be replaced unnoticed.
            let position = self.bench.consumer.assigned.at(at).position();
            let is_unclean = is_unclean && position.is_some_and(|position| position.offset_epoch.is_some());
            let log = &mut self.bench.logs[at];
            (log.leader, log.epoch) = (Some(leader), log.epoch + 1);
            if is_unclean {
                let kept = log.batches.len().saturating_sub(cut);
                log.batches.truncate(kept);
            }
            // A new leader writes something at once, so that its epoch is in its log.
            log.append(1);
        }
    }

    fn read(&mut self) {
        let records = self.bench.consumer.take_records(self.bench.now());
        self.follow_resets();
        for record in records {
            let at = record.partition.partition.0 as usize;
            let reader = &mut self.readers[at];
            assert_eq!(record.record.offset.0, reader.next, "partition {at} is read in order");
            reader.next += 1;
            let value = alloc::string::String::from_utf8(record.record.value.unwrap().to_vec()).unwrap();
            reader.seen.insert(record.record.offset.0, value);
        }
    }

    /// Whether the application has read all logs to their ends, as their present leaders have them.
    fn is_caught_up(&self) -> bool {
        let logs = self
            .bench
            .logs
            .iter()
            .zip(self.bench.consumer.assigned.iter())
            .zip(&self.readers);
        logs.into_iter().all(|((log, assigned), reader)| {
            let is_validated =
                |position: Position| position.offset.0 == log.end() && position.leader_epoch == LeaderEpoch(log.epoch);
            assigned.stage() == Stage::Fetch
                && assigned.position().is_some_and(is_validated)
                && reader.next == log.end()
        })
    }

    fn follow_resets(&mut self) {
        let sent = self.bench.requests();
        self.out.extend(sent);
        for event in self.bench.events.drain(..) {
            if let Event::PositionReset(trace::PositionReset {
                partition, to, cause, ..
            }) = event
            {
                let reader = &mut self.readers[partition.partition.0 as usize];
                assert_ne!(cause, ResetCause::Seek);
                assert!(
                    to.0 <= reader.next,
                    "a reset to the earliest offset or the cut never skips"
                );
                reader.next = to.0;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_log_is_read_in_order_and_cuts_are_noticed(seed: u64, faults in faults()) {
        let mut world = World {
            bench: Bench::new(AutoOffsetReset::Earliest, 3),
            rng: Random::new(seed, "world"),
            faults,
            out: Vec::new(),
            answers: Vec::new(),
            readers: (0..3).map(|_| Reader::default()).collect(),
        };
        world.bench.assign();
        for _ in 0..1500 {
            world.step();
        }
        world.faults = Faults { lost: 0, duplicate: 0, election: 0, unclean: 0, append: 0 };
        let mut steps = 0;
        while !world.is_caught_up() {
            world.step();
            steps += 1;
            prop_assert!(steps < 50_000, "the consumer stands still");
        }
        for (reader, log) in world.readers.iter().zip(&world.bench.logs) {
            let records = log.batches.iter().flat_map(RecordBatch::records).map(Result::unwrap);
            for record in records {
                let value = record.value.unwrap();
                let seen = &reader.seen[&record.offset.0];
                prop_assert_eq!(seen.as_bytes(), &value[..], "what the application read last is what the log has");
            }
        }
    }
}
