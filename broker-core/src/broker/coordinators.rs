//! Coordinators, as the broker sees them: what they know of topics, who coordinates a group, and the topic that holds it all.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{BrokerConfig, TopicConfig};
use crate::controller::image::ClusterImage;
use crate::group::{GroupCoordinator, Topics};
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{CreateTopicsRequest, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, NewTopic};
use crate::topic_pattern::TopicPattern;
use crate::types::{Listener, NodeId, TopicId, TopicName};

/// How long the creation of a topic waits for its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

impl Topics for ClusterImage {
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)> {
        let id = self.topic_ids.get(name)?;
        Some((*id, self.topics.get(id)?.partitions.len() as u32))
    }

    fn name(&self, id: TopicId) -> Option<TopicName> {
        Some(self.topics.get(&id)?.name.clone())
    }

    fn matching(&self, pattern: &TopicPattern) -> Vec<TopicName> {
        let names = self.topic_ids.keys();
        names.filter(|name| pattern.matches(name)).cloned().collect()
    }
}

/// The broker that coordinates a group, as far as committed metadata says.
pub(super) fn find_coordinator(
    image: &ClusterImage,
    groups: &GroupCoordinator,
    request: &FindCoordinatorRequest,
    listener: Listener,
) -> FindCoordinatorResponse {
    let state = groups.partition_of(&request.group).and_then(|at| image.partition(at));
    let endpoint = |node: &NodeId| image.brokers.get(node)?.listeners.endpoint(listener);
    let coordinator = state.and_then(|state| state.leader);
    let coordinator = coordinator.and_then(|node| Some((node, endpoint(&node)?)));
    let error = match coordinator {
        _ if request.group.0.is_empty() => ErrorCode::InvalidGroupId,
        Some(_) => ErrorCode::None,
        None => ErrorCode::CoordinatorNotAvailable,
    };
    FindCoordinatorResponse {
        error,
        coordinator: coordinator.filter(|_| error.is_ok()),
    }
}

/// `__consumer_offsets`: the first that looks for a coordinator has it created.
pub(super) struct OffsetsTopic {
    pub name: TopicName,
    partitions: u32,
    replication_factor: u16,
    config: TopicConfig,
    /// The request to create it, and when that is given up. Whether it fails or not, whoever still looks for a
    /// coordinator asks again.
    in_flight: Option<(RequestId, NodeId, Instant)>,
}

impl OffsetsTopic {
    pub fn new(config: &BrokerConfig) -> OffsetsTopic {
        OffsetsTopic {
            name: TopicName::from(TopicName::CONSUMER_OFFSETS),
            partitions: config.offsets_topic_num_partitions,
            replication_factor: config.offsets_topic_replication_factor,
            config: TopicConfig {
                segment_bytes: config.offsets_topic_segment_bytes,
                ..config.topic_defaults()
            },
            in_flight: None,
        }
    }

    /// Asks the controller to create the topic, unless it was asked a moment ago.
    pub fn create(&mut self, ctx: &mut Context<'_>, controller: Option<NodeId>) {
        if let Some((_, late, _)) = self.in_flight.take_if(|(_, _, give_up_at)| *give_up_at <= ctx.now) {
            // The next client that asks finds the way over a new connection.
            return ctx.out.time_out(Channel::Forwarding, late);
        }
        let Some(controller) = controller.filter(|_| self.in_flight.is_none()) else {
            return;
        };
        let topic = NewTopic {
            name: self.name.clone(),
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            config: self.config.clone(),
        };
        let request = CreateTopicsRequest { topics: [topic].into() };
        let id = ctx.request(Channel::Forwarding, controller, request.into());
        self.in_flight = Some((id, controller, ctx.now + REQUEST_TIMEOUT));
    }

    /// Takes the answer to a request of this broker's own; the topic itself comes with the metadata.
    pub fn on_response(&mut self, id: RequestId) {
        self.in_flight.take_if(|(sent, ..)| *sent == id);
    }

    pub fn on_disconnected(&mut self, peer: NodeId) {
        self.in_flight.take_if(|(_, to, _)| *to == peer);
    }
}
