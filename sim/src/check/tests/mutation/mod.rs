//! One field of a good history is changed, each in turn: a check must notice, unless the changed history is as good.

mod groups;
mod replication;

use broker_core::protocol::{Acks, BatchBuilder, ErrorCode, RecordBatch};
use broker_core::trace::*;
use broker_core::types::{
    BrokerEpoch, GroupEpoch, GroupInstanceId, LeaderEpoch, MemberId, NodeId, Offset, PartitionEpoch, Timestamp,
    TopicId, TopicName, TopicPartition,
};

use super::super::Finish;
use super::script::{Contract, Step, steps, watch};
use crate::history::{
    CommitEnded, CommitInvoked, PolledRecord, ProcessEnded, ProcessOutcome, Processing, SendFailed, SendOk,
    SendUnknown, SentRecord, Uid, What,
};

/// Changes that leave a history as good as it was, by the beginnings of their names, and why. `+` and `-` are the next
/// larger and smaller value, `~` another one.
type AsGood = &'static [(&'static str, &'static str)];

/// Another value of a kind; the word names the change.
trait Vary: Sized {
    fn varied(&self) -> Vec<(&'static str, Self)>;
}

macro_rules! vary_number {
    ($($number:ty),*) => {
        $(impl Vary for $number {
            fn varied(&self) -> Vec<(&'static str, Self)> {
                vec![("+", Self(self.0 + 1)), ("-", Self(self.0.wrapping_sub(1)))]
            }
        })*
    };
}

macro_rules! vary_other {
    ($($kind:ty: $old:pat => $other:expr),* $(,)?) => {
        $(impl Vary for $kind {
            fn varied(&self) -> Vec<(&'static str, Self)> {
                let $old = self;
                vec![("~", $other)]
            }
        })*
    };
}

vary_number!(Offset, LeaderEpoch, PartitionEpoch, BrokerEpoch, GroupEpoch);
vary_other!(
    NodeId: old => NodeId(if old.0 == 3 { 1 } else { old.0 + 1 }),
    TopicPartition: old => TopicPartition::new(old.topic, old.partition.0 + 1),
    TopicId: old => TopicId(old.0 + 1),
    TopicName: _ => "payments".into(),
    ReplicaRole: old => if *old == ReplicaRole::Leader { ReplicaRole::Follower } else { ReplicaRole::Leader },
    TruncationCause: _ => TruncationCause::OutOfRange,
    QuorumRole: old => if *old == QuorumRole::Leader { QuorumRole::Follower } else { QuorumRole::Leader },
    Acks: old => if *old == Acks::All { Acks::Leader } else { Acks::All },
    ErrorCode: _ => ErrorCode::RequestTimedOut,
    Uid: old => Uid(old.0 + 1),
    GroupState: old => if *old == GroupState::Stable { GroupState::Empty } else { GroupState::Stable },
    MemberId: old => if *old == MemberId::from("w1") { "w2".into() } else { "w1".into() },
    GroupInstanceId: _ => "other".into(),
    RemovalCause: old => if *old == RemovalCause::Left { RemovalCause::SessionTimeout } else { RemovalCause::Left },
    ProcessOutcome: old => if *old == ProcessOutcome::Processed { ProcessOutcome::Skipped } else { ProcessOutcome::Processed },
    u64: old => old + 1,
);

impl Vary for u32 {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        vec![("+", self + 1), ("-", self.saturating_sub(1))]
    }
}

impl<T: Vary> Vary for Option<T> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let Some(value) = self else { return Vec::new() };
        value
            .varied()
            .into_iter()
            .map(|(word, value)| (word, Some(value)))
            .collect()
    }
}

impl Vary for (Offset, Offset) {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        vec![
            ("+", (self.0.next(), self.1.next())),
            ("-", (self.0.plus(-1), self.1.plus(-1))),
        ]
    }
}

impl Vary for Vec<NodeId> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let fewer = self[..self.len() - 1].to_vec();
        let other = [&[NodeId(4)], &self[1..]].concat();
        vec![("~", fewer), ("~", other)]
    }
}

impl Vary for (TopicPartition, Offset) {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let offsets = self
            .1
            .varied()
            .into_iter()
            .map(|(word, offset)| (word, (self.0, offset)));
        let partitions = self
            .0
            .varied()
            .into_iter()
            .map(|(word, partition)| (word, (partition, self.1)));
        offsets.chain(partitions).collect()
    }
}

impl Vary for (TopicPartition, Option<Offset>) {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let offset = self.1.map_or(vec![("+", Some(Offset(1)))], |offset| {
            let varied = offset.varied().into_iter();
            varied
                .map(|(word, offset)| (word, Some(offset)))
                .chain([("~", None)])
                .collect()
        });
        offset
            .into_iter()
            .map(|(word, offset)| (word, (self.0, offset)))
            .collect()
    }
}

impl Vary for Vec<(TopicPartition, Option<Offset>)> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        one_varied(self)
    }
}

impl Vary for Vec<(TopicPartition, Offset)> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        one_varied(self)
    }
}

