//! The bare speed of the loop: two machines that send each other a message, and nothing else.

use std::time::Duration;

use broker_core::config::BrokerConfig;
use broker_core::machine::{Channel, Context, Input, Instant, Machine, Now, Outbox, Output};
use broker_core::protocol::{EndQuorumEpochRequest, EndQuorumEpochResponse, ErrorCode};
use broker_core::random::Random;
use broker_core::trace::Event;
use broker_core::types::{LeaderEpoch, Listener, NodeId};

use super::{End, NewNode, Setup, engine};
use crate::address;
use crate::history::{At, Entry, Observer};
use crate::program::cast;
use crate::scenario::{Bounds, Cluster, Expectation, Hardware, Limits, Network, Scenario};

/// Sends about `messages` requests and responses between two nodes, hashed into the digest like any others, and
/// returns how many were delivered.
#[must_use]
pub fn ping_pong(messages: u64) -> u64 {
    let mut scenario = bare_scenario(2);
    scenario.duration = Duration::from_secs(u64::from(u32::MAX));
    scenario.limits.events = messages;
    let setup = Setup {
        scenario: &scenario,
        plan: &Vec::new(),
        seed: 1,
        trace: false,
        gauge: None,
    };
    let factory = |new: NewNode| -> Box<dyn Machine> { Box::new(Ping::new(new)) };
    let (report, NobodyLooks) = engine::run(setup, cast(&scenario, &[]), Box::new(factory), NobodyLooks);
    assert!(matches!(report.end, End::Limit(_)), "{:?}", report.end);
    report.messages
}

/// A cluster of so many brokers on hardware that costs nothing, without load, topics and faults.
pub(crate) fn bare_scenario(brokers: u32) -> Scenario {
    Scenario {
        name: "bare".to_owned(),
        teaches: String::new(),
        compare: None,
        duration: Duration::from_secs(60),
        settle: Duration::from_secs(60),
        seeds: 0..1,
        cluster: Cluster {
            brokers,
            dedicated_controllers: 0,
            combined_controllers: 1,
            config: BrokerConfig::default(),
            hardware: Hardware {
                cpu_per_request: Duration::ZERO,
                cpu_per_byte_ns: 0.0,
                nic_bytes_per_sec: u64::MAX,
                disk_bytes_per_sec: u64::MAX,
                fsync: Duration::ZERO,
            },
            network: Network {
                latency_min: Duration::from_micros(100),
                latency_mean: Duration::from_micros(200),
            },
        },
        topics: Vec::new(),
        producers: Vec::new(),
        consumers: Vec::new(),
        workers: Vec::new(),
        services: Vec::new(),
        faults: Vec::new(),
        nemesis: None,
        quirks: Vec::new(),
        quirk_set: Default::default(),
        expect: Expectation::Pass,
        forbid: Vec::new(),
        at_most: Bounds::new(),
        at_least: Bounds::new(),
        measures: Vec::new(),
        limits: Limits {
            events: u64::MAX,
            records: u64::MAX,
            sim_time: Duration::from_secs(u64::from(u32::MAX)),
            memory: u64::MAX,
        },
    }
}

/// The node that serves nothing.
const PEER: NodeId = NodeId(2);

/// Answers every request, and answers every answer with the next request. Node 1 serves.
struct Ping {
    rng: Random,
    out: Outbox,
    round: i32,
}

impl Ping {
    fn new(new: NewNode) -> Ping {
        let mut out = Outbox::default();
        out.learn(PEER, Listener::Broker, address::endpoint(PEER, Listener::Broker));
        let (rng, round) = (new.random, 0);
        let mut ping = Ping { rng, out, round };
        if new.id == NodeId(1) {
            ping.serve(new.now);
        }
        ping
    }

    fn serve(&mut self, now: Now) {
        self.round = self.round.wrapping_add(1);
        let body = EndQuorumEpochRequest {
            leader: NodeId(1),
            epoch: LeaderEpoch(self.round),
            preferred_successors: Vec::new(),
        };
        let mut cx = Context::new(now, &mut self.rng, &mut self.out);
        cx.request(Channel::Client, PEER, body.into());
    }
}

impl Machine for Ping {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Request { reply_to, .. } => {
                let body = EndQuorumEpochResponse {
                    error: ErrorCode::None,
                    epoch: LeaderEpoch(0),
                };
                self.out.respond(reply_to, body.into());
            }
            Input::Connected { connection } => {
                self.out.connected(connection);
            }
            Input::Response { .. } => self.serve(now),
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// An observer that does not look.
struct NobodyLooks;

impl Observer for NobodyLooks {
    fn fact(&mut self, _at: At, _node: NodeId, _event: &Event) {}

    fn entry(&mut self, _entry: &Entry) {}
}
