//! One trial of a user's own code, or many.

use core::fmt::{self, Write as _};
use core::ops::{ControlFlow, Deref, Range};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::own::{Keep, Trial};
use super::own_checks::panic_finding;
use super::trace_file::traced;
use super::{Outcome, Own, Wanted, on_fresh_thread, run_planned, verdict};
use crate::faults::FaultPlan;
use crate::history::At;
use crate::nemesis;
use crate::outcome::Judgement;
use crate::panics::{self, Panic};
use crate::running::During;
use crate::scenario::{Expectation, Scenario};
use crate::sweep::failures::{Failures, counted};
use crate::sweep::keep::Store;
use crate::sweep::pool::in_order;
use crate::sweep::seed::Seed;
use crate::sweep::story::{faults_text, findings_text, measures_text, untested_text};
use crate::sweep::tally::Tally;
use crate::sweep::untested::untested;
use crate::sweep::{Came, Ruled, judge};
use crate::units::show_count;
use crate::verdict::{Check, Findings, Ruling, Word, readable};
use crate::world::End;

/// The environment variable that names the seed to look at.
const SEED_VARIABLE: &str = "TRIAL_SEED";

/// Of how many trials of one signature a sweep keeps files.
const KEPT: usize = 3;

/// How many findings of one trial are listed.
const LISTED: usize = 5;

/// One trial that was run: what came out, and where its files are.
#[derive(Clone, Debug)]
pub struct Run {
    /// What came out.
    pub outcome: Outcome,
    /// Where its files are, if they were kept.
    pub folder: Option<PathBuf>,
    ruled: Ruled,
    /// What went wrong around it.
    troubles: Vec<String>,
    replay: String,
}

/// Many trials that were run.
#[derive(Clone, Debug)]
pub struct Sweep {
    name: String,
    tally: Tally,
    /// The expected anomalies that no trial showed.
    missing: Vec<String>,
    troubles: Vec<String>,
    store: PathBuf,
    test: Option<String>,
}

impl Trial {
    /// Runs the trial with this seed. With `TRIAL_SEED` set to it, its story is printed and its files are kept.
    ///
    /// # Panics
    /// When the scenario's text is wrong, with the message that `trial lint` would print; and when Trial itself fails. A
    /// panic of the user's code is a finding.
    #[must_use]
    pub fn run(&self, seed: u64) -> Run {
        let scenario = self.read();
        let is_asked_for = asked_seed() == Some(seed);
        let run = self.run_one(&scenario, seed, is_asked_for);
        let run = run.unwrap_or_else(|panic| {
            let Panic { place, message, .. } = panic;
            panic!("seed {seed}: internal error of Trial at {place}: {message}")
        });
        if is_asked_for {
            println!("{}", run.story());
        }
        run
    }

