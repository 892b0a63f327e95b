//! What a world can do for faults.

use broker_core::protocol::{ApiKey, Response};

use super::Target;

/// The place of a node in the world.
pub type Node = usize;

/// What a world can do, and what it can say, for the fault that acts on it.
pub trait Primitives {
    // ---- what there is

    /// The nodes that a target means now; none if nobody knows.
    fn resolve(&self, target: &Target) -> Vec<Node>;
    /// How many brokers and controllers there are; they are the first nodes.
    fn servers(&self) -> usize;
    /// Whether a node's process is there, be it running or paused.
    fn is_alive(&self, node: Node) -> bool;
    /// Whether a node has power.
    fn has_power(&self, node: Node) -> bool;
    /// Whether a node's process is that of a program.
    fn has_program(&self, node: Node) -> bool;
    /// Whether all servers run, no fault keeps one down, and every ISR is complete.
    fn is_in_sync(&self) -> bool;

    // ---- processes

    /// Ends a process that is alive.
    fn kill(&mut self, node: Node);
    /// Cuts the power of a node, whether its process is alive or not.
    fn cut_power(&mut self, node: Node);
    /// Starts a process.
    fn start(&mut self, node: Node);
    /// Asks a process to end in good order.
    fn ask_to_stop(&mut self, node: Node);
    /// One more fault keeps the process down, or will once it has ended.
    fn keep_down(&mut self, node: Node);
    /// One fault less does: without any, the process starts.
    fn end_keep_down(&mut self, node: Node);
    /// One more fault makes the process stand still. Returns which run of it.
    fn pause(&mut self, node: Node) -> u32;
    /// One fault less does, if that run is still alive.
    fn resume(&mut self, node: Node, run: u32);

    // ---- hardware

    /// The disk takes `factor` times as long.
    fn slow_disk(&mut self, node: Node, factor: f64);
    /// It does no more.
    fn end_slow_disk(&mut self, node: Node, factor: f64);
    /// Lays one more cut on the link from one node to the other.
    fn cut(&mut self, from: Node, to: Node);
    /// Takes one away.
    fn mend(&mut self, from: Node, to: Node);
    /// How many cuts lie on the link.
    fn cuts(&self, from: Node, to: Node) -> u32;
    /// Messages on the link suffer this, until [`Primitives::relieve`].
    fn trouble(&mut self, from: Node, to: Node, trouble: Trouble);
    /// They do no more.
    fn relieve(&mut self, from: Node, to: Node);

    // ---- clocks

    /// The wall clock jumps by so many nanoseconds, forward or back. All nodes of a program have the clocks of the first of
    /// them, and those of the others do nothing by themselves.
    fn jump_wall_clock(&mut self, node: Node, nanos: i64);
    /// The clocks gain so many parts per million more than they did.
    fn drift_clocks(&mut self, node: Node, drift: Drift);

    // ---- messages

    /// Has every message pass this, until [`Primitives::end_filters`].
    fn filter(&mut self, filter: Box<dyn Filter>);
    /// Ends the filters of this fault: what they hold is sent.
    fn end_filters(&mut self);

    // ---- programs and what they call

    /// The work of a node's program takes `factor` times as long.
    fn slow_program(&mut self, node: Node, factor: f64);
    /// It does no more.
    fn end_slow_program(&mut self, node: Node, factor: f64);
    /// A program stands still, and all else in its process goes on. Returns which run of the process.
    fn hold_program(&mut self, node: Node) -> u32;
    /// It goes on, if that run is still alive.
    fn release_program(&mut self, node: Node, run: u32);
    /// Closes a service. Returns how many calls it has refused so far; none if there is no such service.
    fn close_service(&mut self, name: &str) -> Option<u64>;
    /// Opens it again.
    fn open_service(&mut self, name: &str);
    /// How many calls a service has refused because of faults.
    fn refused(&self, service: &str) -> u64;
    /// Has a topic given more partitions.
    fn create_partitions(&mut self, topic: &str, partitions: u32);

    /// The nodes that a target means now and whose process is alive.
    fn alive(&self, target: &Target) -> Vec<Node> {
        let mut nodes = self.resolve(target);
        nodes.retain(|node| self.is_alive(*node));
        nodes
    }

    /// Every pair of two different nodes that the targets mean.
    fn pairs(&self, from: &Target, to: &Target) -> Vec<(Node, Node)> {
        let to = self.resolve(to);
        let from = self.resolve(from).into_iter();
        from.flat_map(|from| to.iter().map(move |to| (from, *to)))
            .filter(|(from, to)| from != to)
            .collect()
    }
}

/// What the messages of a link suffer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trouble {
    /// Probability that a message is lost.
    pub drop: f64,
    /// Added latency in nanoseconds.
    pub delay: u64,
}

/// What clocks gain, in parts per million.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Drift {
    /// The wall clock, which says what time it is.
    pub wall: i64,
    /// The monotonic clock, by which timeouts go.
    pub monotonic: i64,
}

/// Looks at messages that are about to be sent.
pub trait Filter {
    /// What becomes of a message.
    fn pass(&mut self, message: &mut Passing<'_>) -> Fate;
}

/// A message that is about to be sent.
pub struct Passing<'a> {
    /// The sender.
    pub from: Node,
    /// The receiver.
    pub to: Node,
    /// Whether it is held anyway, behind another message.
    pub is_held: bool,
    /// Its API.
    pub api: ApiKey,
    /// The response, if it is no request.
    pub response: Option<&'a mut Response>,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is sent.
    Sent,
    /// It is sent otherwise than it was.
    Changed,
    /// It vanishes; its connection and all other messages live on.
    Lost,
    /// It waits until the fault ends, and so does all behind it on its connection.
    Held,
}
