//! What happens in a trial as sentences: facts of machines, lines of the history, messages.
//!
//! A line of a story begins with who it is about, so that each sentence here is only what that one did: `appended offsets
//! 3..=5 to orders/0, as the leader of epoch 2`. Nodes and partitions are called as people call them.

mod history;
mod messages;

use broker_core::protocol::RecordBatch;
use broker_core::trace::{self, Event, GroupState, QuorumRole, RemovalCause, ReplicaRole, ResetCause, TruncationCause};
use broker_core::types::{LeaderEpoch, MemberId, NodeId, Offset, TopicName, TopicPartition};

/// The names that things go by.
pub(crate) trait Names {
    /// A node: `broker 3`, `billing/1`.
    fn node(&self, node: NodeId) -> String;

    /// A topic by its id.
    fn topic(&self, topic: broker_core::types::TopicId) -> Option<TopicName>;

    /// The node of a member of a group, if it has said who it is.
    fn member(&self, member: &MemberId) -> Option<NodeId>;

    /// Who is at the other end of a node's connection, if that is known.
    fn peer(&self, _node: NodeId, _connection: broker_core::machine::ConnectionId) -> Option<NodeId> {
        None
    }

    /// A partition: `orders/0`.
    fn partition(&self, partition: TopicPartition) -> String {
        if partition == TopicPartition::CLUSTER_METADATA {
            return "the metadata log".to_owned();
        }
        match self.topic(partition.topic) {
            Some(name) => format!("{name}/{}", partition.partition),
            None => partition.to_string(),
        }
    }
}

/// Sentences with these names.
pub(crate) struct Words<'a>(pub &'a dyn Names);

