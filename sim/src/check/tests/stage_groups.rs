//! The lines of a [`script`](super::script) about groups.

use broker_core::protocol::{Acks, BatchBuilder, Compacted, ErrorCode, RecordBatch};
use broker_core::trace::{self, Event, GroupState, RemovalCause, ReplicaRole, ResetCause, TruncationCause};
use broker_core::types::{
    GroupEpoch, GroupId, LeaderEpoch, MemberId, NodeId, Offset, PartitionEpoch, PartitionIndex, Timestamp, TopicId,
    TopicName, TopicPartition,
};

use super::stage::{ORDERS, Stage, content, node, number, offset, option, uid};
use crate::history::{
    CommitEnded, CommitInvoked, ConsumerFailure, Hop, PolledRecord, ProcessEnded, ProcessOutcome, Processing, SendOk,
    SentRecord, SimTime, Sought, What, fingerprint,
};

pub(super) const OFFSETS: TopicPartition = TopicPartition {
    topic: TopicId(200),
    partition: PartitionIndex(0),
};
const BROKERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// Partition `index` of `orders`, `r` the one of `retry`, `d` that of `dead`.
pub(super) fn partition(index: &str) -> TopicPartition {
    match index {
        "r" => TopicPartition::new(TopicId(101), 0),
        "d" => TopicPartition::new(TopicId(102), 0),
        index => TopicPartition::new(ORDERS.topic, number(index) as i32),
    }
}

fn partitions(indexes: &str) -> Vec<TopicPartition> {
    indexes
        .split(',')
        .filter(|index| !index.is_empty() && *index != "-")
        .map(partition)
        .collect()
}

fn epoch(word: &str) -> GroupEpoch {
    GroupEpoch(number(word) as i32)
}

fn group() -> GroupId {
    "g".into()
}

/// The group of a member: `h` is that of `v1`.
fn group_of(member: &str) -> GroupId {
    if member.starts_with('v') { "h".into() } else { group() }
}

impl Stage {
    /// A line about the offsets topic's leader.
    pub fn coordinator(&mut self, node: NodeId, verb: &str, words: &[&str]) {
        match verb {
            "coordinates" => {
                self.lead_offsets(node);
                self.loading(node);
                self.loaded(node, None);
            }
            "loads" => {
                self.lead_offsets(node);
                self.loading(node);
            }
            "loaded" => self.loaded(node, words.first().map(|digest| number(digest) as u64)),
            _ => self.fact(
                node,
                Event::CoordinatorUnloaded(trace::CoordinatorUnloaded {
                    partition: OFFSETS,
                    leader_epoch: self.coordinator.1,
                }),
            ),
        }
    }

    fn lead_offsets(&mut self, node: NodeId) {
        if self.coordinator.1 == LeaderEpoch(-1) {
            self.metadata += 1;
            let created = Event::TopicCreated(trace::TopicCreated {
                offset: Offset(self.metadata),
                name: TopicName::CONSUMER_OFFSETS.into(),
                topic: OFFSETS.topic,
            });
            self.fact(NodeId(9), created);
        }
        let leader_epoch = LeaderEpoch(self.coordinator.1.0 + 1);
        self.coordinator = (node, leader_epoch);
        self.metadata += 1;
        let partition_epoch = PartitionEpoch(leader_epoch.0);
        let state = Event::PartitionChanged(trace::PartitionChanged {
            offset: Offset(self.metadata),
            partition: OFFSETS,
            replicas: BROKERS.to_vec(),
            isr: BROKERS.to_vec(),
            leader: Some(node),
            leader_epoch,
            partition_epoch,
        });
        self.fact(NodeId(9), state);
        for broker in BROKERS {
            let end = self.offsets_end(broker);
            let event = if broker == node {
                Event::BecameLeader(trace::BecameLeader {
                    partition: OFFSETS,
                    leader_epoch,
                    partition_epoch,
                    epoch_start_offset: end,
                    high_watermark: end,
                    isr: BROKERS.to_vec(),
                })
            } else {
                Event::BecameFollower(trace::BecameFollower {
                    partition: OFFSETS,
                    leader: Some(node),
                    leader_epoch,
                    log_end_offset: end,
                    high_watermark: Offset::ZERO,
                })
            };
            self.fact(broker, event);
            let to = self.offsets_end(node);
            if self.offsets_end(broker) > to {
                self.log(broker, OFFSETS).retain(|batch| batch.next_offset() <= to);
                let cut = Event::Truncated(trace::Truncated {
                    partition: OFFSETS,
                    to,
                    leader_epoch,
                    cause: TruncationCause::DivergingEpoch,
                });
                self.fact(broker, cut);
            }
        }
    }

