//! New topics and new partitions, and where their replicas go.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::image::PartitionImage;
use super::records::MetadataRecord;
use super::view::{Decision, View};
use crate::protocol::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, ErrorCode, NewTopic,
};
use crate::random::Random;
use crate::types::{LeaderEpoch, NodeId, PartitionEpoch, TopicId, TopicName, TopicPartition};

/// The longest name of a topic (Kafka's `Topic.MAX_NAME_LENGTH`).
const MAX_NAME_LENGTH: usize = 249;
/// The most partitions that one decision creates (`ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`).
const MAX_PARTITIONS: u32 = 10_000;

/// Decides about each topic by itself; those that can be created are created together.
pub(super) fn create_topics(view: &View<'_>, rng: &mut Random, request: &CreateTopicsRequest) -> Decision {
    let mut records = Vec::new();
    let mut topics = Vec::new();
    let mut seen = BTreeSet::new();
    for topic in &request.topics {
        let placed = match seen.insert(&topic.name) {
            true => place_topic(view, rng, topic),
            false => Err(ErrorCode::InvalidRequest),
        };
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) => {
                topics.push((topic.name.clone(), error, None));
                continue;
            }
        };
        let id = TopicId::random(rng);
        records.push(MetadataRecord::Topic {
            name: topic.name.clone(),
            id,
            config: topic.config.clone(),
        });
        for (index, replicas) in placed.into_iter().enumerate() {
            let state = new_partition(view, replicas);
            records.push(state.to_record(TopicPartition::new(id, index as i32)));
        }
        topics.push((topic.name.clone(), ErrorCode::None, Some(id)));
    }
    Decision {
        records,
        response: CreateTopicsResponse { topics }.into(),
    }
}

/// The replicas of each partition of a topic that may be created.
fn place_topic(view: &View<'_>, rng: &mut Random, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, ErrorCode> {
    if !is_legal_name(&topic.name) {
        return Err(ErrorCode::InvalidTopic);
    }
    if view.image.topic_ids.contains_key(&topic.name) {
        return Err(ErrorCode::TopicAlreadyExists);
    }
    if topic.partitions == 0 || topic.partitions > MAX_PARTITIONS {
        return Err(ErrorCode::InvalidPartitions);
    }
    place_partitions(view, rng, topic.partitions, usize::from(topic.replication_factor))
}

/// The replicas of so many new partitions.
fn place_partitions(
    view: &View<'_>,
    rng: &mut Random,
    partitions: u32,
    replication_factor: usize,
) -> Result<Vec<Vec<NodeId>>, ErrorCode> {
    let (active, inactive): (Vec<NodeId>, Vec<NodeId>) =
        view.image.brokers.keys().partition(|broker| view.is_active(**broker));
    if replication_factor == 0 || active.is_empty() || replication_factor > active.len() + inactive.len() {
        return Err(ErrorCode::InvalidReplicationFactor);
    }
    Ok(place(rng, active, inactive, partitions, replication_factor))
}

/// Decides about more partitions of a topic; all of them have as many replicas as its first one (KIP-195).
pub(super) fn create_partitions(view: &View<'_>, rng: &mut Random, request: &CreatePartitionsRequest) -> Decision {
    let (records, error) = match added_partitions(view, rng, request) {
        Ok(records) => (records, ErrorCode::None),
        Err(error) => (Vec::new(), error),
    };
    Decision {
        records,
        response: CreatePartitionsResponse { error }.into(),
    }
}

fn added_partitions(
    view: &View<'_>,
    rng: &mut Random,
    request: &CreatePartitionsRequest,
) -> Result<Vec<MetadataRecord>, ErrorCode> {
    let id = view.image.topic_ids.get(&request.topic);
    let topic = id.and_then(|id| Some((*id, view.image.topics.get(id)?)));
    let (id, topic) = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let before = topic.partitions.len();
    let added = (request.count as usize).saturating_sub(before);
    if added == 0 || added > MAX_PARTITIONS as usize {
        return Err(ErrorCode::InvalidPartitions);
    }
    let replication_factor = topic.partitions.first().map_or(0, |first| first.replicas.len());
    let placed = place_partitions(view, rng, added as u32, replication_factor)?;
    let record = |(index, replicas)| {
        let partition = TopicPartition::new(id, (before + index) as i32);
        new_partition(view, replicas).to_record(partition)
    };
    Ok(placed.into_iter().enumerate().map(record).collect())
}

/// A new partition begins with those of its replicas that are active; the first of them leads.
fn new_partition(view: &View<'_>, replicas: Vec<NodeId>) -> PartitionImage {
    let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| view.is_active(*node)).collect();
    PartitionImage {
        leader: isr.first().copied(),
        isr,
        replicas,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
    }
}

/// Stripes partitions over the brokers: each partition begins one broker further on, so that leaders are spread
/// evenly, and the order is drawn anew once all have led, so that pairs are spread too. Inactive brokers come last
/// (Kafka's `StripedReplicaPlacer`, with one rack).
fn place(
    rng: &mut Random,
    mut active: Vec<NodeId>,
    mut inactive: Vec<NodeId>,
    partitions: u32,
    replication_factor: usize,
) -> Vec<Vec<NodeId>> {
    let stripe = active.len();
    let place_one = |index: usize| {
        let turn = index % stripe;
        if turn == 0 {
            shuffle(rng, &mut active);
            shuffle(rng, &mut inactive);
        }
        let rotated = |brokers: &[NodeId]| -> Vec<NodeId> {
            let from = brokers.iter().cycle().skip(turn);
            from.take(brokers.len()).copied().collect()
        };
        let order = rotated(&active).into_iter().chain(rotated(&inactive));
        order.take(replication_factor).collect()
    };
    (0..partitions as usize).map(place_one).collect()
}

/// Fisher and Yates.
fn shuffle(rng: &mut Random, nodes: &mut [NodeId]) {
    for last in (1..nodes.len()).rev() {
        nodes.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

fn is_legal_name(name: &TopicName) -> bool {
    let name = &*name.0;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= MAX_NAME_LENGTH && name != "." && name != ".." && name.chars().all(is_legal)
}
