//! One strike: which kind, at whom.

use core::time::Duration;

use broker_core::random::Random;

use super::{NemesisSpec, Weights};
use crate::fault::{Fault, PlannedFault, Rolling, Target};
use crate::scenario::Scenario;
use crate::scenario::validate::targets;

/// The random numbers of one strike, always as many.
pub struct Draws {
    gap: f64,
    length: f64,
    kind: u64,
    who: u64,
    other: u64,
    degree: f64,
}

impl Draws {
    /// The next strike's.
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
}

/// A number below `bound` out of 64 random bits.
fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Which nodes are struck when. A target that is decided only when its fault begins counts as any node.
pub struct Occupied(Vec<Hold>);

struct Hold {
    from: Duration,
    until: Duration,
    /// How many nodes are struck.
    nodes: u32,
    /// The nodes, where they are known beforehand.
    known: Vec<Target>,
}

impl Occupied {
    /// What the fixed faults occupy.
    pub fn by(faults: &[PlannedFault], scenario: &Scenario) -> Occupied {
        let everybody = scenario.cluster.brokers + scenario.cluster.dedicated_controllers;
        let hold = |planned: &PlannedFault| {
            let until = planned.until.unwrap_or(scenario.duration);
            let (nodes, known) = struck(&planned.fault, everybody);
            Hold {
                from: planned.at,
                until,
                nodes,
                known,
            }
        };
        Occupied(faults.iter().map(hold).collect())
    }

    /// How many nodes are struck at most at any one moment of the time from `from` to `until`.
    fn most(&self, from: Duration, until: Duration) -> u32 {
        let overlapping = || {
            self.0
                .iter()
                .filter(move |hold| hold.from <= until && hold.until >= from)
        };
        // The number rises only where a hold begins.
        let moments = overlapping().map(|hold| hold.from.max(from));
        let at = |moment: Duration| {
            overlapping()
                .filter(|hold| hold.from <= moment && hold.until >= moment)
                .map(|hold| hold.nodes)
                .sum()
        };
        moments.map(at).max().unwrap_or(0)
    }

    fn is_struck(&self, node: &Target, from: Duration, until: Duration) -> bool {
        let mut overlapping = self.0.iter().filter(|hold| hold.from <= until && hold.until >= from);
        overlapping.any(|hold| hold.known.contains(node))
    }
}

/// How many nodes a fault strikes, and which, as far as that is known before it begins. Of two ends of a link, the
/// first counts; of a partition, all groups but the largest, or the one that is cut off from all others.
pub fn struck(fault: &Fault, everybody: u32) -> (u32, Vec<Target>) {
    let size = |target: &Target| if *target == Target::All { everybody } else { 1 };
    let known = |targets: Vec<&Target>| -> Vec<Target> {
        targets
            .into_iter()
            .filter(|target| matches!(target, Target::Broker(_) | Target::ControllerNode(_)))
            .cloned()
            .collect()
    };
    match fault {
        Fault::Partition(groups) => {
            let isolated = groups.len() == 1;
            let largest = (0..groups.len())
                .rev()
                .max_by_key(|index| groups[*index].len())
                .unwrap_or(0);
            let outside: Vec<&Target> = groups
                .iter()
                .enumerate()
                .filter(|(index, _)| isolated || *index != largest)
                .flat_map(|(_, group)| group)
                .collect();
            (outside.iter().map(|target| size(target)).sum(), known(outside))
        }
        // One broker after the other.
        Fault::RollingRestart {
            of: Rolling::Brokers { .. },
            ..
        } => (1, Vec::new()),
        _ => match targets(fault).first() {
            // Programs are no nodes of the cluster.
            Some((_, Target::Client(_))) | None => (0, Vec::new()),
            Some((_, first)) => (size(first), known(vec![first])),
        },
    }
}

