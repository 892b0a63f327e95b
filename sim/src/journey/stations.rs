//! What facts of machines mean for the followed records.

use broker_core::protocol::RecordBatch;
use broker_core::trace::{self, Event, ReplicaRole};
use broker_core::types::{NodeId, Offset, TopicPartition};

use super::Journey;
use crate::history::{At, Uid};
use crate::mark;
use crate::words::{self, Names};

impl Journey {
    /// A machine stated a fact.
    pub(super) fn pass(&mut self, at: At, node: NodeId, event: &Event) {
        match event {
            Event::Appended(trace::Appended { partition, role, batch }) => {
                self.appended(at, node, (*partition, *role), batch)
            }
            Event::LogRecovered(trace::LogRecovered {
                partition,
                log_end_offset,
                ..
            }) => {
                let end = self
                    .ends
                    .insert((node, *partition), *log_end_offset)
                    .unwrap_or_default();
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, Offset::ZERO..end, |uid, offset| {
                    match offset < *log_end_offset {
                        true => format!("recovered {label} with uid {}, offset {offset}", uid.0),
                        false => format!(
                            "recovered {label} without uid {}, offset {offset}: it ends at {log_end_offset}",
                            uid.0
                        ),
                    }
                });
            }
            Event::Truncated(trace::Truncated {
                partition, to, cause, ..
            }) => {
                let end = self.ends.insert((node, *partition), *to).unwrap_or_default();
                let (label, why) = (self.names.partition(*partition), words::truncation(*cause));
                self.each(at, node, *partition, *to..end, |uid, offset| {
                    format!("cut {label} to {to} {why}, and with it uid {}, offset {offset}", uid.0)
                });
            }
            Event::BecameLeader(trace::BecameLeader {
                partition,
                leader_epoch,
                epoch_start_offset,
                ..
            }) => {
                let label = self.names.partition(*partition);
                let all = Offset::ZERO..Offset(i64::MAX);
                self.each(at, node, *partition, all, |uid, offset| {
                    let with = if offset < *epoch_start_offset {
                        "with"
                    } else {
                        "without"
                    };
                    format!(
                        "began to lead {label} in epoch {leader_epoch} {with} offset {offset}, uid {}",
                        uid.0
                    )
                });
            }
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                partition,
                role,
                from,
                to,
                ..
            }) => {
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, *from..*to, |uid, offset| match role {
                    ReplicaRole::Leader => format!(
                        "committed uid {}: its high watermark of {label} passed offset {offset}",
                        uid.0
                    ),
                    ReplicaRole::Follower => {
                        format!("learnt that uid {}, offset {offset} of {label}, is committed", uid.0)
                    }
                });
            }
            Event::FollowerFetched(trace::FollowerFetched {
                partition,
                follower,
                fetch_offset,
                ..
            }) => {
                let places: Vec<Offset> = self.offsets(*partition, Offset::ZERO..*fetch_offset).collect();
                let name = self.names.node(*follower);
                for offset in places {
                    if self.replicated.insert((node, *follower, *partition, offset)) {
                        let uid = self.uids(*partition, offset);
                        self.station(
                            at,
                            node,
                            format!("learnt that {name} has {uid}: it is replicated there"),
                        );
                    }
                }
            }
            Event::ProduceAnswered(trace::ProduceAnswered {
                partition,
                error,
                offsets: Some((first, last)),
                ..
            }) => {
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, *first..last.next(), |uid, offset| {
                    match error.is_ok() {
                        true => format!(
                            "answered its producer: uid {} is stored at offset {offset} of {label}",
                            uid.0
                        ),
                        false => format!("answered its producer about uid {}: {error:?}", uid.0),
                    }
                });
            }
            Event::OffsetCommitted(trace::OffsetCommitted {
                group,
                partition,
                offset,
                ..
            }) => {
                let key = (group.clone(), *partition);
                let before = self.positions.insert(key, *offset).unwrap_or_default();
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, before..*offset, |uid, of| {
                    format!(
                        "took position {offset} of {label} for group {group}: it has passed uid {}, offset {of}",
                        uid.0
                    )
                });
            }
            Event::OffsetExpired(trace::OffsetExpired { group, partition }) => {
                let key = (group.clone(), *partition);
                let before = self.positions.remove(&key).unwrap_or_default();
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, Offset::ZERO..before, |uid, _| {
                    format!(
                        "dropped the position of group {group} in {label}, which had passed uid {}: it had expired",
                        uid.0
                    )
                });
            }
            Event::PositionReset(trace::PositionReset {
                partition,
                from: Some(from),
                to,
                ..
            }) => {
                let label = self.names.partition(*partition);
                self.each(at, node, *partition, *to..*from, |uid, offset| {
                    format!(
                        "went back from {from} to {to} of {label}, before uid {}, offset {offset}",
                        uid.0
                    )
                });
            }
            _ => {}
        }
    }

    fn appended(
        &mut self,
        at: At,
        node: NodeId,
        (partition, role): (TopicPartition, ReplicaRole),
        batch: &RecordBatch,
    ) {
        self.ends.insert((node, partition), batch.next_offset());
        let found: Vec<(Uid, Offset)> = batch
            .views()
            .filter_map(Result::ok)
            .filter_map(|record| Some((mark::uid_of(record.value, &record.headers)?, record.offset)))
            .filter(|(uid, offset)| self.followed.contains(uid) || self.is_wanted(partition, *offset))
            .filter(|(uid, _)| self.sends.contains_key(uid))
            .collect();
        let (label, epoch) = (self.names.partition(partition), batch.leader_epoch());
        for (uid, offset) in found {
            self.follow(uid);
            self.places.entry((partition, offset)).or_default().insert(uid);
            let how = match role {
                ReplicaRole::Leader => format!("as the leader of epoch {epoch}"),
                ReplicaRole::Follower => format!("copied from the leader of epoch {epoch}"),
            };
            self.station(
                at,
                node,
                format!("appended uid {} at offset {offset} of {label}, {how}", uid.0),
            );
        }
    }

    /// Adds a station for each followed record in a range of offsets.
    fn each(
        &mut self,
        at: At,
        node: NodeId,
        partition: TopicPartition,
        range: core::ops::Range<Offset>,
        text: impl Fn(Uid, Offset) -> String,
    ) {
        let offsets: Vec<Offset> = self.offsets(partition, range).collect();
        for offset in offsets {
            let uids: Vec<Uid> = self.places[&(partition, offset)].iter().copied().collect();
            // Of several that stood there over time the newest is meant.
            if let Some(uid) = uids.last() {
                self.station(at, node, text(*uid, offset));
            }
        }
    }

    fn offsets(&self, partition: TopicPartition, range: core::ops::Range<Offset>) -> impl Iterator<Item = Offset> {
        let empty = range.start >= range.end;
        let (from, to) = ((partition, range.start), (partition, range.end.max(range.start)));
        let places = self.places.range(from..to).map(|((_, offset), _)| *offset);
        places.filter(move |_| !empty)
    }

    fn uids(&self, partition: TopicPartition, offset: Offset) -> String {
        let uids = self.places.get(&(partition, offset)).into_iter().flatten();
        uids.last()
            .map_or_else(|| format!("offset {offset}"), |uid| format!("uid {}", uid.0))
    }
}
