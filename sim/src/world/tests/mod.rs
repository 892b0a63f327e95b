//! The world with puppets for servers: machines that do what a script says and state everything that they get.

mod connections;
mod crash;
mod determinism;
mod faults;
mod hardware;
mod programs;
mod traffic;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker_core::disk::{DiskOp, DiskReply, FileName, OpId};
use broker_core::machine::{Channel, Context, HaltReason, Input, Instant, Machine, Now, Outbox, Output, ReplyTo};
use broker_core::protocol::{
    ErrorCode, IsolationLevel, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetSpec,
    Request, Response,
};
use broker_core::trace::{self, Event};
use broker_core::types::{LeaderEpoch, Listener, NodeId, Offset, Timestamp, TopicId, TopicPartition};

use super::pingpong::bare_scenario;
use super::*;
use crate::address;
use crate::faults::kill::Kill;
use crate::faults::partition::Partition;
use crate::faults::pause::Pause;
use crate::faults::power_loss::PowerLoss;
use crate::faults::restart::Restart;
use crate::faults::slow_disk::SlowDisk;
use crate::faults::{Fault, PlannedFault, Target};
use crate::history::{At, Entry, Environment, What};
use crate::program::{
    Clock, ConsumerClient, ConsumerConfig, Env, Instances, OwnProgram, ProducerClient, ProducerConfig, Random,
};

/// What a puppet does at some time after its start.
#[derive(Clone)]
enum Act {
    /// Sends request number n, of this many entries, to a node.
    Ask(u32, u64, usize),
    /// Closes the connection over which it asks a node.
    Disconnect(u32),
    /// Does something on the disk.
    Disk(DiskOp),
    /// Stops itself.
    Halt,
    /// Nothing but to be woken.
    Nothing,
}

/// The number of the request that puts the receiver's next act off by 300 ms.
const PUT_OFF: u64 = 1_000_000;

/// Bytes of a request of one entry, and of every answer.
const SMALL: u64 = 80;
/// Bytes of each further entry.
const ENTRY: u64 = 48;

/// What a puppet does: for each node and run its acts, by the time after its start.
type Script = Rc<dyn Fn(u32, u32) -> Vec<(Duration, Act)>>;

/// A machine that follows a script, answers every request at once, and states what it gets.
struct Puppet {
    born: Instant,
    script: VecDeque<(Duration, Act)>,
    rng: Random,
    out: Outbox,
    _alive: Rc<()>,
}

/// The kinds of marks that puppets leave, as topics of `Flushed` facts.
const SENT: u64 = 901;
const REQUEST: u64 = 902;
const RESPONSE: u64 = 903;
const CLOSED: u64 = 904;
const UNREACHABLE: u64 = 905;
const DISK: u64 = 906;
const WOKEN: u64 = 907;
const LENGTH: u64 = 908;

impl Puppet {
    /// States a fact about `peer` with a number.
    fn mark(&mut self, kind: u64, peer: u32, number: u64) {
        self.out.trace(Event::Flushed(trace::Flushed {
            partition: TopicPartition::new(TopicId(kind.into()), peer as i32),
            end: Offset(number as i64),
        }));
    }

    fn act(&mut self, now: Now, act: Act) {
        match act {
            Act::Ask(to, number, entries) => {
                let partition = TopicPartition::new(TopicId(number.into()), 0);
                let body = ListOffsetsRequest {
                    isolation: IsolationLevel::ReadUncommitted,
                    partitions: vec![(partition, None, OffsetSpec::Latest); entries],
                };
                self.mark(SENT, to, number);
                let mut cx = Context::new(now, &mut self.rng, &mut self.out);
                cx.request(Channel::Client, NodeId(to), body.into());
            }
            Act::Disconnect(from) => self.out.disconnect(Channel::Client, NodeId(from)),
            Act::Disk(what) => {
                self.out.disk(what);
            }
            Act::Halt => self.out.halt(HaltReason::DuplicateBrokerId),
            Act::Nothing => self.mark(WOKEN, 0, 0),
        }
    }

    fn answer(&mut self, to: ReplyTo, number: u64) {
        let answer = ListOffsetsPartitionResponse {
            partition: TopicPartition::new(TopicId(number.into()), 0),
            error: ErrorCode::None,
            offset: Some(Offset(number as i64)),
            timestamp: Timestamp::NONE,
            leader_epoch: Some(LeaderEpoch(0)),
        };
        let body = ListOffsetsResponse {
            partitions: vec![answer],
        };
        self.out.respond(to, body.into());
    }
}