    fn loading(&mut self, node: NodeId) {
        let leader_epoch = self.coordinator.1;
        self.fact(
            node,
            Event::CoordinatorLoading(trace::CoordinatorLoading {
                partition: OFFSETS,
                leader_epoch,
            }),
        );
    }

    fn loaded(&mut self, node: NodeId, digest: Option<u64>) {
        let mut read = Compacted::default();
        for batch in self.log(node, OFFSETS) {
            read.take_in(batch).expect("well formed");
        }
        let loaded = Event::CoordinatorLoaded(trace::CoordinatorLoaded {
            partition: OFFSETS,
            leader_epoch: self.coordinator.1,
            end: self.offsets_end(node),
            digest: digest.unwrap_or_else(|| read.digest()),
        });
        self.fact(node, loaded);
    }

    fn offsets_end(&mut self, node: NodeId) -> Offset {
        let log = self.log(node, OFFSETS);
        log.last().map_or(Offset::ZERO, RecordBatch::next_offset)
    }

    /// A line about the group, or of one of its members.
    pub fn group(&mut self, first: &str, words: &[&str]) {
        let (coordinator, _) = self.coordinator;
        match first {
            "group" => {
                let state = match words[0] {
                    "Empty" => GroupState::Empty,
                    "PreparingRebalance" => GroupState::PreparingRebalance,
                    "CompletingRebalance" => GroupState::CompletingRebalance,
                    "Assigning" => GroupState::Assigning,
                    "Reconciling" => GroupState::Reconciling,
                    "Stable" => GroupState::Stable,
                    other => panic!("no state {other}"),
                };
                let members = words.get(2).map_or(0, |count| number(count) as u32);
                let changed = Event::GroupChanged(trace::GroupChanged {
                    group: group(),
                    state,
                    epoch: epoch(words[1]),
                    members,
                });
                self.fact(coordinator, changed);
            }
            "member" => {
                self.member_epochs.insert(words[0].into(), epoch(words[1]));
                let changed = Event::MemberChanged(trace::MemberChanged {
                    group: group_of(words[0]),
                    member: words[0].into(),
                    instance: option(words, "as").map(Into::into),
                    epoch: epoch(words[1]),
                    assigned: partitions(words.get(2).unwrap_or(&"")),
                    revoking: option(words, "releasing").map_or(Vec::new(), partitions),
                });
                self.fact(coordinator, changed);
            }
            "remove" => {
                let cause = match words[1] {
                    "Left" => RemovalCause::Left,
                    "SessionTimeout" => RemovalCause::SessionTimeout,
                    "Replaced" => RemovalCause::Replaced,
                    other => panic!("no cause {other}"),
                };
                let removed = Event::MemberRemoved(trace::MemberRemoved {
                    group: group_of(words[0]),
                    member: words[0].into(),
                    cause,
                });
                self.fact(coordinator, removed);
            }
            "expire" => {
                self.offsets_append(&[words[0]]);
                self.fact(
                    coordinator,
                    Event::OffsetExpired(trace::OffsetExpired {
                        group: group(),
                        partition: partition(words[0]),
                    }),
                );
            }
            worker => self.worker(worker, words[0], &words[1..]),
        }
    }

    /// The newest epoch that a coordinator stated of a member.
    fn epoch_of(&self, member: &MemberId) -> GroupEpoch {
        self.member_epochs.get(member).copied().unwrap_or(GroupEpoch(1))
    }

