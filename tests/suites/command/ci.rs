//! What CI systems need: shards, a time, summaries, and a workflow that can be copied.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use serde_norway::Value as Yaml;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    the_shards_of_a_run_are_the_whole,
    a_run_for_a_time_takes_further_seeds,
    a_run_leaves_summaries,
    few_files_are_kept_of_many_failures,
    the_profile_for_ci_speaks_to_github,
    completions_and_the_manual_are_there,
    the_workflow_does_what_it_says,
];

/// The scenarios of a run's JSON lines, each with its seed.
fn trials(said: &Said) -> Vec<(String, u64)> {
    let of = |line: &Value| {
        let scenario = line["scenario"].as_str().expect("a name").to_owned();
        (scenario, line["seed"].as_u64().expect("a seed"))
    };
    said.json().iter().map(of).collect()
}

fn the_shards_of_a_run_are_the_whole(place: &Place) {
    place.scenario("a", "nothing", "");
    place.scenario("b", "loses/3", "");
    place.scenario("c", "may-lose/4", "expect = [\"lost-write\"]");
    for seeds in ["", "--seeds 10..33", "--seed 5"] {
        let ran = |shard: &str| {
            trials(&place.trial(&format!(
                "run scenarios --json {seeds} {shard} --keep-at-most 0 --out s"
            )))
        };
        let mut whole = ran("");
        let mut parts: Vec<(String, u64)> = (1..=5).flat_map(|part| ran(&format!("--shard {part}/5"))).collect();
        whole.sort();
        parts.sort();
        assert_eq!(parts, whole, "{seeds}");
    }
    let said = place
        .trial("run scenarios --seeds 0..40 --keep-at-most 0 --out whole")
        .ended(1);
    for part in 1..=3 {
        place.trial(&format!(
            "run scenarios --seeds 0..40 --shard {part}/3 --keep-at-most 0 --out part-{part}"
        ));
    }
    let merged = place
        .trial("merge part-3 part-1 part-2 --out merged --junit merged/j.xml --markdown merged/page.md")
        .ended(1);
    let row = |said: &Said, name: &str| {
        let line = said.out.lines().find(|line| line.starts_with(name)).expect("a row");
        line.split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["a ", "b ", "c "] {
        assert_eq!(row(&merged, name), row(&said, name));
    }
    assert!(
        merged.out.contains("14 of 40 trials of b, first seed 0\n"),
        "{}",
        merged.out
    );
    assert_eq!(merged.last_line(), "trial replay scenarios/b.toml --seed 0");
    for file in ["summary.json", "summary.md", "j.xml", "page.md"] {
        assert!(place.0.join("merged").join(file).is_file(), "{file}");
    }
    let said = place.trial("merge part-1 part-1").ended(64);
    assert!(
        said.err.contains("has seed 0 of a, which another summary has too"),
        "{}",
        said.err
    );
    let said = place.trial("merge scenarios").ended(64);
    assert!(
        said.err.contains("error: scenarios/summary.json cannot be read: "),
        "{}",
        said.err
    );
    for wrong in ["0/3", "4/3", "a/b"] {
        let said = place.trial(&format!("run scenarios --shard {wrong}")).ended(64);
        assert!(said.err.contains("a shard is `m/n`"), "{}", said.err);
    }
}

fn a_run_for_a_time_takes_further_seeds(place: &Place) {
    place.scenario("a", "slow", "seeds = \"7..9\"");
    place.scenario("b", "slow loses/50", "seeds = \"40..41\"");
    let said = place
        .trial("run scenarios --for 400ms --json --jobs 2 --keep-at-most 0")
        .ended(1);
    let ran = trials(&said);
    let of = |name: &str| {
        ran.iter()
            .filter(|(of, _)| of == name)
            .map(|(_, seed)| *seed)
            .collect::<Vec<_>>()
    };
    let (a, b) = (of("a"), of("b"));
    assert!(
        a.len() > 10 && a.len().abs_diff(b.len()) <= 1,
        "{} and {}",
        a.len(),
        b.len()
    );
    assert!(
        a.iter().copied().eq(7..7 + a.len() as u64) && b[0] == 40,
        "from the first seed on, none left out"
    );
    assert!(said.err.contains("seeds from its first on were run"), "{}", said.err);
    assert!(
        said.err.contains("trial replay scenarios/b.toml --seed 50"),
        "{}",
        said.err
    );
    for wrong in ["--for 0s", "--for 10", "--for 1s --seed 3", "--for 1s --seeds 0..3"] {
        place.trial(&format!("run scenarios {wrong}")).ended(64);
    }
}

fn a_run_leaves_summaries(place: &Place) {
    place.scenario("durability/good", "nothing", "");
    place.trial("run scenarios --seeds 0..20 --out passed").ended(0);
    let page = fs::read_to_string(place.0.join("passed/summary.md")).expect("is there");
    assert!(
        page.starts_with("## trial: 1 scenario as expected\n\n20 trials, build `"),
        "{page}"
    );
    let json = fs::read_to_string(place.0.join("passed/summary.json")).expect("is there");
    let json: Value = serde_json::from_str(&json).expect("is JSON");
    assert_eq!(json["scenarios"][0]["row"]["verdict"], "pass");
    assert_eq!(json["scenarios"][0]["seeds"], serde_json::json!([[0, 20]]));
    place.scenario("durability/bad", "loses/2", "");
    place
        .trial("run scenarios --junit out/j.xml --markdown out/page.md --annotations")
        .ended(1);
    let page = fs::read_to_string(place.0.join("out/page.md")).expect("is there");
    assert!(page.contains("- **lost-write: the only copy died**: "), "{page}");
    assert!(
        page.contains("`trial replay scenarios/durability/bad.toml --seed 0`"),
        "{page}"
    );
    let xml = fs::read_to_string(place.0.join("out/j.xml")).expect("is there");
    assert!(
        xml.contains("<testsuite name=\"durability\" tests=\"2\" disabled=\"0\" errors=\"0\" failures=\"1\">"),
        "{xml}"
    );
    // The page is added to; it is the page of a whole job.
    place
        .trial("run scenarios --markdown out/page.md --keep-at-most 0")
        .ended(1);
    let twice = fs::read_to_string(place.0.join("out/page.md")).expect("is there");
    assert!(twice.len() > page.len() && twice.starts_with(&page));
}

fn few_files_are_kept_of_many_failures(place: &Place) {
    place.scenario("bad", "loses/2 doubles/3", "");
    let said = place
        .trial("run scenarios --seeds 0..100 --keep-at-most 2 --out few")
        .ended(1);
    let records = place.files().into_iter().filter(|file| file.ends_with("record.json"));
    assert_eq!(records.count(), 2);
    let expected =
        "files of 18 more failing trials are not kept (--keep-at-most 2): any of them can be run again by its seed";
    assert!(said.out.contains(expected), "{}", said.out);
}

fn the_profile_for_ci_speaks_to_github(place: &Place) {
    place.scenario("bad", "loses", "");
    let mut command = place.command("run scenarios --profile ci");
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", place.0.join("page.md"));
    let said = Said::by(&mut command).ended(1);
    let annotation = "::error file=scenarios/bad.toml,line=1,title=bad::violation: lost-write: the only copy died";
    assert!(said.out.contains(annotation), "{}", said.out);
    for file in [
        "page.md",
        "trial-runs/ci/junit.xml",
        "trial-runs/ci/summary.json",
        "trial-runs/ci/bad/0/record.json",
    ] {
        assert!(place.0.join(file).is_file(), "{file}");
    }
    // Elsewhere nobody reads such lines.
    let mut command = place.command("run scenarios --profile ci");
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    let said = Said::by(&mut command).ended(1);
    assert!(!said.out.contains("::error"), "{}", said.out);
}

fn completions_and_the_manual_are_there(place: &Place) {
    for shell in ["bash", "zsh", "fish"] {
        let said = place.trial(&format!("completions {shell}")).ended(0);
        assert!(said.out.contains("shard") && said.out.contains("trial"), "{shell}");
    }
    let said = place.trial("man").ended(0);
    assert!(
        said.out.contains(".TH trial 1") && said.out.contains("verify\\-every"),
        "{}",
        said.out
    );
}

/// Each step that runs `trial` is run, with a shorter time and fewer seeds.
fn the_workflow_does_what_it_says(place: &Place) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/examples/github-workflow.yml");
    let workflow: Yaml = serde_norway::from_str(&fs::read_to_string(path).expect("is there")).expect("is YAML");
    let jobs = workflow["jobs"].as_mapping().expect("jobs");
    place.scenario("durability/good", "nothing", "");
    let mut ran = Vec::new();
    for (name, job) in jobs {
        assert!(
            job["runs-on"].is_string() && job["timeout-minutes"].is_number(),
            "{name:?}"
        );
        for step in job["steps"].as_sequence().expect("steps") {
            if let Some(action) = step["uses"].as_str() {
                let (_, version) = action.split_once('@').expect("a version");
                assert!(version.starts_with('v'), "{action}");
                continue;
            }
            let line = step["run"].as_str().expect("a step uses or runs something");
            let Some(arguments) = line.strip_prefix("trial ") else {
                continue;
            };
            let arguments = arguments
                .replace("45s", "50ms")
                .replace("\"$SEEDS\"", "0..8")
                .replace("${{ matrix.shard }}", "1")
                .replace("trial-*", "trial-runs/ci")
                .replace("\"$GITHUB_STEP_SUMMARY\"", "page.md");
            let mut command: Command = place.command(&arguments);
            Said::by(&mut command).ended(0);
            ran.push(arguments);
        }
    }
    assert_eq!(ran.len(), 4, "{ran:?}");
}
