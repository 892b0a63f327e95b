//! One field of a good history is changed, each in turn: a check must notice, unless the changed history is as good.

use broker_core::protocol::{Acks, BatchBuilder, ErrorCode, RecordBatch};
use broker_core::trace::{Event, QuorumRole, ReplicaRole, TruncationCause};
use broker_core::types::{
    BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, Timestamp, TopicId, TopicName, TopicPartition,
};

use super::super::Finish;
use super::script::{Contract, PLAIN, Step, steps, watch};
use crate::history::{PolledRecord, SentRecord, Uid, What};

/// A history with everything in it: commits, a kill, a new leader, a cut, a power loss, ISR changes, polls, votes.
const GOOD: &str = "
meta 1 stores 1 1
meta 1 votes 1 1
meta 2 stores 1 1
meta 1 leader 1
meta 2 follower 1 1
meta 3 follower 1 1
meta 1 appends 1
meta 1 appends 1
meta 2 copies 1
meta 3 copies 1
meta 1 flushes
meta 1 hw 1 2
meta 1 applied 2 77
meta 2 applied 2 77
meta 3 applied 2 77
elect 1 isr 1,2,3
1 leads
2 follows
3 follows
send a b c d e f g h i
reset - 0
commit a b
ok a@0 b@1
1 serves 0-2
poll a@0 b@1
commit c
ok c@2
1 flushes
2 flushes
3 flushes
1 appends d
2 copies
2 fetches
kill 1
elect 2 isr 2,3
2 leads
3 follows
3 copies
3 fetches
2 hw 4
3 hw 4
2 answers all 3-3
ok d@3
2 appends e
2 answers 1 4-4
3 copies
3 fetches
2 hw 5
3 hw 5
ok acks=1 e@4
start 1
meta 1 recovers
1 recovers
1 follows
2 appends f
kill 2
elect 3 isr 3
isr 3
3 leads
3 adopts 3
1 follows
1 copies
1 fetches
3 proposes 1,3
isr 1,3
3 adopts 1,3
commit g
ok g@5
start 2
meta 2 recovers
2 recovers
2 follows
2 cuts 5
2 copies
2 fetches
3 proposes 1,2,3
isr 1,2,3
3 adopts 1,2,3
unknown f
fail i
commit h
ok h@6
3 serves 2-7
poll c@2 d@3
poll e@4 g@5 h@6
meta 2 stores 2 2
meta 3 stores 2 2
meta 2 leader 2
meta 1 follower 2 2
meta 2 appends 2
meta 1 copies 2
meta 2 hw 2 3
meta 2 applied 3 88
meta 1 applied 3 88
heal
";

