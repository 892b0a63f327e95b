//! What the nemesis has drawn for one fault.

use super::{Surroundings, Target};

/// The draws of one fault, and the nodes that it may affect.
pub struct Draw<'a> {
    /// The scenario.
    pub scenario: &'a Surroundings,
    /// Every broker and controller.
    pub nodes: &'a [Target],
    /// Those that no fault affects meanwhile, as far as that is known.
    pub free: &'a [Target],
    /// How many nodes other faults affect meanwhile.
    pub busy: u32,
    /// How many more may be affected.
    pub room: u32,
    /// Random bits that choose somebody.
    pub who: u64,
    /// Random bits that choose the other end, or a kind of target.
    pub other: u64,
    /// How bad it is, from 0 to 1.
    pub degree: f64,
}

impl Draw<'_> {
    /// One node. Half of them are aimed at: a partition's leader or follower, or the active controller. Those may be any
    /// node, so they are drawn only while no other is affected; faults drawn later may still overlap them.
    #[must_use]
    pub fn node(&self) -> Option<Target> {
        let aimed = below(self.other, 100);
        let topics = &self.scenario.topics;
        if self.busy > 0 || aimed >= 50 || topics.is_empty() {
            return pick(self.free, self.who);
        }
        let topic = &topics[below(self.who, topics.len() as u64) as usize];
        let bits = self.who.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let partition = below(bits, u64::from(topic.partitions)) as i32;
        Some(match aimed {
            0..30 => Target::LeaderOf(topic.name.clone(), partition),
            30..40 if topic.replication_factor > 1 => Target::FollowerOf(topic.name.clone(), partition),
            _ => Target::Controller,
        })
    }

    /// Two different nodes, of which the first is free.
    #[must_use]
    pub fn two_nodes(&self) -> Option<(Target, Target)> {
        let first = pick(self.free, self.who)?;
        let others: Vec<Target> = self.nodes.iter().filter(|node| **node != first).cloned().collect();
        let second = pick(&others, self.other)?;
        Some((first, second))
    }

    /// A worker.
    #[must_use]
    pub fn worker(&self) -> Option<Target> {
        let workers = self.scenario.workers.iter().flat_map(|group| {
            let name = |number: u32| Target::Client(format!("{}/{number}", group.name));
            (1..=group.count).map(name)
        });
        pick(&workers.collect::<Vec<_>>(), self.who)
    }
}

fn pick(targets: &[Target], bits: u64) -> Option<Target> {
    if targets.is_empty() {
        None
    } else {
        Some(targets[below(bits, targets.len() as u64) as usize].clone())
    }
}

/// A number below `bound` out of 64 random bits.
#[must_use]
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}
