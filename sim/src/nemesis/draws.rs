//! One fault of the nemesis: of which kind, and for which nodes.

use core::time::Duration;

use broker_core::random::Random;

use crate::faults::{Draw, Drawn, Fault, PlannedFault, Surroundings, Target, Victims, below};
use crate::scenario::{NemesisSpec, Weights};

/// The random numbers of one fault, always as many.
pub struct Draws {
    gap: f64,
    length: f64,
    kind: u64,
    who: u64,
    other: u64,
    degree: f64,
}

impl Draws {
    /// The next fault's.
    pub fn take(random: &mut Random) -> Draws {
        Draws {
            gap: random.unit(),
            length: random.unit(),
            kind: random.next_u64(),
            who: random.next_u64(),
            other: random.next_u64(),
            degree: random.unit(),
        }
    }

    /// Exponentially distributed with mean 1.
    pub fn exponential(&self) -> f64 {
        -libm::log1p(-self.gap)
    }

    /// Even in 0 to 1.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The fault of these draws, if it may begin now; it then counts as occupying its nodes.
    pub fn fault(
        &self,
        scenario: &Surroundings,
        spec: &NemesisSpec,
        occupied: &mut Occupied,
        (from, until): (Duration, Duration),
    ) -> Option<Fault> {
        occupied.forget_before(from);
        let drawn = kind(&spec.weights, self.kind)?;
        let brokers = (1..=scenario.brokers).map(Target::Broker);
        let nodes: Vec<Target> = brokers
            .chain((1..=scenario.controllers).map(Target::ControllerNode))
            .collect();
        let is_free = |node: &&Target| !occupied.has(node, from, until);
        let free: Vec<Target> = nodes.iter().filter(is_free).cloned().collect();
        let busy = occupied.most(from, until);
        let room = spec.max_concurrent.saturating_sub(busy);
        let draw = Draw {
            scenario,
            nodes: &nodes,
            free: &free,
            busy,
            room,
            who: self.who,
            other: self.other,
            degree: self.degree,
        };
        match drawn.of {
            Victims::Workers => (drawn.draw)(&draw),
            Victims::Nodes if room == 0 => None,
            Victims::Nodes => {
                let fault = (drawn.draw)(&draw)?;
                occupied.add(&fault, 0, (from, until));
                Some(fault)
            }
        }
    }
}

/// Which nodes faults affect, and when. A target that is decided only when its fault begins counts as any node.
pub struct Occupied(Vec<Occupation>);

struct Occupation {
    from: Duration,
    until: Duration,
    /// How many nodes are affected.
    nodes: u32,
    /// The nodes, where they are known beforehand.
    known: Vec<Target>,
}

impl Occupied {
    /// What the fixed faults occupy.
    pub fn by(faults: &[PlannedFault], scenario: &Surroundings) -> Occupied {
        let mut occupied = Occupied(Vec::new());
        for planned in faults {
            let until = planned.until.unwrap_or(scenario.duration);
            occupied.add(&planned.fault, scenario.servers(), (planned.at, until));
        }
        occupied
    }

    fn add(&mut self, fault: &Fault, everybody: u32, (from, until): (Duration, Duration)) {
        let (nodes, known) = fault.affects(everybody);
        self.0.push(Occupation {
            from,
            until,
            nodes,
            known,
        });
    }

    /// Faults come in order of time: what is over by now will never count again.
    fn forget_before(&mut self, now: Duration) {
        self.0.retain(|one| one.until >= now);
    }

    /// How many nodes are affected at most at any one moment of the time from `from` to `until`.
    fn most(&self, from: Duration, until: Duration) -> u32 {
        let overlapping = || self.0.iter().filter(move |one| one.from <= until && one.until >= from);
        // The number rises only where one begins.
        let moments = overlapping().map(|one| one.from.max(from));
        let at = |moment: Duration| {
            overlapping()
                .filter(|one| one.from <= moment && one.until >= moment)
                .map(|one| one.nodes)
                .sum()
        };
        moments.map(at).max().unwrap_or(0)
    }

    /// Whether a fault is known to affect this node in that time.
    fn has(&self, node: &Target, from: Duration, until: Duration) -> bool {
        let mut overlapping = self.0.iter().filter(|one| one.from <= until && one.until >= from);
        overlapping.any(|one| one.known.contains(node))
    }
}

fn kind(weights: &Weights, bits: u64) -> Option<&'static Drawn> {
    let total = weights.total();
    if total == 0 {
        return None;
    }
    let mut ticket = below(bits, total);
    for (kind, weight) in weights.iter() {
        match ticket.checked_sub(u64::from(weight)) {
            Some(left) => ticket = left,
            None => return Some(kind),
        }
    }
    unreachable!("a ticket below the total falls to some kind")
}
