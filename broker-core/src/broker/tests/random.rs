//! Any interleaving of commits with failovers: the stored position is a register.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Commit,
    Fetch,
    Kill(u32),
    Start(u32),
    Isolate(u32),
    Deafen(u32),
    Heal,
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Commit),
        4 => Just(Act::Fetch),
        2 => (1..=3u32).prop_map(Act::Kill),
        3 => (1..=3u32).prop_map(Act::Start),
        1 => (1..=3u32).prop_map(Act::Isolate),
        1 => (1..=3u32).prop_map(Act::Deafen),
        2 => Just(Act::Heal),
        3 => (1..12_000u64).prop_map(Act::Pass),
    ]
}

/// A client that does one thing after the other, and what it may find.
struct Register {
    cluster: Cluster,
    partition: TopicPartition,
    next: i64,
    /// Nodes that the client reaches, but no other node: one of them may be deposed without knowing it. What it answers about
    /// what was committed before is old, as in Kafka; what it takes must not be lost.
    deaf: BTreeSet<u32>,
    /// The last value that was answered, and what was tried since without an answer that says whether it is stored.
    possible: BTreeSet<Option<i64>>,
}

impl Register {
    /// A coordinator, by the word of any node that runs.
    fn coordinator(&mut self) -> Option<u32> {
        let through = BROKERS.into_iter().find(|id| self.is_up(*id))?;
        let request = FindCoordinatorRequest {
            group: GroupId::from("workers"),
        };
        let id = self.cluster.send(through, request);
        match self.cluster.wait(id, SECOND)? {
            Response::FindCoordinator(body) => body.coordinator.map(|(node, _)| node.0),
            other => panic!("{other:?}"),
        }
    }

    fn is_up(&self, id: u32) -> bool {
        self.cluster.nodes[&id].machine.is_some() && !self.cluster.cut.contains(&(CLIENT.0, id))
    }

    fn commit(&mut self) {
        let value = self.next;
        self.next += 1;
        let Some(to) = self.coordinator().filter(|to| self.is_up(*to)) else {
            return;
        };
        let id = self.cluster.send(to, commit_of("workers", self.partition, value));
        match self.cluster.wait(id, 10 * SECOND) {
            Some(Response::OffsetCommit(body)) if body.partitions[0].1.is_ok() => {
                self.possible = [Some(value)].into();
            }
            _ => {
                self.possible.insert(Some(value));
            }
        }
    }

    fn fetch(&mut self) -> Result<bool, TestCaseError> {
        let Some(from) = self
            .coordinator()
            .filter(|from| self.is_up(*from) && !self.deaf.contains(from))
        else {
            return Ok(false);
        };
        let id = self.cluster.send(from, fetch_of("workers", self.partition));
        let Some(Response::OffsetFetch(body)) = self.cluster.wait(id, 10 * SECOND) else {
            return Ok(false);
        };
        let Ok(found) = position_in(&body.partitions, body.error) else {
            return Ok(false);
        };
        prop_assert!(
            self.possible.contains(&found),
            "{found:?} is none of {:?}",
            self.possible
        );
        self.possible = [found].into();
        Ok(true)
    }

    fn deafen(&mut self, id: u32) {
        let others = BROKERS.into_iter().filter(|other| *other != id);
        self.cluster.cut.extend(others.map(|other| (other, id)));
        self.deaf.insert(id);
    }

    fn isolate(&mut self, id: u32) {
        self.cluster.isolate(id);
        self.deaf.insert(id);
    }

    /// A coordinator that was cut off answers from what it knows until it learns of its successor, as Kafka's does: it needs
    /// the time to, and a majority that can say so.
    fn heal(&mut self) {
        self.cluster.cut.clear();
        self.cluster.pass(5 * SECOND);
        if BROKERS.into_iter().filter(|id| self.is_up(*id)).count() >= 2 {
            self.deaf.clear();
        }
    }

    fn revive(&mut self) {
        for id in BROKERS {
            if self.cluster.nodes[&id].machine.is_none() {
                self.cluster.start(id);
            }
        }
        self.heal();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_position_is_a_register(seed in any::<u64>(), acts in proptest::collection::vec(act(), 1..40)) {
        let config = BrokerConfig {
            offsets_topic_num_partitions: 1,
            ..BrokerConfig::default()
        };
        let mut cluster = Cluster::with(config, Quirks::default(), seed);
        let partition = cluster.create_topic("orders");
        cluster.find(1, "workers", None);
        let mut register = Register { cluster, partition, next: 0, deaf: BTreeSet::new(), possible: [None].into() };
        for act in acts {
            let cluster = &mut register.cluster;
            match act {
                Act::Commit => register.commit(),
                Act::Fetch => drop(register.fetch()?),
                Act::Kill(id) => if cluster.nodes[&id].machine.is_some() { cluster.kill(id) },
                Act::Start(id) => if cluster.nodes[&id].machine.is_none() { cluster.start(id) },
                Act::Isolate(id) => register.isolate(id),
                Act::Deafen(id) => register.deafen(id),
                Act::Heal => register.heal(),
                Act::Pass(millis) => cluster.pass(Duration::from_millis(millis)),
            }
        }
        register.revive();
        let mut is_answered = false;
        for _ in 0..60 {
            register.cluster.pass(SECOND);
            is_answered = register.fetch()?;
            if is_answered { break }
        }
        prop_assert!(is_answered, "a whole cluster answers with positions");
    }
}