impl Words<'_> {
    /// What a machine states of itself.
    pub fn event(&self, event: &Event) -> String {
        let of = |partition: &TopicPartition| self.0.partition(*partition);
        match event {
            Event::LogRecovered(trace::LogRecovered {
                partition,
                log_end_offset,
                cut_bytes,
                ..
            }) => {
                let cut = match cut_bytes {
                    0 => String::new(),
                    bytes => format!(", and cut {bytes} bytes behind its last intact batch"),
                };
                format!("recovered {} up to offset {log_end_offset}{cut}", of(partition))
            }
            Event::Appended(trace::Appended { partition, role, batch }) => {
                let (span, epoch) = (span(batch), batch.leader_epoch());
                let role = match role {
                    ReplicaRole::Leader => "as the leader of",
                    ReplicaRole::Follower => "copied from the leader of",
                };
                format!("appended {span} to {}, {role} epoch {epoch}", of(partition))
            }
            Event::Truncated(trace::Truncated {
                partition,
                to,
                leader_epoch,
                cause,
            }) => {
                let why = truncation(*cause);
                format!(
                    "cut its log of {} to {to} {why}, as a follower in epoch {leader_epoch}",
                    of(partition)
                )
            }
            Event::Flushed(trace::Flushed { partition, end }) => format!("flushed {} up to {end}", of(partition)),
            Event::LogWentOffline(trace::LogWentOffline { partition, error }) => {
                format!(
                    "took its log of {} offline, since the disk failed: {error}",
                    of(partition)
                )
            }
            Event::BecameLeader(trace::BecameLeader {
                partition,
                leader_epoch,
                epoch_start_offset,
                high_watermark,
                isr,
                ..
            }) => format!(
                "began to lead {} in epoch {leader_epoch} at offset {epoch_start_offset}, high watermark {high_watermark}, in-sync replicas {}",
                of(partition),
                self.nodes(isr)
            ),
            Event::BecameFollower(trace::BecameFollower {
                partition,
                leader,
                leader_epoch,
                log_end_offset,
                ..
            }) => match leader {
                Some(leader) => format!(
                    "began to follow {} for {} in epoch {leader_epoch}, its log end at {log_end_offset}",
                    self.0.node(*leader),
                    of(partition)
                ),
                None => format!("waits for a leader of {} in epoch {leader_epoch}", of(partition)),
            },
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                partition, from, to, ..
            }) => format!("moved its high watermark of {} from {from} to {to}", of(partition)),
            Event::FollowerFetched(trace::FollowerFetched {
                partition,
                follower,
                fetch_offset,
                ..
            }) => format!(
                "learnt that {} has {} up to {fetch_offset}",
                self.0.node(*follower),
                of(partition)
            ),
            Event::IsrProposed(trace::IsrProposed { partition, isr, .. }) => {
                format!("proposed in-sync replicas {} for {}", self.nodes(isr), of(partition))
            }
            Event::IsrChanged(trace::IsrChanged { partition, isr, .. }) => {
                format!("took over in-sync replicas {} for {}", self.nodes(isr), of(partition))
            }
            Event::IsrProposalRejected(trace::IsrProposalRejected { partition, error }) => {
                format!(
                    "gave up its proposal for the in-sync replicas of {} ({error:?})",
                    of(partition)
                )
            }
            Event::ProduceAnswered(trace::ProduceAnswered {
                partition,
                error,
                offsets,
                ..
            }) => match (error.is_ok(), offsets) {
                (true, Some((first, last))) => {
                    format!(
                        "answered a producer: offsets {first}..={last} of {} are stored",
                        of(partition)
                    )
                }
                (true, None) => format!("answered a producer of {}: stored", of(partition)),
                (false, _) => format!("answered a producer of {}: {error:?}", of(partition)),
            },
            Event::FetchServed(trace::FetchServed {
                partition,
                reader,
                from,
                to,
                ..
            }) => format!(
                "gave {} the offsets {from}..{to} of {}",
                self.0.node(*reader),
                of(partition)
            ),
            Event::QuorumRoleChanged(trace::QuorumRoleChanged { role, epoch, leader }) => {
                let leader = leader.map(|leader| format!(", whose leader is {}", self.0.node(leader)));
                format!(
                    "became {} in epoch {epoch} of the metadata quorum{}",
                    quorum_role(*role),
                    leader.unwrap_or_default()
                )
            }
            Event::VoteStored(trace::VoteStored { epoch, voted_for }) => match voted_for {
                Some(candidate) => format!("stored epoch {epoch} and its vote for {}", self.0.node(*candidate)),
                None => format!("stored epoch {epoch}"),
            },
            Event::VoteGranted(trace::VoteGranted { epoch, candidate }) => {
                format!("voted for {} in epoch {epoch}", self.0.node(*candidate))
            }
            Event::MetadataApplied(trace::MetadataApplied { end, .. }) => format!("applied the metadata up to {end}"),
            Event::TopicCreated(trace::TopicCreated { name, .. }) => format!("learnt of the new topic {name}"),
            Event::PartitionChanged(trace::PartitionChanged {
                partition,
                isr,
                leader,
                leader_epoch,
                ..
            }) => {
                let leader = leader.map_or_else(|| "nobody".to_owned(), |leader| self.0.node(leader));
                format!(
                    "learnt that {leader} leads {} in epoch {leader_epoch}, in-sync replicas {}",
                    of(partition),
                    self.nodes(isr)
                )
            }
            Event::BrokerChanged(trace::BrokerChanged { broker, fenced, .. }) => {
                let fenced = if *fenced { "fenced" } else { "not fenced" };
                format!("learnt that {} is {fenced}", self.0.node(*broker))
            }
            Event::CoordinatorLoading(trace::CoordinatorLoading {
                partition,
                leader_epoch,
            }) => format!("began to load the groups of {} in epoch {leader_epoch}", of(partition)),
            Event::CoordinatorLoaded(trace::CoordinatorLoaded { partition, end, .. }) => {
                format!(
                    "has loaded the groups of {} up to {end}, and coordinates them",
                    of(partition)
                )
            }
            Event::CoordinatorUnloaded(trace::CoordinatorUnloaded { partition, .. }) => {
                format!("coordinates the groups of {} no more", of(partition))
            }
            Event::GroupChanged(trace::GroupChanged {
                group,
                state,
                epoch,
                members,
            }) => format!(
                "stated that group {group} is {} in epoch {epoch}, with {members} members",
                group_state(*state)
            ),
            Event::MemberChanged(trace::MemberChanged {
                group,
                member,
                epoch,
                assigned,
                revoking,
                ..
            }) => {
                let given = format!(
                    "gave {} of group {group} {} in epoch {epoch}",
                    self.member(member),
                    self.partitions(assigned)
                );
                match revoking.is_empty() {
                    true => given,
                    false => format!("{given}, once it has given up {}", self.partitions(revoking)),
                }
            }
            Event::MemberRemoved(trace::MemberRemoved { group, member, cause }) => {
                let member = self.member(member);
                format!("removed {member} from group {group}: {}", removal(*cause))
            }
            Event::OffsetCommitted(trace::OffsetCommitted {
                group,
                member,
                partition,
                offset,
                ..
            }) => {
                let by = member.as_ref().map(|member| format!(" from {}", self.member(member)));
                format!(
                    "took position {offset} of {} for group {group}{}",
                    of(partition),
                    by.unwrap_or_default()
                )
            }
            Event::OffsetsFetched(trace::OffsetsFetched {
                group,
                client,
                partitions,
            }) => {
                let positions = partitions.iter().map(|(partition, position)| match position {
                    Some(position) => format!("{} {position}", of(partition)),
                    None => format!("{} none", of(partition)),
                });
                let positions = listed(positions);
                let client = self.0.node(*client);
                format!("answered {client} with the positions of group {group}: {positions}")
            }
            Event::OffsetExpired(trace::OffsetExpired { group, partition }) => {
                format!(
                    "dropped the position of group {group} in {}: it had expired",
                    of(partition)
                )
            }
            Event::PartitionsAssigned(trace::PartitionsAssigned {
                group,
                epoch,
                partitions,
                ..
            }) => format!(
                "owns {} from now on, in epoch {epoch} of group {group}",
                self.partitions(partitions)
            ),
            Event::PartitionsRevoked(trace::PartitionsRevoked { group, partitions, .. }) => {
                format!("gave up {} of group {group}", self.partitions(partitions))
            }
            Event::PartitionsLost(trace::PartitionsLost { group, partitions, .. }) => {
                format!(
                    "learnt that it has lost {} of group {group}",
                    self.partitions(partitions)
                )
            }
            Event::ProducerIdAssigned(trace::ProducerIdAssigned {
                producer_id,
                producer_epoch,
            }) => format!("got producer id {} with epoch {}", producer_id.0, producer_epoch.0),
            Event::BatchSent(trace::BatchSent {
                partition,
                to,
                attempt,
                records,
                ..
            }) => format!(
                "sent {records} records of {} to {}, attempt {attempt}",
                of(partition),
                self.0.node(*to)
            ),
            Event::BatchCompleted(trace::BatchCompleted {
                partition,
                error,
                base_offset,
                attempts,
            }) => {
                let how = match (error.is_ok(), base_offset) {
                    (true, Some(offset)) => format!("is stored from offset {offset} on"),
                    (true, None) => "was sent".to_owned(),
                    (false, _) => format!("ended with {error:?}"),
                };
                format!(
                    "learnt that its batch for {} {how}, after {attempts} attempts",
                    of(partition)
                )
            }
            Event::PositionReset(trace::PositionReset {
                partition,
                from,
                to,
                cause,
            }) => self.position_reset((*partition, *from), *to, *cause),
        }
    }

    fn position_reset(
        &self,
        (partition, from): (TopicPartition, Option<Offset>),
        to: Offset,
        cause: ResetCause,
    ) -> String {
        let label = self.0.partition(partition);
        let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
        match cause {
            ResetCause::NoPosition => format!("begins at {to} of {label}, since it knows of no position"),
            ResetCause::OutOfRange => {
                format!("was reset{from} to {to} of {label}: the leader's log does not reach its position")
            }
            ResetCause::Truncated => format!("went back{from} to {to} of {label}: the log was cut below its position"),
            ResetCause::Seek => format!("moved{from} to {to} of {label}, as its program asked"),
            ResetCause::Committed => format!("took up the group's position {to} of {label}"),
        }
    }

    fn member(&self, member: &MemberId) -> String {
        match self.0.member(member) {
            Some(node) => self.0.node(node),
            None => format!("member {}", member.0.chars().take(24).collect::<String>()),
        }
    }

    fn nodes(&self, nodes: &[NodeId]) -> String {
        match nodes {
            [] => "none".to_owned(),
            nodes => listed(nodes.iter().map(|node| self.0.node(*node))),
        }
    }

    fn partitions(&self, partitions: &[TopicPartition]) -> String {
        match partitions {
            [] => "no partitions".to_owned(),
            partitions => listed(partitions.iter().map(|partition| self.0.partition(*partition))),
        }
    }
}

