//! The nodes by their names, and what the environment did to them.

use core::fmt;
use std::collections::BTreeMap;

use broker_core::types::NodeId;

use crate::history::{At, Environment};

/// Bytes that the power loss took which ended a process; none if only the process ended.
pub(super) type PowerLost = Option<u64>;

/// The nodes by their names, and what the environment did to them.
#[derive(Default)]
pub(super) struct Nodes {
    names: BTreeMap<NodeId, String>,
    affected: BTreeMap<NodeId, Node>,
    /// The faults that affect no single process, in the order of their beginnings: when, what, and when they ended.
    faults: Vec<(At, String, Option<At>)>,
}

/// A node as people call it: `broker 3`, `billing/1`.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    node: NodeId,
    name: Option<&'a String>,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "node {}", self.node),
        }
    }
}

#[derive(Default)]
struct Node {
    crashes: Vec<PowerLost>,
    down: bool,
    struck_at: At,
    /// Its program came to its end: nobody waits for it.
    ended: bool,
}

impl Nodes {
    /// Nodes that people call so.
    pub fn new(names: &BTreeMap<NodeId, String>) -> Nodes {
        Nodes {
            names: names.clone(),
            ..Nodes::default()
        }
    }

    /// The newest fault that began by `until` and had not ended by `from`.
    pub fn newest_fault(&self, from: At, until: At) -> Option<(At, &str)> {
        let mut faults = self.faults.iter().rev();
        let found = faults.find(|(began, _, ended)| *began <= until && ended.is_none_or(|ended| ended >= from))?;
        Some((found.0, &found.1))
    }

    /// Since when the node is down, if it is.
    pub fn down_since(&self, node: NodeId) -> Option<At> {
        let node = self.affected.get(&node).filter(|node| node.down)?;
        Some(node.struck_at)
    }

    /// A node as people call it.
    pub fn named(&self, node: NodeId) -> Named<'_> {
        let name = self.names.get(&node);
        Named { node, name }
    }

    /// Takes a line of the environment; returns how a process ended, if one did.
    pub fn environment_changed(&mut self, at: At, node: NodeId, what: &Environment) -> Option<PowerLost> {
        let power_lost = match what {
            Environment::Killed | Environment::Halted | Environment::Ended | Environment::Panicked { .. } => None,
            Environment::PowerLost { lost_bytes } => Some(*lost_bytes),
            Environment::Started => {
                self.affected.entry(node).or_default().down = false;
                return None;
            }
            Environment::FaultBegan(name) => {
                self.faults.push((at, name.clone(), None));
                return None;
            }
            Environment::FaultEnded(name) => {
                let mut faults = self.faults.iter_mut().rev();
                if let Some(fault) = faults.find(|(_, began, ended)| began == name && ended.is_none()) {
                    fault.2 = Some(at);
                }
                return None;
            }
            _ => return None,
        };
        let node = self.affected.entry(node).or_default();
        node.crashes.push(power_lost);
        node.down = true;
        node.struck_at = at;
        node.ended = *what == Environment::Ended;
        Some(power_lost)
    }

    /// Which run of the node's process this is.
    pub fn life(&self, node: NodeId) -> usize {
        self.affected.get(&node).map_or(0, |node| node.crashes.len())
    }

    /// Whether its process runs.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.affected.get(&node).is_none_or(|node| !node.down)
    }

    /// How each of its runs since number `life` ended.
    pub fn crashes_since(&self, node: NodeId, life: usize) -> &[PowerLost] {
        self.affected
            .get(&node)
            .and_then(|node| node.crashes.get(life..))
            .unwrap_or(&[])
    }

    /// Every node that is down, and whose work is not done.
    pub fn down(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.affected
            .iter()
            .filter(|(_, node)| node.down && !node.ended)
            .map(|(id, _)| *id)
    }
}