impl Machine for Puppet {
    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Request {
                reply_to,
                body: Request::ListOffsets(body),
            } => {
                let number = body.partitions[0].0.topic.0 as u64;
                if let (PUT_OFF, Some((after, _))) = (number, self.script.front_mut()) {
                    *after += MS * 300;
                }
                self.mark(REQUEST, reply_to.node.0, number);
                self.answer(reply_to, number);
            }
            Input::Response {
                connection,
                body: Response::ListOffsets(body),
                ..
            } => {
                let (from, _) = self.out.peer(connection).expect("puppets close no connections");
                self.mark(RESPONSE, from.0, body.partitions[0].partition.topic.0 as u64);
            }
            Input::Closed { connection, .. } => match self.out.closed(connection) {
                Some((peer, _)) => self.mark(UNREACHABLE, peer.0, 0),
                None => self.mark(CLOSED, 0, 0),
            },
            Input::Disk {
                op: OpId(op), result, ..
            } => match result.expect("puppets have good disks") {
                DiskReply::Files(files) => self.mark(LENGTH, 0, files.iter().map(|(_, len)| len).sum()),
                DiskReply::Data(_) | DiskReply::Done => self.mark(DISK, 0, op),
            },
            Input::Wake => {
                while self
                    .script
                    .front()
                    .is_some_and(|(after, _)| self.born + *after <= now.monotonic)
                {
                    let (_, act) = self.script.pop_front().expect("just seen");
                    self.act(now, act);
                }
            }
            Input::Opened { .. } => {}
            Input::Connected { connection } => {
                self.out.connected(connection);
            }
            Input::Stop => self.out.halt(HaltReason::Stopped),
            // Clients ask for metadata, topics and the like; puppets know nothing of it.
            Input::Request { .. } | Input::Response { .. } => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        self.script.front().map(|(after, _)| self.born + *after)
    }
}

/// What was seen: marks of puppets and what the environment did, in order.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    /// Nanoseconds.
    time: u64,
    node: u32,
    what: String,
}

/// An observer that keeps everything.
#[derive(Default)]
struct Witness {
    seen: Vec<Seen>,
    entries: Vec<Entry>,
    /// The time from which on it says that everything is settled.
    settles_at: u64,
}

impl Observer for Witness {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        let Event::Flushed(trace::Flushed { partition, end }) = event else {
            return;
        };
        let (peer, number) = (partition.partition, end);
        let what = match partition.topic.0 as u64 {
            SENT => format!("sends {number} to {peer}"),
            REQUEST => format!("request {number} from {peer}"),
            RESPONSE => format!("response {number} from {peer}"),
            CLOSED => "closed".to_owned(),
            UNREACHABLE => format!("unreachable {peer}"),
            DISK => format!("disk {number}"),
            WOKEN => "woken".to_owned(),
            LENGTH => format!("files of {number} bytes"),
            // Brokers flush logs of other topics.
            _ => return,
        };
        self.see(at, node, what);
    }

    fn entry(&mut self, entry: &Entry) {
        if let What::Environment(what) = &entry.what
            && *what != Environment::Started
        {
            self.see(entry.at, entry.process, format!("{what:?}"));
        }
        self.entries.push(entry.clone());
    }

    fn settled(&self, now: At) -> Result<(), Vec<String>> {
        match now.time.0 >= self.settles_at {
            true => Ok(()),
            false => Err(vec!["the witness waits".to_owned()]),
        }
    }
}

impl Witness {
    fn see(&mut self, at: At, node: NodeId, what: String) {
        self.seen.push(Seen {
            time: at.time.0,
            node: node.0,
            what,
        });
    }
}

/// A trial with puppets.
struct Stage {
    scenario: Scenario,
    plan: FaultPlan,
    seed: u64,
    script: Script,
    settles_at: Duration,
    /// Programs besides those of the scenario: `custom/1`, `second/1`, …
    programs: Vec<(Library, Main)>,
}

/// The library that a test's program runs on.
#[derive(Clone)]
enum Library {
    Producer(Box<ProducerConfig>),
    Consumer(Box<ConsumerConfig>),
}

/// What a test's program gets.
struct Props {
    clock: Clock,
    random: Random,
    producer: Option<ProducerClient>,
    consumer: Option<ConsumerClient>,
}

/// A test's program.
type Main = Arc<dyn Fn(Props) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

impl Props {
    fn new(env: Env, library: &Library) -> Props {
        let (producer, consumer) = match library {
            Library::Producer(config) => (Some(env.producer((**config).clone())), None),
            Library::Consumer(config) => (None, Some(env.consumer((**config).clone()))),
        };
        Props {
            clock: env.clock,
            random: env.random,
            producer,
            consumer,
        }
    }
}

/// What came out of it.
struct Play {
    report: Report,
    seen: Vec<Seen>,
    entries: Vec<Entry>,
    /// Puppets that outlived the run.
    survivors: usize,
}