/// The fault of these draws, if it may strike now; it then counts as struck.
pub fn strike(
    scenario: &Scenario,
    spec: &NemesisSpec,
    draws: &Draws,
    occupied: &mut Occupied,
    from: Duration,
    until: Duration,
) -> Option<Fault> {
    // Strikes come in order of time: what is over by now will never count again.
    occupied.0.retain(|hold| hold.until >= from);
    let kind = kind(&spec.weights, draws.kind)?;
    if let Some(fault) = strike_worker(scenario, kind, draws) {
        return fault;
    }
    let busy = occupied.most(from, until);
    let room = spec.max_concurrent.checked_sub(busy).filter(|room| *room > 0)?;
    let brokers = (1..=scenario.cluster.brokers).map(Target::Broker);
    let nodes: Vec<Target> = brokers
        .chain((1..=scenario.cluster.dedicated_controllers).map(Target::ControllerNode))
        .collect();
    let free: Vec<Target> = nodes
        .iter()
        .filter(|node| !occupied.is_struck(node, from, until))
        .cloned()
        .collect();
    let fault = match kind {
        "partition" => cut_off(&nodes, &free, room, draws)?,
        "one_way" | "link" => {
            let from = pick(&free, draws.who)?;
            let others: Vec<Target> = nodes.into_iter().filter(|node| *node != from).collect();
            let to = pick(&others, draws.other)?;
            match kind {
                "one_way" => Fault::OneWay(from, to),
                _ => Fault::Link {
                    from,
                    to,
                    drop: draws.degree * 0.2,
                    delay: Duration::from_micros(below(draws.other, 50_000)),
                    duplicate: (1.0 - draws.degree) * 0.2,
                },
            }
        }
        one_node => {
            let target = one(scenario, &free, busy, draws)?;
            match one_node {
                "kill" => Fault::Kill(target),
                "power_loss" => Fault::PowerLoss(target),
                "restart" => Fault::Restart(target),
                "pause" => Fault::Pause(target),
                "stop" => Fault::Stop(target),
                "slow_disk" => Fault::SlowDisk(target, libm::exp2(1.0 + draws.degree * 5.6)),
                other => unreachable!("{other} has no weight"),
            }
        }
    };
    let (nodes, known) = struck(&fault, 0);
    occupied.0.push(Hold {
        from,
        until,
        nodes,
        known,
    });
    Some(fault)
}

/// The strike at a worker, if that is the kind. Workers are no nodes of the cluster: they count for no limit of those.
fn strike_worker(scenario: &Scenario, kind: &str, draws: &Draws) -> Option<Option<Fault>> {
    let does: fn(Target) -> Fault = match kind {
        "kill_worker" => Fault::Kill,
        "restart_worker" => Fault::Restart,
        "pause_worker" => Fault::Pause,
        _ => return None,
    };
    let programs = scenario.workers.iter().flat_map(|group| {
        let name = |number: u32| Target::Client(format!("{}/{number}", group.name));
        (1..=group.count).map(name)
    });
    Some(pick(&programs.collect::<Vec<_>>(), draws.who).map(does))
}

fn kind(weights: &Weights, bits: u64) -> Option<&'static str> {
    let total = weights.total();
    if total == 0 {
        return None;
    }
    let mut ticket = below(bits, total);
    for (kind, weight) in weights.by_kind() {
        match ticket.checked_sub(u64::from(weight)) {
            Some(rest) => ticket = rest,
            None => return Some(kind),
        }
    }
    unreachable!("a ticket below the total falls to some kind")
}

fn pick(nodes: &[Target], bits: u64) -> Option<Target> {
    if nodes.is_empty() {
        None
    } else {
        Some(nodes[below(bits, nodes.len() as u64) as usize].clone())
    }
}

/// One node. Half of the strikes are aimed: at a partition's leader or follower, or at the active controller. They may
/// hit any node, so they are drawn only while no other is struck; strikes drawn later may still overlap them.
fn one(scenario: &Scenario, free: &[Target], busy: u32, draws: &Draws) -> Option<Target> {
    let aimed = below(draws.other, 100);
    let topics = &scenario.topics;
    if busy > 0 || aimed >= 50 || topics.is_empty() {
        return pick(free, draws.who);
    }
    let topic = &topics[below(draws.who, topics.len() as u64) as usize];
    let partition = below(
        draws.who.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        u64::from(topic.partitions),
    ) as i32;
    Some(match aimed {
        0..30 => Target::LeaderOf(topic.name.clone(), partition),
        30..40 if topic.replication_factor > 1 => Target::FollowerOf(topic.name.clone(), partition),
        _ => Target::Controller,
    })
}

/// A partition that cuts at most `room` free nodes off from all others. The clients stay with both sides.
fn cut_off(nodes: &[Target], free: &[Target], room: u32, draws: &Draws) -> Option<Fault> {
    // The smaller side is the one that counts as struck, so at most half of the nodes are cut off.
    let most = (room as usize).min(free.len()).min(nodes.len() / 2);
    if most == 0 {
        return None;
    }
    let count = 1 + below(draws.other, most as u64) as usize;
    let first = below(draws.who, free.len() as u64) as usize;
    let inside: Vec<Target> = (0..count)
        .map(|index| free[(first + index) % free.len()].clone())
        .collect();
    let outside = nodes.iter().filter(|node| !inside.contains(node)).cloned().collect();
    Some(Fault::Partition(vec![outside, inside]))
}
