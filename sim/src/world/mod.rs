//! The simulated world: one event queue, one loop, one clock, and everything that machines do not decide.
//!
//! [`run`] runs one trial. The world's loop takes the next event, gives it to the machine that it is for, carries out
//! what the machine asks for, and when a program's wait has ended lets the programs run until all of them wait again.
//! All times are whole nanoseconds, all chance comes from the seed, and every delivered event goes into the digest.
//!
//! The modules: `engine` the loop · `event` what the queue holds · `turn` one input and its consequences · `traffic` messages
//! on their way · `lifecycle` start, death, pause · `plan`, `faults`, `filters`, `target` the fault plan · `node`, `network`,
//! `disk` the hardware · `host` the executor of programs · `drivers`, `steps` Trial's own clients · `record` digest,
//! history and trace · `queue`, `rope` the tools.

mod cluster;
mod disk;
mod drivers;
mod engine;
mod event;
mod faults;
mod filters;
mod handshake;
mod host;
mod lifecycle;
mod network;
mod node;
mod pingpong;
mod plan;
mod queue;
mod record;
mod rope;
mod steps;
mod target;
#[cfg(test)]
mod tests;
mod traffic;
mod turn;

use std::collections::BTreeMap;

use broker_core::broker::{Broker, Roles, Server};
use broker_core::machine::{Machine, Now};
use broker_core::random::Random;
use broker_core::types::{Listener, NodeId};

use crate::address;
use crate::faults::FaultPlan;
use crate::gauge::Gauge;
use crate::history::{Observer, SimTime};
use crate::program::{OwnProgram, cast};
use crate::scenario::{Cluster, Scenario};

pub use crate::clocks::EPOCH;
pub use pingpong::ping_pong;

/// What is run.
pub struct Setup<'a> {
    /// The cluster, its load, and where to stop.
    pub scenario: &'a Scenario,
    /// The faults, those of the scenario and those that the nemesis drew.
    pub plan: &'a FaultPlan,
    /// Decides everything else.
    pub seed: u64,
    /// Gives every delivered event and fact to `tracing`, target `trial`.
    pub trace: bool,
    /// Shows how far the run is, and can cut it off.
    pub gauge: Option<&'a Gauge>,
}

/// What is known of a run besides what its observer saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The rolling hash of every delivered event.
    pub digest: u64,
    /// How many events were delivered.
    pub events: u64,
    /// When the run ended.
    pub sim_time: SimTime,
    /// Why it ended.
    pub end: End,
    /// The fault plan, as it came out.
    pub faults: Vec<FiredFault>,
    /// How many records programs handed to their producers.
    pub records_sent: u64,
    /// How many requests and responses were delivered.
    pub messages: u64,
}

/// Why a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The healed cluster came to rest, as the observer wanted it.
    Settled,
    /// It did not within the scenario's `settle` time; what was still missing, line by line.
    NotSettled(Vec<String>),
    /// A limit of the scenario was exceeded; which, in words.
    Limit(String),
}

/// One fault of the plan, as it came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FiredFault {
    /// What was done, and to which nodes: `kill broker 2 (leader of orders/0)`.
    pub name: String,
    /// When it began.
    pub from: SimTime,
    /// When it ended.
    pub to: SimTime,
    /// Whether it had a target and took effect.
    pub fired: bool,
}

/// Runs one trial: everything from the start of the processes to the end.
///
/// # Panics
/// When a machine or a program panics, which is a defect of theirs.
pub fn run<O: Observer>(setup: Setup<'_>, observer: O) -> (Report, O) {
    run_with(setup, &[], observer)
}

/// The same, with programs of a user besides those of the scenario.
pub(crate) fn run_with<O: Observer>(setup: Setup<'_>, own: &[OwnProgram], observer: O) -> (Report, O) {
    let cast = cast(setup.scenario, own);
    let node_factory = brokers(setup.scenario);
    engine::run(setup, cast, node_factory, observer)
}

/// What people call each node of `scenario`: `broker 1`, `controller 1`, `<group>/<number>`; further clients of one
/// program have its name with a word more.
#[must_use]
pub fn names(scenario: &Scenario) -> BTreeMap<NodeId, String> {
    names_with(scenario, &[])
}

/// The same, with the programs of a user.
pub(crate) fn names_with(scenario: &Scenario, own: &[OwnProgram]) -> BTreeMap<NodeId, String> {
    let servers = servers(&scenario.cluster)
        .into_iter()
        .map(|(id, _)| (id, server_name(id)));
    let endpoints = cast(scenario, own).endpoints.into_iter();
    let clients = endpoints.map(|endpoint| (endpoint.id, endpoint.name));
    servers.chain(clients).collect()
}

/// A server's process begins.
pub(crate) struct NewNode {
    /// By the clocks of its node.
    pub(crate) now: Now,
    pub(crate) id: NodeId,
    pub(crate) roles: Roles,
    /// For its machine.
    pub(crate) random: Random,
}

/// Makes the machines of servers.
pub(crate) type NodeFactory = Box<dyn Fn(NewNode) -> Box<dyn Machine>>;

/// Makes the brokers and controllers of a scenario.
fn brokers(scenario: &Scenario) -> NodeFactory {
    let voter = |voter| (voter, address::endpoint(voter, Listener::Controller));
    let voters: Vec<_> = voters(&scenario.cluster).into_iter().map(voter).collect();
    let config = scenario.cluster.config.clone();
    let quirks = scenario.quirk_set;
    Box::new(move |new: NewNode| {
        let NewNode { now, id, roles, random } = new;
        let server = Server {
            id,
            roles,
            listeners: address::listeners(id, roles),
            voters: voters.clone(),
        };
        let broker = Broker::new(now, server, config.clone(), quirks, random);
        Box::new(broker)
    })
}

/// The node of the first dedicated controller.
const FIRST_CONTROLLER: u32 = 101;

fn server_name(id: NodeId) -> String {
    match id.0.checked_sub(FIRST_CONTROLLER) {
        None => format!("broker {id}"),
        Some(index) => format!("controller {}", index + 1),
    }
}

/// The voters of the metadata quorum: the dedicated controllers, else the first brokers.
fn voters(cluster: &Cluster) -> Vec<NodeId> {
    match cluster.dedicated_controllers {
        0 => (1..=cluster.combined_controllers).map(NodeId).collect(),
        count => (FIRST_CONTROLLER..FIRST_CONTROLLER + count).map(NodeId).collect(),
    }
}

/// All servers of a cluster, brokers first, and the parts they play.
fn servers(cluster: &Cluster) -> Vec<(NodeId, Roles)> {
    let combined = match cluster.dedicated_controllers {
        0 => cluster.combined_controllers,
        _ => 0,
    };
    let brokers = (1..=cluster.brokers).map(|number| match number <= combined {
        true => (NodeId(number), Roles::Combined),
        false => (NodeId(number), Roles::Broker),
    });
    let controllers = FIRST_CONTROLLER..FIRST_CONTROLLER + cluster.dedicated_controllers;
    brokers
        .chain(controllers.map(|id| (NodeId(id), Roles::Controller)))
        .collect()
}
