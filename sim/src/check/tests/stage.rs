//! What stands on the stage of a [`script`](super::script): enough to say each line's facts in full.

use std::collections::BTreeMap;

use broker_core::protocol::{Acks, BatchBuilder, ErrorCode, RecordBatch};
use broker_core::trace::{self, Event, QuorumRole, ReplicaRole, ResetCause, TruncationCause};
use broker_core::types::{
    BrokerEpoch, GroupEpoch, LeaderEpoch, MemberId, NodeId, Offset, PartitionEpoch, PartitionIndex, ProducerEpoch,
    ProducerId, Sequence, Timestamp, TopicId, TopicPartition,
};

use super::script::{Contract, Step};
use crate::history::{
    Environment, PolledRecord, SendFailed, SendOk, SendUnknown, SentRecord, Sought, Uid, What, fingerprint,
};

pub(super) const ORDERS: TopicPartition = TopicPartition {
    topic: TopicId(100),
    partition: PartitionIndex(0),
};
const PRODUCER: NodeId = NodeId(101);
const CONSUMER: NodeId = NodeId(201);

/// What has been said so far, and where everything stands.
pub struct Stage {
    /// What has been said.
    pub steps: Vec<Step>,
    /// Who leads the offsets topic, and in which epoch.
    pub(super) coordinator: (NodeId, LeaderEpoch),
    /// The newest epoch that a coordinator stated of each member.
    pub(super) member_epochs: BTreeMap<MemberId, GroupEpoch>,
    contract: Contract,
    logs: BTreeMap<(NodeId, TopicPartition), Vec<RecordBatch>>,
    /// What each broker last cut from its log.
    cut: BTreeMap<NodeId, Vec<RecordBatch>>,
    high_watermarks: BTreeMap<NodeId, Offset>,
    /// In which epoch each broker takes part, and whether it leads.
    parts: BTreeMap<NodeId, (LeaderEpoch, bool)>,
    leader: Option<NodeId>,
    isr: Vec<NodeId>,
    epoch: i32,
    partition_epoch: i32,
    pub(super) metadata: i64,
    sequence: i32,
}

impl Stage {
    /// Topic `orders` exists.
    pub fn new(contract: Contract) -> Stage {
        let mut stage = Stage {
            steps: Vec::new(),
            coordinator: (NodeId(0), LeaderEpoch(-1)),
            member_epochs: BTreeMap::new(),
            contract,
            logs: BTreeMap::new(),
            cut: BTreeMap::new(),
            high_watermarks: BTreeMap::new(),
            parts: BTreeMap::new(),
            leader: None,
            isr: Vec::new(),
            epoch: -1,
            partition_epoch: -1,
            metadata: 0,
            sequence: 0,
        };
        let created = Event::TopicCreated(trace::TopicCreated {
            offset: Offset(0),
            name: "orders".into(),
            topic: ORDERS.topic,
        });
        stage.fact(NodeId(9), created.clone());
        stage.fact(NodeId(8), created);
        stage
    }

    pub(super) fn fact(&mut self, node: NodeId, event: Event) {
        self.steps.push(Step::Fact(node, event));
    }

    pub(super) fn entry(&mut self, process: NodeId, what: What) {
        self.steps.push(Step::Line(process, what));
    }

