//! How long a failure lasts, on simulated time: with default settings, what Kafka's own timers say.

use std::time::Duration;

use broker_core::trace::Event;
use broker_core::types::{LeaderEpoch, NodeId};
use sim::history::{At, Entry, Environment, Observer, SimTime, What};
use sim::scenario::{Scenario, parse};
use sim::{nemesis, world};

const SEEDS: u32 = 24;

/// Seconds from the death of a process to the first fact after it that `is_end` recognises, for each seed. Deaths begin
/// at 20 s and are spread over `period`: nodes that start together keep time together.
fn seconds_after_death(text: &str, period: Duration, is_end: fn(NodeId, &Event) -> bool) -> Vec<f64> {
    let parsed = parse::parse("timers", "timers.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let mut scenario = parsed.scenario;
    let seconds = |seed| {
        scenario.faults[0].at = Duration::from_secs(20) + period * seed / SEEDS;
        watch(&scenario, u64::from(seed), is_end)
    };
    (0..SEEDS).map(seconds).collect()
}

fn watch(scenario: &Scenario, seed: u64, is_end: fn(NodeId, &Event) -> bool) -> f64 {
    let plan = nemesis::plan(scenario, seed);
    let setup = world::Setup {
        scenario,
        plan: &plan,
        seed,
        trace: false,
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
    is_end: fn(NodeId, &Event) -> bool,
    victim: Option<(SimTime, NodeId)>,
    end: Option<SimTime>,
}

impl Observer for Stopwatch {
    fn fact(&mut self, at: At, _node: NodeId, event: &Event) {
        if let Some((_, victim)) = self.victim
            && self.end.is_none()
            && (self.is_end)(victim, event)
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
    let is_end =
        |_, event: &Event| matches!(event, Event::BecameLeader { leader_epoch, .. } if *leader_epoch > LeaderEpoch(0));
    assert_within(&seconds_after_death(text, Duration::from_secs(2), is_end), 7.0, 9.2);
}
