//! Which program's code runs on this thread, and at which simulated time: for who wants to know where a panic comes from.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use madsim::plugin;
use madsim::task::NodeId as HostId;
use madsim::time::TimeHandle;

use crate::history::SimTime;

thread_local! {
    /// The time at which programs of this thread run, while they do.
    static RUNNING: Cell<Option<SimTime>> = const { Cell::new(None) };
    /// What the nodes of programs are called.
    static NAMES: RefCell<BTreeMap<HostId, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Whose code panicked, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct During {
    /// The program's name.
    pub program: String,
    /// The simulated time.
    pub time: SimTime,
}

/// A new trial begins on this thread.
pub(crate) fn forget() {
    RUNNING.set(None);
    NAMES.take();
}

/// The program on this node has this name.
pub(crate) fn call(node: HostId, name: String) {
    NAMES.with_borrow_mut(|names| names.insert(node, name));
}

/// Programs run, at this time at the latest; or none runs any more.
pub(crate) fn since(time: Option<SimTime>) {
    RUNNING.set(time);
}

/// The program of this thread whose code runs now, and the time.
pub(crate) fn running_program() -> Option<During> {
    // Between two events it is the time of a timer.
    let elapsed = SimTime::after(TimeHandle::try_current()?.elapsed());
    let time = RUNNING.get()?.min(elapsed);
    let program = NAMES.with_borrow(|names| names.get(&plugin::node()).cloned())?;
    Some(During { program, time })
}
