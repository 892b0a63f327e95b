//! Faults: what can be done to the cluster, to which nodes, and when.
//!
//! Each kind has a file of its own, with all that there is to say about it: its key in a scenario file, how it is read,
//! written, judged, described and drawn by the nemesis, what it does and how that is undone. The [`registry`] has a line
//! for each; parsing, `explain`, the JSON Schema, lint and the weights of the nemesis follow from it. Faults act through
//! the [`Primitives`] of a world, and know of a scenario only its [`Surroundings`].

mod api;
mod draw;
mod ends;
mod kind_keys;
mod lasting;
mod messages;
mod primitives;
pub mod registry;
mod slowed;
mod surroundings;
pub mod target;

pub mod clock;
pub mod create_partitions;
pub mod drop;
pub mod hold;
pub mod kill;
pub mod link;
pub mod omit_topic;
pub mod one_way;
pub mod partition;
pub mod pause;
pub mod power_loss;
pub mod restart;
pub mod rolling_restart;
pub mod service_down;
pub mod slow_disk;
pub mod slow_program;
pub mod stop;
pub mod stop_in_sync;
pub mod stuck_poll;

use core::any::Any;
use core::fmt::{self, Debug};
use core::ops::Deref;
use core::time::Duration;
use std::sync::Arc;

use crate::toml_file::keys::Key;
use crate::toml_file::reader::Value;

pub use api::APIS;
pub use draw::{Draw, below};
pub use ends::Ends;
pub use messages::Messages;
pub use primitives::{Drift, Fate, Filter, Node, Passing, Primitives, Trouble};
pub use surroundings::{Objection, Programs, Surroundings, TopicShape};
pub use target::Target;

/// A kind of fault in the registry.
#[derive(Debug)]
pub struct Entry {
    /// The key that says what the fault does.
    pub key: Key,
    /// What may come of it without being a violation, and when: the names of the checks that find it stand in backticks.
    pub allows: &'static str,
    /// How it stands in a scenario file; together they have every key of its table.
    pub examples: &'static [&'static str],
    /// Reads what stands behind the key.
    pub read: fn(&Value<'_>) -> Option<Fault>,
    /// How the nemesis draws it.
    pub drawn: &'static [Drawn],
}

/// A weight of the nemesis, and what it draws.
#[derive(Debug)]
pub struct Drawn {
    /// The key of the weight, with its default.
    pub weight: Key,
    /// Whose fault it is: of brokers and controllers, or of programs.
    pub of: Victims,
    /// The fault of these draws, if there is a node that it may affect.
    pub draw: fn(&Draw<'_>) -> Option<Fault>,
}

/// Which nodes a drawn fault affects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victims {
    /// Brokers and controllers: `max_concurrent` limits how many are affected at once.
    Nodes,
    /// Workers, which are no nodes of the cluster.
    Workers,
}

/// What a fault is and does.
pub trait FaultKind: Same + Debug + Send + Sync {
    /// Its kind.
    fn entry(&self) -> &'static Entry;

    /// The target that stands behind its key, if nothing else does.
    fn target(&self) -> Option<&Target> {
        None
    }

    /// The link on which it acts, if it acts on one.
    fn ends(&self) -> Option<&Ends> {
        None
    }

    /// What stands behind its key in a scenario file, in one line.
    fn write(&self) -> String {
        let target = self.target().expect("whatever has more than a target writes it");
        target::write(target)
    }

    /// What it does, in words; `name` says who a target is: `kill broker 2`.
    fn text(&self, name: &dyn Fn(&Target) -> String) -> String;

    /// Every target that it names, with the path of its key below the fault.
    fn targets(&self) -> Vec<(String, &Target)> {
        let name = self.entry().key.name;
        let one = self.target().map(|target| (name.to_owned(), target));
        let ends = self.ends().map(|ends| ends.targets(name));
        one.into_iter().chain(ends.into_iter().flatten()).collect()
    }

    // ---- how it is judged

    /// What makes it impossible in this scenario, besides targets that do not exist. `at` is when it begins.
    fn problems(&self, _at: Duration, _scenario: &Surroundings) -> Vec<Objection> {
        Vec::new()
    }

    /// Why it can never have an effect.
    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        if self.ends().is_some_and(Ends::are_one) {
            return Some("both ends are the same node".to_owned());
        }
        let targets = self.targets();
        targets.iter().find_map(|(_, target)| scenario.too_few_replicas(target))
    }

    /// Why nobody should say how long it lasts, with the way out.
    fn takes_no_time(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Who must run for it to change anything.
    fn needs(&self) -> Option<&Target> {
        None
    }

    /// Whose process it keeps from running as long as it lasts.
    fn keeps_down(&self) -> Option<&Target> {
        None
    }

    /// How many nodes it affects, and which, as far as that is known before it begins. Of two ends of a link, the first
    /// counts. `everybody` is how many nodes there are.
    fn affects(&self, everybody: u32) -> (u32, Vec<Target>) {
        match self.targets().first() {
            // Programs are no nodes of the cluster.
            Some((_, Target::Client(_))) | None => (0, Vec::new()),
            Some((_, first)) => target::affected([*first], everybody),
        }
    }

    // ---- what it does

    /// The faults of which it consists, if it is a series of others.
    fn series(&self, _at: Duration, _scenario: &Surroundings) -> Option<Vec<PlannedFault>> {
        None
    }

    /// What must hold before it begins; until then it waits.
    fn condition(&self) -> Option<fn(&dyn Primitives) -> bool> {
        None
    }

    /// Whether the history has its beginning and its end, if it lasts. Otherwise what affects the processes says it.
    fn is_in_history(&self) -> bool {
        true
    }

    /// Does it.
    fn apply(&self, world: &mut dyn Primitives) -> Applied;
}

/// What came of doing it.
pub enum Applied {
    /// Nothing.
    Nothing,
    /// It had its effect, and there is nothing to undo.
    AtOnce,
    /// It lasts until it is undone.
    Lasting(Box<dyn Lasting>),
}

/// A fault that lasts.
pub trait Lasting {
    /// Whether it changes anything now: to cut the links of a dead node changes nothing.
    fn has_effect(&self, _world: &dyn Primitives) -> bool {
        true
    }

    /// Ends it.
    fn undo(self: Box<Self>, world: &mut dyn Primitives);
}

/// A fault of any kind.
#[derive(Clone)]
pub struct Fault(Arc<dyn FaultKind>);

impl Fault {
    /// The fault, if it is of this kind.
    #[must_use]
    pub fn of_kind<K: FaultKind + 'static>(&self) -> Option<&K> {
        let kind: &dyn Any = self.0.as_any();
        kind.downcast_ref()
    }
}

impl<K: FaultKind + 'static> From<K> for Fault {
    fn from(kind: K) -> Fault {
        Fault(Arc::new(kind))
    }
}

impl Deref for Fault {
    type Target = dyn FaultKind;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Fault {
    fn eq(&self, other: &Fault) -> bool {
        self.0.is_same(other.0.as_any())
    }
}

impl Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What can be compared with something of any type.
pub trait Same {
    /// Whether it is equal to the other.
    fn is_same(&self, other: &dyn Any) -> bool;
    /// Itself, as something of any type.
    fn as_any(&self) -> &dyn Any;
}

impl<T: PartialEq + Any> Same for T {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
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