/// Changes that leave a history as good as it was, and why. `+` and `-` are the next larger and smaller value, `~`
/// another one.
const AS_GOOD: &[(&str, &str)] = &[
    ("Flushed.end-", "a weaker promise, and no power is lost"),
    ("Flushed.node~", "another log that is as long"),
    ("Appended.role~", "who leads is told by other facts"),
    ("Truncated.cause~", "an answer of another kind"),
    ("BecameLeader.partition_epoch", "a copy of the committed state's"),
    ("BecameLeader.high_watermark-", "it may lag behind"),
    ("BecameLeader.isr~", "who else is asked is told by the committed state"),
    (
        "BecameFollower.leader~",
        "where it fetches from is told by what it gets",
    ),
    ("BecameFollower.high_watermark-", "it may lag behind"),
    ("BecameFollower.high_watermark+", "what it has below that is committed"),
    ("BecameFollower.node~", "another that follows as well"),
    ("BecameFollower.leader_epoch", "an epoch in which nothing else happens"),
    (
        "BecameFollower.partition~",
        "a partition of which nothing else is known",
    ),
    (
        "HighWatermarkChanged.leader_epoch",
        "a follower's is told by its leader",
    ),
    (
        "HighWatermarkChanged.from",
        "where it was before is told by other facts",
    ),
    (
        "HighWatermarkChanged.to-",
        "it may lag behind as long as nobody relies on it",
    ),
    ("HighWatermarkChanged.role~", "it was told by the leader before"),
    (
        "HighWatermarkChanged.node~",
        "it may lag behind as long as nobody relies on it",
    ),
    ("FollowerFetched.broker_epoch", "compared where ISRs grow"),
    (
        "FollowerFetched.fetch_offset+",
        "believed only as far as the follower's log reaches",
    ),
    ("FollowerFetched.node~", "told to a replica that does not lead"),
    ("FollowerFetched.follower~", "of a replica that is not asked"),
    ("FollowerFetched.leader_epoch", "of a replica that is not asked"),
    ("FollowerFetched.partition~", "of a replica that is not asked"),
    ("FollowerFetched.fetch_offset-", "of a replica that is not asked"),
    ("IsrProposed", "more or fewer are asked, and all have it"),
    ("IsrChanged", "more or fewer are asked, and all have it"),
    ("ProduceAnswered.acks~", "less is promised"),
    ("ProduceAnswered.error~", "less is promised"),
    ("ProduceAnswered.leader_epoch", "asked for only where a record is lost"),
    ("ProduceAnswered.partition~", "asked for only where a record is lost"),
    ("ProduceAnswered.node~", "asked for only where a record is lost"),
    ("ProduceAnswered.offsets-", "less is promised"),
    ("ProduceAnswered.isr_at_append+", "more than asked for"),
    ("ProduceAnswered.high_watermark+", "the smaller one counts"),
    (
        "ProduceAnswered.offsets+",
        "acks=1 promises nothing of the high watermark",
    ),
    ("ProduceAnswered.isr_at_append-", "still as many as are asked for"),
    (
        "ProduceAnswered.high_watermark-",
        "acks=1 promises nothing of the high watermark",
    ),
    ("FetchServed", "less was served"),
    ("QuorumRoleChanged.role~", "a follower like any"),
    ("QuorumRoleChanged.epoch", "an epoch in which nothing else happens"),
    ("QuorumRoleChanged.leader~", "a leader is known by what it does"),
    ("QuorumRoleChanged.node~", "another follower"),
    ("VoteStored", "a vote of another epoch or voter"),
    ("VoteGranted", "a vote of another epoch or voter"),
    ("MetadataApplied.end", "a state to which no other is compared"),
    ("MetadataApplied.node~", "another node that has it"),
    ("PartitionChanged.node~", "everybody states it"),
    ("TopicCreated.node~", "everybody states it"),
    ("TopicCreated.offset", "a record that nobody else states"),
    ("PositionReset.node~", "a consumer that reads nothing"),
    ("PositionReset.partition~", "a partition that is not read"),
    ("PositionReset.to", "the first record polled decides"),
    ("SendOk.acks~", "less is promised"),
    ("SendInvoked", "a record that nobody sees"),
];

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

vary_number!(Offset, LeaderEpoch, PartitionEpoch, BrokerEpoch);
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
            $($kind::$variant { $($field,)* .. } => {
                $(for (word, value) in $field.varied() {
                    let mut copy = $of.clone();
                    if let $kind::$variant { $field, .. } = &mut copy {
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
        _ => Vec::new(),
    };
    out.extend(changes!(what, What {
        SendOk { uid, partition, offset, acks },
        SendFailed { uid },
        SendUnknown { uid },
    }));
    out
}

fn mutants(step: &Step) -> Vec<(String, Step)> {
    match step {
        Step::Fact(node, event) => {
            let name = format!("{event:?}");
            let name = name.split(' ').next().expect("a name");
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

#[test]
fn every_change_of_one_field_is_caught_or_as_good() {
    let contract = Contract { consumers: 1, ..PLAIN };
    let good = steps(GOOD, contract);
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
    let mut needed = vec![false; AS_GOOD.len()];
    for (index, step) in good.iter().enumerate() {
        for (change, mutant) in mutants(step) {
            let mut history = good.clone();
            history[index] = mutant;
            if notices(&history) {
                caught += 1;
                continue;
            }
            match AS_GOOD.iter().position(|(as_good, _)| change.starts_with(as_good)) {
                Some(reason) => needed[reason] = true,
                None => missed.push(format!("step {}: {change} of {step:?}", index + 1)),
            }
        }
    }
    assert!(missed.is_empty(), "{} caught, missed:\n{}", caught, missed.join("\n"));
    let idle: Vec<&str> = AS_GOOD
        .iter()
        .zip(needed)
        .filter(|(_, needed)| !needed)
        .map(|((name, _), _)| *name)
        .collect();
    assert!(idle.is_empty(), "no such change goes unnoticed any more: {idle:?}");
    assert!(caught > 500, "only {caught} changes were caught");
}