    /// Runs the trials of these seeds on all cores. With `TRIAL_SEED` set, that seed alone, with its story.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// let sweep = trial.sweep(0..3);
    /// assert_eq!((sweep.trials(), sweep.failed()), (3, 0));
    /// sweep.assert_pass();
    /// ```
    ///
    /// # Panics
    /// When the scenario's text is wrong, or there are no seeds.
    #[must_use]
    pub fn sweep(&self, seeds: Range<u64>) -> Sweep {
        assert!(!seeds.is_empty(), "the range of seeds {seeds:?} is empty");
        let asked = asked_seed();
        let (seeds, is_asked_for) = match asked {
            Some(seed) => (seed..seed + 1, true),
            None => (seeds, false),
        };
        let scenario = self.read();
        let mut tally = Tally::default();
        let mut digests = BTreeMap::new();
        let mut troubles = Vec::new();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let work = |seed: &u64| {
            if is_asked_for {
                return self.run_one(&scenario, *seed, true).map(|run| {
                    println!("{}", run.story());
                    (run.ruled, run.troubles)
                });
            }
            let wanted = Wanted {
                record: self.keep == Keep::Everything,
                ..Wanted::default()
            };
            let ran = self.run_seed(&scenario, *seed, wanted)?;
            let kept = match self.keep {
                Keep::Everything => self.keep_files(&scenario, &ran).1,
                Keep::Failures | Keep::Nothing => Vec::new(),
            };
            Ok((ruled(&ran), kept))
        };
        in_order(threads, seeds.clone(), work, |seed, ran: Result<_, Panic>| {
            let (ruled, around) = ran.unwrap_or_else(|panic| (judge(seed, &Err(panic), Duration::ZERO), Vec::new()));
            troubles.extend(around);
            if matches!(ruled.came, Came::Violated | Came::Inconclusive) {
                digests.insert(seed, ruled.digest);
            }
            tally.merge(Tally::of(&ruled));
            ControlFlow::Continue(())
        });
        if self.keep == Keep::Failures && !is_asked_for {
            troubles.extend(self.keep_failures(&scenario, &tally, &digests, threads));
        }
        let missing = match &scenario.expect {
            Expectation::Finds(names) if !is_asked_for => {
                let missing = names.iter().filter(|name| !tally.found.contains_key(*name));
                missing.map(|name| readable(name)).collect()
            }
            Expectation::Finds(_) | Expectation::Pass => Vec::new(),
        };
        Sweep {
            name: scenario.name,
            tally,
            missing,
            troubles,
            store: self.folder(),
            test: self.test.clone(),
        }
    }

    pub(super) fn read(&self) -> Scenario {
        self.scenario()
            .unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    /// One trial with all that is asked of it.
    fn run_one(&self, scenario: &Scenario, seed: u64, is_asked_for: bool) -> Result<Run, Panic> {
        let is_traced = is_asked_for && self.keep != Keep::Nothing;
        let record = is_asked_for || self.keep == Keep::Everything;
        let wanted = Wanted {
            record,
            trace: is_traced,
            gauge: None,
        };
        let trace = self.folder().join(&scenario.name).join(format!(".{seed}.trace.part"));
        let run = || self.run_seed(scenario, seed, wanted);
        let outcome = if is_traced { traced(&trace, run)? } else { run()? };
        let ruled = ruled(&outcome);
        let (folder, troubles) = match self.keep {
            Keep::Nothing => (None, Vec::new()),
            _ if record => self.keep_files(scenario, &outcome),
            Keep::Failures if ruled.came != Came::AsExpected => self.keep_again(scenario, seed, ruled.digest),
            Keep::Failures | Keep::Everything => (None, Vec::new()),
        };
        let mut run = Run {
            outcome,
            folder,
            ruled,
            troubles,
            replay: replay(self.test.as_deref(), seed),
        };
        if let Some(folder) = run.folder.clone().filter(|_| is_traced) {
            let kept = fs::rename(&trace, folder.join("trace.txt"));
            let kept = kept.and_then(|()| fs::write(folder.join("story.txt"), run.story()));
            let trouble = |error| format!("failed to write to {}: {error}", folder.display());
            run.troubles.extend(kept.err().map(trouble));
        }
        Ok(run)
    }

    /// Runs one trial. A panic that no program's process could be ended for is its outcome.
    pub(super) fn run_seed(&self, scenario: &Scenario, seed: u64, wanted: Wanted<'_>) -> Result<Outcome, Panic> {
        let plan = nemesis::plan(scenario, seed);
        let own = Own {
            programs: &self.programs,
            checks: Some(&self.checks),
        };
        let ran = on_fresh_thread(|| panics::catch(|| run_planned(scenario, own, seed, plan.clone(), wanted)));
        ran.or_else(|panic| match &panic.during {
            Some(during) => Ok(Outcome::panicked(scenario, seed, plan, &panic, during)),
            None => Err(panic),
        })
    }

    /// The first failures of each signature once more, for their files.
    fn keep_failures(
        &self,
        scenario: &Scenario,
        tally: &Tally,
        digests: &BTreeMap<u64, u64>,
        threads: usize,
    ) -> Vec<String> {
        let of_each = tally.failures.values();
        let seeds = of_each.flat_map(|group| group.first.keys().take(KEPT));
        let wanted: Vec<(u64, u64)> = seeds.filter_map(|seed| Some((*seed, *digests.get(seed)?))).collect();
        let mut troubles = Vec::new();
        in_order(
            threads,
            wanted.into_iter(),
            |(seed, digest)| self.keep_again(scenario, *seed, *digest).1,
            |_, found| {
                troubles.extend(found);
                ControlFlow::Continue(())
            },
        );
        troubles
    }

    /// Runs a trial that failed once more, with its record, and keeps its files. The two must be the same.
    fn keep_again(&self, scenario: &Scenario, seed: u64, digest: u64) -> (Option<PathBuf>, Vec<String>) {
        let wanted = Wanted {
            record: true,
            ..Wanted::default()
        };
        match self.run_seed(scenario, seed, wanted) {
            Ok(again) if again.digest == digest => self.keep_files(scenario, &again),
            Ok(again) => {
                let (folder, mut troubles) = self.keep_files(scenario, &again);
                troubles.push(format!(
                    "seed {seed} is not deterministic: digest {digest:016x}, and {:016x} the second time",
                    again.digest
                ));
                (folder, troubles)
            }
            Err(panic) => {
                let trouble = format!(
                    "seed {seed} is not deterministic: it panicked the second time: {}",
                    panic.message
                );
                (None, vec![trouble])
            }
        }
    }

    fn keep_files(&self, scenario: &Scenario, outcome: &Outcome) -> (Option<PathBuf>, Vec<String>) {
        match Store::at(&self.folder()).keep(scenario, outcome) {
            Ok(folder) => (Some(folder), Vec::new()),
            Err(error) => (None, vec![format!("failed to {error}")]),
        }
    }

    /// The folder above those of all trials.
    fn folder(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(default_folder)
    }
}

impl Deref for Run {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

impl Run {
    /// Insists that the trial came out as its scenario expects.
    ///
    /// # Panics
    /// When it did not: the message says what was found, where the files are, and in its last line how to see it again.
    pub fn assert_pass(&self) -> &Run {
        let is_good = self.ruled.came == Came::AsExpected && self.troubles.is_empty();
        assert!(is_good, "{}", self.failure());
        self
    }

