//! `trial replay`: one trial again, and what happened in it.

use std::sync::{Mutex, PoisonError};

use super::Host;
use super::args::ReplayArgs;
use super::exit::Exit;
use super::identity;
use super::line::TrialLine;
use super::moment::Moment;
use super::plan::{PlanError, one_seed, with_quirks};
use super::progress::Progress;
use super::trace::{Follow, Window, followed_records, with_trace};
use super::trial::run_trial;
use super::verify::Again;
use super::voice::Voice;
use super::watchdog::Watchdog;
use crate::gauge::Gauge;
use crate::journey::RecordSelector;
use crate::panics;
use crate::scenario::files::{Loaded, load_one};
use crate::scenario::{Expectation, Scenario};
use crate::sweep::keep::Store;
use crate::sweep::story::{faults_text, findings_text, measures_text, untested_text};
use crate::sweep::{Came, Ruled, judge};
use crate::trial::{Outcome, Wanted, follow};
use crate::units::show_count;
use crate::verdict::{Word, readable};

/// Runs one trial again.
pub fn replay(args: &ReplayArgs, host: &Host) -> Exit {
    let mut voice = Voice::new(args.json, args.quiet);
    let exit = match prepare(args, host) {
        Ok((loaded, seed)) => Replay {
            args,
            host,
            loaded,
            seed,
        }
        .run(&mut voice),
        Err(error) => {
            voice.report(error.render(voice.terminal));
            error.exit()
        }
    };
    voice.end(exit)
}

fn prepare(args: &ReplayArgs, host: &Host) -> Result<(Loaded, u64), PlanError> {
    let loaded = with_quirks(load_one(&args.file)?, &args.quirks)?;
    let seed = one_seed(args.seed, host.seed_variable.as_deref())?;
    if let Some(out) = &args.out {
        Store::at(out).prepare()?;
    }
    Ok((loaded, seed))
}

struct Replay<'a> {
    args: &'a ReplayArgs,
    host: &'a Host,
    loaded: Loaded,
    seed: u64,
}

