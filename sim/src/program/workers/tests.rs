//! The shipped programs on a small cluster: what they write into the history.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::trace::Event;
use broker_core::types::{NodeId, Offset, TopicPartition};

use crate::history::{
    At, CommitInvoked, Entry, Hop, Observer, ProcessEnded, ProcessOutcome, Processing, SentRecord, ServiceCalled,
    SimTime, Uid, What,
};
use crate::nemesis;
use crate::scenario::parse::parse;
use crate::world::{self, Setup};

/// An observer that keeps the history, counts how often partitions were given out, and lets the trial end a while after
/// the heal.
#[derive(Default)]
struct Scribe {
    history: Vec<Entry>,
    assignments: u32,
}

impl Observer for Scribe {
    fn fact(&mut self, _: At, _: NodeId, event: &Event) {
        self.assignments += u32::from(matches!(event, Event::PartitionsAssigned(_)));
    }

    fn entry(&mut self, entry: &Entry) {
        self.history.push(entry.clone());
    }

    fn settled(&self, now: At) -> Result<(), Vec<String>> {
        match now.time >= SimTime(35_000_000_000) {
            true => Ok(()),
            false => Err(vec!["the scribe waits".to_owned()]),
        }
    }
}

/// What was written in a trial of 20 seconds with 20 records a second of forty keys, and 15 seconds to settle.
fn history(worker: &str) -> Vec<Entry> {
    held(worker).history
}

fn held(worker: &str) -> Scribe {
    held_with(&format!("topics = [\"orders\"]\n{worker}"))
}

fn held_with(worker: &str) -> Scribe {
    let text = format!(
        "duration = \"20s\"\nsettle = \"20s\"\n[cluster]\nbrokers = 1\nconfig = {{ \"offsets.topic.num.partitions\" = 1, \
         \"group.initial.rebalance.delay.ms\" = 0 }}\n[[topics]]\nname = \"orders\"\npartitions = 2\n[[topics]]\n\
         name = \"retry\"\n[[topics]]\nname = \"dead\"\n[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 20\n\
         keys = {{ distribution = \"uniform\", count = 40 }}\nconfig = {{ \"metadata.max.age.ms\" = 1000 }}\n[[services]]\nname = \"ledger\"\nfailure = 0.2\n\
         ambiguous = 0.5\n[[workers]]\nname = \"billing\"\n{worker}"
    );
    let scenario = parse("test", "test.toml", &text).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let scenario = scenario.scenario;
    let plan = nemesis::plan(&scenario, 1);
    let setup = Setup {
        scenario: &scenario,
        plan: &plan,
        seed: 1,
        trace: false,
        gauge: None,
    };
    world::run(setup, Scribe::default()).1
}

fn sent(history: &[Entry]) -> impl Iterator<Item = &SentRecord> {
    history.iter().filter_map(|entry| match &entry.what {
        What::SendInvoked(sent) => Some(sent),
        _ => None,
    })
}

/// The ends of work with their times, in order.
fn ends(history: &[Entry]) -> Vec<(SimTime, &Processing, ProcessOutcome)> {
    history
        .iter()
        .filter_map(|entry| match &entry.what {
            What::ProcessEnded(ProcessEnded { processing, outcome }) => Some((entry.at.time, processing, *outcome)),
            _ => None,
        })
        .collect()
}

const RETRY: &str = "program = \"retry-topic\"\nattempts = 3\nbackoff = \"2s\"\nretry_topic = \"retry\"\n\
    dead_letter_topic = \"dead\"\n";

