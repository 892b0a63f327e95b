use std::path::Path;

use super::*;
use crate::record::GroupTotals;
use crate::record::tests::scratch;

fn scenario(name: &str, verdict: Word, seeds: (u64, u64), failures: Vec<FailureSummary>) -> ScenarioSummary {
    let trials = seeds.1 - seeds.0;
    let detail = failures.first().map(|failure| {
        format!(
            "{}: {} of {trials}, first seed {}",
            failure.signature, failure.count, failure.seed
        )
    });
    ScenarioSummary {
        key: format!("{name}-key"),
        file: format!("scenarios/{name}.toml"),
        seeds: vec![seeds],
        row: SummaryRow {
            scenario: name.to_owned(),
            trials,
            verdict,
            detail: detail.unwrap_or_default(),
            allowed: Vec::new(),
            sim_seconds: 60.0 * trials as f64,
            wall_seconds: 0.5 * trials as f64,
            records: 1_000 * trials,
            failed: 0,
            unknown: 0,
            groups: GroupTotals::default(),
            measures: Vec::new(),
        },
        failures,
    }
}

fn failure(count: u64, seed: u64) -> FailureSummary {
    FailureSummary {
        signature: "lost-write: the only copy died".to_owned(),
        title: None,
        count,
        seed,
        evidence: format!("uid {seed}, key a|b <c>: 100% lost,\nand gone"),
        replay: format!("trial replay scenarios/durability/bad.toml --seed {seed}"),
    }
}

fn run(scenarios: Vec<ScenarioSummary>) -> RunSummary {
    RunSummary {
        schema_version: SCHEMA_VERSION,
        build: "0.2.0+01234567".to_owned(),
        scenarios,
    }
}

fn sample() -> RunSummary {
    run(vec![
        scenario("durability/bad", Word::Violation, (0, 10), vec![failure(3, 7)]),
        scenario("durability/good", Word::Pass, (0, 3), Vec::new()),
        scenario("groups/endless", Word::Inconclusive, (0, 2), Vec::new()),
    ])
}

#[test]
fn a_page_for_people() {
    insta::assert_snapshot!(sample().markdown());
    let good = run(vec![scenario("good", Word::Pass, (0, 3), Vec::new())]);
    assert!(good.markdown().starts_with("## trial: 1 scenario as expected\n"));
}

#[test]
fn annotations_are_escaped() {
    insta::assert_snapshot!(sample().annotations());
}

#[cfg(feature = "junit")]
#[test]
fn junit_has_a_suite_for_each_folder() {
    let xml = junit(&sample()).expect("it is written");
    // Each report has a timestamp or an id of its own in some versions of the format; this one has none.
    insta::assert_snapshot!(xml);
}

#[test]
fn parts_make_a_whole() {
    let folder = Path::new("part");
    let mut whole = run(vec![scenario("durability/bad", Word::Pass, (10, 20), Vec::new())]);
    whole.merge(sample(), folder).expect("another part");
    assert_eq!(whole.word(), Word::Violation);
    let bad = &whole.scenarios[0];
    assert_eq!((bad.row.trials, bad.row.records), (20, 20_000));
    assert_eq!(bad.seeds, [(0, 10), (10, 20)]);
    assert_eq!(bad.row.detail, "lost-write: the only copy died: 3 of 20, first seed 7");
    let names: Vec<&str> = whole.scenarios.iter().map(|scenario| &*scenario.row.scenario).collect();
    assert_eq!(names, ["durability/bad", "durability/good", "groups/endless"]);
    let error = whole.merge(sample(), folder).expect_err("it is there already");
    assert_eq!(
        error.to_string(),
        "part/summary.json has seed 0 of durability/bad, which another summary has too"
    );
    let other = RunSummary {
        build: "0.2.0+other".to_owned(),
        ..run(Vec::new())
    };
    assert!(matches!(whole.merge(other, folder), Err(RunError::OtherBuild { .. })));
}

#[test]
fn a_summary_is_stored_and_read_back() {
    let folder = scratch("summary");
    sample().save(&folder).expect("is written");
    assert_eq!(RunSummary::load(&folder).expect("is read"), sample());
    std::fs::write(folder.join(FILE), "{}").expect("is written");
    assert!(matches!(RunSummary::load(&folder), Err(RunError::Format { .. })));
    assert!(matches!(
        RunSummary::load(&folder.join("no")),
        Err(RunError::Read { .. })
    ));
    std::fs::remove_dir_all(folder).expect("is removed");
}
