//! What several kinds of faults have to undo.

use super::{Applied, Lasting, Node, Primitives};

/// Processes that are kept from running: they start when it ends.
pub(super) struct KeptDown(Vec<Node>);

impl KeptDown {
    /// Keeps these down; nothing came of it if there are none.
    pub(super) fn apply(world: &mut dyn Primitives, nodes: Vec<Node>) -> Applied {
        if nodes.is_empty() {
            return Applied::Nothing;
        }
        for node in &nodes {
            world.keep_down(*node);
        }
        Applied::Lasting(Box::new(KeptDown(nodes)))
    }
}

impl Lasting for KeptDown {
    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for node in self.0 {
            world.end_keep_down(node);
        }
    }
}

/// Links that are cut.
pub(super) struct Cut(Vec<(Node, Node)>);

impl Cut {
    /// Cuts the links from the first to the second of each pair.
    pub(super) fn apply(world: &mut dyn Primitives, mut pairs: Vec<(Node, Node)>) -> Applied {
        pairs.retain(|(from, to)| from != to);
        for (from, to) in &pairs {
            world.cut(*from, *to);
        }
        Applied::Lasting(Box::new(Cut(pairs)))
    }
}

impl Lasting for Cut {
    fn has_effect(&self, world: &dyn Primitives) -> bool {
        let mut pairs = self.0.iter();
        pairs.any(|(from, to)| world.is_alive(*from) && world.is_alive(*to) && world.cuts(*from, *to) == 1)
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for (from, to) in self.0 {
            world.mend(from, to);
        }
    }
}

/// A filter that messages pass. Whether it has an effect is known from what becomes of them.
pub(super) struct Filtering;

impl Lasting for Filtering {
    fn has_effect(&self, _: &dyn Primitives) -> bool {
        false
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        world.end_filters();
    }
}