/// `a, b, c`.
fn listed(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The offsets of a batch: `offset 3`, `offsets 3..=5`.
pub(crate) fn span(batch: &RecordBatch) -> String {
    span_of(batch.base_offset(), batch.last_offset())
}

fn span_of(first: Offset, last: Offset) -> String {
    match first == last {
        true => format!("offset {first}"),
        false => format!("offsets {first}..={last}"),
    }
}

/// A record's key: as text, if it is some.
pub(crate) fn key(key: &[u8]) -> String {
    match core::str::from_utf8(key) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => text.to_owned(),
        _ => format!("0x{}", listed_bytes(key)),
    }
}

fn listed_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn epoch_of(epoch: Option<LeaderEpoch>) -> String {
    epoch.map(|epoch| format!(" in epoch {epoch}")).unwrap_or_default()
}

/// Why a log was cut.
pub(crate) fn truncation(cause: TruncationCause) -> &'static str {
    match cause {
        TruncationCause::DivergingEpoch => "where it parted from the leader's",
        TruncationCause::OutOfRange => "since the leader's log does not reach there",
        TruncationCause::HighWatermark => "at its own high watermark",
    }
}

/// The state of a group.
pub(crate) fn group_state(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "empty",
        GroupState::PreparingRebalance => "about to rebalance: members are called to join",
        GroupState::CompletingRebalance => "about to rebalance: the assignment is awaited",
        GroupState::Assigning => "without an assignment for its epoch",
        GroupState::Reconciling => "on its way to its assignment",
        GroupState::Stable => "stable",
        GroupState::Dead => "dead",
    }
}

/// Why a member was removed.
pub(crate) fn removal(cause: RemovalCause) -> &'static str {
    match cause {
        RemovalCause::Left => "it had left",
        RemovalCause::SessionTimeout => "it had been silent for longer than its session timeout",
        RemovalCause::RebalanceTimeout => "it had not rejoined or released its partitions in time",
        RemovalCause::Replaced => "another process had taken over its instance id",
    }
}

fn quorum_role(role: QuorumRole) -> &'static str {
    match role {
        QuorumRole::Unattached => "a voter without a leader",
        QuorumRole::Observer => "an observer",
        QuorumRole::Follower => "a follower",
        QuorumRole::Prospective => "a candidate that asks around first",
        QuorumRole::Candidate => "a candidate",
        QuorumRole::Leader => "the leader",
        QuorumRole::Resigned => "a leader that has resigned",
    }
}
