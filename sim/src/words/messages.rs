//! What machines say to each other, and what disks answer.

use broker_core::disk::{DiskReply, FileName};
use broker_core::machine::{CloseReason, ConnectionId, HaltReason, Input};
use broker_core::protocol::{ErrorCode, Request, Response};
use broker_core::types::{Listener, NodeId, Offset, TopicPartition};

use super::{Words, epoch_of, listed, span};

impl Words<'_> {
    /// What reaches the machine of node `at`.
    pub fn input(&self, at: NodeId, input: &Input) -> String {
        match input {
            Input::Request { reply_to, body } => {
                format!(
                    "got request {} of {}: {}",
                    reply_to.id.0,
                    self.0.node(reply_to.node),
                    self.request(body)
                )
            }
            Input::Response { connection, id, body } => {
                format!(
                    "got the answer of {} to request {}: {}",
                    self.peer(at, *connection),
                    id.0,
                    self.response(body)
                )
            }
            Input::Opened {
                connection, listener, ..
            } => {
                let listener = match listener {
                    Listener::Broker => "broker",
                    Listener::Controller => "controller",
                };
                format!("{} opened a connection to the {listener}", self.peer(at, *connection))
            }
            Input::Connected { connection } => {
                format!("the connection to {} is established", self.peer(at, *connection))
            }
            Input::Closed { connection, reason } => {
                let peer = self.peer(at, *connection);
                match (connection, reason) {
                    (ConnectionId::Inbound(_), _) => format!("the connection from {peer} is gone"),
                    (_, CloseReason::Peer) => format!("{peer} closed the connection"),
                    (_, CloseReason::Refused) => format!("{peer} refuses the connection"),
                    (_, CloseReason::Lost) => format!("the connection to {peer} is lost"),
                }
            }
            Input::Disk { op, file, result } => {
                let file = file.map_or(String::new(), |file| format!(" on {}", self.file(&file)));
                let result = match result {
                    Ok(DiskReply::Data(bytes)) => format!("read {} bytes", bytes.len()),
                    Ok(DiskReply::Files(files)) => format!("listed {} files", files.len()),
                    Ok(DiskReply::Done) => "is done".to_owned(),
                    Err(error) => format!("failed: {error}"),
                };
                format!("disk operation {}{file} {result}", op.0)
            }
            Input::Wake => "woke up".to_owned(),
            Input::Stop => "was asked to stop in good order".to_owned(),
        }
    }

    /// Who is at the other end of a connection.
    fn peer(&self, at: NodeId, connection: ConnectionId) -> String {
        let peer = self.0.peer(at, connection).map(|peer| self.0.node(peer));
        peer.unwrap_or_else(|| "somebody".to_owned())
    }

    /// A file of a node: `orders/0/00000000000000000000.log`.
    fn file(&self, file: &FileName) -> String {
        match file {
            FileName::Segment { partition, base_offset } if *partition != TopicPartition::CLUSTER_METADATA => {
                format!("{}/{:020}.log", self.0.partition(*partition), base_offset.0)
            }
            _ => file.to_string(),
        }
    }

    /// Why a machine halts.
    pub fn halt(&self, reason: &HaltReason) -> String {
        match reason {
            HaltReason::LogDirOffline(error) => format!("halts: its log directory failed: {error}"),
            HaltReason::CorruptState(what) => format!("halts: {what} is damaged"),
            HaltReason::DuplicateBrokerId => "halts: another process registered under its id".to_owned(),
            HaltReason::Stopped => "halts in good order, as it was asked to".to_owned(),
        }
    }

    fn request(&self, request: &Request) -> String {
        match request {
            Request::Produce(produce) => {
                let of = |(partition, batch): &(TopicPartition, broker_core::protocol::RecordBatch)| {
                    let records = batch.count();
                    format!("{records} for {}", self.0.partition(*partition))
                };
                format!("store records: {}", listed(produce.partitions.iter().map(of)))
            }
            Request::Fetch(fetch) => {
                let of = |wanted: &broker_core::protocol::FetchPartition| {
                    let label = self.0.partition(wanted.partition);
                    format!(
                        "{label} from {}{}",
                        wanted.fetch_offset,
                        epoch_of(wanted.current_leader_epoch)
                    )
                };
                let forgotten = fetch.forgotten.iter();
                let forgotten = forgotten.map(|id| format!("{} no more", self.0.partition(*id)));
                let named = listed(fetch.partitions.iter().map(of).chain(forgotten));
                match (fetch.metadata.is_full(), named.is_empty()) {
                    (true, _) => format!("give records: {named}"),
                    (false, true) => "give records: as before".to_owned(),
                    (false, false) => format!("give records: as before, but {named}"),
                }
            }
            Request::OffsetCommit(commit) => {
                let of = |(partition, position): &(TopicPartition, broker_core::protocol::OffsetAndMetadata)| {
                    format!("{} {}", self.0.partition(*partition), position.offset)
                };
                let positions = listed(commit.partitions.iter().map(of));
                format!("commit positions of group {}: {positions}", commit.group)
            }
            other => api(&format!("{:?}", other.api_key())),
        }
    }

    fn response(&self, response: &Response) -> String {
        let outcome = |partition: &TopicPartition, error: &ErrorCode, ok: String| {
            let label = self.0.partition(*partition);
            match error.is_ok() {
                true => format!("{label} {ok}"),
                false => format!("{label} {error:?}"),
            }
        };
        match response {
            Response::Produce(produce) => listed(produce.partitions.iter().map(|of| {
                let at = of.base_offset.map(|offset| format!(" from offset {offset} on"));
                outcome(&of.partition, &of.error, format!("stored{}", at.unwrap_or_default()))
            })),
            Response::Fetch(fetch) if !fetch.error.is_ok() => format!("{:?}", fetch.error),
            Response::Fetch(fetch) if fetch.partitions.is_empty() => "nothing new".to_owned(),
            Response::Fetch(fetch) => listed(fetch.partitions.iter().map(|of| {
                let records = match of.records.as_slice() {
                    [] => "nothing new".to_owned(),
                    [batch] => span(batch),
                    [first, .., last] => super::span_of(first.base_offset(), last.last_offset()),
                };
                outcome(
                    &of.partition,
                    &of.error,
                    format!("{records}, high watermark {}", of.high_watermark),
                )
            })),
            Response::OffsetCommit(commit) => {
                let of =
                    |(partition, error): &(TopicPartition, ErrorCode)| outcome(partition, error, "taken".to_owned());
                listed(commit.partitions.iter().map(of))
            }
            other => format!("to {}", api(&format!("{:?}", other.api_key()))),
        }
    }

    pub(super) fn positions(&self, positions: &[(TopicPartition, Offset)]) -> String {
        match positions {
            [] => "none".to_owned(),
            positions => listed(
                positions
                    .iter()
                    .map(|(partition, position)| format!("{} {position}", self.0.partition(*partition))),
            ),
        }
    }
}

