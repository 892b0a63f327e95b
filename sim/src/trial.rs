//! One trial: a scenario and a seed in, a verdict and a record out.

use core::time::Duration;
use std::path::PathBuf;

use broker_core::trace::Event;
use broker_core::types::NodeId;
use guard::Guard;
use reports::record::{FindingLine, Measured, RunRecord, SCHEMA_VERSION};

use crate::check::{Checks, Finish, Judged};
use crate::faults::FaultPlan;
use crate::gauge::Gauge;
use crate::history::{At, Entry, Observer};
use crate::journey::{Journey, NoSuchRecord, RecordSelector, Station};
use crate::metrics::{Length, Metrics, Series};
use crate::nemesis;
use crate::program::OwnProgram;
use crate::scenario::Scenario;
use crate::units::show_duration;
use crate::verdict::{Findings, Ruling, title};
use crate::world::{self, End, Report, Setup};

mod account;
mod fresh;
mod own;
mod own_checks;
mod run;
mod trace_file;
mod verify;

pub(crate) use crate::outcome::NO_CONTRACT;
pub use crate::outcome::{Judgement, Outcome, Verdict};
pub use crate::verdict::Word;
pub use account::{Event as HistoryEvent, Happened, History, Partition, Read, Sent, Worked};
pub(crate) use fresh::on_fresh_thread;
pub use own::{Keep, Trial};
pub use own_checks::View;
use own_checks::{OwnChecks, OwnWatch};
pub use run::{Run, Sweep};

/// What is wanted besides the verdict.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wanted<'a> {
    /// The run record with its series.
    pub record: bool,
    /// Every event as a line, through `tracing`.
    pub trace: bool,
    /// Shows how far the trial is, and can cut it off.
    pub gauge: Option<&'a Gauge>,
}

/// Runs one trial.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64, wanted: Wanted<'_>) -> Outcome {
    on_fresh_thread(|| run_planned(scenario, Own::NONE, seed, nemesis::plan(scenario, seed), wanted))
}

/// Runs one trial, and follows single records through it, up to where its gauge cuts it off.
///
/// # Errors
/// When no record of the trial is the one that should be followed.
pub fn follow(
    scenario: &Scenario,
    seed: u64,
    selector: RecordSelector,
    gauge: &Gauge,
) -> Result<Vec<Station>, NoSuchRecord> {
    let watch = Following {
        checks: standard_checks(scenario, &[]),
        journey: Journey::new(selector, world::names(scenario)),
    };
    let plan = nemesis::plan(scenario, seed);
    let setup = Setup {
        scenario,
        plan: &plan,
        seed,
        trace: false,
        gauge: Some(gauge),
    };
    let (_, watch) = world::run_with(setup, &[], watch);
    watch.journey.finish()
}

/// Follows records through a trial, which ends as it does when it is judged.
struct Following {
    checks: Checks,
    journey: Journey,
}

impl Observer for Following {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        self.checks.fact(at, node, event);
        self.journey.fact(at, node, event);
    }

    fn entry(&mut self, entry: &Entry) {
        self.checks.entry(entry);
        self.journey.entry(entry);
    }

    fn settled(&self, _now: At) -> Result<(), Vec<String>> {
        self.checks.settled()
    }
}

/// Runs a trial that is not deterministic: `leak` gives something that the seed does not decide, such as the order of a
/// randomly seeded map, and moves every fault by that, at most a microsecond. It proves that comparing digests finds
/// such a leak.
#[must_use]
pub fn run_with_leak(scenario: &Scenario, seed: u64, leak: fn() -> u64) -> Outcome {
    let mut plan = nemesis::plan(scenario, seed);
    for planned in &mut plan {
        planned.at += Duration::from_nanos(leak() % 1_000);
    }
    on_fresh_thread(|| run_planned(scenario, Own::NONE, seed, plan, Wanted::default()))
}

