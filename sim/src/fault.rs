//! Faults: what can be done to the cluster, to whom, and when.

use core::fmt;
use core::time::Duration;

use broker_core::protocol::ApiKey;

/// Who is struck, decided when the fault begins.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Target {
    /// A broker by number, from 1.
    Broker(u32),
    /// A dedicated controller by number, from 1.
    ControllerNode(u32),
    /// The leader of a partition.
    LeaderOf(String, i32),
    /// Some follower of a partition, the one with the lowest number that runs.
    FollowerOf(String, i32),
    /// Another one: while one is down the running follower with the lowest number, else the one with the next number after
    /// [`Target::FollowerOf`].
    AnotherFollowerOf(String, i32),
    /// The active controller.
    Controller,
    /// Every broker and controller.
    All,
    /// The coordinator of a consumer group.
    CoordinatorOf(String),
    /// A client program by its name in the scenario (`<name>/<index>`, index from 1): all of its clients.
    Client(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Broker(number) => write!(f, "broker {number}"),
            Target::ControllerNode(number) => write!(f, "controller {number}"),
            Target::LeaderOf(topic, partition) => write!(f, "leader of {topic}/{partition}"),
            Target::FollowerOf(topic, partition) => write!(f, "a follower of {topic}/{partition}"),
            Target::AnotherFollowerOf(topic, partition) => write!(f, "another follower of {topic}/{partition}"),
            Target::Controller => f.write_str("the controller"),
            Target::CoordinatorOf(group) => write!(f, "the coordinator of {group}"),
            Target::All => f.write_str("all"),
            Target::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// What is done.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// Ends the process; the page cache stays. When the fault ends, the process starts again.
    Kill(Target),
    /// Cuts the power: what no sync covered may be lost or torn. When the fault ends, the process starts again.
    PowerLoss(Target),
    /// Kill and start at once.
    Restart(Target),
    /// The process stands still, as in a long garbage collection.
    Pause(Target),
    /// Nodes of different groups cannot reach each other; nodes in no group reach everybody. A single group is cut off
    /// from all other brokers and controllers, and clients still reach everybody.
    Partition(Vec<Vec<Target>>),
    /// Messages from the first to the second are lost; the other way is open.
    OneWay(Target, Target),
    /// The disk takes this many times as long.
    SlowDisk(Target, f64),
    /// Messages between the two (both ways) suffer.
    Link {
        /// One end.
        from: Target,
        /// The other end.
        to: Target,
        /// Probability that a message is lost. A lost message breaks the connection (TCP).
        drop: f64,
        /// Added to the latency of each message.
        delay: Duration,
        /// Probability that a request is delivered twice.
        duplicate: f64,
    },
    /// Holds the first message of this API from one to the other until the fault ends.
    Hold {
        /// Sender.
        from: Target,
        /// Receiver.
        to: Target,
        /// Which API.
        api: ApiKey,
        /// Its response instead of its request.
        response: bool,
    },
    /// Messages of this API from one to the other vanish; the connection and all other messages live on.
    Drop {
        /// Sender.
        from: Target,
        /// Receiver.
        to: Target,
        /// Which API.
        api: ApiKey,
        /// Its responses instead of its requests.
        response: bool,
    },
    /// Asks a program, a broker or a controller to end in good order, as SIGTERM does. When the fault ends, it starts
    /// again.
    Stop(Target),
    /// The same as soon as no broker is down or about to be, and every ISR is complete. The fault lasts as long as it
    /// would have from its time on.
    StopInSync(Target),
    /// Stops the programs of a group, or the brokers, one after the other, each for a while.
    RollingRestart {
        /// Whose.
        of: Rolling,
        /// The time between the stops of two of them.
        every: Duration,
        /// How long each is down, counted from when it is asked to end.
        down: Duration,
    },
    /// The work of a program takes this many times as long.
    SlowProgram(Target, f64),
    /// A program stands still while its libraries live on: heartbeats go out, and nobody polls.
    StuckPoll(Target),
    /// Every call of a service fails without effect.
    ServiceDown(String),
    /// Gives a topic more partitions. Nothing undoes it.
    CreatePartitions {
        /// The topic.
        topic: String,
        /// How many it has afterwards.
        partitions: u32,
    },
    /// A broker's metadata answers do not know a topic.
    OmitTopic {
        /// The topic.
        topic: String,
        /// Whose answers.
        on: Target,
    },
}

/// Who is restarted one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rolling {
    /// The programs of the group with this name in the scenario.
    Workers(String),
    /// All brokers, in order of their numbers.
    Brokers {
        /// Each waits until every ISR is complete.
        wait_for_isr: bool,
    },
}

/// One fault of a plan.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedFault {
    /// When it begins.
    pub at: Duration,
    /// When it ends; `None` lasts until the heal at the end of the safety phase.
    pub until: Option<Duration>,
    /// What it does.
    pub fault: Fault,
}

/// Everything that the environment will do, in order of time, decided before the run starts.
pub type FaultPlan = Vec<PlannedFault>;
