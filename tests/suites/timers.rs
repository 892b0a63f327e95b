//! How long a failure lasts, on simulated time: with default settings, what Kafka's own timers say.

use std::time::Duration;

use broker_core::trace::{self, Event};
use broker_core::types::{LeaderEpoch, NodeId};
use sim::history::{At, Entry, Environment, Observer, SimTime, What};
use sim::scenario::{Scenario, parse};
use sim::{nemesis, world};

const SEEDS: u32 = 24;

/// Seconds from the death of a process to the first fact after it that `is_end` accepts, for each seed. `is_end` gets the dead
/// node, the node that states the fact, and the fact. Deaths begin at 20 s and are spread over `period`: nodes that start together keep time together.
fn seconds_after_death(text: &str, period: Duration, is_end: fn(NodeId, NodeId, &Event) -> bool) -> Vec<f64> {
    let parsed = parse::parse("timers", "timers.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let mut scenario = parsed.scenario;
    let seconds = |seed| {
        scenario.faults[0].at = Duration::from_secs(20) + period * seed / SEEDS;
        watch(&scenario, u64::from(seed), is_end)
    };
    (0..SEEDS).map(seconds).collect()
}

fn watch(scenario: &Scenario, seed: u64, is_end: fn(NodeId, NodeId, &Event) -> bool) -> f64 {
    let plan = nemesis::plan(scenario, seed);
    let setup = world::Setup {
        scenario,
        plan: &plan,
        seed,
        trace: false,
        gauge: None,
    };
    let stopwatch = Stopwatch {
        is_end,
        victim: None,
        end: None,
    };
    let (_, stopwatch) = world::run(setup, stopwatch);
    let (death, _) = stopwatch.victim.expect("somebody died");
    let end = stopwatch
        .end
        .unwrap_or_else(|| panic!("seed {seed}: it lasts for ever"));
    Duration::from_nanos(end.0 - death.0).as_secs_f64()
}

struct Stopwatch {
    is_end: fn(NodeId, NodeId, &Event) -> bool,
    victim: Option<(SimTime, NodeId)>,
    end: Option<SimTime>,
}

impl Observer for Stopwatch {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        if let Some((_, victim)) = self.victim
            && self.end.is_none()
            && (self.is_end)(victim, node, event)
        {
            self.end = Some(at.time);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        if self.victim.is_none() && matches!(entry.what, What::Environment(Environment::Killed)) {
            self.victim = Some((entry.at.time, entry.process));
        }
    }
}

fn assert_within(seconds: &[f64], from: f64, to: f64) {
    let least = seconds.iter().copied().fold(f64::MAX, f64::min);
    let most = seconds.iter().copied().fold(f64::MIN, f64::max);
    assert!(
        from <= least && most <= to,
        "{least} s to {most} s is not within {from} s to {to} s"
    );
    // The last heartbeat before the death is anywhere within an interval, so the figures must spread.
    assert!(
        most - least > 0.5 * (to - from) / 2.0,
        "{least} s to {most} s: they do not spread"
    );
}

/// A broker's last heartbeat is 0 to 2 s old when it dies (`broker.heartbeat.interval.ms`), and it is fenced 9 s after
/// that heartbeat (`broker.session.timeout.ms`): 7 to 9 s, and the time of a metadata commit.
#[test]
fn a_dead_brokers_partitions_have_a_leader_after_seven_to_nine_seconds() {
    let text = r#"
        teaches = "A killed broker's partitions get another leader when its session ends."
        duration = "60s"

        [cluster]
        brokers = 3
        dedicated_controllers = 1

        [[topics]]
        name = "orders"
        partitions = 1
        replication_factor = 3

        [[faults]]
        at = "20s"
        for = "30s"
        kill = "leader of orders/0"
    "#;
    let is_end = |_, _, event: &Event| matches!(event, Event::BecameLeader(trace::BecameLeader { leader_epoch, .. }) if *leader_epoch > LeaderEpoch(0));
    assert_within(&seconds_after_death(text, Duration::from_secs(2), is_end), 7.0, 9.2);
}

const WORKERS: &str = r#"
    teaches = "A dead worker's partitions move to another when its session ends."
    duration = "120s"

    [cluster]
    brokers = 3
    dedicated_controllers = 1
    config = { "offsets.topic.num.partitions" = 2 }

    [[topics]]
    name = "orders"
    partitions = 4
    replication_factor = 3

    [[workers]]
    name = "billing"
    count = 2
    topics = ["orders"]
    consumer = { "group.protocol" = "PROTOCOL" }

    [[faults]]
    at = "20s"
    for = "95s"
    kill = "client billing/2"
"#;

fn other_owner(victim: NodeId, node: NodeId, event: &Event) -> bool {
    node != victim
        && matches!(event, Event::PartitionsAssigned(trace::PartitionsAssigned { partitions, .. }) if !partitions.is_empty())
}

/// A classic member's last heartbeat is 0 to 3 s old when it dies (`heartbeat.interval.ms`), and it is dropped 45 s after
/// it (`session.timeout.ms`); the other learns of that with its next heartbeat, 0 to 3 s later, and joins again: 42 to
/// 48 s, and the time of a join and a sync.
#[test]
fn a_dead_classic_members_partitions_move_after_its_session_and_one_round() {
    let text = WORKERS.replace("PROTOCOL", "classic");
    let seconds = seconds_after_death(&text, Duration::from_secs(3), other_owner);
    assert_within(&seconds, 42.0, 48.5);
}

/// A member of the consumer protocol sends heartbeats each 5 s (`group.consumer.heartbeat.interval.ms`), and its session
/// lasts 45 s (`group.consumer.session.timeout.ms`): 40 to 50 s, and the time of a heartbeat.
#[test]
fn a_dead_consumer_protocol_members_partitions_move_after_its_session_and_one_round() {
    let text = WORKERS.replace("PROTOCOL", "consumer");
    let seconds = seconds_after_death(&text, Duration::from_secs(5), other_owner);
    assert_within(&seconds, 40.0, 50.5);
}
