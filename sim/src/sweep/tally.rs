//! Counters into which trials are folded as they come, so that a sweep's memory does not grow with its seeds.
//!
//! Two tallies of different trials can be merged, in any order and any grouping, with one result. That is what makes
//! an interrupted sweep's counters fit to its remaining trials.

use std::collections::{BTreeMap, BTreeSet};

use reports::record::GroupTotals;
use reports::summary::MeasuredRange;
use serde::{Deserialize, Serialize};

use super::judge::{Came, Ruled};
use crate::outcome::NO_CONTRACT;
use crate::verdict::Word;

/// The trials of one scenario.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// How many.
    pub trials: u64,
    /// Those that violated what they should not.
    pub violated: u64,
    /// Those of them that missed a measure, and did nothing worse.
    pub missed: u64,
    /// Those that could not be judged.
    pub inconclusive: u64,
    /// Those in which Trial itself failed.
    pub broke: u64,
    /// Those with something that the contract allows.
    pub allowed_trials: u64,
    /// Simulated nanoseconds.
    pub sim_nanos: u64,
    /// Wall nanoseconds of all trials, as one core would have taken.
    pub wall_nanos: u64,
    /// Delivered events.
    pub events: u64,
    /// Records whose send was answered ok.
    pub records_acked: u64,
    /// Records whose send failed for certain.
    pub records_failed: u64,
    /// Records whose send ended with an unknown outcome.
    pub records_unknown: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// What all consumer groups together did.
    pub groups: GroupTotals,
    /// What the measures came to, by figure, bounds and time.
    pub measures: BTreeMap<String, MeasuredRange>,
    /// Faults that were planned.
    pub faults_planned: u64,
    /// Faults that took effect.
    pub faults_fired: u64,
    /// The faults that took no effect in any trial; `None` before the first trial.
    pub idle_faults: Option<BTreeSet<String>>,
    /// The trials in which no client was promised anything.
    pub without_contract: u64,
    /// In how many trials each expected anomaly was found.
    pub found: BTreeMap<String, u64>,
    /// What the contract allowed, by check.
    pub allowed: BTreeMap<String, Allowed>,
    /// Trials that did not come out as expected, by signature.
    pub failures: BTreeMap<String, Group>,
    /// Wall nanoseconds and seed of the trial that took longest.
    pub slowest: Option<(u64, u64)>,
}

/// Anomalies of one check that the contract allows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Allowed {
    /// How many, in all trials.
    pub count: u64,
    /// The clause, of the first seed that showed one.
    pub clause: String,
    /// That seed.
    pub first_seed: u64,
}

/// Failures of one signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// What kind of failure.
    pub kind: FailureKind,
    /// How many trials.
    pub count: u64,
    /// The lowest seeds, at most [`Group::KEPT`], with the evidence of each.
    pub first: BTreeMap<u64, String>,
}

/// Kinds of failures, the gravest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FailureKind {
    /// Trial itself failed.
    Internal,
    /// A check was violated.
    Violation,
    /// The trial could not be judged.
    Inconclusive,
}

impl Group {
    /// Of how many trials of one signature a sweep keeps files.
    pub const KEPT: usize = 10;

    fn merge(&mut self, other: Group) {
        self.kind = self.kind.min(other.kind);
        self.count += other.count;
        self.first.extend(other.first);
        while self.first.len() > Group::KEPT {
            self.first.pop_last();
        }
    }
}

