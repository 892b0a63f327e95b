//! `trial run`: runs the planned trials, folds them into tallies as they come, and reports what came out.

use core::ops::{ControlFlow, Range};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use reports::record::RunRecord;

use super::args::RunArgs;
use super::exit::Exit;
use super::identity::{self, Hash};
use super::line::TrialLine;
use super::plan::{Mode, PlanError, RunPlan, plan};
use super::progress::Progress;
use super::publish::{self, Publish};
use super::resume::SweepFile;
use super::shard::Shard;
use super::summary::{Standing, failures};
use super::trial::{Runner, run_trial};
use super::verify::Again;
use super::voice::Voice;
use super::wall;
use super::watchdog::Watchdog;
use super::{Host, TABLE_WIDTH};
use crate::scenario::files::Loaded;
use crate::sweep::failures::counted;
use crate::sweep::keep::{KeepError, Store};
use crate::sweep::pool::in_order;
use crate::sweep::tally::{self, Tally};
use crate::sweep::untested::untested;
use crate::sweep::{Came, Ruled, judge};
use crate::trial::{Outcome, Wanted};
use crate::units::{show_count, show_duration};

/// Runs what the command line asks for.
pub fn run(args: &RunArgs, host: &Host) -> Exit {
    let mut voice = Voice::new(args.json, args.quiet);
    let plan = match plan(args, host.seed_variable.as_deref()) {
        Ok(plan) => plan,
        Err(error) => {
            voice.report(error.render(voice.terminal));
            return voice.end(error.exit());
        }
    };
    let (store, sweep_file) = match open(&plan) {
        Ok(opened) => opened,
        Err(error) => {
            let error = PlanError::from(error);
            voice.report(error.render(voice.terminal));
            return voice.end(error.exit());
        }
    };
    let part = plan.shard.map_or(String::new(), |shard| format!(", shard {shard}"));
    let trials = match plan.mode {
        Mode::For(time) => format!("trials for {}", show_duration(time)),
        Mode::Own | Mode::One | Mode::Sweep => counted(plan.trials(), "trial"),
    };
    voice.remark(format!(
        "trial {}: {}, {trials}{part}",
        identity::build(),
        counted(plan.scenarios.len() as u64, "scenario"),
    ));
    let exit = Run {
        plan: &plan,
        runner: host.runner,
        store,
        publish: Publish::new(&args.publish, plan.out.as_deref(), args.profile, host),
        voice: &mut voice,
        exit: Exit::AsExpected,
        verified: 0,
        early: Mutex::default(),
        kept: AtomicU64::new(0),
    }
    .hold_all(sweep_file);
    voice.end(exit)
}

/// Where files go, and for a sweep its progress. Both are tried before the first trial: results without a place would be
/// run for nothing.
fn open(plan: &RunPlan) -> Result<(Store, Option<SweepFile>), KeepError> {
    let (store, folder) = store(plan);
    let Some(path) = folder else {
        store.prepare()?;
        return Ok((store, None));
    };
    match SweepFile::open(&path) {
        Ok(file) => Ok((store, Some(file))),
        Err(cause) => Err(KeepError::Io { path, cause }),
    }
}

/// Where files go, and for a sweep the folder of its progress.
fn store(plan: &RunPlan) -> (Store, Option<PathBuf>) {
    let sweep = plan.mode == Mode::Sweep;
    match &plan.out {
        Some(out) => (Store::at(out), sweep.then(|| out.clone())),
        None if sweep => {
            let keys = plan.scenarios.iter().map(|(loaded, _)| identity::scenario_key(loaded));
            let hash = keys.fold(Hash::EMPTY, |hash, key| hash.with(key.as_bytes()));
            let folder = Store::sweep_folder(&hash.hex());
            (Store::of_sweep(folder.clone()), Some(folder))
        }
        None => (Store::by_time(wall::now), None),
    }
}

/// One trial to run: the scenario's place in the plan, and the seed.
#[derive(Clone, Debug)]
struct Job {
    scenario: usize,
    loaded: Arc<Loaded>,
    seed: u64,
    /// Whether its files are kept whatever comes out.
    record: bool,
    /// Whether it stands for its scenario where scenarios are compared.
    compared: bool,
    /// Whether it is compared with the same trial in a second process.
    verify: bool,
}