    fn worker(&mut self, name: &str, verb: &str, words: &[&str]) {
        let first = if name.starts_with('v') { 320 } else { 300 };
        let worker = NodeId(first + node(&name[1..]).0);
        let member: MemberId = name.into();
        let (coordinator, _) = self.coordinator;
        let moved = |from: Option<&str>, to: &str, cause| {
            Event::PositionReset(trace::PositionReset {
                partition: partition(words[0]),
                from: from.map(offset),
                to: offset(to),
                cause,
            })
        };
        match verb {
            "owns" => {
                let assigned = Event::PartitionsAssigned(trace::PartitionsAssigned {
                    group: group_of(name),
                    member,
                    epoch: words
                        .get(1)
                        .map_or_else(|| self.epoch_of(&name.into()), |word| epoch(word)),
                    partitions: partitions(words[0]),
                });
                self.fact(worker, assigned);
            }
            "gives" => {
                let revoked = Event::PartitionsRevoked(trace::PartitionsRevoked {
                    group: group_of(name),
                    member,
                    epoch: GroupEpoch(1),
                    partitions: partitions(words[0]),
                });
                self.fact(worker, revoked);
            }
            "loses" => {
                let lost = Event::PartitionsLost(trace::PartitionsLost {
                    group: group_of(name),
                    member,
                    partitions: partitions(words[0]),
                });
                self.fact(worker, lost);
            }
            "fetched" => {
                let position = (words[1] != "-").then(|| offset(words[1]));
                let fetched = Event::OffsetsFetched(trace::OffsetsFetched {
                    group: group_of(name),
                    client: worker,
                    partitions: vec![(partition(words[0]), position)],
                });
                let teller = option(words, "by").map_or(coordinator, node);
                self.fact(teller, fetched);
            }
            "at" => self.fact(worker, moved(None, words[1], ResetCause::Committed)),
            "begins" => self.fact(worker, moved(None, words[1], ResetCause::NoPosition)),
            "thrown" => self.fact(worker, moved(Some(words[1]), words[2], ResetCause::OutOfRange)),
            "seeks" => {
                let (partition, to) = (partition(words[0]), offset(words[1]));
                self.entry(worker, What::Sought(Sought { partition, to }));
            }
            "stuck" => {
                let failure = ConsumerFailure::NoPosition(partition(words[0]));
                self.entry(worker, What::ConsumerFailed(failure));
            }
            "unseated" => {
                let failure = ConsumerFailure::NoPlace(
                    group_of(name),
                    match words[0] {
                        "FencedInstanceId" => ErrorCode::FencedInstanceId,
                        "UnreleasedInstanceId" => ErrorCode::UnreleasedInstanceId,
                        "GroupMaxSizeReached" => ErrorCode::GroupMaxSizeReached,
                        other => panic!("{other} throws nobody out"),
                    },
                );
                self.entry(worker, What::ConsumerFailed(failure));
            }
            "moves" => self.fact(worker, moved(Some(words[1]), words[2], ResetCause::Seek)),
            "joins" => {
                self.worker(name, "owns", &words[..1]);
                self.worker(name, "fetched", words);
                let verb = if words[1] == "-" { "begins" } else { "at" };
                let to = if words[1] == "-" { "0" } else { words[1] };
                self.worker(name, verb, &[words[0], to]);
            }
            "polls" => {
                let polled: Vec<PolledRecord> = words.iter().map(|item| self.polled(item)).collect();
                self.entry(worker, What::Polled(polled));
            }
            "does" => {
                for item in words {
                    self.worker(name, "works", &[item]);
                    self.worker(name, "done", &[item]);
                }
            }
            "works" => {
                let processing = processing(name, words);
                self.entry(worker, What::ProcessBegun(processing));
            }
            "done" | "drops" | "again" | "retried" | "buried" => {
                let outcome = match verb {
                    "done" => ProcessOutcome::Processed,
                    "retried" => ProcessOutcome::Retried(uid(words[1])),
                    "buried" => ProcessOutcome::DeadLettered(uid(words[1])),
                    "drops" => ProcessOutcome::Skipped,
                    _ => ProcessOutcome::WillRetry,
                };
                let processing = processing(name, words);
                self.entry(worker, What::ProcessEnded(ProcessEnded { processing, outcome }));
            }
            "copies" => self.copies(NodeId(worker.0 + 10), words),
            "copied" => {
                let (copy, at) = words[0].split_once('@').expect("`x@0`");
                let to = if words.contains(&"dead") { "d" } else { "r" };
                self.keep(to, copy);
                let ok = What::SendOk(SendOk {
                    uid: uid(copy),
                    partition: partition(to),
                    offset: Some(offset(at)),
                    acks: Acks::All,
                });
                self.entry(NodeId(worker.0 + 10), ok);
            }
            "asks" => {
                let offsets = vec![(partition(words[0]), offset(words[1]))];
                let group = group_of(name);
                self.entry(worker, What::CommitInvoked(CommitInvoked { group, offsets }));
            }
            "answered" => {
                let error = match words.get(2) {
                    Some(&"NotCoordinator") => ErrorCode::NotCoordinator,
                    Some(&"IllegalGeneration") => ErrorCode::IllegalGeneration,
                    _ => ErrorCode::None,
                };
                let ended = What::CommitEnded(CommitEnded {
                    group: group_of(name),
                    offsets: vec![(partition(words[0]), offset(words[1]))],
                    error,
                });
                self.entry(worker, ended);
            }
            "taken" => {
                let at = (OFFSETS, self.offsets_end(coordinator));
                if option(words, "is") != Some("uncommitted") {
                    self.offsets_append(&words[..2]);
                } else {
                    self.offsets_write(&words[..2]);
                }
                let taken = Event::OffsetCommitted(trace::OffsetCommitted {
                    group: group_of(name),
                    member: Some(member).filter(|_| words[2] != "-1"),
                    epoch: epoch(words[2]),
                    partition: partition(words[0]),
                    offset: offset(words[1]),
                    at,
                });
                self.fact(coordinator, taken);
            }
            "commits" => {
                for verb in ["asks", "taken", "answered"] {
                    self.worker(name, verb, words);
                }
            }
            other => panic!("no worker {other}"),
        }
    }