impl Replay<'_> {
    /// Runs one trial; the wall time limits it, and progress is shown unless its events are written meanwhile. The
    /// flag says whether the limit cut it off.
    fn watched<T>(
        &self,
        scenario: &Scenario,
        traced: bool,
        voice: &Voice,
        work: impl FnOnce(&Gauge) -> T,
    ) -> (T, bool) {
        let watchdog = Watchdog::new(self.args.wall_limit);
        let progress = Mutex::new(Progress::new(Some(1), voice.terminal, traced || voice.is_quiet()));
        let ran = {
            let watched = watchdog.watch(scenario, self.seed, false);
            let ran = watchdog.patrolled(&progress, || work(&watched.gauge));
            (ran, watched.gauge.reason().is_some())
        };
        progress.into_inner().unwrap_or_else(PoisonError::into_inner).end();
        ran
    }

    fn run(&self, voice: &mut Voice) -> Exit {
        voice.remark(format!(
            "trial {}: {}, seed {}",
            identity::build(),
            self.loaded.scenario.name,
            self.seed
        ));
        let mut scenario = self.loaded.scenario.clone();
        // A trial that has reached its limit ends there.
        match self.args.until {
            Some(Moment::Step(step)) => scenario.limits.events = step.min(scenario.limits.events),
            Some(Moment::Time(time)) => scenario.limits.sim_time = time.min(scenario.limits.sim_time),
            None => {}
        }
        let window = Window {
            since: self.args.since,
            until: self.args.until,
        };
        let records = self.args.follow.as_deref().and_then(followed_records);
        if let Some(selector) = &records
            && let Err(exit) = self.show_journey(&scenario, selector, window, voice)
        {
            return exit;
        }
        let of_events = self.args.trace || self.args.until.is_some() || self.args.since.is_some();
        let traced = records.is_none() && (of_events || self.args.follow.is_some());
        let once = |gauge: &Gauge| {
            let wanted = Wanted {
                record: true,
                trace: traced,
                gauge: Some(gauge),
            };
            run_trial(self.host.runner, &scenario, self.seed, wanted)
        };
        let ((ran, wall), was_cut_off) = if traced {
            let follow = match Follow::new(&scenario, window, self.args.follow.as_deref()) {
                Ok(follow) => follow,
                Err(error) => {
                    let near = error.near.as_ref().map(|near| format!("did you mean `{near}`?"));
                    let hint = near.unwrap_or(
                        "`broker 2`, `checkout/1` for a client, `orders/0` for a partition, `billing` for a group; \
                         `key:customer-17`, `orders/0@3046` or `uid:3047` for records"
                            .to_owned(),
                    );
                    voice.report(format!("error: {error}\n  hint: {hint}"));
                    return Exit::Usage;
                }
            };
            voice.flush();
            let traced = |gauge: &Gauge| with_trace(follow, self.args.json, || once(gauge));
            self.watched(&scenario, true, voice, traced)
        } else {
            self.watched(&scenario, false, voice, once)
        };
        let ruled = judge(self.seed, &ran, wall);
        let has_ended = ruled.came == Came::Inconclusive && !was_cut_off;
        if let (Some(until), true) = (self.args.until, has_ended) {
            voice.remark(format!("ended at {until} without a verdict"));
            return Exit::AsExpected;
        }
        let line = TrialLine::new(&scenario, &ruled);
        voice.json(&line);
        let mut exit = self.report(&scenario, &ruled, ran.as_ref().ok(), voice);
        if self.args.verify {
            exit = exit.or_worse(self.verify(&line, voice));
        }
        exit
    }

    /// Prints the journey of records. It is a trial of its own, which is the same as the one that is judged.
    fn show_journey(
        &self,
        scenario: &Scenario,
        selector: &RecordSelector,
        window: Window,
        voice: &mut Voice,
    ) -> Result<(), Exit> {
        let followed = |gauge: &Gauge| panics::catch(|| follow(scenario, self.seed, selector.clone(), gauge));
        let stations = match self.watched(scenario, false, voice, followed).0 {
            Ok(Ok(stations)) => stations,
            Ok(Err(error)) => {
                let hint = error.hint.as_ref().map(|hint| format!("\n  hint: {hint}"));
                voice.report(format!("error: {error}{}", hint.unwrap_or_default()));
                return Err(Exit::Usage);
            }
            // The trial that is judged says how it broke.
            Err(_) => return Ok(()),
        };
        let shown = stations
            .iter()
            .filter(|station| window.has(station.at.step, station.at.time.seconds()));
        let lines = shown.map(|station| {
            let (step, time) = (station.at.step, station.at.time.to_string());
            format!("{step:>8} {time:>12} {}: {}", station.node, station.text)
        });
        voice.remark(lines.collect::<Vec<_>>().join("\n"));
        Ok(())
    }

    fn report(&self, scenario: &Scenario, ruled: &Ruled, outcome: Option<&Outcome>, voice: &mut Voice) -> Exit {
        if let Some(outcome) = outcome {
            voice.remark(faults_text(outcome));
            for text in [findings_text(outcome), measures_text(outcome), untested_text(outcome)] {
                if !text.is_empty() {
                    voice.remark(text);
                }
            }
        }
        let mut exit = Exit::AsExpected;
        if let (Some(out), Some(outcome)) = (&self.args.out, outcome) {
            match Store::at(out).keep(&self.loaded.scenario, outcome) {
                Ok(folder) => voice.remark(format!("files: {}", folder.display())),
                Err(error) => {
                    voice.report(format!("error: failed to {error}"));
                    exit = Exit::Internal;
                }
            }
        }
        voice.say(verdict_text(scenario, ruled));
        exit.or_worse(match ruled.came {
            Came::AsExpected => Exit::AsExpected,
            Came::Violated => Exit::Violation,
            Came::Inconclusive => Exit::Inconclusive,
            Came::Broke => Exit::Internal,
        })
    }

    fn verify(&self, here: &TrialLine, voice: &mut Voice) -> Exit {
        let again = Again {
            file: &self.args.file,
            seed: self.seed,
            quirks: &self.args.quirks,
        };
        match again.compare(here) {
            Ok(None) => {
                voice.say(format!(
                    "verified: a second process gave the same {} events, digest {}",
                    show_count(here.events),
                    here.digest
                ));
                Exit::AsExpected
            }
            Ok(Some(difference)) => {
                voice.say(format!("not deterministic: {difference}"));
                Exit::NotDeterministic
            }
            Err(why) => {
                voice.report(format!("error: the second process could not be asked: {why}"));
                Exit::Internal
            }
        }
    }
}

fn verdict_text(scenario: &Scenario, ruled: &Ruled) -> String {
    let signature = readable(ruled.signature.as_deref().unwrap_or_default());
    let judged = match ruled.came {
        Came::Violated => format!("{} reproduced: {signature}\n  {}", ruled.verdict, ruled.evidence),
        Came::Inconclusive => signature,
        Came::Broke => format!("{signature}\n  {}", ruled.evidence),
        Came::AsExpected => match (&scenario.expect, ruled.verdict) {
            (_, Word::Found) => format!("found as expected: {signature}\n  {}", ruled.evidence),
            (Expectation::Finds(names), _) => {
                format!(
                    "no failure reproduced: this seed does not show the expected {}",
                    names.iter().map(|name| readable(name)).collect::<Vec<_>>().join(", ")
                )
            }
            (_, verdict) => format!("no failure reproduced: {verdict}"),
        },
    };
    format!(
        "{judged}\n{} events, {:.3} simulated s, {} records acknowledged, {}{} consumed, digest {:016x}",
        show_count(ruled.events),
        ruled.sim_time.as_secs_f64(),
        show_count(ruled.records_acked),
        not_acked(ruled),
        show_count(ruled.records_consumed),
        ruled.digest
    )
}

/// The records that were not acknowledged, with a comma behind; nothing if there were none.
fn not_acked(ruled: &Ruled) -> String {
    let counts = [(ruled.records_failed, "failed"), (ruled.records_unknown, "unknown")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    counts
        .map(|(count, how)| format!("{} {how}, ", show_count(count)))
        .collect()
}
