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
//! send a b                a program sends (`a=k`: with key k)
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
//! wait 60                 seconds pass
//! ```
//!
//! Group `g` has the coordinator on one of the brokers, partition 0 of the offsets topic; workers are `w1`, `w2`, their
//! member ids the same.
//!
//! ```text
//! 1 coordinates           broker 1 leads the offsets topic in the next epoch, loads it, and answers
//! 1 loads                 leads it and begins to load (`1 loaded`: has loaded; `1 loaded 77`: to another digest)
//! 1 unloads               coordinates no more
//! group Stable 3 2        the coordinator states state, epoch and number of members
//! member w1 3 0,1         it gives w1 partitions 0 and 1 of `orders` in epoch 3 (`releasing 2` after it: once 2 is given up;
//!                         `as i`: its instance id is i)
//! remove w1 Left          it removes the member
//! expire 0                it gives up the position in partition 0
//! w1 owns 0,1             the member takes these (`w1 gives 0`, `w1 loses 0`)
//! w1 fetched 0 5 / w1 fetched 0 -    the coordinator answers it with the position in partition 0
//! w1 at 0 5 / w1 begins 0 5 / w1 thrown 0 7 5       it takes that position, begins at 5 without, is reset from 7
//! w1 joins 0 5            owns, fetched, at: all of it
//! w1 seeks 0 3 / w1 moves 0 5 3         its program goes to 3, and so does its consumer, from 5
//! w1 polls a@0
//! w1 works a@0            begins (`2`: attempt 2); `w1 done a@0` processed, `w1 drops a@0` skipped, `w1 again a@0` fails
//! w1 does a@0             works and done
//! w1 copies x a@0 1       its producer sends x, a copy of what it read at 0, after one attempt (`dead`: a dead letter;
//!                         `of b`: it says that b is its origin; `after 9`: not before the second 9; `other`: another payload)
//! w1 copied x@0           that is committed in `retry`, and it gets the ack (`dead` after it: in `dead`)
//! w1 retried a@0 x        its work ends so (`w1 buried a@0 x`: with a dead letter); `w1 does x@r0`: it works on the copy
//! keep 1 c                c is committed in `orders/1` (`keep r c`: in `retry`)
//! w1 stuck 0              its consumer has no position in partition 0 and no way to get one
//! w1 unseated Name        its group has no place for it, with this error
//! w1 asks 0 5             a commit begins (`w1 answered 0 5`: ends well, `w1 answered 0 5 NotCoordinator`: does not)
//! w1 taken 0 5 3          the coordinator takes it from the member in epoch 3; it is committed (`lost`: not yet)
//! w1 commits 0 5 3        asks, taken, answered
//! member v1 1 0 / v1 …    the same of the worker of group `h`, if the contract has that
//! 1 regains 0             broker 1 recovers the offsets topic with the batches below 0 (`1 regains r 0`: `retry`, and
//!                         leads that again)
//! ```

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::{
    AcksSetting, AutoOffsetReset, BrokerConfig, ConsumerConfig, GroupProtocol, ProducerConfig, Quirks, TopicConfig,
};
use broker_core::trace::Event;
use broker_core::types::NodeId;

use super::super::{Checks, Finish, Judged};
use super::stage::Stage;
use crate::history::{At, Entry, Observer, SendPromise, SimTime, What};
use crate::scenario::{
    Bounds, Cluster, CommitMode, ConsumerGroup, Expectation, Hardware, Keys, Limits, Network, ProducerGroup, Scenario,
    Topic, WorkerGroup, WorkerProgram,
};

/// What a script promises besides what happens.
#[derive(Clone, Copy)]
pub struct Contract {
    pub min_insync_replicas: u32,
    pub unclean: bool,
    pub idempotent: bool,
    pub in_flight: u32,
    pub consumers: u32,
    /// How many partitions `orders` has by the scenario.
    pub partitions: u32,
    pub work: Option<Work>,
    /// A group `h` with one worker `v1` does the same beside group `g`.
    pub rival: bool,
}

/// What two worker programs of group `g` promise, `w1` and `w2`, that read `orders`.
#[derive(Clone, Copy)]
pub struct Work {
    pub commit: CommitMode,
    pub program: Program,
    pub protocol: GroupProtocol,
    pub resets: AutoOffsetReset,
}

/// What they do with records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Plain,
    /// With topics `retry` and `dead` and three attempts.
    Retry {
        copy_first: bool,
    },
    /// With topic `dead` and three attempts.
    Blocking,
}

pub const PLAIN: Contract = Contract {
    min_insync_replicas: 2,
    unclean: false,
    idempotent: true,
    in_flight: 5,
    consumers: 0,
    partitions: 1,
    work: None,
    rival: false,
};

/// Workers that process at least once.
pub const WORK: Work = Work {
    commit: CommitMode::After,
    program: Program::Plain,
    protocol: GroupProtocol::Consumer,
    resets: AutoOffsetReset::Latest,
};

