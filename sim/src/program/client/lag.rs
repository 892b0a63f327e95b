//! How far a group is behind, as an administrator asks for it: committed positions against log ends.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::machine::{Channel, Context, Input, Instant, Machine, Now, Outbox, Output, RequestId};
use broker_core::protocol::{
    FindCoordinatorRequest, IsolationLevel, ListOffsetsRequest, MetadataRequest, OffsetFetchRequest, OffsetSpec,
    Request, Response,
};
use broker_core::random::Random;
use broker_core::types::{
    Endpoint, GroupEpoch, GroupId, LeaderEpoch, Listener, NodeId, Offset, TopicName, TopicPartition,
};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long answers are waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A machine that looks again and again how far a group is behind in the partitions of a topic.
pub(crate) struct LagProbe {
    topic: TopicName,
    group: GroupId,
    brokers: Vec<NodeId>,
    /// Which broker is asked next.
    turn: usize,
    /// The records that the partition furthest behind lacks, as of the last look that came to its end.
    lag: u64,
    look: Look,
    asked: Vec<RequestId>,
    /// When to look again, or to give this look up.
    deadline: Instant,
    random: Random,
    out: Outbox,
}

/// What is known so far in one look.
#[derive(Default)]
struct Look {
    leaders: BTreeMap<TopicPartition, NodeId>,
    committed: BTreeMap<TopicPartition, Offset>,
    ends: BTreeMap<TopicPartition, Offset>,
}

impl LagProbe {
    pub(crate) fn new(
        now: Instant,
        topic: TopicName,
        group: GroupId,
        bootstrap: Vec<(NodeId, Endpoint)>,
        random: Random,
    ) -> LagProbe {
        let mut out = Outbox::default();
        for (broker, endpoint) in &bootstrap {
            out.learn(*broker, Listener::Broker, *endpoint);
        }
        LagProbe {
            topic,
            group,
            brokers: bootstrap.into_iter().map(|(broker, _)| broker).collect(),
            turn: 0,
            lag: 0,
            look: Look::default(),
            asked: Vec::new(),
            deadline: now,
            random,
            out,
        }
    }

    /// The records that the partition furthest behind lacks.
    pub(crate) fn lag(&self) -> u64 {
        self.lag
    }

    fn ask(&mut self, now: Now, broker: NodeId, body: Request) {
        let mut cx = Context::new(now, &mut self.random, &mut self.out);
        self.asked.push(cx.request(Channel::Client, broker, body));
    }

    /// Who leads, and who coordinates?
    fn begin(&mut self, now: Now) {
        self.look = Look::default();
        self.asked.clear();
        self.deadline = now.monotonic + TIMEOUT;
        let broker = self.brokers[self.turn % self.brokers.len()];
        self.turn += 1;
        let topics = Some(vec![self.topic.clone()]);
        self.ask(now, broker, MetadataRequest { topics }.into());
    }

    /// This look fails; the next one may do better.
    fn give_up(&mut self, now: Instant) {
        self.asked.clear();
        self.deadline = now + INTERVAL;
    }

