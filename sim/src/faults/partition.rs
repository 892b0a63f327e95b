//! `partition`: groups of nodes cannot reach each other.

use super::kind_keys::{kind, weight};
use super::lasting::Cut;
use super::{
    Applied, Draw, Drawn, Entry, Fault, FaultKind, Node, Primitives, Surroundings, Target, Victims, below, target,
};
use crate::toml_file::keys::Type::{self, NonEmpty};
use crate::toml_file::reader::Value;
use crate::toml_file::writer::list;

/// See [`Partition`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "partition",
        NonEmpty(&NonEmpty(&Type::Target)),
        "nodes of different groups cannot reach each other; nodes in no group reach everybody; a single group is cut off from all other brokers and controllers",
    ),
    allows: "a leader that is cut off goes on acknowledging at acks=0 and acks=1, and loses that when another is elected \
             (`lost-write`); sends whose answers are lost are repeated, with `enable.idempotence` = false twice in the \
             log or out of order (`duplicate`, `nonmonotonic-send`); a member that its coordinator no longer reaches is \
             dropped (`reprocessed`, `overlapping-owners`)",
    examples: &["[[\"broker 1\", \"client app/1\"], [\"broker 2\", \"another follower of orders/5\"]]"],
    read: |value| read(value).map(|groups| Partition(groups).into()),
    drawn: &[Drawn {
        weight: weight("partition", "2", "cut nodes off from the others"),
        of: Victims::Nodes,
        draw,
    }],
};

/// Nodes of different groups cannot reach each other; nodes in no group reach everybody. A single group is cut off
/// from all other brokers and controllers, and clients still reach everybody.
#[derive(Clone, PartialEq, Debug)]
pub struct Partition(pub Vec<Vec<Target>>);

impl FaultKind for Partition {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        list(self.0.iter().map(|group| list(group.iter().map(target::write))))
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        let group = |group: &Vec<Target>| group.iter().map(name).collect::<Vec<_>>().join(", ");
        match self.0.as_slice() {
            [alone] => format!("isolate {}", group(alone)),
            groups => format!("partition {}", groups.iter().map(group).collect::<Vec<_>>().join(" | ")),
        }
    }

    fn targets(&self) -> Vec<(String, &Target)> {
        let groups = self.0.iter().enumerate();
        let members = groups.flat_map(|(group, members)| {
            let member = move |(index, member)| (format!("partition.{group}.{index}"), member);
            members.iter().enumerate().map(member)
        });
        members.collect()
    }

    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        let mut members = self.0.iter().flatten();
        members
            .find_map(|target| scenario.too_few_replicas(target))
            .or_else(|| nothing_between(&self.0, scenario.servers()))
    }

    fn needs(&self) -> Option<&Target> {
        match &self.0[..] {
            [alone] | [alone, _] if alone.len() == 1 => Some(&alone[0]),
            _ => None,
        }
    }

    /// All groups but the largest, or the one that is cut off from all others.
    fn affects(&self, everybody: u32) -> (u32, Vec<Target>) {
        let groups = &self.0;
        let is_isolated = groups.len() == 1;
        let largest = (0..groups.len())
            .rev()
            .max_by_key(|index| groups[*index].len())
            .unwrap_or(0);
        let numbered = groups.iter().enumerate();
        let outside = numbered.filter(|(index, _)| is_isolated || *index != largest);
        target::affected(outside.flat_map(|(_, group)| group), everybody)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = |group: &Vec<Target>| group.iter().flat_map(|target| world.resolve(target)).collect();
        let mut groups: Vec<Vec<Node>> = self.0.iter().map(nodes).collect();
        if let [alone] = groups.as_slice() {
            let others = (0..world.servers()).filter(|node| !alone.contains(node)).collect();
            groups.push(others);
        }
        let mut pairs = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            for other in groups.iter().skip(number + 1).flatten() {
                pairs.extend(group.iter().map(|node| (*node, *other)));
                pairs.extend(group.iter().map(|node| (*other, *node)));
            }
        }
        Cut::apply(world, pairs)
    }
}

fn read(value: &Value<'_>) -> Option<Vec<Vec<Target>>> {
    let groups = value.list()?;
    if groups.is_empty() {
        value.problem(
            "a partition has at least one group",
            "write `[[\"broker 1\"], [\"broker 2\", \"broker 3\"]]`, or `[[\"broker 1\"]]` to isolate it",
        );
        return None;
    }
    let group = |value: &Value<'_>| {
        if !value.is_list() {
            let hint = "put each group into brackets: `[[\"broker 1\"], [\"broker 2\", \"broker 3\"]]`";
            value.problem(
                "a partition is a list of groups, and each group a list of targets",
                hint,
            );
            return None;
        }
        let members = value.list()?;
        if members.is_empty() {
            value.problem(
                "a group of a partition has at least one member",
                "remove the empty group",
            );
            return None;
        }
        members.iter().map(target::read).collect::<Option<Vec<_>>>()
    };
    groups.iter().map(group).collect::<Vec<_>>().into_iter().collect()
}

/// Why no link crosses the borders of a partition. What a role falls on is known in a cluster of one node alone.
fn nothing_between(groups: &[Vec<Target>], servers: u32) -> Option<String> {
    let mut members: Vec<&Target> = Vec::new();
    for member in groups.iter().flatten() {
        if !members.contains(&member) {
            members.push(member);
        }
    }
    let is_client = |target: &&Target| matches!(target, Target::Client(_));
    let numbered = |target: &&&Target| matches!(target, Target::Broker(_) | Target::ControllerNode(_));
    if let [_] = groups {
        let all = members.contains(&&Target::All)
            || members.iter().filter(numbered).count() as u32 == servers
            || (servers == 1 && !members.iter().all(is_client));
        return all.then(|| "no broker or controller is outside its group".to_owned());
    }
    let same = match members.as_slice() {
        [Target::All] => servers == 1,
        [_] => true,
        members => servers == 1 && !members.iter().any(is_client),
    };
    same.then(|| "all sides are the same node".to_owned())
}

/// A partition that cuts as many free nodes off from all others as there is room for. The clients stay with both sides.
fn draw(draw: &Draw<'_>) -> Option<Fault> {
    // The smaller side is the one that counts as affected, so at most half of the nodes are cut off.
    let most = (draw.room as usize).min(draw.free.len()).min(draw.nodes.len() / 2);
    if most == 0 {
        return None;
    }
    let count = 1 + below(draw.other, most as u64) as usize;
    let first = below(draw.who, draw.free.len() as u64) as usize;
    let inside: Vec<Target> = (0..count)
        .map(|index| draw.free[(first + index) % draw.free.len()].clone())
        .collect();
    let outside = draw
        .nodes
        .iter()
        .filter(|node| !inside.contains(node))
        .cloned()
        .collect();
    Some(Partition(vec![outside, inside]).into())
}