/// The name of an API in words: `FindCoordinator` is `find coordinator`.
fn api(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use broker_core::disk::OpId;
    use broker_core::types::{MemberId, NodeId, TopicId, TopicName};

    use super::*;
    use crate::words::Names;

    struct OneTopic;

    impl Names for OneTopic {
        fn node(&self, node: NodeId) -> String {
            format!("broker {node}")
        }

        fn topic(&self, topic: TopicId) -> Option<TopicName> {
            (topic == TopicId(100)).then(|| "orders".into())
        }

        fn member(&self, _: &MemberId) -> Option<NodeId> {
            None
        }
    }

    #[test]
    fn files_are_called_by_their_topics() {
        let segment = |partition| FileName::Segment {
            partition,
            base_offset: Offset(7),
        };
        for (file, name) in [
            (
                segment(TopicPartition::new(TopicId(100), 2)),
                "orders/2/00000000000000000007.log",
            ),
            (
                segment(TopicPartition::CLUSTER_METADATA),
                "__cluster_metadata-0/00000000000000000007.log",
            ),
            (FileName::QuorumState, "quorum-state"),
        ] {
            let read = Input::Disk {
                op: OpId(5),
                file: Some(file),
                result: Ok(DiskReply::Done),
            };
            assert_eq!(
                Words(&OneTopic).input(NodeId(1), &read),
                format!("disk operation 5 on {name} is done")
            );
        }
    }
}
