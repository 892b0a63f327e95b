//! What a trial of a scenario takes, before it is held: at a guess, within a factor of three for the shipped scenarios.
//!
//! Events are counted as the world counts them: each message that arrives, each timer and each answer of a disk. A broker
//! at rest fetches from each other one twice a second and sends heartbeats; a batch is a request, an answer and the fetches of
//! its replicas; a consumer fetches what comes, and a group commits after each poll, which is a batch of its own.

use core::time::Duration;

use super::Scenario;

/// Events that one core handles in a second, in a release build.
const EVENTS_A_SECOND: f64 = 500_000.0;

/// What one trial takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// Delivered events.
    pub events: u64,
    /// Wall time on one core.
    pub wall: Duration,
}

/// The cost of one trial.
#[must_use]
pub fn estimate(scenario: &Scenario) -> Cost {
    let cluster = &scenario.cluster;
    let brokers = f64::from(cluster.brokers);
    let nodes = brokers + f64::from(cluster.dedicated_controllers);
    let time = scenario.duration.as_secs_f64();
    let readers: f64 = scenario.consumers.iter().map(|group| f64::from(group.count)).sum();
    let workers: f64 = scenario.workers.iter().map(|group| f64::from(group.count)).sum();
    let mut groups: Vec<&str> = scenario.workers.iter().map(|workers| &*workers.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let retries = scenario
        .workers
        .iter()
        .filter(|workers| workers.outputs().next().is_some());
    let groups = groups.len() as f64 + 0.5 * retries.count() as f64;

    let at_rest = brokers * (brokers - 1.0) * 4.0 + brokers * 3.0 + nodes * 8.0;
    let clients = readers * brokers * 4.0 + workers * (brokers * 4.0 + 2.0);
    let mut events = time * (at_rest + clients);
    for group in &scenario.producers {
        let stop = group.stop.unwrap_or(scenario.duration).min(scenario.duration);
        let span = stop.saturating_sub(group.start).as_secs_f64();
        let linger = Duration::from_millis(group.config.linger_ms).as_secs_f64();
        let rate = group.rate / group.topics.len().max(1) as f64;
        for topic in scenario
            .topics
            .iter()
            .filter(|topic| group.topics.contains(&topic.name))
        {
            let leaders = f64::from(topic.partitions).min(brokers).max(1.0);
            let of_leader = rate / leaders;
            let records = rate * f64::from(group.count) * span;
            let batches = leaders * of_leader / (1.0 + of_leader * linger) * f64::from(group.count) * span;
            let batches = batches.min(records);
            let copies = f64::from(topic.replication_factor) - 1.0;
            events += batches * (2.0 + 2.5 * copies.min(2.0) + 2.0 * readers + 7.0 * groups);
        }
    }
    Cost {
        events: events as u64,
        wall: Duration::from_secs_f64((events / EVENTS_A_SECOND).min(1e12)),
    }
}