/// A trial that was run, and what went wrong around it.
struct Ran {
    ruled: Ruled,
    troubles: Vec<(Exit, String)>,
    /// To be drawn beside others.
    compared: Option<RunRecord>,
    /// Whether it was compared with the same trial in a second process.
    verified: bool,
    /// Whether it was over the limit of wall time.
    was_cut_off: bool,
}

/// Of which trials of a sweep the files are settled before its end.
#[derive(Default)]
struct Early {
    /// The signatures of which one trial's files were written while others ran.
    signatures: BTreeSet<String>,
    /// Trials whose files are there, or that were cut off and have none.
    done: BTreeSet<(usize, u64)>,
}

struct Run<'a> {
    plan: &'a RunPlan,
    runner: Runner,
    store: Store,
    publish: Publish,
    voice: &'a mut Voice,
    exit: Exit,
    /// How many trials were compared with a second process.
    verified: u64,
    early: Mutex<Early>,
    /// Of how many failing trials files were wanted.
    kept: AtomicU64,
}

/// Why the list of files that are there can be had.
const WHOLE: &str = "no thread panics while it holds the list";

impl Early {
    /// Whether a failed trial of a sweep is the first of its signature; its files are then there before the sweep ends.
    fn is_first(&mut self, job: &Job, ruled: &Ruled) -> bool {
        let is_first = self.signatures.insert(ruled.signature.clone().unwrap_or_default());
        if is_first {
            self.done.insert((job.scenario, job.seed));
        }
        is_first
    }
}