    /// The faults, the findings with their witnesses, the verdict.
    #[must_use]
    pub fn story(&self) -> String {
        let mut text = format!("seed {}\n{}\n", self.outcome.seed, faults_text(&self.outcome));
        text += &findings_text(&self.outcome);
        text += &measures_text(&self.outcome);
        text += &untested_text(&self.outcome);
        let Ruled {
            verdict,
            signature,
            digest,
            ..
        } = &self.ruled;
        let signature = signature
            .as_ref()
            .map_or_else(String::new, |signature| format!(": {}", readable(signature)));
        let _ = writeln!(text, "{verdict}{signature}");
        let _ = writeln!(
            text,
            "{} events, {:.3} simulated s, {} records acknowledged, {} consumed, digest {digest:016x}",
            show_count(self.outcome.events),
            self.outcome.sim_seconds,
            show_count(self.outcome.records_acked),
            show_count(self.outcome.records_consumed),
        );
        if let Some(folder) = &self.folder {
            let _ = writeln!(text, "files: {}", folder.display());
        }
        text
    }

    fn failure(&self) -> String {
        let Ruled {
            seed,
            verdict,
            signature,
            evidence,
            ..
        } = &self.ruled;
        let signature = readable(signature.as_deref().unwrap_or_default());
        let mut text = match self.ruled.came {
            Came::AsExpected => format!("seed {seed}: {verdict}\n"),
            Came::Inconclusive => format!("seed {seed}: {signature}\n"),
            Came::Violated | Came::Broke => format!("seed {seed}: {verdict}: {signature}\n"),
        };
        for line in evidence.lines() {
            let _ = writeln!(text, "  {line}");
        }
        for trouble in &self.troubles {
            let _ = writeln!(text, "  {trouble}");
        }
        if let Some(folder) = &self.folder {
            let _ = writeln!(text, "  {}", folder.display());
        }
        text + &self.replay
    }
}

impl Sweep {
    /// How many trials were run.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.tally.trials
    }

