mod rows;
mod stories;
mod sweep;

use alloc::string::String;

use super::*;
use crate::config::{BrokerConfig, Quirks};
use crate::group::bench::{Bench, group};
use crate::protocol::{HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest};
use crate::types::PartitionIndex;

/// Members by the names that a test gives them, over a bench.
struct Club {
    bench: Bench,
    ids: BTreeMap<&'static str, MemberId>,
    generation: i32,
}

/// Subscribes to the topic `t`; tells members apart by their user data.
fn subscription_to(topics: &[&str], user_data: &str) -> Bytes {
    let topics = topics.iter().map(|topic| TopicName::from(*topic)).collect();
    let user_data = Some(Bytes::copy_from_slice(user_data.as_bytes()));
    Subscription {
        topics,
        user_data,
        owned: Vec::new(),
        generation: GroupEpoch::NONE,
    }
    .encode()
}

fn assignment(partitions: &[i32]) -> Bytes {
    let partitions = partitions.iter().map(|&index| PartitionIndex(index)).collect();
    Assignment {
        partitions: [(TopicName::from("t"), partitions)].into(),
    }
    .encode()
}

impl Club {
    fn new() -> Club {
        Club::with(BrokerConfig::default(), Quirks::default())
    }

    fn with(config: BrokerConfig, quirks: Quirks) -> Club {
        Club {
            bench: Bench::new(config, quirks),
            ids: BTreeMap::new(),
            generation: 0,
        }
    }

    /// The id of a member, or a name that no member has.
    fn id(&self, name: &str) -> MemberId {
        self.ids.get(name).cloned().unwrap_or_else(|| MemberId::from(name))
    }

    /// A JoinGroup of `name`, which is static if it begins with `s`.
    fn join_request(&self, name: &'static str) -> JoinGroupRequest {
        JoinGroupRequest {
            group: group(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(60),
            member: self.ids.get(name).cloned(),
            instance: name.starts_with('s').then(|| GroupInstanceId::from(name)),
            protocol_type: "consumer".into(),
            protocols: [(AssignorName::from("range"), subscription_to(&["t"], ""))].into(),
        }
    }

    /// Sends a join. A dynamic member without an id gets one first.
    fn join(&mut self, name: &'static str) -> u64 {
        let request = self.join_request(name);
        self.join_with(name, request)
    }

    fn join_with(&mut self, name: &'static str, mut request: JoinGroupRequest) -> u64 {
        if request.member.is_none() && request.instance.is_none() {
            let response = join_response(self.bench.ask(Request::from(request.clone())));
            assert_eq!(response.error, ErrorCode::MemberIdRequired);
            request.member = response.member;
        }
        if let Some(id) = &request.member {
            self.ids.insert(name, id.clone());
        }
        self.bench.send(Request::from(request))
    }

    /// The answer to a join, which must have come with success.
    fn joined(&mut self, name: &'static str, id: u64) -> JoinGroupResponse {
        let response = join_response(self.bench.answer(id));
        assert_eq!(response.error, ErrorCode::None, "{name}");
        self.ids
            .insert(name, response.member.clone().expect("success names the member"));
        self.generation = response.generation.0;
        response
    }

    fn sync(&mut self, name: &'static str, assignments: &[(&'static str, &[i32])]) -> u64 {
        let assignments = assignments
            .iter()
            .map(|(name, partitions)| (self.id(name), assignment(partitions)));
        let request = SyncGroupRequest {
            group: group(),
            generation: GroupEpoch(self.generation),
            member: self.id(name),
            instance: None,
            assignments: assignments.collect(),
        };
        self.bench.send(Request::SyncGroup(request))
    }

    /// The partitions of `t` that the answer to a sync brings.
    fn synced(&mut self, id: u64) -> Result<Vec<i32>, ErrorCode> {
        let Some(Response::SyncGroup(response)) = self.bench.answer(id) else {
            panic!("no answer to sync {id}")
        };
        if response.error != ErrorCode::None {
            return Err(response.error);
        }
        let partitions = Assignment::decode(&response.assignment)
            .expect("it was encoded")
            .partitions;
        Ok(partitions
            .into_iter()
            .flat_map(|(_, indexes)| indexes)
            .map(|index| index.0)
            .collect())
    }

    fn heartbeat(&mut self, name: &'static str) -> ErrorCode {
        let (generation, member) = (GroupEpoch(self.generation), self.id(name));
        let request = HeartbeatRequest {
            group: group(),
            generation,
            member,
            instance: None,
        };
        match self.bench.ask(Request::Heartbeat(request)) {
            Some(Response::Heartbeat(response)) => response.error,
            other => panic!("{other:?} to a heartbeat"),
        }
    }

    fn leave(&mut self, name: &'static str) -> ErrorCode {
        let request = LeaveGroupRequest {
            group: group(),
            member: Some(self.id(name)),
            instance: None,
        };
        match self.bench.ask(Request::LeaveGroup(request)) {
            Some(Response::LeaveGroup(response)) => response.error,
            other => panic!("{other:?} to a leave"),
        }
    }

    /// Brings the group to a state, with the members `a`, which leads, `b`, and the static `s`.
    fn bring_to(&mut self, state: GroupState) {
        if state == GroupState::Dead {
            return;
        }
        let joins = ["a", "b", "s"].map(|name| (name, self.join(name)));
        if state == GroupState::Empty {
            self.bench.pass_ms(6_000);
            for (name, id) in joins {
                self.joined(name, id);
                self.leave(name);
            }
            return;
        }
        self.bench.pass_ms(6_000);
        for (name, id) in joins {
            self.joined(name, id);
        }
        if state == GroupState::CompletingRebalance {
            return;
        }
        let syncs = ["b", "s", "a"].map(|name| self.sync(name, &[("a", &[0, 1]), ("b", &[2]), ("s", &[3])]));
        assert_eq!(
            syncs.map(|id| self.synced(id)),
            [Ok([2].into()), Ok([3].into()), Ok([0, 1].into())]
        );
        if state == GroupState::PreparingRebalance {
            self.join("a");
        }
    }
}

fn join_response(response: Option<Response>) -> JoinGroupResponse {
    match response {
        Some(Response::JoinGroup(response)) => response,
        other => panic!("{other:?} to a join"),
    }
}