impl Run<'_> {
    fn hold_all(mut self, mut sweep_file: Option<SweepFile>) -> Exit {
        let keys: Vec<String> = self
            .plan
            .scenarios
            .iter()
            .map(|(loaded, _)| identity::scenario_key(loaded))
            .collect();
        let mut tallies = vec![Tally::default(); self.plan.scenarios.len()];
        let mut todo = Vec::new();
        for (index, (_, seeds)) in self.plan.scenarios.iter().enumerate() {
            let remaining = sweep_file
                .as_ref()
                .map(|file| file.remaining(&keys[index], seeds.clone()));
            let remaining = remaining.unwrap_or_else(|| super::resume::Remaining {
                seeds: vec![seeds.clone()],
                ..Default::default()
            });
            tallies[index] = remaining.finished;
            todo.extend(remaining.seeds.into_iter().map(|seeds| (index, seeds)));
        }
        let skipped: u64 = tallies.iter().map(|tally| tally.trials).sum();
        if skipped > 0 {
            self.voice.remark(format!(
                "{} skipped: an interrupted sweep had finished them",
                counted(skipped, "trial")
            ));
        }
        let ended_early = self.hold_jobs(&todo, &keys, &mut tallies, sweep_file.as_mut());
        if self.plan.mode == Mode::Sweep && !self.plan.keep {
            self.keep_failures(&tallies);
        }
        if let Some(mut file) = sweep_file {
            let done = if ended_early { file.flush() } else { file.complete() };
            if let Err(error) = done {
                self.trouble(
                    Exit::Internal,
                    &format!("error: the progress of the sweep cannot be written: {error}"),
                );
            }
        }
        self.report(&tallies);
        self.exit
    }

    /// Runs the trials of these seeds; true when it ended before all of them.
    fn hold_jobs(
        &mut self,
        todo: &[(usize, Range<u64>)],
        keys: &[String],
        tallies: &mut [Tally],
        mut file: Option<&mut SweepFile>,
    ) -> bool {
        let total = match self.plan.mode {
            Mode::For(_) => None,
            _ => Some(todo.iter().map(|(_, seeds)| seeds.end - seeds.start).sum()),
        };
        let bar = self.voice.terminal && !self.plan.plain;
        let progress = Mutex::new(Progress::new(total, bar, self.voice.is_quiet()));
        let watchdog = Watchdog::new(self.plan.wall_limit);
        let (plan, runner, early, kept) = (self.plan, self.runner, &self.early, &self.kept);
        let jobs = order(plan.mode, todo);
        let jobs = (0..).zip(jobs).map(|(place, (scenario, seed))| {
            let (loaded, own) = &plan.scenarios[*scenario];
            let first = matches!(plan.mode, Mode::Own | Mode::One) && seed == own.start;
            Job {
                scenario: *scenario,
                loaded: Arc::clone(loaded),
                seed,
                record: plan.keep || first,
                compared: first && loaded.scenario.compare.is_some(),
                verify: plan.verifies(place),
            }
        });
        let mut ended_early = false;
        let store = &self.store;
        let mut troubles = Vec::new();
        let mut verified = 0;
        let mut compared: BTreeMap<String, Vec<RunRecord>> = BTreeMap::new();
        let work = |job: &Job| hold_one(runner, job, store, plan, &watchdog, (early, kept));
        let each = |job: Job, ran: Ran| {
            progress.lock().expect("progress does not panic").trial(&ran.ruled);
            let failed = ran.ruled.came != Came::AsExpected;
            let is_printed = self.voice.json(&TrialLine::new(&job.loaded.scenario, &ran.ruled));
            let tally = Tally::of(&ran.ruled);
            // A noted trial is not run again: its line must be printed before it is noted, or nobody ever gets it.
            if let Some(file) = file.as_deref_mut().filter(|_| is_printed && !ran.was_cut_off)
                && let Err(error) = file.note(&keys[job.scenario], job.seed, tally.clone())
            {
                troubles.push((
                    Exit::Internal,
                    format!("error: the progress of the sweep cannot be written: {error}"),
                ));
            }
            tallies[job.scenario].merge(tally);
            troubles.extend(ran.troubles);
            verified += u64::from(ran.verified);
            if let (Some(word), Some(record)) = (&job.loaded.scenario.compare, ran.compared) {
                compared.entry(word.clone()).or_default().push(record);
            }
            // A trial that was cut off is not finished.
            ended_early |= ran.was_cut_off;
            if failed && plan.fail_fast {
                ended_early = true;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        watchdog.patrolled(&progress, || in_order(plan.jobs, jobs, work, each));
        progress.into_inner().expect("progress does not panic").end();
        self.verified = verified;
        for (word, records) in compared.iter().filter(|(_, records)| records.len() > 1) {
            if let Err(error) = self.store.compare(word, records) {
                troubles.push((Exit::Internal, format!("error: failed to {error}")));
            }
        }
        for (exit, text) in troubles {
            self.trouble(exit, &text);
        }
        ended_early
    }

    /// Runs those first failures of each signature again that have no files yet.
    fn keep_failures(&mut self, tallies: &[Tally]) {
        let mut wanted: BTreeMap<&str, Vec<(usize, u64)>> = BTreeMap::new();
        for (scenario, tally) in tallies.iter().enumerate() {
            for (signature, group) in &tally.failures {
                let seeds = group.first.keys().map(|seed| (scenario, *seed));
                wanted.entry(signature).or_default().extend(seeds);
            }
        }
        let jobs = wanted
            .into_values()
            .flat_map(|trials| trials.into_iter().take(tally::Group::KEPT));
        let jobs: Vec<(usize, u64)> = jobs.collect();
        self.kept = AtomicU64::new(jobs.len() as u64);
        let most = usize::try_from(self.plan.keep_at_most).unwrap_or(usize::MAX);
        let early = self.early.get_mut().expect(WHOLE);
        let jobs: Vec<Job> = jobs
            .into_iter()
            .filter(|trial| !early.done.contains(trial))
            .take(most.saturating_sub(early.done.len()))
            .map(|(scenario, seed)| Job {
                scenario,
                loaded: Arc::clone(&self.plan.scenarios[scenario].0),
                seed,
                record: true,
                compared: false,
                verify: false,
            })
            .collect();
        let (runner, store) = (self.runner, &self.store);
        let mut troubles = Vec::new();
        let progress = Progress::new(
            Some(jobs.len() as u64),
            self.voice.terminal && !self.plan.plain,
            self.voice.is_quiet(),
        );
        let progress = Mutex::new(progress.of_files());
        let watchdog = Watchdog::new(None);
        let each = |_, mut found: Vec<_>| {
            progress.lock().expect("progress does not panic").files();
            troubles.append(&mut found);
            ControlFlow::Continue(())
        };
        let work = |job: &Job| keep_again(runner, job, store, &watchdog, None);
        watchdog.patrolled(&progress, || in_order(self.plan.jobs, jobs.into_iter(), work, each));
        progress.into_inner().expect("progress does not panic").end();
        for (exit, text) in troubles {
            self.trouble(exit, &text);
        }
    }

    fn trouble(&mut self, exit: Exit, text: &str) {
        self.exit = self.exit.or_worse(exit);
        self.voice.report(text);
    }

    fn report(&mut self, tallies: &[Tally]) {
        let plan = self.plan;
        let together = plan.scenarios.iter().zip(tallies);
        let standings: Vec<Standing<'_>> = together
            .map(|((loaded, seeds), tally)| Standing {
                loaded,
                seeds,
                tally,
                mode: plan.mode,
            })
            .collect();
        let rows: Vec<_> = standings
            .iter()
            .filter(|standing| standing.tally.trials > 0)
            .map(Standing::row)
            .collect();
        self.voice
            .say(reports::summary::table(&rows, TABLE_WIDTH, self.voice.colour()));
        for standing in &standings {
            for untested in untested(standing.tally) {
                let name = &standing.loaded.scenario.name;
                self.voice.say(format!("warning: {name}: {untested}"));
            }
        }
        let ran: u64 = tallies.iter().map(|tally| tally.trials).sum();
        if let Mode::For(_) = plan.mode {
            let rounds = tallies.iter().map(|tally| tally.trials);
            let (least, most) = (rounds.clone().min().unwrap_or(0), rounds.max().unwrap_or(0));
            let of = if least == most {
                format!("{most}")
            } else {
                format!("{least} to {most}")
            };
            self.voice
                .say(format!("of each scenario {of} seeds from its first on were run"));
        } else if ran < plan.trials() {
            self.voice.say(format!(
                "{} not run: the first failure ended the run",
                counted(plan.trials() - ran, "trial")
            ));
        }
        if self.verified > 0 {
            self.voice.say(format!(
                "{} compared with the same in a second process",
                counted(self.verified, "trial")
            ));
        }
        let kept = self.kept.load(Ordering::Relaxed);
        if kept > plan.keep_at_most {
            self.voice.say(format!(
                "files of {} are not kept (--keep-at-most {}): any of them can be run again by its seed",
                counted(kept - plan.keep_at_most, "more failing trial"),
                plan.keep_at_most
            ));
        }
        let failures = failures(&standings, &self.store, &plan.quirks);
        if !failures.is_empty() {
            self.voice.say(format!("\n{failures}"));
        }
        for standing in &standings {
            self.exit = self.exit.or_worse(standing.exit());
        }
        if let Err(error) = self
            .publish
            .write(&publish::summary(&standings, &plan.quirks), self.voice)
        {
            self.trouble(Exit::Internal, &format!("error: {error}"));
        }
    }
}

/// Scenario and seed of each trial: one scenario after the other, or for a time one seed of each in turn.
fn order(mode: Mode, todo: &[(usize, Range<u64>)]) -> Box<dyn Iterator<Item = (&usize, u64)> + Send + '_> {
    let Mode::For(time) = mode else {
        let trials = todo.iter();
        return Box::new(trials.flat_map(|(scenario, seeds)| seeds.clone().map(move |seed| (scenario, seed))));
    };
    let stopwatch = wall::Stopwatch::start();
    let rounds = (0..Shard::UNENDING).flat_map(move |round| {
        let of_round = todo.iter().map(move |(scenario, seeds)| (scenario, seeds, round));
        of_round
            .filter_map(|(scenario, seeds, round)| Some((scenario, seeds.clone().nth(usize::try_from(round).ok()?)?)))
    });
    Box::new(rounds.take_while(move |_| stopwatch.elapsed() < time))
}