    /// How many of them did not come out as the scenario expects.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.tally.failures.values().map(|group| group.count).sum()
    }

    /// The failures by signature: how many trials, and the first seed.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.tally.failures.iter().map(|(signature, group)| {
            let first = group.first.keys().next().copied().unwrap_or_default();
            (signature.as_str(), group.count, first)
        })
    }

    /// Insists that all trials came out as the scenario expects.
    ///
    /// # Panics
    /// When one did not: the message has the failures by signature, each with its count, share, first seed and evidence,
    /// and in its last line how to see the first of them again.
    pub fn assert_pass(&self) -> &Sweep {
        let is_good = self.tally.failures.is_empty() && self.missing.is_empty() && self.troubles.is_empty();
        assert!(is_good, "{self}");
        self
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = Failures::of([(&*self.name, &self.tally)].into_iter());
        let trials = counted(self.tally.trials, "trial");
        if self.failed() == 0 && self.missing.is_empty() {
            write!(f, "{}: {trials} as expected", self.name)?;
        } else {
            writeln!(f, "{}: {} of {trials} failed", self.name, show_count(self.failed()))?;
        }
        let folder = |name: &str, seed: u64| {
            let folder = self.store.join(name).join(seed.to_string());
            folder.is_dir().then_some(folder)
        };
        let replay = |_: &str, seed| replay(self.test.as_deref(), seed);
        write!(f, "{}", failures.text(folder, replay))?;
        if !self.missing.is_empty() {
            writeln!(f, "expected {}, which no trial showed", self.missing.join(", "))?;
        }
        for untested in untested(&self.tally) {
            write!(f, "\nwarning: {untested}")?;
        }
        for trouble in &self.troubles {
            write!(f, "\n{trouble}")?;
        }
        match failures.first() {
            Some((name, seed)) => write!(f, "\n{}", replay(name, seed)),
            None => Ok(()),
        }
    }
}

impl Outcome {
    /// That of a trial which a panic of a program ended, in a task of which the trial does not know.
    fn panicked(scenario: &Scenario, seed: u64, plan: FaultPlan, panic: &Panic, during: &During) -> Outcome {
        let mut findings = Findings::default();
        let at = At {
            step: 0,
            time: during.time,
        };
        findings.add(panic_finding(&during.program, &panic.place, &panic.message, at));
        let verdict = verdict(&findings, &End::Settled);
        Outcome {
            seed,
            judgement: Judgement::of(scenario, &findings, &verdict, &[]),
            verdict,
            findings,
            plan,
            idle_faults: Vec::new(),
            untested: Vec::new(),
            digest: 0,
            events: 0,
            sim_seconds: during.time.seconds(),
            records_acked: 0,
            records_failed: 0,
            records_unknown: 0,
            records_consumed: 0,
            groups: reports::record::GroupTotals::default(),
            measures: Vec::new(),
            record: None,
        }
    }
}

/// The trial as its scenario judges it, with more of its findings as evidence than a line of the command has.
fn ruled(outcome: &Outcome) -> Ruled {
    let mut ruled = judge(outcome.seed, &Ok(outcome.clone()), Duration::ZERO);
    if ruled.verdict == Word::Violation {
        let signature = ruled.signature.as_deref().unwrap_or_default();
        let lines = violations(&outcome.findings, signature);
        // What is only forbidden has no violation to show.
        if !lines.is_empty() {
            ruled.evidence = lines.join("\n");
        }
    }
    ruled
}

