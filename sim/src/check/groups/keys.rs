//! The order in which the records of each key are processed: retry-key-order.

use std::collections::BTreeMap;

use broker_core::types::{NodeId, Offset, TopicPartition};

use super::hops::Root;
use super::losses;
use crate::check::model::{Model, Scene};
use crate::check::sends::Send;
use crate::check::witness::{Evidence, Notes};
use crate::history::At;
use crate::scenario::{CommitMode, WorkerGroup, WorkerProgram};
use crate::verdict::{Check, Ruling};

/// The newest record of each key that a group has processed, by topic and key.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<(u32, u32), Latest>);

struct Latest {
    place: (TopicPartition, Offset),
    /// The run of the program that sent it, and the number of the send.
    sent: (u32, usize),
    by: NodeId,
    /// When, by the changes of owner and position of its partition.
    stint: u32,
    at: At,
}

impl Keys {
    /// A record was processed for the first time. `send` is the first of its chain, and `number` counts all sends.
    pub fn processed(
        &mut self,
        scene: &mut Scene<'_>,
        model: &Model,
        contract: Option<&WorkerGroup>,
        notes: &Notes,
        (send, number): (&Send, usize),
        (root, stint): (Root, u32),
    ) {
        let Some(key) = send.key else { return };
        let latest = Latest {
            place: root.place,
            sent: (send.program, number),
            by: scene.node,
            stint,
            at: scene.at,
        };
        let Some(before) = self.0.get_mut(&(send.topic, key)) else {
            self.0.insert((send.topic, key), latest);
            return;
        };
        let (same_partition, same_sender) = (before.place.0 == root.place.0, before.sent.0 == send.program);
        let is_late = match same_partition {
            true => root.place.1 < before.place.1,
            // In another partition only the sender's own order says which came first.
            false => same_sender && number < before.sent.1,
        };
        if !is_late {
            *before = latest;
            return;
        }
        let ruling = match contract.map(|contract| (&contract.program, contract.commit)) {
            _ if !same_partition => {
                if !model.was_raised(root.place.0.topic) {
                    return;
                }
                Ruling::Allowed("the number of partitions was raised: a key's records are in two of them".to_owned())
            }
            Some((WorkerProgram::RetryTopic { .. }, _)) => {
                Ruling::Allowed("a record that waits in a retry topic is passed by later ones of its key".to_owned())
            }
            Some((_, CommitMode::AsyncPool { .. })) => {
                Ruling::Allowed("a pool works on the records of one key side by side".to_owned())
            }
            _ if before.by != scene.node => Ruling::Allowed(
                "a member that had lost the partition and had not learned of it yet worked on".to_owned(),
            ),
            _ if before.stint != stint => {
                Ruling::Allowed("at least once: its owner had gone back to an earlier position".to_owned())
            }
            _ => losses::at(model, root.place.0, before.place.1),
        };
        let (later, node, now) = (before.place, scene.name(), scene.at);
        let (first, before_at) = (scene.nodes.named(before.by), before.at);
        let shape = "records of one key were processed in another order";
        scene.rule(Check::RetryKeyOrder, ruling, shape, notes, || {
            let (uid, at) = (
                root.uid.0,
                format!("{} offset {}", model.label(root.place.0), root.place.1),
            );
            let later = format!("{} offset {}", model.label(later.0), later.1);
            Evidence::from(format!(
                "{node} processed uid {uid} of {at} after a later record of its key, {later}"
            ))
            .on(root.place.0)
            .because(before_at, format!("{first} processed the later record, {later}"))
            .because(now, format!("{node} processed uid {uid} of {at}"))
        });
    }
}
