//! One coordinator's groups on a bench: a clock that goes by hand, a log that takes every record, and all answers.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Decision, GroupRecord, Groups, Topics};
use crate::config::{BrokerConfig, Quirks};
use crate::machine::{ConnectionId, Context, Instant, Now, Outbox, Output, ReplyTo, RequestId};
use crate::protocol::{Request, Response};
use crate::random::Random;
use crate::topic_pattern::TopicPattern;
use crate::trace::{self, Event};
use crate::types::{GroupId, NodeId, TopicId, TopicName};

pub(super) struct Bench {
    pub(super) now: Instant,
    pub(super) config: BrokerConfig,
    pub(super) quirks: Quirks,
    pub(super) groups: Groups,
    pub(super) topics: Catalogue,
    pub(super) log: Vec<GroupRecord>,
    /// What was stated since this was last emptied.
    pub(super) facts: Vec<Event>,
    /// While set, nothing gets into the log.
    pub(super) log_fails: bool,
    rng: Random,
    out: Outbox,
    asked: u64,
    answers: BTreeMap<u64, Response>,
    answered: u64,
}

#[derive(Default)]
pub(super) struct Catalogue(pub(super) BTreeMap<TopicName, (TopicId, u32)>);

impl Topics for Catalogue {
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)> {
        self.0.get(name).copied()
    }

    fn name(&self, id: TopicId) -> Option<TopicName> {
        self.0
            .iter()
            .find(|(_, (other, _))| *other == id)
            .map(|(name, _)| name.clone())
    }

    fn matching(&self, pattern: &TopicPattern) -> Vec<TopicName> {
        self.0.keys().filter(|name| pattern.matches(name)).cloned().collect()
    }
}

pub(super) fn group() -> GroupId {
    GroupId::from("g")
}

impl Bench {
    /// With the topics `t` (id 100, 4 partitions) and `u` (id 101, 2 partitions).
    pub(super) fn new(config: BrokerConfig, quirks: Quirks) -> Bench {
        let mut groups = Groups::new(&config, quirks);
        let now = Instant(1_000_000_000_000_000_000);
        groups.loaded(now);
        let topics = [("t", 100, 4), ("u", 101, 2)];
        Bench {
            now,
            groups,
            config,
            quirks,
            topics: Catalogue(
                topics
                    .map(|(name, id, count)| (TopicName::from(name), (TopicId(id), count)))
                    .into(),
            ),
            log: Vec::new(),
            facts: Vec::new(),
            log_fails: false,
            rng: Random::new(7, "bench"),
            out: Outbox::default(),
            asked: 0,
            answers: BTreeMap::new(),
            answered: 0,
        }
    }

    /// Groups with members in them stay with their protocol. The coordinator starts anew with that.
    pub(super) fn forbid_migration(&mut self) {
        self.config.group_consumer_migration_policy = crate::config::MigrationPolicy::Disabled;
        self.failover();
    }

    fn act(&mut self, act: impl FnOnce(&mut Groups, &mut Context<'_>, &Catalogue) -> Decision) {
        let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
        let decision = act(&mut self.groups, &mut ctx, &self.topics);
        while let Some(output) = self.out.poll() {
            let Output::Trace(fact) = output else {
                panic!("groups have no effects but facts: {output:?}")
            };
            self.facts.push(fact);
        }
        self.settle(decision);
    }

    fn settle(&mut self, decision: Decision) {
        self.answered += decision.replies.len() as u64;
        if self.log_fails && !decision.records.is_empty() {
            // The answers that the decision had go out as errors, which are not the group's.
            let group = decision.records[0].group().clone();
            self.log_fails = false;
            return self.act(|groups, ctx, _| groups.append_failed(ctx, &group));
        }
        for (to, response) in decision.replies {
            assert!(
                self.answers.insert(to.id.0, response).is_none(),
                "request {} was answered twice",
                to.id.0
            );
        }
        self.facts.extend(decision.facts);
        for record in decision.records {
            self.groups.replay(&record);
            self.log.push(record);
        }
    }

    /// Sends a request; the answer, if it came at once.
    pub(super) fn ask(&mut self, request: Request) -> Option<Response> {
        let id = self.send(request);
        self.answer(id)
    }

    /// Sends a request, and leaves the answer for later.
    pub(super) fn send(&mut self, request: Request) -> u64 {
        self.asked += 1;
        let id = self.asked;
        let to = ReplyTo {
            node: NodeId(9),
            connection: ConnectionId::Inbound(1),
            id: RequestId(id),
        };
        self.act(|groups, ctx, topics| groups.on_request(ctx, topics, to, None, request));
        id
    }

    /// The answer to a request, if it has come.
    pub(super) fn answer(&mut self, id: u64) -> Option<Response> {
        self.answers.remove(&id)
    }

    /// How many requests wait for their answers.
    pub(super) fn parked(&self) -> u64 {
        self.asked - self.answered
    }

    /// Lets time pass; what becomes due meanwhile happens at its time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.groups.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.act(|groups, ctx, topics| groups.on_wake(ctx, topics));
        }
        self.now = end;
    }

    pub(super) fn pass_ms(&mut self, time: u64) {
        self.pass(Duration::from_millis(time));
    }

    /// Another coordinator takes over from the log.
    pub(super) fn failover(&mut self) {
        let groups = core::mem::replace(&mut self.groups, Groups::new(&self.config, self.quirks));
        for (to, response) in groups.abandon() {
            self.answered += 1;
            assert!(
                self.answers.insert(to.id.0, response).is_none(),
                "request {} was answered twice",
                to.id.0
            );
        }
        for record in &self.log {
            let (key, value) = record.encode();
            let record = GroupRecord::decode(&key, value.as_deref()).expect("it was encoded");
            self.groups.replay(&record);
        }
        self.groups.loaded(self.now);
    }

    /// The facts since the last call, in short.
    pub(super) fn told(&mut self) -> Vec<String> {
        let facts = core::mem::take(&mut self.facts);
        facts
            .iter()
            .map(|fact| match fact {
                Event::GroupChanged(trace::GroupChanged {
                    state, epoch, members, ..
                }) => alloc::format!("{state:?} {epoch} of {members}"),
                Event::MemberChanged(trace::MemberChanged {
                    epoch,
                    assigned,
                    revoking,
                    ..
                }) => {
                    alloc::format!("member at {epoch} has {assigned:?} and gives {revoking:?}")
                }
                Event::MemberRemoved(trace::MemberRemoved { cause, .. }) => alloc::format!("removed: {cause:?}"),
                other => panic!("groups do not state {other:?}"),
            })
            .collect()
    }
}
