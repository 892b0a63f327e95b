//! Members that come, go, and lose answers, with coordinators that fail: no two of them own a partition at once, and
//! when it is quiet every partition is owned.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A process looks at its answer, or asks for the next thing.
    Run(usize),
    /// It gives up waiting, and asks again.
    Retry(usize),
    Start(usize),
    Leave(usize),
    Crash(usize),
    Failover,
    LogFails,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..5usize;
    let step = prop_oneof![
        20 => who.clone().prop_map(Step::Run),
        2 => who.clone().prop_map(Step::Retry),
        3 => who.clone().prop_map(Step::Start),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.prop_map(Step::Crash),
        1 => Just(Step::Failover),
        1 => Just(Step::LogFails),
        6 => (1..4_000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..200)
}

/// What a process waits for.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
enum Stage {
    #[default]
    Out,
    Joining(u64),
    Syncing(u64),
    In,
}

#[derive(Default)]
struct Process {
    id: Option<MemberId>,
    generation: i32,
    stage: Stage,
    owned: Vec<i32>,
}

struct Fleet {
    club: Club,
    processes: [Option<Process>; 5],
}

impl Fleet {
    fn join(&mut self, who: usize) {
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        // Eager members give up everything first.
        process.owned.clear();
        let request = JoinGroupRequest {
            session_timeout: Duration::from_secs(1_800),
            rebalance_timeout: Duration::from_secs(1_000),
            member: process.id.clone(),
            instance: (who < 2).then(|| GroupInstanceId::from(["i0", "i1"][who])),
            ..self.club.join_request("x")
        };
        process.stage = Stage::Joining(self.club.bench.send(Request::from(request)));
    }

    fn run(&mut self, who: usize) {
        let Some(stage) = self.processes[who].as_ref().map(|process| process.stage) else {
            return;
        };
        match stage {
            Stage::Out => self.join(who),
            Stage::Joining(id) => {
                if let Some(answer) = self.club.bench.answer(id) {
                    self.joined(who, join_response(Some(answer)));
                }
            }
            Stage::Syncing(id) => {
                if let Some(Response::SyncGroup(answer)) = self.club.bench.answer(id) {
                    self.synced(who, &answer);
                }
            }
            Stage::In => self.heartbeat(who),
        }
    }

    fn joined(&mut self, who: usize, answer: JoinGroupResponse) {
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        match answer.error {
            ErrorCode::None => {
                process.id.clone_from(&answer.member);
                process.generation = answer.generation.0;
                // Partitions are dealt out in turn.
                let mut assignments: Vec<(MemberId, Vec<i32>)> = answer
                    .members
                    .into_iter()
                    .map(|member| (member.member, Vec::new()))
                    .collect();
                for index in 0..4 {
                    if !assignments.is_empty() {
                        let taker = index % assignments.len();
                        assignments[taker].1.push(index as i32);
                    }
                }
                let request = SyncGroupRequest {
                    group: group(),
                    generation: answer.generation,
                    member: answer.member.expect("success names the member"),
                    instance: None,
                    assignments: assignments
                        .into_iter()
                        .map(|(id, own)| (id, assignment(&own)))
                        .collect(),
                };
                process.stage = Stage::Syncing(self.club.bench.send(Request::SyncGroup(request)));
            }
            ErrorCode::MemberIdRequired => {
                process.id = answer.member;
                process.stage = Stage::Out;
            }
            error => self.thrown_out(who, error),
        }
    }

    fn synced(&mut self, who: usize, answer: &SyncGroupResponse) {
        if answer.error != ErrorCode::None {
            return self.thrown_out(who, answer.error);
        }
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        let partitions = Assignment::decode(&answer.assignment)
            .expect("it was encoded")
            .partitions;
        process.owned = partitions
            .into_iter()
            .flat_map(|(_, indexes)| indexes)
            .map(|index| index.0)
            .collect();
        process.stage = Stage::In;
    }

    fn heartbeat(&mut self, who: usize) {
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        let request = HeartbeatRequest {
            group: group(),
            generation: GroupEpoch(process.generation),
            member: process.id.clone().expect("it has joined"),
            instance: None,
        };
        let Some(Response::Heartbeat(answer)) = self.club.bench.ask(Request::Heartbeat(request)) else {
            return;
        };
        if answer.error != ErrorCode::None {
            self.thrown_out(who, answer.error);
        }
    }

    fn thrown_out(&mut self, who: usize, error: ErrorCode) {
        let Some(process) = &mut self.processes[who] else {
            return;
        };
        process.stage = Stage::Out;
        process.owned.clear();
        match error {
            ErrorCode::UnknownMemberId => process.id = None,
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration | ErrorCode::NotCoordinator => {}
            other => panic!("{other:?} to a member"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Run(who) => self.run(who),
            Step::Retry(who) => {
                let waits = |process: &Process| matches!(process.stage, Stage::Joining(_) | Stage::Syncing(_));
                if self.processes[who].as_ref().is_some_and(waits) {
                    self.join(who);
                }
            }
            Step::Start(who) => {
                self.processes[who].get_or_insert_default();
            }
            Step::Leave(who) => {
                if let Some(Process { id: Some(id), .. }) = self.processes[who].take() {
                    let request = LeaveGroupRequest {
                        group: group(),
                        member: Some(id),
                        instance: None,
                    };
                    self.club.bench.ask(Request::LeaveGroup(request));
                }
            }
            Step::Crash(who) => self.processes[who] = None,
            Step::Failover => self.club.bench.failover(),
            Step::LogFails => self.club.bench.log_fails = true,
            Step::Pass(time) => self.club.bench.pass_ms(time),
        }
    }

    fn owned(&self) -> Vec<i32> {
        let mut owned: Vec<i32> = self
            .processes
            .iter()
            .flatten()
            .flat_map(|process| process.owned.clone())
            .collect();
        owned.sort_unstable();
        owned
    }

    /// Everybody who is there works on; who is not, is out when the rebalance or its session ends.
    fn quiesce(&mut self) {
        self.club.bench.log_fails = false;
        for round in 0..200 {
            for who in 0..5 {
                self.run(who);
                if round % 40 == 0 {
                    self.step(&Step::Retry(who));
                }
            }
            self.club.bench.pass_ms(30_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn one_owner_at_a_time(steps in steps()) {
        let mut fleet = Fleet { club: Club::new(), processes: Default::default() };
        for (at, step) in steps.iter().enumerate() {
            fleet.step(step);
            prop_assert!(fleet.owned().is_sorted_by(|one, other| one < other), "after step {}", at);
        }
        fleet.quiesce();
        let expected = if fleet.processes.iter().any(Option::is_some) { 0..4 } else { 0..0 };
        prop_assert_eq!(fleet.owned(), expected.collect::<Vec<_>>());
        // Generations in the log never go back.
        let generations = fleet.club.bench.log.iter().filter_map(|record| match record {
            GroupRecord::ClassicGroup { value, .. } => value.as_ref().map(|value| value.generation),
            _ => None,
        });
        prop_assert!(generations.is_sorted());
    }
}