/// One element is another.
fn one_varied<T: Vary + Clone>(all: &[T]) -> Vec<(&'static str, Vec<T>)> {
    let each = all.iter().enumerate().flat_map(|(place, element)| {
        element.varied().into_iter().map(move |(word, element)| {
            let mut other = all.to_vec();
            other[place] = element;
            (word, other)
        })
    });
    each.collect()
}

impl Vary for Vec<TopicPartition> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let Some(last) = self.last() else { return Vec::new() };
        let fewer = self[..self.len() - 1].to_vec();
        let more = [&self[..], &[TopicPartition::new(last.topic, last.partition.0 + 1)]].concat();
        vec![("-", fewer), ("+", more)]
    }
}

impl Vary for Processing {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let mut out = Vec::new();
        for (_, partition) in self.partition.varied() {
            out.push((
                ".partition~",
                Processing {
                    partition,
                    ..self.clone()
                },
            ));
        }
        for (_, offset) in self.offset.varied() {
            out.push((".offset", Processing { offset, ..self.clone() }));
        }
        for (_, uid) in self.uid.varied() {
            out.push((".uid~", Processing { uid, ..self.clone() }));
        }
        for (_, attempt) in self.attempt.varied() {
            out.push((
                ".attempt",
                Processing {
                    attempt,
                    ..self.clone()
                },
            ));
        }
        out
    }
}

impl Vary for RecordBatch {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let mut other = BatchBuilder::new();
        for record in self.records() {
            let value = record.expect("a record").value.expect("a value");
            other.push(Timestamp(1), None, Some(&[&value[..], b"?"].concat()), &[]);
        }
        let (base, epoch) = (self.base_offset(), self.leader_epoch());
        vec![
            (".base+", self.stamped(base.next(), epoch)),
            (".epoch+", self.stamped(base, LeaderEpoch(epoch.0 + 1))),
            (".epoch-", self.stamped(base, LeaderEpoch(epoch.0 - 1))),
            (".records~", other.build().stamped(base, epoch)),
        ]
    }
}

impl Vary for Vec<RecordBatch> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let Some(last) = self.last() else { return Vec::new() };
        let rest = &self[..self.len() - 1];
        let others = last
            .varied()
            .into_iter()
            .map(|(_, other)| ("~", [rest, &[other]].concat()));
        others.chain([("-", rest.to_vec())]).collect()
    }
}

impl Vary for Vec<PolledRecord> {
    fn varied(&self) -> Vec<(&'static str, Self)> {
        let mut out = Vec::new();
        for index in 0..self.len() {
            let record = self[index];
            let with = |changed: PolledRecord| {
                let mut all = self.clone();
                all[index] = changed;
                all
            };
            for (_, partition) in record.partition.varied() {
                out.push((".partition~", with(PolledRecord { partition, ..record })));
            }
            for (_, offset) in record.offset.varied() {
                out.push((".offset", with(PolledRecord { offset, ..record })));
            }
            for (_, leader_epoch) in record.leader_epoch.varied() {
                out.push((".leader_epoch", with(PolledRecord { leader_epoch, ..record })));
            }
            for (_, uid) in record.uid.varied() {
                out.push((".uid~", with(PolledRecord { uid, ..record })));
            }
            out.push((
                ".fingerprint~",
                with(PolledRecord {
                    fingerprint: !record.fingerprint,
                    ..record
                }),
            ));
        }
        for index in 1..self.len() {
            let mut swapped = self.clone();
            swapped.swap(index - 1, index);
            out.push((".order", swapped));
            let mut shorter = self.clone();
            shorter.remove(index - 1);
            out.push((".len", shorter));
        }
        out
    }
}

/// Every change of every named field of an enum's variant.
macro_rules! changes {
    ($of:expr, $kind:ident { $($variant:ident { $($field:ident),* }),* $(,)? }) => {{
        let mut out: Vec<(String, $kind)> = Vec::new();
        match $of {
            $($kind::$variant($variant { $($field,)* .. }) => {
                $(for (word, value) in $field.varied() {
                    let mut copy = $of.clone();
                    if let $kind::$variant($variant { $field, .. }) = &mut copy {
                        *$field = value;
                    }
                    let name = concat!(stringify!($variant), ".", stringify!($field));
                    out.push((format!("{name}{word}"), copy));
                })*
            })*
            _ => {}
        }
        out
    }};
}