    /// Says one line of a script.
    pub fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((first, rest)) = words.split_first() else {
            return;
        };
        match *first {
            "elect" => self.elect(rest),
            "isr" => {
                self.isr = nodes(rest[0]);
                self.commit_state();
            }
            "send" => rest.iter().for_each(|name| self.send(name)),
            "commit" => self.commit(rest),
            "ok" => self.ok(rest),
            "fail" => rest.iter().for_each(|name| {
                let error = ErrorCode::MessageTooLarge;
                self.entry(PRODUCER, What::SendFailed(SendFailed { uid: uid(name), error }));
            }),
            "unknown" => rest.iter().for_each(|name| {
                let error = ErrorCode::RequestTimedOut;
                self.entry(PRODUCER, What::SendUnknown(SendUnknown { uid: uid(name), error }));
            }),
            "poll" => {
                let polled = rest.iter().map(|item| self.polled(item)).collect();
                self.entry(CONSUMER, What::Polled(polled));
            }
            "seek" => self.entry(
                CONSUMER,
                What::Sought(Sought {
                    partition: ORDERS,
                    to: offset(rest[0]),
                }),
            ),
            "reset" => {
                let (from, cause) = match rest[0] {
                    "-" => (None, ResetCause::NoPosition),
                    from => (Some(offset(from)), ResetCause::Seek),
                };
                let reset = Event::PositionReset(trace::PositionReset {
                    partition: ORDERS,
                    from,
                    to: offset(rest[1]),
                    cause,
                });
                self.fact(CONSUMER, reset);
            }
            "kill" => self.environment(rest, Environment::Killed),
            "power" => self.environment(rest, Environment::PowerLost { lost_bytes: 100 }),
            "start" => self.environment(rest, Environment::Started),
            "unsettled" | "cut" => {}
            "wait" => self.steps.push(Step::Wait(number(rest[0]) as u64)),
            "heal" => self.entry(NodeId(0), What::Environment(Environment::Healed)),
            "meta" => self.metadata(node(rest[0]), rest[1], &rest[2..]),
            "keep" => self.keep(rest[0], rest[1]),
            "group" | "member" | "remove" | "expire" | "w1" | "w2" | "v1" => self.group(first, rest),
            broker if rest[0] == "regains" => self.regain(node(broker), &rest[1..]),
            broker if matches!(rest[0], "coordinates" | "loads" | "loaded" | "unloads") => {
                self.coordinator(node(broker), rest[0], &rest[1..]);
            }
            broker => self.broker(node(broker), rest[0], &rest[1..]),
        }
    }

    // ---- the controller

    fn elect(&mut self, words: &[&str]) {
        self.leader = (words[0] != "-").then(|| node(words[0]));
        self.isr = nodes(words[2]);
        self.epoch += 1;
        self.commit_state();
    }

    fn commit_state(&mut self) {
        self.partition_epoch += 1;
        self.metadata += 1;
        let state = Event::PartitionChanged(trace::PartitionChanged {
            offset: Offset(self.metadata),
            partition: ORDERS,
            replicas: nodes("1,2,3"),
            isr: self.isr.clone(),
            leader: self.leader,
            leader_epoch: LeaderEpoch(self.epoch),
            partition_epoch: PartitionEpoch(self.partition_epoch),
        });
        self.fact(NodeId(9), state.clone());
        self.fact(NodeId(8), state);
    }

    // ---- brokers

    fn broker(&mut self, node: NodeId, verb: &str, words: &[&str]) {
        let (epoch, leads) = self
            .parts
            .get(&node)
            .copied()
            .unwrap_or((LeaderEpoch(self.epoch), false));
        let epoch = option(words, "epoch").map_or(epoch, |epoch| LeaderEpoch(number(epoch) as i32));
        let role = if leads {
            ReplicaRole::Leader
        } else {
            ReplicaRole::Follower
        };
        let high_watermark = self.high_watermark(node);
        let partition = ORDERS;
        match verb {
            "leads" => {
                let leader_epoch = option(words, "epoch").map_or(LeaderEpoch(self.epoch), |_| epoch);
                let high_watermark = option(words, "hw").map_or(high_watermark, offset);
                self.high_watermarks.insert(node, high_watermark);
                self.parts.insert(node, (leader_epoch, true));
                let partition_epoch = PartitionEpoch(self.partition_epoch);
                let (epoch_start_offset, isr) = (self.end(node), self.isr.clone());
                let event = Event::BecameLeader(trace::BecameLeader {
                    partition,
                    leader_epoch,
                    partition_epoch,
                    epoch_start_offset,
                    high_watermark,
                    isr,
                });
                self.fact(node, event);
            }
            "follows" => {
                let leader_epoch = option(words, "epoch").map_or(LeaderEpoch(self.epoch), |_| epoch);
                self.parts.insert(node, (leader_epoch, false));
                let (leader, log_end_offset) = (self.leader, self.end(node));
                self.fact(
                    node,
                    Event::BecameFollower(trace::BecameFollower {
                        partition,
                        leader,
                        leader_epoch,
                        log_end_offset,
                        high_watermark,
                    }),
                );
            }
            "appends" => {
                let names: Vec<&str> = words.iter().copied().take_while(|word| *word != "epoch").collect();
                let batch = self.batch(node, &names, epoch);
                self.append(node, ORDERS, ReplicaRole::Leader, batch);
            }
            "writes" => {
                let names: Vec<&str> = words.iter().copied().take_while(|word| *word != "epoch").collect();
                let batch = self.batch(node, &names, epoch);
                self.append(node, ORDERS, ReplicaRole::Follower, batch);
            }
            "learns" => {
                let (follower, fetch_offset, broker_epoch) =
                    (self::node(words[0]), offset(words[1]), Some(BrokerEpoch(1)));
                self.fact(
                    node,
                    Event::FollowerFetched(trace::FollowerFetched {
                        partition,
                        follower,
                        broker_epoch,
                        leader_epoch: epoch,
                        fetch_offset,
                    }),
                );
            }
            "copies" => {
                let from = words
                    .first()
                    .map_or_else(|| self.leader.expect("a leader"), |from| self::node(from));
                self.copy(node, from, ORDERS);
            }
            "fetches" => {
                let fetch_offset = words.first().map_or_else(|| self.end(node), |to| offset(to));
                self.fetched(node, fetch_offset);
            }
            "hw" => self.move_high_watermark(node, role, epoch, offset(words[0])),
            "cuts" => {
                let to = offset(words[0]);
                let log = self.log(node, ORDERS);
                let cut = log.split_off(log.partition_point(|batch| batch.next_offset() <= to));
                self.cut.insert(node, cut);
                let cause = match option(words, "by") {
                    Some("hw") => TruncationCause::HighWatermark,
                    _ => TruncationCause::DivergingEpoch,
                };
                self.high_watermarks.insert(node, high_watermark.min(to));
                self.fact(
                    node,
                    Event::Truncated(trace::Truncated {
                        partition,
                        to,
                        leader_epoch: epoch,
                        cause,
                    }),
                );
            }
            "flushes" => {
                let end = words.first().map_or_else(|| self.end(node), |end| offset(end));
                self.fact(node, Event::Flushed(trace::Flushed { partition, end }));
            }
            "recovers" => self.recover(node, ORDERS, words),
            "revives" => {
                let cut = self.cut.remove(&node).unwrap_or_default();
                self.log(node, ORDERS).extend(cut);
                self.recover(node, ORDERS, &[]);
            }
            "vanishes" => {
                self.log(node, ORDERS).clear();
                self.high_watermarks.remove(&node);
            }
            "invents" => {
                let batch = self.batch(node, words, epoch);
                self.log(node, ORDERS).push(batch);
                self.recover(node, ORDERS, &[]);
            }
            "answers" => {
                let (first, last) = range(words[1]);
                let error = match option(words, "error") {
                    None => ErrorCode::None,
                    Some("NotEnoughReplicas") => ErrorCode::NotEnoughReplicas,
                    Some(other) => panic!("no error {other}"),
                };
                let isr_at_append = option(words, "isr").map_or(self.isr.len() as u32, |isr| number(isr) as u32);
                self.answer(node, acks(words[0]), (first, last), error, isr_at_append);
            }
            "serves" => {
                let (from, to) = range(words[0]);
                let served = Event::FetchServed(trace::FetchServed {
                    partition,
                    reader: CONSUMER,
                    from,
                    to,
                    high_watermark,
                    leader_epoch: epoch,
                });
                self.fact(node, served);
            }
            "proposes" => {
                let isr = nodes(words[0]);
                let mut maximal_isr = self.isr.clone();
                maximal_isr.extend(isr.iter().filter(|member| !self.isr.contains(member)));
                let partition_epoch = PartitionEpoch(self.partition_epoch);
                self.fact(
                    node,
                    Event::IsrProposed(trace::IsrProposed {
                        partition,
                        leader_epoch: epoch,
                        partition_epoch,
                        isr,
                        maximal_isr,
                    }),
                );
            }
            "adopts" => {
                let (isr, partition_epoch) = (nodes(words[0]), PartitionEpoch(self.partition_epoch));
                self.fact(
                    node,
                    Event::IsrChanged(trace::IsrChanged {
                        partition,
                        leader_epoch: epoch,
                        partition_epoch,
                        isr,
                    }),
                );
            }
            "withdraws" => {
                self.fact(
                    node,
                    Event::IsrProposalRejected(trace::IsrProposalRejected {
                        partition,
                        error: ErrorCode::IneligibleReplica,
                    }),
                );
            }
            other => panic!("no broker {other}"),
        }
    }

    fn answer(&mut self, node: NodeId, acks: Acks, offsets: (Offset, Offset), error: ErrorCode, isr_at_append: u32) {
        let (leader_epoch, _) = self.parts[&node];
        let answer = Event::ProduceAnswered(trace::ProduceAnswered {
            partition: ORDERS,
            acks,
            error,
            offsets: Some(offsets),
            leader_epoch,
            high_watermark: self.high_watermark(node),
            isr_at_append,
            min_insync_replicas: self.contract.min_insync_replicas,
        });
        self.fact(node, answer);
    }

    fn commit(&mut self, names: &[&str]) {
        let leader = self.leader.expect("a leader");
        let (epoch, _) = self.parts[&leader];
        let batch = self.batch(leader, names, epoch);
        let (first, last) = (batch.base_offset(), batch.last_offset());
        self.append(leader, ORDERS, ReplicaRole::Leader, batch);
        let others: Vec<NodeId> = self.isr.iter().copied().filter(|member| *member != leader).collect();
        for other in &others {
            self.copy(*other, leader, ORDERS);
            self.fetched(*other, last.next());
        }
        self.move_high_watermark(leader, ReplicaRole::Leader, epoch, last.next());
        for other in &others {
            self.move_high_watermark(*other, ReplicaRole::Follower, epoch, last.next());
        }
        let isr = self.isr.len() as u32;
        self.answer(leader, Acks::All, (first, last), ErrorCode::None, isr);
    }

    pub(super) fn append(&mut self, node: NodeId, partition: TopicPartition, role: ReplicaRole, batch: RecordBatch) {
        self.log(node, partition).push(batch.clone());
        self.fact(node, Event::Appended(trace::Appended { partition, role, batch }));
    }

    pub(super) fn copy(&mut self, node: NodeId, from: NodeId, partition: TopicPartition) {
        let have = self
            .log(node, partition)
            .last()
            .map_or(Offset::ZERO, RecordBatch::next_offset);
        for batch in self.log(from, partition).clone() {
            if batch.base_offset() >= have {
                self.append(node, partition, ReplicaRole::Follower, batch);
            }
        }
    }

    fn fetched(&mut self, follower: NodeId, fetch_offset: Offset) {
        let leader = self.leader.expect("a leader");
        let (leader_epoch, _) = self.parts[&leader];
        let broker_epoch = Some(BrokerEpoch(1));
        let fetched = Event::FollowerFetched(trace::FollowerFetched {
            partition: ORDERS,
            follower,
            broker_epoch,
            leader_epoch,
            fetch_offset,
        });
        self.fact(leader, fetched);
    }

    fn move_high_watermark(&mut self, node: NodeId, role: ReplicaRole, leader_epoch: LeaderEpoch, to: Offset) {
        let from = self.high_watermarks.insert(node, to).unwrap_or_default();
        self.fact(
            node,
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                partition: ORDERS,
                role,
                leader_epoch,
                from,
                to,
            }),
        );
    }

    pub(super) fn recover(&mut self, node: NodeId, partition: TopicPartition, words: &[&str]) {
        if let Some(below) = words.first().filter(|word| **word != "cut") {
            let below = offset(below);
            self.log(node, partition).retain(|batch| batch.next_offset() <= below);
        }
        let batches = self.log(node, partition).clone();
        if partition == ORDERS {
            self.parts.remove(&node);
            let end = self.end(node);
            let kept = self.high_watermark(node).min(end);
            self.high_watermarks.insert(node, kept);
        }
        let recovered = Event::LogRecovered(trace::LogRecovered {
            partition,
            log_start_offset: Offset::ZERO,
            log_end_offset: batches.last().map_or(Offset::ZERO, RecordBatch::next_offset),
            cut_bytes: option(words, "cut").map_or(0, |bytes| number(bytes) as u64),
            batches,
        });
        self.fact(node, recovered);
    }

    fn environment(&mut self, words: &[&str], event: Environment) {
        for name in words {
            self.entry(node(name), What::Environment(event.clone()));
        }
    }

    // ---- the metadata quorum

    fn metadata(&mut self, node: NodeId, verb: &str, words: &[&str]) {
        let partition = TopicPartition::CLUSTER_METADATA;
        let epoch = || LeaderEpoch(number(words[0]) as i32);
        let candidate = || self::node(words[1]);
        match verb {
            "appends" => {
                let mut builder = BatchBuilder::new();
                builder.push(Timestamp(0), None, Some(words.get(1).unwrap_or(&"x").as_bytes()), &[]);
                let end = self
                    .log(node, partition)
                    .last()
                    .map_or(Offset::ZERO, RecordBatch::next_offset);
                let batch = builder.build().stamped(end, epoch());
                self.append(node, partition, ReplicaRole::Leader, batch);
            }
            "copies" => self.copy(node, self::node(words[0]), partition),
            "cuts" => {
                let to = offset(words[0]);
                self.log(node, partition).retain(|batch| batch.next_offset() <= to);
                let cause = TruncationCause::DivergingEpoch;
                self.fact(
                    node,
                    Event::Truncated(trace::Truncated {
                        partition,
                        to,
                        leader_epoch: LeaderEpoch(9),
                        cause,
                    }),
                );
            }
            "flushes" => {
                let end = self
                    .log(node, partition)
                    .last()
                    .map_or(Offset::ZERO, RecordBatch::next_offset);
                self.fact(node, Event::Flushed(trace::Flushed { partition, end }));
            }
            "recovers" => self.recover(node, partition, words),
            "hw" => {
                let (to, role) = (offset(words[1]), ReplicaRole::Leader);
                let from = words.get(2).map_or(Offset::ZERO, |from| offset(from));
                self.fact(
                    node,
                    Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                        partition,
                        role,
                        leader_epoch: epoch(),
                        from,
                        to,
                    }),
                );
            }
            "leader" => {
                let role = QuorumRole::Leader;
                self.fact(
                    node,
                    Event::QuorumRoleChanged(trace::QuorumRoleChanged {
                        role,
                        epoch: epoch(),
                        leader: Some(node),
                    }),
                );
            }
            "follower" => {
                let role = QuorumRole::Follower;
                self.fact(
                    node,
                    Event::QuorumRoleChanged(trace::QuorumRoleChanged {
                        role,
                        epoch: epoch(),
                        leader: Some(candidate()),
                    }),
                );
            }
            "stores" => {
                let voted_for = words.get(1).map(|name| self::node(name));
                self.fact(
                    node,
                    Event::VoteStored(trace::VoteStored {
                        epoch: epoch(),
                        voted_for,
                    }),
                );
            }
            "votes" => self.fact(
                node,
                Event::VoteGranted(trace::VoteGranted {
                    epoch: epoch(),
                    candidate: candidate(),
                }),
            ),
            "applied" => {
                let digest = number(words[1]) as u64;
                self.fact(
                    node,
                    Event::MetadataApplied(trace::MetadataApplied {
                        end: offset(words[0]),
                        digest,
                    }),
                );
            }
            other => panic!("no meta {other}"),
        }
    }

    // ---- clients

    fn send(&mut self, name: &str) {
        let (name, key) = name
            .split_once('=')
            .map_or((name, None), |(name, key)| (name, Some(key)));
        let (_, value) = content(name);
        let fingerprint = fingerprint(None, Some(&value), &[]);
        let record = SentRecord {
            uid: uid(name),
            topic: "orders".into(),
            key: key.map(|key| key.as_bytes().to_vec().into()),
            value: None,
            fingerprint,
            payload: 0,
            hop: None,
            is_probe: false,
        };
        self.entry(PRODUCER, What::SendInvoked(record));
    }

    fn ok(&mut self, words: &[&str]) {
        let acks_word = words[0].strip_prefix("acks=");
        let acks = acks_word.map_or(Acks::All, acks);
        for item in &words[usize::from(acks_word.is_some())..] {
            let (name, at) = item.split_once('@').expect("`a@0`");
            let at = (at != "?").then(|| offset(at));
            self.entry(
                PRODUCER,
                What::SendOk(SendOk {
                    uid: uid(name),
                    partition: ORDERS,
                    offset: at,
                    acks,
                }),
            );
        }
    }

    pub(super) fn polled(&mut self, item: &str) -> PolledRecord {
        let (name, at) = item.split_once('@').expect("`a@0`");
        let (of, at) = at.strip_prefix('r').map_or(("0", at), |at| ("r", at));
        let (at, (_, value)) = (offset(at), content(name));
        let fingerprint = fingerprint(None, Some(&value), &[]);
        let stored = self.logs.values().flatten().find(|batch| {
            let mut records = batch.records().map(|record| record.expect("a record"));
            records.any(|record| record.offset == at && record.value.as_deref() == Some(&value[..]))
        });
        let leader_epoch = stored.map_or(LeaderEpoch(0), RecordBatch::leader_epoch);
        PolledRecord {
            partition: super::stage_groups::partition(of),
            offset: at,
            leader_epoch,
            uid: Some(uid(name)),
            fingerprint,
            is_probe: false,
        }
    }

    // ---- what stands on the stage

    pub(super) fn log(&mut self, node: NodeId, partition: TopicPartition) -> &mut Vec<RecordBatch> {
        self.logs.entry((node, partition)).or_default()
    }

    fn end(&mut self, node: NodeId) -> Offset {
        self.log(node, ORDERS)
            .last()
            .map_or(Offset::ZERO, RecordBatch::next_offset)
    }

    fn high_watermark(&self, node: NodeId) -> Offset {
        self.high_watermarks.get(&node).copied().unwrap_or_default()
    }

    fn batch(&mut self, node: NodeId, names: &[&str], epoch: LeaderEpoch) -> RecordBatch {
        let mut builder = BatchBuilder::new();
        for name in names {
            builder.push(Timestamp(0), None, Some(&content(name).1), &[]);
        }
        let mut batch = builder.build();
        if self.contract.idempotent {
            batch = batch.with_producer(ProducerId(7), ProducerEpoch(0), Sequence(self.sequence));
            self.sequence += names.len() as i32;
        }
        batch.stamped(self.end(node), epoch)
    }
}

pub(super) fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).copied()
}

pub(super) fn number(word: &str) -> i64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is no number"))
}

pub(super) fn offset(word: &str) -> Offset {
    Offset(number(word))
}

fn range(word: &str) -> (Offset, Offset) {
    let (from, to) = word.split_once('-').expect("`0-1`");
    (offset(from), offset(to))
}

pub(super) fn node(word: &str) -> NodeId {
    NodeId(number(word) as u32)
}

pub(super) fn nodes(word: &str) -> Vec<NodeId> {
    word.split(',').filter(|word| !word.is_empty()).map(node).collect()
}

fn acks(word: &str) -> Acks {
    match word {
        "0" => Acks::None,
        "1" => Acks::Leader,
        "all" => Acks::All,
        other => panic!("no acks {other}"),
    }
}

pub(super) fn uid(name: &str) -> Uid {
    Uid(u64::from(name.as_bytes()[0]))
}

pub(super) fn content(name: &str) -> (Uid, Vec<u8>) {
    let uid = uid(name);
    (uid, [&uid.0.to_be_bytes()[..], name.as_bytes()].concat())
}