/// What a user brings along.
#[derive(Clone, Copy)]
struct Own<'a> {
    programs: &'a [OwnProgram],
    /// None without code of a user.
    checks: Option<&'a OwnChecks>,
}

impl Own<'_> {
    const NONE: Own<'static> = Own {
        programs: &[],
        checks: None,
    };
}

fn run_planned(scenario: &Scenario, own: Own<'_>, seed: u64, plan: FaultPlan, wanted: Wanted<'_>) -> Outcome {
    let Own { programs, checks } = own;
    let names = || world::names_with(scenario, programs);
    let watch = Watch {
        checks: standard_checks(scenario, programs),
        own: checks.map(|checks| OwnWatch::new(checks, &names())),
        metrics: (wanted.record || !scenario.measures.is_empty()).then(|| metrics(scenario, programs)),
    };
    let setup = Setup {
        scenario,
        plan: &plan,
        seed,
        trace: wanted.trace,
        gauge: wanted.gauge,
    };
    let readable: Vec<PathBuf> = programs.iter().flat_map(|program| program.readable.clone()).collect();
    let guard = Guard::new(&readable);
    let (report, watch) = world::run_with(setup, programs, watch);
    drop(guard);
    let mut judged = watch.checks.finish(Finish {
        settled: report.end == End::Settled,
        cut_off: match &report.end {
            End::Limit(limit) => Some(limit.clone()),
            End::Settled | End::NotSettled(_) => None,
        },
    });
    if let Some(own) = watch.own {
        own.finish(&mut judged.findings);
    }
    // Findings about clients say why it did not settle.
    let end = match report.end {
        End::NotSettled(_) if judged.is_explained => &End::Settled,
        ref end => end,
    };
    let verdict = verdict(&judged.findings, end);
    let series = watch.metrics.map(|metrics| metrics.finish(report.sim_time));
    let length = Length {
        duration: scenario.duration,
        end: report.sim_time,
        is_cut_off: matches!(report.end, End::Limit(_)),
    };
    let measured = |series: &Series| {
        scenario
            .measures
            .iter()
            .map(|measure| series.measured(measure, length))
            .collect()
    };
    let measures: Vec<Measured> = series.as_ref().map_or_else(Vec::new, measured);
    let judgement = Judgement::of(scenario, &judged.findings, &verdict, &measures);
    let idle_faults = idle_faults(&report);
    let untested = untested(&idle_faults, &judged);
    let record = series.filter(|_| wanted.record);
    let record = record.map(|series| {
        record_of(
            scenario,
            seed,
            &judgement,
            &judged,
            &report,
            (&measures, &untested),
            series,
        )
    });
    Outcome {
        seed,
        verdict,
        judgement,
        idle_faults,
        untested,
        digest: report.digest,
        events: report.events,
        sim_seconds: report.sim_time.seconds(),
        records_acked: judged.totals.acked,
        records_failed: judged.totals.failed,
        records_unknown: judged.totals.unknown,
        records_consumed: judged.totals.consumed,
        groups: judged.groups,
        measures,
        findings: judged.findings,
        plan,
        record,
    }
}

/// The planned faults that never took effect: which, on which nodes, and when.
fn idle_faults(report: &Report) -> Vec<String> {
    let idle = report.faults.iter().filter(|fault| !fault.fired);
    let lines = idle.map(|fault| {
        let at = show_duration(Duration::from_nanos(fault.from.0));
        format!("{} at {at}", fault.name)
    });
    lines.collect()
}

/// What a good verdict does not say.
fn untested(idle_faults: &[String], judged: &Judged) -> Vec<String> {
    let faults = idle_faults.iter().map(|fault| format!("{fault} took no effect"));
    let has_contract = judged.promised > 0 || judged.totals.consumed > 0;
    let contract = (!has_contract).then(|| NO_CONTRACT.to_owned());
    faults.chain(contract).collect()
}

/// Everybody who watches a trial.
struct Watch {
    checks: Checks,
    own: Option<OwnWatch>,
    metrics: Option<Metrics>,
}