    fn copies(&mut self, producer: NodeId, words: &[&str]) {
        let (read, at) = words[1].split_once('@').expect("`a@0`");
        let (from, at) = at.strip_prefix('r').map_or(("0", at), |at| ("r", at));
        let dead_letter = words.contains(&"dead");
        let (_, value) = content(words[0]);
        let hop = Hop {
            origin: uid(option(words, "of").unwrap_or(read)),
            from: (partition(from), offset(at)),
            attempts: number(words[2]) as u32,
            not_before: option(words, "after").map(|after| SimTime(number(after) as u64 * 1_000_000_000)),
            dead_letter,
        };
        let record = SentRecord {
            uid: uid(words[0]),
            topic: if dead_letter { "dead" } else { "retry" }.into(),
            key: None,
            value: None,
            fingerprint: fingerprint(None, Some(&value), &[]),
            payload: u32::from(words.contains(&"other")),
            hop: Some(Box::new(hop)),
            is_probe: false,
        };
        self.entry(producer, What::SendInvoked(record));
    }

    /// A record is committed in a partition that only broker 1 has.
    pub fn keep(&mut self, to: &str, name: &str) {
        let partition = partition(to);
        let node = NodeId(1);
        let (leader_epoch, partition_epoch) = (LeaderEpoch(0), PartitionEpoch(0));
        if self.log(node, partition).is_empty() {
            if partition.topic != ORDERS.topic {
                self.metadata += 1;
                let created = Event::TopicCreated(trace::TopicCreated {
                    offset: Offset(self.metadata),
                    name: if to == "r" { "retry" } else { "dead" }.into(),
                    topic: partition.topic,
                });
                self.fact(NodeId(9), created);
            }
            self.metadata += 1;
            let state = Event::PartitionChanged(trace::PartitionChanged {
                offset: Offset(self.metadata),
                partition,
                replicas: vec![node],
                isr: vec![node],
                leader: Some(node),
                leader_epoch,
                partition_epoch,
            });
            self.fact(NodeId(9), state);
            let leads = Event::BecameLeader(trace::BecameLeader {
                partition,
                leader_epoch,
                partition_epoch,
                epoch_start_offset: Offset::ZERO,
                high_watermark: Offset::ZERO,
                isr: vec![node],
            });
            self.fact(node, leads);
        }
        let from = Offset(self.log(node, partition).len() as i64);
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(0), None, Some(&content(name).1), &[]);
        self.append(
            node,
            partition,
            ReplicaRole::Leader,
            builder.build().stamped(from, leader_epoch),
        );
        let moved = Event::HighWatermarkChanged(trace::HighWatermarkChanged {
            partition,
            role: ReplicaRole::Leader,
            leader_epoch,
            from,
            to: from.next(),
        });
        self.fact(node, moved);
    }

    /// A broker comes back with what it still has of the offsets topic, or of `retry`, which it leads again.
    pub fn regain(&mut self, node: NodeId, words: &[&str]) {
        let [index, below] = words else {
            return self.recover(node, OFFSETS, words);
        };
        let partition = partition(index);
        self.recover(node, partition, &[below]);
        self.metadata += 1;
        let (leader_epoch, partition_epoch) = (LeaderEpoch(1), PartitionEpoch(1));
        let state = Event::PartitionChanged(trace::PartitionChanged {
            offset: Offset(self.metadata),
            partition,
            replicas: vec![node],
            isr: vec![node],
            leader: Some(node),
            leader_epoch,
            partition_epoch,
        });
        self.fact(NodeId(9), state);
        let leads = Event::BecameLeader(trace::BecameLeader {
            partition,
            leader_epoch,
            partition_epoch,
            epoch_start_offset: offset(below),
            high_watermark: offset(below),
            isr: vec![node],
        });
        self.fact(node, leads);
    }

    /// The coordinator writes to its log.
    fn offsets_write(&mut self, words: &[&str]) {
        let (leader, epoch) = self.coordinator;
        let mut builder = BatchBuilder::new();
        let value = words.join(" ");
        builder.push(Timestamp(0), Some(words[0].as_bytes()), Some(value.as_bytes()), &[]);
        let batch = builder.build().stamped(self.offsets_end(leader), epoch);
        self.append(leader, OFFSETS, ReplicaRole::Leader, batch);
    }

    /// It writes, and that is committed.
    fn offsets_append(&mut self, words: &[&str]) {
        let (leader, leader_epoch) = self.coordinator;
        let from = self.offsets_end(leader);
        self.offsets_write(words);
        let to = self.offsets_end(leader);
        let others = BROKERS.into_iter().filter(|broker| *broker != leader);
        for follower in others.clone() {
            self.copy(follower, leader, OFFSETS);
            let fetched = Event::FollowerFetched(trace::FollowerFetched {
                partition: OFFSETS,
                follower,
                broker_epoch: None,
                leader_epoch,
                fetch_offset: to,
            });
            self.fact(leader, fetched);
        }
        let moved = Event::HighWatermarkChanged(trace::HighWatermarkChanged {
            partition: OFFSETS,
            role: ReplicaRole::Leader,
            leader_epoch,
            from,
            to,
        });
        self.fact(leader, moved);
    }
}

/// `a@0`, or `a@r0` of `retry`, and the number of the attempt.
fn processing(worker: &str, words: &[&str]) -> Processing {
    let (name, at) = words[0].split_once('@').expect("`a@0`");
    let (of, at) = at.strip_prefix('r').map_or(("0", at), |at| ("r", at));
    Processing {
        group: Some(group_of(worker)),
        partition: partition(of),
        offset: offset(at),
        uid: Some(content(name).0),
        attempt: words.get(1).and_then(|attempt| attempt.parse().ok()).unwrap_or(1),
    }
}