fn of_event(event: &Event) -> Vec<(String, Event)> {
    changes!(event, Event {
        LogRecovered { partition, batches, cut_bytes },
        Appended { partition, role, batch },
        Truncated { partition, to, leader_epoch, cause },
        Flushed { partition, end },
        BecameLeader { partition, leader_epoch, partition_epoch, epoch_start_offset, high_watermark, isr },
        BecameFollower { partition, leader, leader_epoch, log_end_offset, high_watermark },
        HighWatermarkChanged { partition, role, leader_epoch, from, to },
        FollowerFetched { partition, follower, broker_epoch, leader_epoch, fetch_offset },
        IsrProposed { partition, leader_epoch, partition_epoch, isr, maximal_isr },
        IsrChanged { partition, leader_epoch, partition_epoch, isr },
        ProduceAnswered { partition, acks, error, offsets, leader_epoch, high_watermark, isr_at_append },
        FetchServed { partition, from, to, high_watermark },
        QuorumRoleChanged { role, epoch, leader },
        VoteStored { epoch, voted_for },
        VoteGranted { epoch, candidate },
        MetadataApplied { end, digest },
        TopicCreated { offset, name, topic },
        PartitionChanged { offset, partition, replicas, isr, leader, leader_epoch, partition_epoch },
        PositionReset { partition, from, to },
        CoordinatorLoading { partition, leader_epoch },
        CoordinatorLoaded { partition, leader_epoch, end, digest },
        CoordinatorUnloaded { partition, leader_epoch },
        GroupChanged { state, epoch, members },
        MemberChanged { member, instance, epoch, assigned, revoking },
        MemberRemoved { member, cause },
        OffsetCommitted { member, epoch, partition, offset, at },
        OffsetsFetched { client, partitions },
        OffsetExpired { partition },
        PartitionsAssigned { member, epoch, partitions },
        PartitionsRevoked { member, epoch, partitions },
        PartitionsLost { member, partitions },
    })
}

fn of_line(what: &What) -> Vec<(String, What)> {
    let mut out = match what {
        What::SendInvoked(sent) => {
            let with = |name: &str, sent: SentRecord| (format!("SendInvoked.{name}~"), What::SendInvoked(sent));
            vec![
                with(
                    "uid",
                    SentRecord {
                        uid: Uid(sent.uid.0 + 100),
                        ..sent.clone()
                    },
                ),
                with(
                    "topic",
                    SentRecord {
                        topic: "payments".into(),
                        ..sent.clone()
                    },
                ),
                with(
                    "fingerprint",
                    SentRecord {
                        fingerprint: !sent.fingerprint,
                        ..sent.clone()
                    },
                ),
            ]
        }
        What::Polled(records) => {
            let varied = records.varied().into_iter();
            varied
                .map(|(word, records)| (format!("Polled{word}"), What::Polled(records)))
                .collect()
        }
        What::ProcessBegun(processing) => {
            let varied = processing.varied().into_iter();
            varied
                .map(|(word, processing)| (format!("ProcessBegun{word}"), What::ProcessBegun(processing)))
                .collect()
        }
        _ => Vec::new(),
    };
    out.extend(changes!(what, What {
        SendOk { uid, partition, offset, acks },
        SendFailed { uid },
        SendUnknown { uid },
        ProcessEnded { processing, outcome },
        CommitInvoked { offsets },
        CommitEnded { offsets, error },
    }));
    out
}

fn mutants(step: &Step) -> Vec<(String, Step)> {
    match step {
        Step::Fact(node, event) => {
            let name = format!("{event:?}");
            let name = name.split('(').next().expect("a name");
            let elsewhere = node.varied().into_iter();
            let elsewhere =
                elsewhere.map(|(word, node)| (format!("{name}.node{word}"), Step::Fact(node, event.clone())));
            let changed = of_event(event)
                .into_iter()
                .map(|(change, event)| (change, Step::Fact(*node, event)));
            changed.chain(elsewhere).collect()
        }
        Step::Line(process, what) => of_line(what)
            .into_iter()
            .map(|(change, what)| (change, Step::Line(*process, what)))
            .collect(),
        Step::Wait(_) => Vec::new(),
    }
}

/// Changes one field of the history after the other, of those facts and lines whose names `is_meant` likes. Returns how
/// many changes were noticed, and fails if one was not that is not `as_good`, or if one of these is noticed everywhere.
fn hunt(history: &str, contract: Contract, is_meant: fn(&str) -> bool, as_good: AsGood) -> usize {
    let good = steps(history, contract);
    let judge = |history: &[Step]| {
        let end = Finish {
            settled: true,
            cut_off: None,
        };
        watch(history, contract).finish(end).findings
    };
    let of_good = judge(&good);
    assert!(of_good.kept().is_empty(), "the history is good: {:#?}", of_good.kept());
    let notices = |history: &[Step]| !judge(history).is_clean();
    let (mut caught, mut missed) = (0, Vec::new());
    let mut needed = vec![false; as_good.len()];
    for (index, step) in good.iter().enumerate() {
        let meant = mutants(step).into_iter().filter(|(change, _)| is_meant(change));
        for (change, mutant) in meant {
            let mut history = good.clone();
            history[index] = mutant;
            if notices(&history) {
                caught += 1;
                continue;
            }
            match as_good.iter().position(|(as_good, _)| change.starts_with(as_good)) {
                Some(reason) => needed[reason] = true,
                None => missed.push(format!("step {}: {change} of {step:?}", index + 1)),
            }
        }
    }
    assert!(missed.is_empty(), "{} caught, missed:\n{}", caught, missed.join("\n"));
    let idle: Vec<&str> = as_good
        .iter()
        .zip(needed)
        .filter(|(_, needed)| !needed)
        .map(|((name, _), _)| *name)
        .collect();
    assert!(idle.is_empty(), "no such change goes unnoticed any more: {idle:?}");
    caught
}