impl Stage {
    /// Three servers on free hardware and a network of 1 ms, for two seconds.
    fn new(script: impl Fn(u32, u32) -> Vec<(Duration, Act)> + 'static) -> Stage {
        let mut scenario = bare_scenario(3);
        scenario.duration = Duration::from_secs(2);
        scenario.cluster.network.latency_min = MS;
        scenario.cluster.network.latency_mean = MS;
        Stage {
            scenario,
            plan: Vec::new(),
            seed: 1,
            script: Rc::new(script),
            settles_at: Duration::ZERO,
            programs: Vec::new(),
        }
    }

    fn fault(mut self, at: Duration, until: Option<Duration>, fault: impl Into<Fault>) -> Stage {
        let fault = fault.into();
        self.plan.push(PlannedFault { at, until, fault });
        self
    }

    fn run(&self) -> Play {
        self.run_traced(false)
    }

    fn run_traced(&self, trace: bool) -> Play {
        let (node_factory, alive) = self.puppets();
        self.run_with(trace, node_factory, alive)
    }

    /// With brokers instead of puppets.
    fn run_for_real(&self, trace: bool) -> Play {
        self.run_with(trace, brokers(&self.scenario), Rc::new(()))
    }

    fn puppets(&self) -> (NodeFactory, Rc<()>) {
        let alive = Rc::new(());
        let (script, counted) = (Rc::clone(&self.script), Rc::clone(&alive));
        let runs = RefCell::new(std::collections::BTreeMap::new());
        let factory = move |new: NewNode| -> Box<dyn Machine> {
            let run: u32 = {
                let mut runs = runs.borrow_mut();
                let run = runs.entry(new.id).or_insert(0);
                *run += 1;
                *run - 1
            };
            let mut out = Outbox::default();
            for node in (1..20).map(NodeId) {
                out.learn(node, Listener::Broker, address::endpoint(node, Listener::Broker));
            }
            Box::new(Puppet {
                born: new.now.monotonic,
                script: script(new.id.0, run).into(),
                rng: new.random,
                out,
                _alive: Rc::clone(&counted),
            })
        };
        (Box::new(factory), alive)
    }

    fn run_with(&self, trace: bool, node_factory: NodeFactory, alive: Rc<()>) -> Play {
        let mut own = Vec::new();
        for (name, (library, main)) in ["custom", "second", "third"].into_iter().zip(&self.programs) {
            let (library, main) = (library.clone(), Arc::clone(main));
            let main = move |env| main(Props::new(env, &library));
            own.push(OwnProgram::new(name.to_owned(), Instances::default(), main));
        }
        let cast = cast(&self.scenario, &own);
        let setup = Setup {
            scenario: &self.scenario,
            plan: &self.plan,
            seed: self.seed,
            trace,
            gauge: None,
        };
        let witness = Witness {
            settles_at: self.settles_at.as_nanos() as u64,
            ..Witness::default()
        };
        let (report, witness) = engine::run(setup, cast, node_factory, witness);
        Play {
            report,
            seen: witness.seen,
            entries: witness.entries,
            survivors: Rc::strong_count(&alive) - 1,
        }
    }
}

impl Play {
    /// The marks of a node from one time to another, without times.
    fn marks(&self, node: u32, from: Duration, to: Duration) -> Vec<&str> {
        let range = from.as_nanos() as u64..to.as_nanos() as u64;
        let seen = self
            .seen
            .iter()
            .filter(|seen| seen.node == node && range.contains(&seen.time));
        seen.map(|seen| seen.what.as_str()).collect()
    }

    /// When a node made its mark first.
    fn time(&self, node: u32, what: &str) -> u64 {
        let seen = self.seen.iter().find(|seen| seen.node == node && seen.what == what);
        seen.unwrap_or_else(|| panic!("{node} never had `{what}`: {:#?}", self.seen))
            .time
    }

    /// Microseconds from one mark to another.
    fn micros(&self, from: (u32, &str), to: (u32, &str)) -> f64 {
        (self.time(to.0, to.1) as f64 - self.time(from.0, from.1) as f64) / 1e3
    }
}

const US: Duration = Duration::from_micros(1);
const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// A file of puppets.
const FILE: FileName = FileName::QuorumState;

fn write(at: u64, len: usize) -> Act {
    Act::Disk(DiskOp::Write {
        file: FILE,
        at,
        bytes: vec![7; len].into(),
    })
}

fn sync() -> Act {
    Act::Disk(DiskOp::Sync { file: FILE })
}

fn list() -> Act {
    Act::Disk(DiskOp::List)
}

#[test]
fn messages_go_round() {
    assert!(ping_pong(10_000) >= 9_999);
}
