//! Members that come, go, take their time, lose answers and memories, with coordinators that fail: no two of them own
//! a partition at once, and when it is quiet every partition is owned.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Join(usize, usize),
    /// A heartbeat whose answer may be lost.
    Beat(usize, bool),
    /// What it is to release it has released now.
    Release(usize),
    Leave(usize),
    /// The process dies; a static member comes back under another id.
    Crash(usize),
    Subscribe(usize, usize),
    Grow,
    Failover,
    LogFails,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, what) = (0..5usize, 0..3usize);
    let step = prop_oneof![
        3 => (who.clone(), what.clone()).prop_map(|(who, what)| Step::Join(who, what)),
        12 => (who.clone(), prop::bool::weighted(0.2)).prop_map(|(who, lost)| Step::Beat(who, lost)),
        6 => who.clone().prop_map(Step::Release),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.clone().prop_map(Step::Crash),
        1 => (who, what).prop_map(|(who, what)| Step::Subscribe(who, what)),
        1 => Just(Step::Grow),
        1 => Just(Step::Failover),
        1 => Just(Step::LogFails),
        2 => (1..3_000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

const SUBSCRIPTIONS: [&str; 3] = ["t", "u", "t u"];

/// A member's process.
#[derive(Default)]
struct Process {
    id: String,
    epoch: i32,
    subscription: usize,
    /// What it works on.
    owned: BTreeSet<TopicPartition>,
    /// What it was told to own.
    assigned: BTreeSet<TopicPartition>,
    /// It has to tell what it owns.
    reports: bool,
}

struct Fleet {
    crew: Crew,
    processes: [Option<Process>; 5],
    lives: u32,
}

impl Fleet {
    fn new(quirks: Quirks) -> Fleet {
        Fleet {
            crew: Crew::with(BrokerConfig::default(), quirks),
            processes: Default::default(),
            lives: 0,
        }
    }

    /// The first two members are static.
    fn request(&self, who: usize, process: &Process) -> ConsumerGroupHeartbeatRequest {
        let mut request = self.crew.join_request("x", SUBSCRIPTIONS[process.subscription]);
        request.member = MemberId::from(&*process.id);
        request.instance = (who < 2).then(|| GroupInstanceId::from(["i0", "i1"][who]));
        request.member_epoch = GroupEpoch(process.epoch);
        request.rebalance_timeout = Some(Duration::from_secs(1_000_000));
        if process.epoch > 0 {
            request.rebalance_timeout = None;
            request.owned = process.reports.then(|| process.owned.iter().copied().collect());
        }
        request
    }

    fn beat(&mut self, who: usize, lost: bool) {
        let Some(mut process) = self.processes[who].take() else {
            return;
        };
        let request = self.request(who, &process);
        let answer = self.crew.bench.ask(Request::from(request)).filter(|_| !lost);
        let Some(answer) = answer else {
            // It does not know what became of its words, so it says them again.
            process.reports = true;
            self.processes[who] = Some(process);
            return;
        };
        let answer = heartbeat_response(Some(answer));
        match answer.error {
            ErrorCode::None => {
                process.epoch = answer.member_epoch.0;
                process.reports = false;
                if let Some(assigned) = answer.assignment {
                    process.assigned = assigned.into_iter().collect();
                    self.processes[who] = Some(process);
                    self.take_over(who);
                    return;
                }
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch => {
                let Process { id, subscription, .. } = process;
                process = Process {
                    id,
                    subscription,
                    ..Process::default()
                };
            }
            ErrorCode::UnreleasedInstanceId => {}
            other => panic!("{other:?} to a heartbeat"),
        }
        self.processes[who] = Some(process);
    }

    /// Takes what it was assigned, once nothing is left to be released.
    fn take_over(&mut self, who: usize) {
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        if process.owned.is_subset(&process.assigned) {
            process.reports |= process.owned != process.assigned;
            process.owned.clone_from(&process.assigned);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(who, subscription) if self.processes[who].is_none() => {
                self.lives += 1;
                let id = alloc::format!("m{who}-{}", self.lives);
                self.processes[who] = Some(Process {
                    id,
                    subscription,
                    ..Process::default()
                });
                self.beat(who, false);
            }
            Step::Beat(who, lost) => self.beat(who, lost),
            Step::Release(who) => {
                if let Some(process) = &mut self.processes[who] {
                    process.reports |= !process.owned.is_subset(&process.assigned);
                    process.owned = &process.owned & &process.assigned;
                }
                self.take_over(who);
            }
            Step::Leave(who) => {
                if let Some(process) = self.processes[who].take().filter(|process| process.epoch > 0) {
                    let leave = if who < 2 {
                        GroupEpoch::LEAVE_STATIC
                    } else {
                        GroupEpoch::NONE
                    };
                    let request = ConsumerGroupHeartbeatRequest {
                        member_epoch: leave,
                        ..self.request(who, &process)
                    };
                    self.crew.bench.ask(Request::from(request));
                }
            }
            Step::Crash(who) => self.processes[who] = None,
            Step::Subscribe(who, subscription) => {
                if let Some(process) = &mut self.processes[who] {
                    process.subscription = subscription;
                }
            }
            Step::Grow => {
                for (_, count) in self.crew.bench.topics.0.values_mut() {
                    *count += 1;
                }
            }
            Step::Failover => self.crew.bench.failover(),
            Step::LogFails => self.crew.bench.log_fails = true,
            Step::Pass(time) => {
                for who in 0..5 {
                    self.beat(who, false);
                }
                self.crew.bench.pass_ms(time);
            }
            Step::Join(..) => {}
        }
    }

    /// A partition with two owners.
    fn overlap(&self) -> Option<TopicPartition> {
        let mut seen = BTreeSet::new();
        let mut owned = self.processes.iter().flatten().flat_map(|process| &process.owned);
        owned.find(|partition| !seen.insert(**partition)).copied()
    }

    /// Everybody who is there works on; who is not, is out when its session ends.
    fn quiesce(&mut self) {
        self.crew.bench.log_fails = false;
        for _ in 0..24 {
            for who in 0..5 {
                self.beat(who, false);
                self.step(&Step::Release(who));
            }
            self.crew.bench.pass_ms(5_000);
        }
    }

    fn check_coverage(&self) {
        let mut expected = BTreeSet::new();
        for process in self.processes.iter().flatten() {
            for name in topics(SUBSCRIPTIONS[process.subscription]) {
                let (id, count) = self.crew.bench.topics.0[&name];
                expected.extend((0..count).map(|index| TopicPartition::new(id, index as i32)));
            }
        }
        let owned: BTreeSet<_> = self
            .processes
            .iter()
            .flatten()
            .flat_map(|process| &process.owned)
            .copied()
            .collect();
        assert_eq!(owned, expected);
        for process in self.processes.iter().flatten() {
            let names = topics(SUBSCRIPTIONS[process.subscription]);
            let ids: Vec<TopicId> = names.iter().map(|name| self.crew.bench.topics.0[name].0).collect();
            assert!(process.owned.iter().all(|partition| ids.contains(&partition.topic)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn one_owner_at_a_time(steps in steps()) {
        let mut fleet = Fleet::new(Quirks::default());
        for (at, step) in steps.iter().enumerate() {
            fleet.step(step);
            prop_assert_eq!(fleet.overlap(), None, "after step {}", at);
        }
        fleet.quiesce();
        prop_assert_eq!(fleet.overlap(), None);
        fleet.check_coverage();
    }
}

/// The sweep sees what it looks for.
#[test]
fn the_sweep_finds_two_owners() {
    let mut fleet = Fleet::new(Quirks {
        two_owners_one_epoch: true,
        ..Quirks::default()
    });
    fleet.step(&Step::Join(3, 0));
    fleet.step(&Step::Join(4, 0));
    assert!(fleet.overlap().is_some());
}