impl Observer for Watch {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        self.checks.fact(at, node, event);
        if let Some(own) = &mut self.own {
            own.fact(event);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.fact(at, node, event);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.checks.entry(entry);
        if let Some(own) = &mut self.own {
            own.entry(entry);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.entry(entry);
        }
    }

    fn settled(&self, _now: At) -> Result<(), Vec<String>> {
        self.checks.settled()
    }
}

/// The checks, to which programs of a user are workers if they promise what workers do.
fn standard_checks(scenario: &Scenario, own: &[OwnProgram]) -> Checks {
    let mut judged = scenario.clone();
    judged.workers.extend(own.iter().filter_map(OwnProgram::promise));
    Checks::new(&judged, &world::names_with(scenario, own))
}

fn metrics(scenario: &Scenario, own: &[OwnProgram]) -> Metrics {
    let names = world::names_with(scenario, own);
    // A program is called `<group>/<number>`, and so are its clients; servers belong to no group.
    let group = |name: &String| name.split_once('/').map(|(group, _)| group.to_owned());
    let groups = names.iter().filter_map(|(id, name)| Some((*id, group(name)?)));
    Metrics::new(Metrics::BUCKET, groups.collect()).with_names(names.clone())
}

/// A violation outweighs a limit: what was seen before the cut was seen.
fn verdict(findings: &Findings, end: &End) -> Verdict {
    if let Some(worst) = findings.worst() {
        return Verdict::Violation {
            signature: worst.signature(),
        };
    }
    match end {
        End::Limit(limit) => Verdict::Inconclusive { reason: limit.clone() },
        End::NotSettled(missing) => Verdict::Inconclusive {
            reason: format!("it did not settle after the heal: {}", missing.join("; ")),
        },
        End::Settled => Verdict::Pass,
    }
}

fn record_of(
    scenario: &Scenario,
    seed: u64,
    judgement: &Judgement,
    judged: &Judged,
    report: &Report,
    (measures, untested): (&[Measured], &[String]),
    series: Series,
) -> RunRecord {
    let findings = finding_lines(&judged.findings);
    RunRecord {
        schema_version: SCHEMA_VERSION,
        build: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: scenario.name.clone(),
        teaches: scenario.teaches.clone(),
        seed,
        verdict: judgement.word,
        signature: judgement.signature.clone(),
        title: judgement.signature.as_deref().and_then(title),
        evidence: judgement.evidence.clone(),
        digest: format!("{:016x}", report.digest),
        sim_seconds: report.sim_time.seconds(),
        events: report.events,
        totals: judged.totals,
        findings,
        measures: measures.to_vec(),
        untested: untested.to_vec(),
        faults: series.faults,
        bucket_seconds: series.bucket_seconds,
        healed_at: series.healed_at,
        throughput: series.throughput,
        lag: series.lag,
        groups: series.groups,
    }
}

/// One line for each check and kind of ruling, with the first finding of that kind as its evidence.
fn finding_lines(findings: &Findings) -> Vec<FindingLine> {
    let mut lines: Vec<FindingLine> = Vec::new();
    for finding in findings.kept() {
        let (ruling, because, count) = match &finding.ruling {
            Ruling::Violation => ("violation", None, findings.violations(finding.check)),
            Ruling::Allowed(clause) => ("allowed", Some(clause.clone()), findings.allowed(finding.check)),
            Ruling::Unknown(reason) => ("unknown", Some(reason.clone()), findings.unknown(finding.check)),
        };
        let check = finding.check.id();
        if lines.iter().any(|line| line.check == check && line.ruling == ruling) {
            continue;
        }
        lines.push(FindingLine {
            check: check.to_owned(),
            name: finding.check.words().map(str::to_owned),
            ruling: ruling.to_owned(),
            because,
            count,
            evidence: finding.evidence.clone(),
            step: finding.at.step,
            time_ns: finding.at.time.0,
            witness: finding.witness.clone(),
        });
    }
    lines
}