impl Tally {
    /// The tally of one trial.
    #[must_use]
    pub fn of(ruled: &Ruled) -> Tally {
        let kind = match ruled.came {
            Came::AsExpected => None,
            Came::Violated => Some(FailureKind::Violation),
            Came::Inconclusive => Some(FailureKind::Inconclusive),
            Came::Broke => Some(FailureKind::Internal),
        };
        let group = kind.map(|kind| {
            let first = BTreeMap::from([(ruled.seed, ruled.evidence.clone())]);
            (
                ruled.signature.clone().unwrap_or_default(),
                Group { kind, count: 1, first },
            )
        });
        let allowed = ruled.allowed.iter().map(|(check, clause, count)| {
            (
                (*check).to_owned(),
                Allowed {
                    count: *count,
                    clause: clause.clone(),
                    first_seed: ruled.seed,
                },
            )
        });
        let wall = u64::try_from(ruled.wall.as_nanos()).unwrap_or(u64::MAX);
        Tally {
            trials: 1,
            violated: u64::from(ruled.came == Came::Violated),
            missed: u64::from(ruled.verdict == Word::Missed),
            inconclusive: u64::from(ruled.came == Came::Inconclusive),
            broke: u64::from(ruled.came == Came::Broke),
            allowed_trials: u64::from(!ruled.allowed.is_empty()),
            sim_nanos: u64::try_from(ruled.sim_time.as_nanos()).unwrap_or(u64::MAX),
            wall_nanos: wall,
            events: ruled.events,
            records_acked: ruled.records_acked,
            records_failed: ruled.records_failed,
            records_unknown: ruled.records_unknown,
            records_consumed: ruled.records_consumed,
            groups: ruled.groups,
            measures: ruled.measures.iter().map(MeasuredRange::of).collect(),
            faults_planned: ruled.faults_planned,
            faults_fired: ruled.faults_fired,
            idle_faults: (ruled.came != Came::Broke).then(|| ruled.idle_faults.iter().cloned().collect()),
            without_contract: u64::from(ruled.untested.iter().any(|untested| untested == NO_CONTRACT)),
            found: ruled.found.iter().map(|check| ((*check).to_owned(), 1)).collect(),
            allowed: allowed.collect(),
            failures: group.into_iter().collect(),
            slowest: Some((wall, ruled.seed)),
        }
    }

