//! A small language for what happens in a trial, so that a test reads like a story.
//!
//! One line is one or more facts. Records are single letters: `a` is the record with uid `a`; `a!` has the same uid and
//! other content. `a@3` is `a` at offset 3, `a@?` without an offset. Brokers are 1, 2, 3; partition `orders/0` is theirs.
//!
//! ```text
//! elect 1 isr 1,2,3       the controller commits leader 1 with this ISR, in the next leader epoch (`elect -`: nobody)
//! isr 1,2                 the controller commits this ISR
//! 1 leads                 broker 1 begins to lead that epoch (`hw 4` after it: with this high watermark)
//! 2 follows               broker 2 begins to follow in it
//! send a b                a program sends
//! 1 appends a b           as leader, one batch (`epoch 2`: in that epoch)
//! 3 writes c              appends as a follower what no leader has
//! 2 copies                appends all that its leader has more; `2 copies 3` that broker 3 has more
//! 2 fetches               the leader learns its log's end; `1 learns 2 5`: broker 1 does, and it is 5
//! 1 hw 2                  its high watermark moves
//! 2 cuts 1                cuts its log to offset 1 (`by hw`: without an answer; `epoch 2`)
//! 1 flushes               its log is durable (`1 flushes 3`: up to 3)
//! 1 revives               recovers with all that it ever cut
//! 1 vanishes              has no file any more, and says nothing
//! 1 invents a             recovers with one batch more than it wrote
//! kill 1 / power 1 / start 1 / 1 recovers / 1 recovers 3    with all batches or those below 3
//! 1 answers all 0-1       answers a producer (`0`, `1` or `all`; `isr 1`; `error Name`)
//! 1 serves 0-2            gives a consumer these records
//! 1 proposes 1,2 / 1 adopts 1,2 / 1 withdraws               its ISR
//! ok a@0 b@1 / ok acks=1 a@0 / fail a / unknown a           how sends end
//! poll a@0 b@1 / seek 0 / reset 5 0 / reset - 0             what the consumer gets and where it moves
//! commit a b              all of this at once: append, copies, fetches, high watermarks of all in the ISR, an answer
//! heal                    the faults are over
//! unsettled / cut off     the trial ends so; otherwise settled
//! meta 1 appends 3 / meta 2 copies 1 / meta 1 hw 2 / meta 2 cuts 1 / meta 1 flushes / meta 1 recovers 1
//! meta 1 leader 3 / meta 2 follower 3 1 / meta 2 stores 3 1 / meta 2 votes 3 1 / meta 1 applied 2 77
//! ```

use core::time::Duration;

use broker_core::config::{
    AcksSetting, AutoOffsetReset, BrokerConfig, ConsumerConfig, ProducerConfig, Quirks, TopicConfig,
};
use broker_core::trace::Event;
use broker_core::types::NodeId;

use super::super::{Checks, Finish, Judged};
use super::stage::Stage;
use crate::history::{At, Entry, Observer, SimTime, What};
use crate::scenario::{
    Cluster, ConsumerGroup, Expectation, Hardware, Keys, Limits, Network, ProducerGroup, Scenario, Topic,
};

/// What a script promises besides what happens.
#[derive(Clone, Copy)]
pub struct Contract {
    pub min_insync_replicas: u32,
    pub unclean: bool,
    pub idempotent: bool,
    pub in_flight: u32,
    pub consumers: u32,
}

pub const PLAIN: Contract = Contract {
    min_insync_replicas: 2,
    unclean: false,
    idempotent: true,
    in_flight: 5,
    consumers: 0,
};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Step {
    Fact(NodeId, Event),
    Line(NodeId, What),
}

/// A script as the steps it says.
pub fn steps(script: &str, contract: Contract) -> Vec<Step> {
    let mut stage = Stage::new(contract);
    for line in script.lines() {
        stage.line(line.split('#').next().unwrap_or_default().trim());
    }
    stage.steps
}

