//! The administrator: creates the topics of a scenario, and gives them more partitions.

use std::collections::VecDeque;
use std::time::Duration;

use broker_core::machine::{Channel, Context, Input, Instant, Machine, Now, Outbox, Output, RequestId};
use broker_core::protocol::{CreatePartitionsRequest, CreateTopicsRequest, ErrorCode, NewTopic, Request, Response};
use broker_core::random::Random;
use broker_core::types::{Endpoint, Listener, NodeId, TopicName};

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The pause after an attempt that did not create everything.
const BACKOFF: Duration = Duration::from_millis(100);

/// A machine that asks one broker after the other for what is missing, until all is there.
pub(crate) struct Admin {
    missing: Vec<NewTopic>,
    /// Topics that get more partitions, and how many they have then, in the order of the orders.
    growing: VecDeque<(TopicName, u32)>,
    brokers: Vec<NodeId>,
    /// Which broker is asked next.
    turn: usize,
    asked: Option<(RequestId, NodeId)>,
    /// When to ask (again).
    deadline: Option<Instant>,
    random: Random,
    out: Outbox,
}

impl Admin {
    /// An admin that asks with its first wake.
    pub(crate) fn new(topics: Vec<NewTopic>, bootstrap: Vec<(NodeId, Endpoint)>, random: Random) -> Admin {
        let mut out = Outbox::default();
        for (broker, endpoint) in &bootstrap {
            out.learn(*broker, Listener::Broker, *endpoint);
        }
        Admin {
            missing: topics,
            growing: VecDeque::new(),
            brokers: bootstrap.into_iter().map(|(broker, _)| broker).collect(),
            turn: 0,
            asked: None,
            deadline: Some(Instant(0)),
            random,
            out,
        }
    }

    /// Whether every topic is there.
    pub(crate) fn is_done(&self) -> bool {
        self.missing.is_empty()
    }

    /// Gives a topic more partitions, once all topics are there.
    pub(crate) fn create_partitions(&mut self, now: Now, topic: TopicName, count: u32) {
        self.growing.push_back((topic, count));
        if self.asked.is_none() {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Now) {
        let body: Request = match self.growing.front() {
            Some((topic, count)) if self.is_done() => {
                let (topic, count) = (topic.clone(), *count);
                CreatePartitionsRequest { topic, count }.into()
            }
            _ => CreateTopicsRequest {
                topics: self.missing.clone(),
            }
            .into(),
        };
        let broker = self.brokers[self.turn % self.brokers.len()];
        self.turn += 1;
        let mut cx = Context::new(now, &mut self.random, &mut self.out);
        self.asked = Some((cx.request(Channel::Client, broker, body), broker));
        self.deadline = Some(now.monotonic + TIMEOUT);
    }

    fn pause(&mut self, now: Instant) {
        self.asked = None;
        self.deadline = self.has_work().then_some(now + BACKOFF);
    }

    fn has_work(&self) -> bool {
        !self.is_done() || !self.growing.is_empty()
    }
}

impl Machine for Admin {
    fn handle(&mut self, clocks: Now, input: Input) {
        let now = clocks.monotonic;
        // Another broker has been asked meanwhile.
        while self.out.next_timed_out(now).is_some() {}
        match input {
            Input::Wake if self.has_work() && self.deadline.is_some_and(|at| at <= now) => self.ask(clocks),
            Input::Connected { connection } => {
                self.out.connected(connection);
            }
            Input::Response {
                id,
                body: Response::CreateTopics(body),
                ..
            } if self.asked.is_some_and(|(asked, _)| asked == id) => {
                for (name, error, _) in body.topics {
                    if error.is_ok() || error == ErrorCode::TopicAlreadyExists {
                        self.missing.retain(|topic| topic.name != name);
                    }
                }
                self.pause(now);
            }
            Input::Response {
                id,
                body: Response::CreatePartitions(body),
                ..
            } if self.asked.is_some_and(|(asked, _)| asked == id) => {
                // INVALID_PARTITIONS: an earlier attempt whose answer was lost has done it.
                if body.error.is_ok() || body.error == ErrorCode::InvalidPartitions {
                    self.growing.pop_front();
                }
                self.pause(now);
            }
            Input::Closed { connection, .. } => {
                let lost = self.out.closed(connection);
                if lost.is_some_and(|(peer, _)| self.asked.is_some_and(|(_, asked)| asked == peer)) {
                    self.pause(now);
                }
            }
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        let own = self.deadline.filter(|_| self.has_work());
        own.into_iter().chain(self.out.deadline()).min()
    }
}

#[cfg(test)]
mod tests {
    use broker_core::machine::{CloseReason, ConnectionId};
    use broker_core::protocol::{CreateTopicsResponse, Request};
    use broker_core::types::{Timestamp, TopicId};

    use super::*;
    use crate::address;

    const START: Instant = Instant(1_000_000_000);

    fn at(monotonic: Instant) -> Now {
        let wall = Timestamp::NONE;
        Now { monotonic, wall }
    }

    fn topic(name: &str) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: 1,
            replication_factor: 1,
            config: Default::default(),
        }
    }

    /// To which node a request went, over which connection, its id, and the topics that it asks for.
    fn asked(admin: &mut Admin) -> (NodeId, ConnectionId, RequestId, Vec<String>) {
        let mut output = admin.poll();
        if let Some(Output::Open { connection, .. }) = output {
            admin.out.connected(connection);
            output = admin.poll();
        }
        match output {
            Some(Output::Request {
                connection,
                id,
                body: Request::CreateTopics(body),
            }) => {
                let (to, _) = admin.out.peer(connection).expect("it is open");
                let topics = body.topics.iter().map(|topic| topic.name.to_string());
                (to, connection, id, topics.collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_asks_until_all_topics_are_there() {
        let mut admin = Admin::new(
            vec![topic("a"), topic("b")],
            address::bootstrap([NodeId(1), NodeId(2)]),
            Random::new(1, "admin"),
        );
        assert!(admin.deadline() <= Some(START));
        admin.handle(at(START), Input::Wake);
        let (to, connection, id, topics) = asked(&mut admin);
        assert_eq!((to, topics), (NodeId(1), vec!["a".to_owned(), "b".to_owned()]));
        let answers = [
            ("a".into(), ErrorCode::None, Some(TopicId(100))),
            ("b".into(), ErrorCode::InvalidReplicationFactor, None),
        ];
        let body = CreateTopicsResponse {
            topics: answers.to_vec(),
        }
        .into();
        admin.handle(at(START), Input::Response { connection, id, body });
        assert_eq!(admin.deadline(), Some(START + BACKOFF));

        admin.handle(at(START + BACKOFF), Input::Wake);
        let (to, connection, _, topics) = asked(&mut admin);
        assert_eq!((to, topics), (NodeId(2), vec!["b".to_owned()]));
        let reason = CloseReason::Refused;
        admin.handle(at(START + BACKOFF), Input::Closed { connection, reason });
        admin.handle(at(START + BACKOFF * 2), Input::Wake);
        let (_, connection, id, _) = asked(&mut admin);
        let answers = [("b".into(), ErrorCode::TopicAlreadyExists, None)];
        let body = CreateTopicsResponse {
            topics: answers.to_vec(),
        }
        .into();
        admin.handle(at(START + BACKOFF * 2), Input::Response { connection, id, body });
        assert!(admin.is_done());
        assert_eq!(admin.deadline(), None);
    }
}