#[test]
fn a_poison_record_goes_through_the_retry_topic_to_the_dead_letters() {
    let history = history(&format!("{RETRY}poison = 0.05\n"));
    let sent: BTreeMap<Uid, &SentRecord> = sent(&history).map(|sent| (sent.uid, sent)).collect();
    let mut attempts: BTreeMap<Uid, Vec<(SimTime, u32, ProcessOutcome)>> = BTreeMap::new();
    let mut positions = BTreeMap::new();
    for (time, processing, outcome) in ends(&history) {
        let uid = processing.uid.expect("all have one");
        let origin = sent[&uid].hop.as_ref().map_or(uid, |hop| hop.origin);
        attempts
            .entry(origin)
            .or_default()
            .push((time, processing.attempt, outcome));
        positions.insert(uid, (processing.partition, processing.offset));
    }
    let poison: Vec<_> = attempts.iter().filter(|(_, attempts)| attempts.len() > 1).collect();
    assert!(poison.len() > 5, "{} of {}", poison.len(), attempts.len());
    for (origin, attempts) in poison {
        let [
            (_, 1, ProcessOutcome::Retried(second)),
            (tried, 2, ProcessOutcome::Retried(third)),
            (again, 3, ProcessOutcome::DeadLettered(dead)),
        ] = attempts[..]
        else {
            panic!("{origin:?}: {attempts:?}");
        };
        let mut before = *origin;
        for (uid, made, topic) in [(second, 1, "retry"), (third, 2, "retry"), (dead, 3, "dead")] {
            let copy = sent[&uid];
            let hop = copy.hop.clone().expect("a copy says where it comes from");
            let is_dead = topic == "dead";
            assert_eq!(
                (&*copy.topic.0, copy.payload, &copy.key),
                (topic, sent[origin].payload, &sent[origin].key)
            );
            assert_eq!(hop.not_before.is_none(), is_dead);
            let expected = Hop {
                origin: *origin,
                from: positions[&before],
                attempts: made,
                not_before: hop.not_before,
                dead_letter: is_dead,
            };
            assert_eq!(*hop, expected);
            before = uid;
        }
        for (copy, time) in [(second, tried), (third, again)] {
            let due = sent[&copy]
                .hop
                .as_ref()
                .and_then(|hop| hop.not_before)
                .expect("it waits");
            assert!(
                time >= due && time.0 < due.0 + 3_000_000_000,
                "{time} is not soon after {due}"
            );
        }
    }
}

#[test]
fn a_blocking_worker_keeps_the_order_of_keys() {
    let history = history(
        "program = \"blocking-retry\"\nattempts = 4\nbackoff = \"50ms\"\nfailure = 0.2\nprocessing = \"1ms\"\n",
    );
    let keys: BTreeMap<Uid, _> = sent(&history).map(|sent| (sent.uid, sent.key.clone())).collect();
    let mut last: BTreeMap<_, (Uid, u32)> = BTreeMap::new();
    let mut retried = 0;
    for (_, processing, outcome) in ends(&history) {
        let uid = processing.uid.expect("all have one");
        // Those of the probe have no keys.
        if keys[&uid].is_none() {
            continue;
        }
        let (before, attempt) = last.get(&keys[&uid]).copied().unwrap_or((Uid(0), 0));
        match before == uid {
            true => assert_eq!(processing.attempt, attempt + 1),
            false => assert!(before < uid && processing.attempt == 1, "{uid:?} after {before:?}"),
        }
        retried += u32::from(outcome == ProcessOutcome::WillRetry);
        let goes_on = outcome == ProcessOutcome::WillRetry;
        assert!(
            goes_on || outcome == ProcessOutcome::Processed || processing.attempt == 4,
            "{outcome:?}"
        );
        last.insert(keys[&uid].clone(), (uid, processing.attempt));
    }
    assert!(retried > 30, "{retried}");
}

#[test]
fn a_batch_succeeds_or_fails_as_a_whole() {
    let history = history("program = \"batch\"\nbatch_size = 4\nfailure = 0.05\nprocessing = \"1ms\"\n");
    // All work of a batch ends at one instant.
    let mut batches: BTreeMap<SimTime, Vec<(u32, bool)>> = BTreeMap::new();
    for (time, processing, outcome) in ends(&history) {
        let end = (processing.attempt, outcome == ProcessOutcome::Processed);
        batches.entry(time).or_default().push(end);
    }
    assert!(
        batches
            .values()
            .all(|ends| ends.len() <= 4 && ends.iter().all(|end| end == &ends[0]))
    );
    let whole = batches.values().filter(|ends| ends.len() == 4);
    assert!(whole.count() > 3, "batches are filled");
    let again = batches.values().filter(|ends| ends[0].0 > 1).count();
    let failed = batches.values().filter(|ends| !ends[0].1).count();
    assert!(
        failed > 3 && again >= failed,
        "{failed} failed, {again} were tried again"
    );
}