    fn answered(&mut self, now: Now, from: NodeId, body: Response) {
        match body {
            Response::Metadata(body) => {
                for (broker, endpoint) in &body.brokers {
                    self.out.learn(*broker, Listener::Broker, *endpoint);
                }
                for topic in body.topics.iter().filter(|topic| topic.name == self.topic) {
                    let Some(id) = topic.id else { continue };
                    for partition in &topic.partitions {
                        if let Some(leader) = partition.leader {
                            let partition = TopicPartition {
                                topic: id,
                                partition: partition.index,
                            };
                            self.look.leaders.insert(partition, leader);
                        }
                    }
                }
                let group = self.group.clone();
                self.ask(now, from, FindCoordinatorRequest { group }.into());
            }
            Response::FindCoordinator(body) => {
                let Some((coordinator, endpoint)) = body.coordinator.filter(|_| body.error.is_ok()) else {
                    return self.give_up(now.monotonic);
                };
                self.out.learn(coordinator, Listener::Broker, endpoint);
                let fetch = OffsetFetchRequest {
                    group: self.group.clone(),
                    member: None,
                    member_epoch: GroupEpoch::NONE,
                    partitions: Some(self.look.leaders.keys().copied().collect()),
                    require_stable: false,
                };
                self.ask(now, coordinator, fetch.into());
            }
            Response::OffsetFetch(body) => {
                if !body.error.is_ok() {
                    return self.give_up(now.monotonic);
                }
                for (partition, position) in body.partitions {
                    // A group that has committed nothing has the whole log before it.
                    let offset = position.map_or(Offset::ZERO, |position| position.offset);
                    self.look.committed.insert(partition, offset);
                }
                self.ask_for_ends(now);
            }
            Response::ListOffsets(body) => {
                for answer in body.partitions.iter().filter(|answer| answer.error.is_ok()) {
                    if let Some(end) = answer.offset {
                        self.look.ends.insert(answer.partition, end);
                    }
                }
                if self.asked.is_empty() {
                    self.finish(now.monotonic);
                }
            }
            _ => {}
        }
    }

    fn ask_for_ends(&mut self, now: Now) {
        let mut by_leader: BTreeMap<NodeId, Vec<(TopicPartition, Option<LeaderEpoch>, OffsetSpec)>> = BTreeMap::new();
        for (partition, leader) in &self.look.leaders {
            let entry = (*partition, None, OffsetSpec::Latest);
            by_leader.entry(*leader).or_default().push(entry);
        }
        for (leader, partitions) in by_leader {
            let isolation = IsolationLevel::ReadUncommitted;
            self.ask(now, leader, ListOffsetsRequest { isolation, partitions }.into());
        }
    }

    fn finish(&mut self, now: Instant) {
        let behind = |(partition, end): (&TopicPartition, &Offset)| {
            let committed = self.look.committed.get(partition)?;
            u64::try_from(end.0 - committed.0).ok()
        };
        self.lag = self.look.ends.iter().filter_map(behind).max().unwrap_or(0);
        self.deadline = now + INTERVAL;
    }
}

impl Machine for LagProbe {
    fn handle(&mut self, clocks: Now, input: Input) {
        let now = clocks.monotonic;
        // Another broker is asked with the next look.
        while self.out.next_timed_out(now).is_some() {}
        match input {
            Input::Response { connection, id, body } => {
                let place = self.asked.iter().position(|asked| *asked == id);
                if let (Some(place), Some((from, _))) = (place, self.out.peer(connection)) {
                    self.asked.remove(place);
                    self.answered(clocks, from, body);
                }
            }
            Input::Connected { connection } => {
                self.out.connected(connection);
            }
            Input::Closed { connection, .. } => {
                let was_open = self.out.closed(connection).is_some();
                if was_open && !self.asked.is_empty() {
                    self.give_up(now);
                }
            }
            Input::Wake if self.deadline <= now => self.begin(clocks),
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        let set_up = self.out.deadline();
        Some(set_up.map_or(self.deadline, |at| at.min(self.deadline)))
    }
}

#[cfg(test)]
mod tests {
    use broker_core::machine::{CloseReason, ConnectionId};
    use broker_core::protocol::{
        ErrorCode, FindCoordinatorResponse, ListOffsetsPartitionResponse, ListOffsetsResponse, MetadataPartition,
        MetadataResponse, MetadataTopic, OffsetAndMetadata, OffsetFetchResponse,
    };
    use broker_core::types::{PartitionIndex, Timestamp, TopicId};

    use super::*;
    use crate::address;

    const START: Instant = Instant(1_000_000_000);

    fn at(monotonic: Instant) -> Now {
        let wall = Timestamp::NONE;
        Now { monotonic, wall }
    }
    const TOPIC: TopicId = TopicId(100);