/// What the nodes of clients are called.
pub fn names() -> BTreeMap<NodeId, String> {
    let names = [
        (1, "broker 1"),
        (2, "broker 2"),
        (3, "broker 3"),
        (101, "p/1"),
        (201, "c/1"),
        (301, "w/1"),
        (302, "w/2"),
        (311, "w/1 producer"),
        (312, "w/2 producer"),
        (321, "v/1"),
        (331, "v/1 producer"),
    ];
    names
        .into_iter()
        .map(|(node, name)| (NodeId(node), name.to_owned()))
        .collect()
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Step {
    Fact(NodeId, Event),
    Line(NodeId, What),
    /// So many seconds pass.
    Wait(u64),
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
    let mut checks = Checks::new(&scenario(contract), &names());
    let mut waited = 0;
    checks.entry(&Entry {
        at: At::default(),
        process: NodeId(101),
        incarnation: 0,
        what: What::ProducerOpened(SendPromise::of(&scenario(contract).producers[0].config)),
    });
    for (number, step) in (1..).zip(steps) {
        let at = At {
            step: number,
            time: SimTime(number * 1_000_000 + waited),
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
            Step::Wait(seconds) => waited += seconds * 1_000_000_000,
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
    for check in crate::verdict::Check::ALL {
        let name = check.id();
        if judged.findings.violations(*check) > 0 {
            words.push(name.to_owned());
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
    let copies = contract.work.is_some_and(|work| work.program != Program::Plain);
    let more: &[&str] = if copies { &["retry", "dead"] } else { &[] };
    let topics = ["orders"].iter().chain(more);
    Scenario {
        name: "check".to_owned(),
        teaches: String::new(),
        compare: None,
        duration: ms * 60_000,
        settle: ms * 60_000,
        seeds: 0..1,
        cluster: Cluster {
            brokers: 3,
            dedicated_controllers: 0,
            combined_controllers: 3,
            config: BrokerConfig {
                offsets_topic_num_partitions: 1,
                offsets_retention_minutes: 1,
                ..BrokerConfig::default()
            },
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
        topics: topics.map(|name| topic(name, contract)).collect(),
        producers: vec![ProducerGroup {
            name: "p".to_owned(),
            count: 1,
            topics: vec!["orders".to_owned()],
            headers: 0,
            behind: Duration::ZERO,
            tombstones: 0.0,
            rate: 1.0,
            record_size: 9,
            keys: Keys::None,
            key_strategy: crate::scenario::KeyStrategy::Plain,
            backpressure: None,
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
                schedule: Vec::new(),
                config: ConsumerConfig {
                    auto_offset_reset: AutoOffsetReset::Earliest,
                    ..ConsumerConfig::default()
                },
            };
            contract.consumers as usize
        ],
        workers: contract
            .work
            .into_iter()
            .flat_map(|work| [("w", "g"), ("v", "h")].map(|(name, group)| workers(work, name, group)))
            .take(1 + usize::from(contract.rival))
            .collect(),
        services: Vec::new(),
        faults: Vec::new(),
        nemesis: None,
        quirks: Vec::new(),
        quirk_set: Quirks::default(),
        expect: Expectation::Pass,
        forbid: Vec::new(),
        at_most: Bounds::new(),
        at_least: Bounds::new(),
        measures: Vec::new(),
        limits: Limits {
            events: 1,
            records: 1,
            sim_time: ms,
            memory: 1,
        },
    }
}

fn topic(name: &str, contract: Contract) -> Topic {
    Topic {
        name: name.to_owned(),
        partitions: if name == "orders" { contract.partitions } else { 1 },
        replication_factor: 3,
        config: TopicConfig {
            min_insync_replicas: contract.min_insync_replicas,
            unclean_leader_election_enable: contract.unclean,
            ..TopicConfig::default()
        },
    }
}

fn workers(work: Work, name: &str, group: &str) -> WorkerGroup {
    let ms = Duration::from_millis(1);
    let program = match work.program {
        Program::Plain => WorkerProgram::Plain,
        Program::Retry { copy_first } => WorkerProgram::RetryTopic {
            attempts: 3,
            backoff: ms,
            retry_topic: "retry".to_owned(),
            dead_letter_topic: "dead".to_owned(),
            copy_first,
        },
        Program::Blocking => WorkerProgram::BlockingRetry {
            attempts: 3,
            backoff: ms,
            dead_letter_topic: Some("dead".to_owned()),
        },
    };
    WorkerGroup {
        name: name.to_owned(),
        count: 2,
        group: group.to_owned(),
        topics: vec!["orders".to_owned()],
        pattern: None,
        program,
        commit: work.commit,
        processing: ms,
        failure: 0.0,
        poison: 0.0,
        service: None,
        start: Duration::ZERO,
        stagger: Duration::ZERO,
        stop: None,
        consumer: ConsumerConfig {
            group_protocol: work.protocol,
            auto_offset_reset: work.resets,
            ..ConsumerConfig::default()
        },
        producer: ProducerConfig::default(),
    }
}