    /// Adds the trials of `other`.
    pub fn merge(&mut self, other: Tally) {
        self.trials += other.trials;
        self.violated += other.violated;
        self.missed += other.missed;
        self.inconclusive += other.inconclusive;
        self.broke += other.broke;
        self.allowed_trials += other.allowed_trials;
        self.sim_nanos = self.sim_nanos.saturating_add(other.sim_nanos);
        self.wall_nanos = self.wall_nanos.saturating_add(other.wall_nanos);
        self.events += other.events;
        self.records_acked += other.records_acked;
        self.records_failed += other.records_failed;
        self.records_unknown += other.records_unknown;
        self.records_consumed += other.records_consumed;
        self.groups += other.groups;
        for (measure, range) in other.measures {
            self.measures.entry(measure).or_default().merge(range);
        }
        self.faults_planned += other.faults_planned;
        self.faults_fired += other.faults_fired;
        self.idle_faults = match (self.idle_faults.take(), other.idle_faults) {
            (Some(mine), Some(theirs)) => Some(&mine & &theirs),
            (mine, theirs) => mine.or(theirs),
        };
        self.without_contract += other.without_contract;
        for (check, count) in other.found {
            *self.found.entry(check).or_default() += count;
        }
        for (check, allowed) in other.allowed {
            let mine = self.allowed.entry(check).or_insert_with(|| Allowed {
                count: 0,
                ..allowed.clone()
            });
            mine.count += allowed.count;
            if allowed.first_seed < mine.first_seed {
                (mine.clause, mine.first_seed) = (allowed.clause, allowed.first_seed);
            }
        }
        for (signature, group) in other.failures {
            match self.failures.get_mut(&signature) {
                Some(mine) => mine.merge(group),
                None => drop(self.failures.insert(signature, group)),
            }
        }
        // Of equally slow ones the lowest seed, so that the order of merging does not matter.
        let slower = |(nanos, seed): &(u64, u64)| (*nanos, core::cmp::Reverse(*seed));
        self.slowest = self.slowest.into_iter().chain(other.slowest).max_by_key(slower);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;
    use reports::record::Measured;

    use super::*;

    fn ruled() -> impl Strategy<Value = Ruled> {
        let came = prop_oneof![
            Just(Came::AsExpected),
            Just(Came::Violated),
            Just(Came::Inconclusive),
            Just(Came::Broke)
        ];
        (came, 0u64..1_000, "[abc]", 0u64..5, 0u64..5, any::<bool>()).prop_map(
            |(came, n, shape, planned, fired, found)| Ruled {
                seed: 0,
                came,
                verdict: Word::Pass,
                signature: Some(format!("lost-write: {shape}")),
                evidence: format!("evidence {n}"),
                found: if found { vec!["lost-write"] } else { vec![] },
                allowed: if n % 3 == 0 {
                    vec![("duplicate", format!("clause {n}"), n)]
                } else {
                    vec![]
                },
                digest: n,
                events: n,
                sim_time: Duration::from_nanos(n),
                wall: Duration::from_nanos(n),
                records_acked: n,
                records_failed: n % 7,
                records_unknown: n % 3,
                records_consumed: n,
                groups: GroupTotals {
                    processed: n,
                    rebalances: n % 5,
                    ..GroupTotals::default()
                },
                measures: vec![measured(n)],
                faults_planned: planned,
                faults_fired: fired,
                untested: if n % 2 == 0 {
                    vec![NO_CONTRACT.to_owned()]
                } else {
                    vec![]
                },
                idle_faults: (fired..planned).map(|fault| format!("fault {fault}")).collect(),
            },
        )
    }

    fn measured(n: u64) -> Measured {
        Measured {
            what: "lag(billing)".to_owned(),
            unit: "records".to_owned(),
            bounds: "below 100".to_owned(),
            window: String::new(),
            value: (!n.is_multiple_of(4)).then_some(n as f64 / 8.0),
            at: None,
            is_met: Some(n < 800),
            evidence: String::new(),
        }
    }

    fn trials() -> impl Strategy<Value = Vec<Ruled>> {
        prop::collection::vec(ruled(), 1..60).prop_map(|mut trials| {
            (0..).zip(&mut trials).for_each(|(seed, trial)| trial.seed = seed);
            trials
        })
    }

    fn fold<'a>(trials: impl IntoIterator<Item = &'a Ruled>) -> Tally {
        let mut tally = Tally::default();
        trials.into_iter().for_each(|trial| tally.merge(Tally::of(trial)));
        tally
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(trials in trials(), cut in 0usize..60, turn in 0usize..60) {
            let whole = fold(&trials);
            let cut = cut.min(trials.len());
            let mut merged = fold(&trials[cut..]);
            merged.merge(fold(&trials[..cut]));
            prop_assert_eq!(&merged, &whole);
            let mut turned = trials.clone();
            turned.rotate_left(turn.min(trials.len()));
            turned.reverse();
            prop_assert_eq!(&fold(&turned), &whole);
            let json = serde_json::to_string(&whole).expect("a tally is JSON");
            prop_assert_eq!(serde_json::from_str::<Tally>(&json).expect("and comes back"), whole);
        }

        #[test]
        fn a_tally_does_not_grow_with_its_trials(trials in trials()) {
            let tally = fold(&trials);
            prop_assert!(tally.failures.len() <= 3 && tally.allowed.len() <= 1);
            for (signature, group) in &tally.failures {
                let seeds: Vec<u64> = trials.iter().filter(|trial| trial.came != Came::AsExpected && trial.signature.as_ref() == Some(signature)).map(|trial| trial.seed).collect();
                prop_assert_eq!(group.count, seeds.len() as u64);
                let lowest: Vec<u64> = seeds.into_iter().take(Group::KEPT).collect();
                prop_assert_eq!(group.first.keys().copied().collect::<Vec<_>>(), lowest);
            }
        }
    }
}