fn hold_one(
    runner: Runner,
    job: &Job,
    store: &Store,
    plan: &RunPlan,
    watchdog: &Watchdog,
    (early, kept): (&Mutex<Early>, &AtomicU64),
) -> Ran {
    let watched = watchdog.watch(&job.loaded.scenario, job.seed, false);
    let wanted = Wanted {
        record: job.record,
        gauge: Some(&watched.gauge),
        ..Wanted::default()
    };
    let (ran, wall) = run_trial(runner, &job.loaded.scenario, job.seed, wanted);
    let was_cut_off = watched.gauge.reason().is_some();
    drop(watched);
    let ruled = judge(job.seed, &ran, wall);
    // Where it was cut off depends on the machine: there is no second time like the first.
    let is_failure = ruled.came != Came::AsExpected && !was_cut_off;
    let mut troubles = match &ran {
        Ok(outcome) if job.record => keep(job, outcome, store),
        Ok(outcome) if is_failure && (plan.mode != Mode::Sweep || early.lock().expect(WHOLE).is_first(job, &ruled)) => {
            match kept.fetch_add(1, Ordering::Relaxed) < plan.keep_at_most {
                true => keep_again(runner, job, store, watchdog, Some(outcome)),
                false => Vec::new(),
            }
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    if was_cut_off {
        early.lock().expect(WHOLE).done.insert((job.scenario, job.seed));
    }
    let verified = job.verify && !was_cut_off;
    if verified {
        troubles.extend(verify(job, &ruled, &plan.quirks));
    }
    let compared = ran.ok().and_then(|outcome| outcome.record).filter(|_| job.compared);
    Ran {
        ruled,
        troubles,
        compared,
        verified,
        was_cut_off,
    }
}

/// Runs a trial in a second process too: the two must be the same.
fn verify(job: &Job, ruled: &Ruled, quirks: &[String]) -> Option<(Exit, String)> {
    let again = Again {
        file: &job.loaded.path,
        seed: job.seed,
        quirks,
    };
    let scenario = &job.loaded.scenario;
    let name = format!("error: {}, seed {}", scenario.name, job.seed);
    match again.compare(&TrialLine::new(scenario, ruled)) {
        Ok(None) => None,
        Ok(Some(difference)) => Some((
            Exit::NotDeterministic,
            format!("{name} is not deterministic: {difference}"),
        )),
        Err(why) => Some((
            Exit::Internal,
            format!("{name} could not be verified in a second process: {why}"),
        )),
    }
}

/// Runs a trial a second time, with its record, and keeps its files. `before` is the first time's outcome, if it is
/// still there: the two must be the same.
fn keep_again(
    runner: Runner,
    job: &Job,
    store: &Store,
    watchdog: &Watchdog,
    before: Option<&Outcome>,
) -> Vec<(Exit, String)> {
    // Until the files are there.
    let watched = watchdog.watch(&job.loaded.scenario, job.seed, true);
    let (ran, _) = run_trial(
        runner,
        &job.loaded.scenario,
        job.seed,
        Wanted {
            record: true,
            gauge: Some(&watched.gauge),
            ..Wanted::default()
        },
    );
    let Ok(outcome) = ran else {
        return match before {
            Some(_) => vec![(
                Exit::NotDeterministic,
                format!(
                    "error: {}, seed {}: the same trial panicked the second time",
                    job.loaded.scenario.name, job.seed
                ),
            )],
            None => Vec::new(),
        };
    };
    let mut troubles = keep(job, &outcome, store);
    if let Some(before) = before.filter(|before| before.digest != outcome.digest || before.events != outcome.events) {
        troubles.push((
            Exit::NotDeterministic,
            format!(
                "error: {}, seed {} is not deterministic: digest {:016x} after {} events, then {:016x} after {}",
                job.loaded.scenario.name,
                job.seed,
                before.digest,
                show_count(before.events),
                outcome.digest,
                show_count(outcome.events)
            ),
        ));
    }
    troubles
}

fn keep(job: &Job, outcome: &Outcome, store: &Store) -> Vec<(Exit, String)> {
    match store.keep(&job.loaded.scenario, outcome) {
        Ok(_) => Vec::new(),
        Err(error) => vec![(Exit::Internal, format!("error: failed to {error}"))],
    }
}