/// The first violations of the check that the signature names, and how many there are besides, of it and of others.
fn violations(findings: &Findings, signature: &str) -> Vec<String> {
    let named = signature.split(':').next().unwrap_or_default();
    let kept = findings.kept().iter();
    let violations = kept.filter(|finding| finding.ruling == Ruling::Violation);
    let (of_check, others): (Vec<_>, Vec<_>) = violations.partition(|finding| finding.check.id() == named);
    let mut lines: Vec<String> = of_check
        .iter()
        .take(LISTED)
        .map(|finding| format!("at {}: {}", finding.at.time, finding.evidence))
        .collect();
    let all = of_check.first().map_or(0, |finding| findings.violations(finding.check));
    if all > lines.len() as u64 {
        lines.push(format!("and {} more", show_count(all - lines.len() as u64)));
    }
    let others: BTreeSet<Check> = others.iter().map(|finding| finding.check).collect();
    let others = others.into_iter().map(|check| {
        let count = findings.violations(check);
        format!("{} ({})", check.title(), show_count(count))
    });
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        lines.push(format!("also violated: {}", others.join(", ")));
    }
    lines
}

/// The command that shows a trial again.
fn replay(test: Option<&str>, seed: u64) -> String {
    let test = test.map_or_else(String::new, |test| format!(" {test}"));
    format!("{SEED_VARIABLE}={seed} cargo test{test}")
}

/// The seed of `TRIAL_SEED`.
fn asked_seed() -> Option<u64> {
    let text = std::env::var(SEED_VARIABLE).ok().filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(Seed(seed)) => Some(seed),
        Err(error) => panic!("{SEED_VARIABLE} is `{text}`, but {error}\n  hint: unset it, or give a seed"),
    }
}

/// `target/trial`, where cargo put this test's program; else `trial-runs`.
fn default_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let deps = program.parent().filter(|folder| folder.ends_with("deps"));
    let target = deps.and_then(Path::parent).and_then(Path::parent);
    target.map_or_else(|| PathBuf::from("trial-runs"), |target| target.join("trial"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_names_the_test_that_it_runs_in() {
        assert_eq!(
            replay(Some("billing::survives"), 7),
            "TRIAL_SEED=7 cargo test billing::survives"
        );
        assert_eq!(replay(None, 0), "TRIAL_SEED=0 cargo test");
    }

    #[test]
    fn a_panic_in_a_task_that_trial_does_not_know_is_a_finding() {
        let stage = "duration = \"5s\"\ntopics = [{ name = \"orders\" }]";
        let trial = Trial::from_toml(stage)
            .keep(Keep::Nothing)
            .program("stray", |env| async move {
                env.clock.sleep(Duration::from_secs(2)).await;
                drop(madsim::task::spawn(async { panic!("astray") }));
                env.stopping().await;
            });
        let run = trial.run(1);
        let finding = run.findings.worst().expect("one");
        assert_eq!(
            (finding.check, &*finding.evidence),
            (Check::Panic, "stray/1 panicked: astray")
        );
        // The program starts once the topics exist.
        assert!((2.0..4.0).contains(&finding.at.time.seconds()), "{:?}", finding.at);
        assert_eq!((trial.sweep(0..2).failed(), run.ruled.came), (2, Came::Violated));
    }

    #[test]
    fn five_violations_are_listed_and_the_others_counted() {
        let mut findings = Findings::default();
        for number in 0..20 {
            let at = At::default();
            findings.add(panic_finding(&format!("billing/{number}"), "a.rs:1:1", "no", at));
        }
        findings.add(crate::verdict::Finding {
            check: Check::L8,
            ..panic_finding("billing/1", "", "", At::default())
        });
        let listed = violations(&findings, "panic: a.rs:1:1");
        assert_eq!(listed.len(), 7);
        assert_eq!(listed[4], "at 0.000000s: billing/4 panicked: no");
        assert_eq!(listed[5..], ["and 15 more", "also violated: L8 never-caught-up (1)"]);
    }

    #[test]
    fn files_go_below_the_target_folder() {
        assert!(default_folder().ends_with("trial"), "{:?}", default_folder());
    }
}