#[test]
fn an_aggregator_counts_by_key() {
    let history = history("program = \"aggregator\"\noutput_topic = \"dead\"\n");
    let (counts, orders): (Vec<_>, Vec<_>) = sent(&history)
        .filter(|sent| sent.key.as_ref().is_some_and(|key| !key.is_empty()))
        .partition(|sent| &*sent.topic.0 == "dead");
    assert!(orders.len() > 300, "{}", orders.len());
    assert_eq!(counts.len(), orders.len());
    // A count of eight bytes is all of its payload.
    let payload = |count: u64| crc32c::crc32c(&count.to_be_bytes());
    let mut by_key: BTreeMap<_, u64> = BTreeMap::new();
    for sent in counts {
        let count = by_key.entry(sent.key.clone()).or_default();
        *count += 1;
        assert_eq!(sent.payload, payload(*count), "of {:?}", sent.key);
    }
    assert_eq!(by_key.len(), 40);
}

#[test]
fn positions_are_committed_when_the_mode_says() {
    // Whether commits pass records whose work has not ended, and how many commits there are at least.
    for (mode, is_ahead, least) in [
        ("before", true, 20),
        ("after", false, 20),
        ("auto", false, 2),
        ("none", false, 0),
    ] {
        let history = history(&format!("commit = \"{mode}\"\nprocessing = \"3ms\"\n"));
        let (mut ended, mut commits, mut ahead) = (BTreeMap::new(), 0, 0);
        let mut probes = BTreeSet::new();
        for entry in &history {
            match &entry.what {
                What::ProcessEnded(ProcessEnded { processing, .. }) => {
                    ended.insert(processing.partition, processing.offset.next());
                }
                What::Polled(records) => {
                    let of_trial = records.iter().filter(|record| record.is_probe);
                    probes.extend(of_trial.map(|record| (record.partition, record.offset)));
                }
                What::CommitInvoked(CommitInvoked { offsets, .. }) if !offsets.is_empty() => {
                    commits += 1;
                    let behind = |(partition, offset): &(TopicPartition, Offset)| {
                        let mut end = ended.get(partition).copied().unwrap_or(Offset::ZERO);
                        while probes.contains(&(*partition, end)) {
                            end = end.next();
                        }
                        *offset > end
                    };
                    ahead += usize::from(offsets.iter().any(behind));
                }
                _ => {}
            }
        }
        assert!(
            commits >= least && (commits == 0) == (mode == "none"),
            "{mode}: {commits} commits"
        );
        assert_eq!(
            ahead > 0,
            is_ahead,
            "{mode}: {ahead} of {commits} commits were ahead of the work"
        );
        assert!(ends(&history).len() > 300, "{mode}");
        assert!(
            !probes.is_empty(),
            "{mode}: consumers get the records that close a trial"
        );
        let is_probe = |processing: &Processing| probes.contains(&(processing.partition, processing.offset));
        assert!(
            !ends(&history).iter().any(|(_, processing, _)| is_probe(processing)),
            "{mode}: and keep them from their programs"
        );
    }
}

#[test]
fn a_pool_works_side_by_side() {
    let history = history(
        "commit = \"async-pool\"\ntasks = 3\nprocessing = \"120ms\"\nconsumer = { \"auto.commit.interval.ms\" = 500 }\n",
    );
    let (mut in_work, mut most, mut polled, mut ended, mut ahead) = (0, 0, 0, 0, 0);
    for entry in &history {
        match &entry.what {
            What::Polled(records) => polled += records.len(),
            What::ProcessBegun(_) => {
                in_work += 1;
                most = most.max(in_work);
            }
            What::ProcessEnded(_) => {
                in_work -= 1;
                ended += 1;
            }
            What::CommitInvoked(_) => ahead += usize::from(polled > ended),
            _ => {}
        }
    }
    assert_eq!(most, 3);
    assert!(ahead > 5, "commits pass what is in work: {ahead}");
}

#[test]
fn calls_of_a_service_fail_and_take_effect_as_it_says() {
    let fault = "[[faults]]\nat = \"10s\"\nfor = \"5s\"\nservice_down = \"ledger\"\n";
    let history = history(&format!("service = \"ledger\"\n{fault}"));
    let mut calls = BTreeMap::new();
    for entry in &history {
        if let What::ServiceCalled(ServiceCalled { effect, ok, .. }) = &entry.what {
            let is_down = (10_000_000_000..15_000_000_000).contains(&entry.at.time.0);
            *calls.entry((is_down, *ok, *effect)).or_insert(0) += 1;
        }
    }
    let count = |is_down, ok, effect| calls.get(&(is_down, ok, effect)).copied().unwrap_or(0);
    assert!(count(false, true, true) > 150 && count(false, false, true) > 10 && count(false, false, false) > 10);
    assert!(count(true, false, false) > 50 && count(true, true, true) == 0 && count(true, false, true) == 0);
    assert_eq!(count(false, true, false), 0, "a success takes effect");
    let skipped = ends(&history)
        .iter()
        .filter(|(_, _, outcome)| *outcome == ProcessOutcome::Skipped)
        .count();
    assert_eq!(
        skipped,
        calls
            .iter()
            .filter(|((_, ok, _), _)| !ok)
            .map(|(_, count)| count)
            .sum::<usize>()
    );
}

