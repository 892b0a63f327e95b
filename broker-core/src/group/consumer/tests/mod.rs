mod migration;
mod rows;
mod stories;
mod sweep;

use alloc::string::String;

use super::*;
use crate::config::Quirks;
use crate::group::bench::{Bench, group};
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Request, Response};
use crate::types::AssignorName;

/// Members by the names that a test gives them, which are their ids too, over a bench.
struct Crew {
    bench: Bench,
    members: BTreeMap<&'static str, Known>,
}

/// What a member knows of itself.
#[derive(Clone, Default, Debug)]
struct Known {
    epoch: i32,
    owned: Vec<TopicPartition>,
}

/// Partitions of the topics `t` and `u`: `t0 t1 u0`.
fn partitions(text: &str) -> Vec<TopicPartition> {
    let topic = |word: &str| if word.starts_with('t') { 100 } else { 101 };
    let of = |word: &str| TopicPartition::new(TopicId(topic(word)), word[1..].parse().expect("an index"));
    text.split_whitespace().map(of).collect()
}

fn topics(text: &str) -> Vec<TopicName> {
    text.split_whitespace().map(TopicName::from).collect()
}

fn heartbeat_response(response: Option<Response>) -> ConsumerGroupHeartbeatResponse {
    match response {
        Some(Response::ConsumerGroupHeartbeat(response)) => response,
        other => panic!("{other:?} to a heartbeat"),
    }
}

impl Crew {
    fn new() -> Crew {
        Crew::with(BrokerConfig::default(), Quirks::default())
    }

    fn with(config: BrokerConfig, quirks: Quirks) -> Crew {
        Crew {
            bench: Bench::new(config, quirks),
            members: BTreeMap::new(),
        }
    }

    /// A heartbeat that says nothing but the epoch. A member whose name begins with `s` is static: `s1a` and `s1b` are
    /// two lives of the instance `s1`.
    fn request(&self, name: &str) -> ConsumerGroupHeartbeatRequest {
        let epoch = self.members.get(name).map_or(0, |known| known.epoch);
        ConsumerGroupHeartbeatRequest {
            group: group(),
            member: MemberId::from(name),
            member_epoch: GroupEpoch(epoch),
            instance: name.starts_with('s').then(|| GroupInstanceId::from(&name[..2])),
            rebalance_timeout: None,
            subscribed_topics: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: None,
        }
    }

    fn join_request(&self, name: &str, subscription: &str) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            member_epoch: GroupEpoch::ZERO,
            rebalance_timeout: Some(Duration::from_secs(60)),
            subscribed_topics: Some(topics(subscription)),
            owned: Some(Vec::new()),
            ..self.request(name)
        }
    }

    /// Sends a heartbeat, and takes over what the answer says, as a member does that releases at once.
    fn send(&mut self, name: &'static str, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let response = heartbeat_response(self.bench.ask(Request::from(request)));
        if response.error == ErrorCode::None {
            let known = self.members.entry(name).or_default();
            known.epoch = response.member_epoch.0;
            if let Some(assigned) = &response.assignment {
                known.owned.clone_from(assigned);
            }
        }
        response
    }

    fn join(&mut self, name: &'static str, subscription: &str) -> ConsumerGroupHeartbeatResponse {
        let request = self.join_request(name, subscription);
        self.send(name, request)
    }

    /// A heartbeat with news of nothing.
    fn beat(&mut self, name: &'static str) -> ConsumerGroupHeartbeatResponse {
        let request = self.request(name);
        self.send(name, request)
    }

    /// A heartbeat that reports what the member owns.
    fn report(&mut self, name: &'static str) -> ConsumerGroupHeartbeatResponse {
        let owned = Some(self.members[name].owned.clone());
        let request = ConsumerGroupHeartbeatRequest {
            owned,
            ..self.request(name)
        };
        self.send(name, request)
    }

    fn leave(&mut self, name: &'static str, epoch: GroupEpoch) -> ErrorCode {
        let request = ConsumerGroupHeartbeatRequest {
            member_epoch: epoch,
            ..self.request(name)
        };
        let response = heartbeat_response(self.bench.ask(Request::from(request)));
        self.members.remove(name);
        response.error
    }

    /// Everybody reports until everybody has what it should.
    fn settle(&mut self) {
        let names: Vec<&'static str> = self.members.keys().copied().collect();
        for _ in 0..4 {
            for name in &names {
                assert_eq!(self.report(name).error, ErrorCode::None, "{name}");
            }
        }
    }

    /// What a member owns by its own knowledge.
    fn owned(&self, name: &str) -> String {
        let words = self.members[name].owned.iter().map(|partition| {
            let topic = if partition.topic == TopicId(100) { 't' } else { 'u' };
            alloc::format!("{topic}{}", partition.partition)
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn epoch(&self, name: &str) -> i32 {
        self.members[name].epoch
    }
}