    /// Answers every request of a look: two partitions with ends 500 and 30; 100 is committed in the first.
    fn answer(probe: &mut LagProbe, now: Instant, coordinator: Option<NodeId>) -> u32 {
        let mut asked = 0;
        while let Some(output) = probe.poll() {
            if let Output::Open { connection, .. } = output {
                probe.handle(at(now), Input::Connected { connection });
            }
            let Output::Request { connection, id, body } = output else {
                continue;
            };
            asked += 1;
            let partition = |index| TopicPartition::new(TOPIC, index);
            let body: Response = match body {
                Request::Metadata(_) => {
                    let partition = |index: i32| MetadataPartition {
                        index: PartitionIndex(index),
                        error: ErrorCode::None,
                        leader: Some(NodeId(index as u32 + 1)),
                        leader_epoch: LeaderEpoch(0),
                        replicas: Vec::new(),
                        isr: Vec::new(),
                    };
                    let topic = MetadataTopic {
                        name: "orders".into(),
                        id: Some(TOPIC),
                        error: ErrorCode::None,
                        partitions: vec![partition(0), partition(1)],
                    };
                    let (brokers, topics) = (Vec::new(), vec![topic]);
                    MetadataResponse { brokers, topics }.into()
                }
                Request::FindCoordinator(_) => {
                    let error = coordinator.map_or(ErrorCode::CoordinatorNotAvailable, |_| ErrorCode::None);
                    let coordinator = coordinator.map(|node| (node, address::endpoint(node, Listener::Broker)));
                    FindCoordinatorResponse { error, coordinator }.into()
                }
                Request::OffsetFetch(_) => {
                    let committed = OffsetAndMetadata::at(Offset(100));
                    let (error, partitions) = (
                        ErrorCode::None,
                        vec![(partition(0), Some(committed)), (partition(1), None)],
                    );
                    OffsetFetchResponse { error, partitions }.into()
                }
                Request::ListOffsets(body) => {
                    let answers = body
                        .partitions
                        .iter()
                        .map(|(partition, ..)| ListOffsetsPartitionResponse {
                            partition: *partition,
                            error: ErrorCode::None,
                            offset: Some(Offset(if partition.partition.0 == 0 { 500 } else { 30 })),
                            timestamp: Timestamp::NONE,
                            leader_epoch: None,
                        });
                    let partitions = answers.collect();
                    ListOffsetsResponse { partitions }.into()
                }
                other => panic!("{other:?}"),
            };
            probe.handle(at(now), Input::Response { connection, id, body });
        }
        asked
    }

    #[test]
    fn it_knows_the_partition_that_is_furthest_behind() {
        let mut probe = LagProbe::new(
            START,
            "orders".into(),
            "billing".into(),
            address::bootstrap([NodeId(1), NodeId(2)]),
            Random::new(1, "lag probe"),
        );
        assert_eq!(probe.deadline(), Some(START));
        probe.handle(at(START), Input::Wake);
        assert_eq!(
            answer(&mut probe, START, Some(NodeId(2))),
            5,
            "two leaders are asked for ends"
        );
        assert_eq!((probe.lag, probe.deadline()), (400, Some(START + INTERVAL)));
    }

    #[test]
    fn a_look_that_fails_leaves_what_was_known_and_is_tried_again() {
        let mut probe = LagProbe::new(
            START,
            "orders".into(),
            "billing".into(),
            address::bootstrap([NodeId(1)]),
            Random::new(1, "lag probe"),
        );
        probe.lag = 7;
        probe.handle(at(START), Input::Wake);
        assert_eq!(answer(&mut probe, START, None), 2);
        assert_eq!((probe.lag, probe.deadline()), (7, Some(START + INTERVAL)));
        probe.handle(at(START + INTERVAL), Input::Wake);
        assert_eq!(
            probe.deadline(),
            Some(START + INTERVAL + TIMEOUT),
            "and after silence once more"
        );
        let (connection, reason) = (ConnectionId::Outbound(1), CloseReason::Lost);
        probe.handle(at(START + INTERVAL), Input::Closed { connection, reason });
        assert_eq!(probe.deadline(), Some(START + INTERVAL * 2));
    }
}
