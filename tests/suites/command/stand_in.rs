//! A stand-in for the trial, so that a test decides how each one comes out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use reports::record::{GroupTotals, LagSeries, Measured, RunRecord, SCHEMA_VERSION, Throughput, Totals};
use sim::history::{At, SimTime};
use sim::metrics::{Length, Series};
use sim::scenario::Scenario;
use sim::trial::{Judgement, Outcome, Verdict, Wanted, Word};
use sim::verdict::{Check, Finding, Findings, Ruling};

/// An outcome that follows from the scenario's `teaches` line.
pub fn run(scenario: &Scenario, seed: u64, wanted: Wanted<'_>) -> Outcome {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::SeqCst);
    let mut findings = Findings::default();
    let mut digest = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1;
    let mut verdict = Verdict::Pass;
    let mut idle = 0;
    let mut is_silent = false;
    for word in scenario.teaches.split_whitespace() {
        let (what, every) = word.split_once('/').unwrap_or((word, "1"));
        if !seed.is_multiple_of(every.parse().expect("a number")) {
            continue;
        }
        match what {
            "loses" => find(
                &mut findings,
                Check::LostWrite,
                Ruling::Violation,
                "the only copy died",
                seed,
            ),
            "doubles" => find(&mut findings, Check::Duplicate, Ruling::Violation, "", seed),
            "may-lose" => {
                let clause = "acks=1 promises the leader's log alone".to_owned();
                find(
                    &mut findings,
                    Check::LostWrite,
                    Ruling::Allowed(clause),
                    "the only copy died",
                    seed,
                );
            }
            "buggy" if scenario.quirk_set.ack_before_isr => {
                find(
                    &mut findings,
                    Check::LostWrite,
                    Ruling::Violation,
                    "answered too early",
                    seed,
                );
            }
            "endless" => {
                verdict = Verdict::Inconclusive {
                    reason: "the limit of 5 events".to_owned(),
                }
            }
            "lasts" => {
                let gauge = wanted.gauge.expect("a run watches its trials");
                while gauge.reason().is_none() {
                    thread::sleep(Duration::from_millis(1));
                }
                let reason = gauge.reason().unwrap_or_default().to_owned();
                verdict = Verdict::Inconclusive { reason };
            }
            "panics" => panic!("seed {seed} broke it"),
            "slow" => thread::sleep(Duration::from_millis(4)),
            "idle" => idle = scenario.faults.len(),
            "idle-one" => idle = 1,
            "silent" => is_silent = true,
            "differs-by-process" => digest ^= u64::from(std::process::id()),
            "differs-by-call" => digest ^= calls,
            _ => {}
        }
    }
    if let Some(worst) = findings.worst() {
        verdict = Verdict::Violation {
            signature: worst.signature(),
        };
    }
    if wanted.trace {
        for (step, node, message) in [
            (1_u64, "broker 1", "wake"),
            (2, "broker 2", "Appended { partition: orders/0 }"),
            (3, "broker 1", "Appended { partition: orders/0 }"),
            (4, "broker 1", "Appended { partition: orders/1 }"),
            (5, "client app/1", "sends"),
        ] {
            tracing::debug!(target: "trial", step, time = "0.1s", node, message);
        }
        tracing::debug!("a library speaks of itself");
    }
    let measured = |measure| series(seed).measured(measure, LENGTH);
    let measures: Vec<Measured> = scenario.measures.iter().map(measured).collect();
    let judgement = Judgement::of(scenario, &findings, &verdict, &measures);
    Outcome {
        seed,
        record: wanted
            .record
            .then(|| record(scenario, seed, judgement.word, &measures, digest)),
        judgement,
        verdict,
        findings,
        plan: scenario.faults.clone(),
        untested: if is_silent {
            vec!["no send was promised anything, and nobody got a record".to_owned()]
        } else {
            Vec::new()
        },
        idle_faults: (1..=idle).map(|fault| format!("fault {fault}")).collect(),
        digest,
        events: 1_000 + seed % 7,
        sim_seconds: 60.5,
        records_acked: 100,
        records_failed: 2,
        records_unknown: 1,
        records_consumed: 99,
        groups: GroupTotals::default(),
        measures,
    }
}

/// Of a trial of two seconds.
const LENGTH: Length = Length {
    duration: Duration::from_secs(2),
    end: SimTime(2_000_000_000),
    is_cut_off: false,
};

/// Readers with a lag of ten records for each number of the seed.
fn series(seed: u64) -> Series {
    let lag = LagSeries {
        consumer: "reader".to_owned(),
        partition: "orders/0".to_owned(),
        records: vec![0, seed * 10],
    };
    Series {
        bucket_seconds: 1.0,
        healed_at: None,
        faults: Vec::new(),
        throughput: Throughput {
            produced: vec![0.0; 2],
            ..Throughput::default()
        },
        lag: vec![lag],
        groups: Vec::new(),
        counts: BTreeMap::new(),
    }
}

fn find(findings: &mut Findings, check: Check, ruling: Ruling, shape: &str, seed: u64) {
    let at = At {
        step: 17,
        time: SimTime(1_500_000_000),
    };
    let evidence = format!("uid {seed} is gone");
    findings.add(Finding {
        check,
        ruling,
        shape: shape.to_owned(),
        evidence,
        at,
        witness: vec!["broker 1 died".to_owned()],
    });
}

fn record(scenario: &Scenario, seed: u64, verdict: Word, measures: &[Measured], digest: u64) -> RunRecord {
    RunRecord {
        schema_version: SCHEMA_VERSION,
        build: "0.0.0".to_owned(),
        scenario: scenario.name.clone(),
        teaches: scenario.teaches.clone(),
        seed,
        verdict,
        signature: None,
        title: None,
        evidence: String::new(),
        digest: format!("{digest:016x}"),
        sim_seconds: 2.0,
        events: 1,
        totals: Totals::default(),
        findings: Vec::new(),
        measures: measures.to_vec(),
        untested: Vec::new(),
        faults: Vec::new(),
        bucket_seconds: 1.0,
        healed_at: None,
        throughput: Throughput {
            produced: vec![1.0, 2.0],
            committed: vec![1.0, 2.0],
            consumed: vec![1.0, 2.0],
        },
        lag: Vec::new(),
        groups: Vec::new(),
    }
}