/// Runs steps through the checks.
pub fn watch(steps: &[Step], contract: Contract) -> Checks {
    let mut checks = Checks::new(&scenario(contract), &Vec::new());
    for (number, step) in (1..).zip(steps) {
        let at = At {
            step: number,
            time: SimTime(number * 1_000_000),
        };
        match step {
            Step::Fact(node, event) => checks.fact(at, *node, event),
            Step::Line(process, what) => {
                checks.entry(&Entry {
                    at,
                    process: *process,
                    incarnation: 0,
                    what: what.clone(),
                });
            }
        }
    }
    checks
}

/// What the checks say of a script.
pub fn judge(script: &str, contract: Contract) -> Judged {
    let ends = |how: &str| script.lines().any(|line| line.trim() == how);
    watch(&steps(script, contract), contract).finish(Finish {
        settled: !ends("unsettled") && !ends("cut off"),
        cut_off: ends("cut off").then(|| "limits.events".to_owned()),
    })
}

/// The findings in one line: the names of violated checks, and those with something allowed or unknown in brackets.
pub fn found(judged: &Judged) -> String {
    let mut words = Vec::new();
    for (check, name, _) in crate::verdict::Check::ALL {
        if judged.findings.violations(*check) > 0 {
            words.push((*name).to_owned());
        }
        if judged.findings.allowed(*check) > 0 {
            words.push(format!("({name})"));
        }
        if judged.findings.unknown(*check) > 0 {
            words.push(format!("({name}?)"));
        }
    }
    words.join(" ")
}

/// The scenario of a script.
pub fn scenario(contract: Contract) -> Scenario {
    let ms = Duration::from_millis(1);
    Scenario {
        name: "check".to_owned(),
        teaches: String::new(),
        duration: ms * 60_000,
        settle: ms * 60_000,
        seeds: 0..1,
        cluster: Cluster {
            brokers: 3,
            dedicated_controllers: 0,
            combined_controllers: 3,
            config: BrokerConfig::default(),
            hardware: Hardware {
                cpu_per_request: ms,
                cpu_per_byte_ns: 1.0,
                nic_bytes_per_sec: 1,
                disk_bytes_per_sec: 1,
                fsync: ms,
            },
            network: Network {
                latency_min: ms,
                latency_mean: ms,
            },
        },
        topics: vec![Topic {
            name: "orders".to_owned(),
            partitions: 1,
            replication_factor: 3,
            config: TopicConfig {
                min_insync_replicas: contract.min_insync_replicas,
                unclean_leader_election_enable: contract.unclean,
                ..TopicConfig::default()
            },
        }],
        producers: vec![ProducerGroup {
            name: "p".to_owned(),
            count: 1,
            topic: "orders".to_owned(),
            rate: 1.0,
            record_size: 9,
            keys: Keys::None,
            start: Duration::ZERO,
            stop: None,
            config: ProducerConfig {
                acks: AcksSetting::All,
                enable_idempotence: contract.idempotent,
                max_in_flight_requests_per_connection: contract.in_flight,
                ..ProducerConfig::default()
            },
        }],
        consumers: vec![
            ConsumerGroup {
                name: "c".to_owned(),
                count: 1,
                topic: "orders".to_owned(),
                processing: Duration::ZERO,
                start: Duration::ZERO,
                config: ConsumerConfig {
                    auto_offset_reset: AutoOffsetReset::Earliest,
                    ..ConsumerConfig::default()
                },
            };
            contract.consumers as usize
        ],
        workers: Vec::new(),
        services: Vec::new(),
        faults: Vec::new(),
        nemesis: None,
        quirks: Vec::new(),
        quirk_set: Quirks::default(),
        expect: Expectation::Pass,
        limits: Limits {
            events: 1,
            records: 1,
            sim_time: ms,
            memory: 1,
        },
    }
}
