//! What a node says of its image: to clients that ask, and to the trace.

use alloc::vec::Vec;

use crate::controller::image::{ClusterImage, PartitionImage, TopicImage};
use crate::controller::records::MetadataRecord;
use crate::machine::Context;
use crate::protocol::{ErrorCode, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic};
use crate::trace::{self, Event};
use crate::types::{Listener, Offset, PartitionIndex, TopicId, TopicName};

/// Answers a client by what this broker knows, which may be old.
pub(super) fn describe(image: &ClusterImage, request: &MetadataRequest, listener: Listener) -> MetadataResponse {
    let live = image.brokers.iter().filter(|(_, broker)| !broker.fenced);
    let live = live.filter_map(|(id, broker)| Some((*id, broker.listeners.endpoint(listener)?)));
    let topics: Vec<MetadataTopic> = match &request.topics {
        Some(names) => names.iter().map(|name| by_name(image, name)).collect(),
        None => image.topics.iter().map(|(id, topic)| described(*id, topic)).collect(),
    };
    MetadataResponse {
        brokers: live.collect(),
        topics,
    }
}

fn by_name(image: &ClusterImage, name: &TopicName) -> MetadataTopic {
    let id = image.topic_ids.get(name);
    match id.and_then(|id| Some((*id, image.topics.get(id)?))) {
        Some((id, topic)) => described(id, topic),
        None => MetadataTopic {
            name: name.clone(),
            id: None,
            error: ErrorCode::UnknownTopicOrPartition,
            partitions: Vec::new(),
        },
    }
}

fn described(id: TopicId, topic: &TopicImage) -> MetadataTopic {
    let describe = |(index, partition): (usize, &PartitionImage)| MetadataPartition {
        index: PartitionIndex(index as i32),
        error: match partition.leader {
            Some(_) => ErrorCode::None,
            None => ErrorCode::LeaderNotAvailable,
        },
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
    };
    MetadataTopic {
        name: topic.name.clone(),
        id: Some(id),
        error: ErrorCode::None,
        partitions: topic.partitions.iter().enumerate().map(describe).collect(),
    }
}

/// Learns from a committed record where a broker listens.
pub(super) fn learn(ctx: &mut Context<'_>, record: &MetadataRecord) {
    if let MetadataRecord::RegisterBroker { broker, listeners, .. } = record {
        for (listener, endpoint) in &listeners.0 {
            ctx.out.learn(*broker, *listener, *endpoint);
        }
    }
}

/// States what a committed record changed; the image has it already.
pub(super) fn trace(ctx: &mut Context<'_>, image: &ClusterImage, offset: Offset, record: &MetadataRecord) {
    match record {
        MetadataRecord::RegisterBroker { broker, .. } | MetadataRecord::BrokerRegistrationChange { broker, .. } => {
            let state = image.brokers.get(broker).expect("the record was replayed");
            ctx.out.trace(Event::BrokerChanged(trace::BrokerChanged {
                offset,
                broker: *broker,
                broker_epoch: state.broker_epoch,
                fenced: state.fenced,
            }));
        }
        MetadataRecord::Topic { name, id, .. } => ctx.out.trace(Event::TopicCreated(trace::TopicCreated {
            offset,
            name: name.clone(),
            topic: *id,
        })),
        MetadataRecord::Partition {
            partition,
            replicas,
            isr,
            leader,
            leader_epoch,
            partition_epoch,
        } => ctx.out.trace(Event::PartitionChanged(trace::PartitionChanged {
            offset,
            partition: *partition,
            replicas: replicas.clone(),
            isr: isr.clone(),
            leader: *leader,
            leader_epoch: *leader_epoch,
            partition_epoch: *partition_epoch,
        })),
        MetadataRecord::ProducerIds { .. } | MetadataRecord::NoOp => {}
    }
}