/// Records whose work ended from one second to another.
fn ended_between(history: &[Entry], from: u64, to: u64) -> usize {
    let range = from * 1_000_000_000..to * 1_000_000_000;
    ends(history)
        .iter()
        .filter(|(time, ..)| range.contains(&time.0))
        .count()
}

#[test]
fn faults_on_programs_slow_them_and_hold_them_still() {
    let fault = |line: &str| {
        format!(
            "consumer = {{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 2000 }}\nprocessing = \"10ms\"\n[[faults]]\nat = \"10s\"\nfor = \"5s\"\n{line}\n"
        )
    };
    for (line, least, most) in [
        ("slow_program = { target = \"client billing/1\", factor = 20 }", 15, 35),
        ("stuck_poll = \"client billing/1\"", 0, 1),
        ("pause = \"client billing/1\"", 0, 1),
        ("stop = \"client billing/1\"", 0, 30),
        ("kill = \"client billing/1\"", 0, 1),
    ] {
        let history = history(&fault(line));
        let during = ended_between(&history, 10, 15);
        assert!((least..=most).contains(&during), "{line}: {during}");
        assert!(ended_between(&history, 5, 10) > 70, "{line}");
        let all = sent(&history).filter(|sent| sent.key.is_some()).count();
        let done: BTreeSet<_> = ends(&history).iter().map(|(_, processing, _)| processing.uid).collect();
        assert!(done.len() >= all, "{line}: it catches up, {} of {all}", done.len());
    }
}

#[test]
fn a_worker_that_is_stopped_leaves_in_good_order() {
    let history =
        history("processing = \"10ms\"\n[[faults]]\nat = \"10s\"\nfor = \"5s\"\nstop = \"client billing/1\"\n");
    let mut seen = BTreeSet::new();
    for (_, processing, _) in ends(&history) {
        assert!(seen.insert(processing.uid), "{:?} is processed again", processing.uid);
    }
    let runs: BTreeSet<u32> = history
        .iter()
        .filter(|entry| matches!(entry.what, What::ProcessEnded(_)))
        .map(|entry| entry.incarnation)
        .collect();
    assert_eq!(runs.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn more_partitions_are_read_too() {
    let fault = "[[faults]]\nat = \"8s\"\ncreate_partitions = { topic = \"orders\", partitions = 6 }\n";
    for protocol in ["classic", "consumer"] {
        let config = format!("{{ \"group.protocol\" = \"{protocol}\", \"metadata.max.age.ms\" = 1000 }}");
        let history = history(&format!("consumer = {config}\n{fault}"));
        let ends = ends(&history);
        let partitions: BTreeSet<i32> = ends
            .iter()
            .map(|(_, processing, _)| processing.partition.partition.0)
            .collect();
        assert_eq!(
            partitions.into_iter().collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5],
            "{protocol}"
        );
    }
}

#[test]
fn a_pattern_stands_for_the_topics_that_match() {
    for protocol in ["classic", "consumer"] {
        let processed = |subscription: &str| {
            let lines = format!("{subscription}\nconsumer = {{ \"group.protocol\" = \"{protocol}\" }}\n");
            let history = held_with(&lines).history;
            let uids: BTreeSet<_> = ends(&history)
                .iter()
                .filter_map(|(_, processing, _)| processing.uid)
                .collect();
            uids.len()
        };
        let by_name = processed("topics = [\"orders\"]");
        assert!(by_name > 300, "{by_name}");
        assert_eq!(processed("pattern = \"ord[a-f]+rs\""), by_name, "{protocol}");
    }
}

/// A poll that waits for records is not silence (`max.poll.interval.ms`), even one that is longer than that.
#[test]
fn who_waits_in_a_poll_stays_a_member() {
    let scribe = held("consumer = { \"max.poll.interval.ms\" = 100 }\n");
    assert_eq!(scribe.assignments, 1);
}
