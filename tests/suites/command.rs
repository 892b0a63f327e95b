//! The `trial` command as a process: what it prints, what it writes, how it ends.
//!
//! This executable is both: started with `TRIAL_STAND_IN` set it is the command itself, with a stand-in for the trial
//! whose outcome follows from the scenario's `teaches` line and the seed; so a second process that the command starts
//! is one too. With `real` it is the command as it is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use reports::record::{GroupTotals, RunRecord, SCHEMA_VERSION, Throughput, Totals};
use serde_json::Value;
use sim::history::{At, SimTime};
use sim::scenario::Scenario;
use sim::trial::{Outcome, Verdict, Wanted};
use sim::verdict::{Check, Finding, Findings, Ruling};

fn main() -> ExitCode {
    match std::env::var("TRIAL_STAND_IN").as_deref() {
        Ok("real") => return sim::command::main(),
        Ok(_) => return sim::command::main_with(stand_in),
        Err(_) => {}
    }
    let arguments = Arguments::from_args();
    let trials = TESTS.iter().map(|(name, test)| {
        Trial::test(*name, move || {
            test(&Place::new(name));
            Ok::<(), Failed>(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

type Test = fn(&Place);

const TESTS: &[(&str, Test)] = &[
    (
        "a_passing_run_keeps_each_scenarios_first_trial",
        a_passing_run_keeps_each_scenarios_first_trial,
    ),
    (
        "a_failing_run_ends_with_the_command_that_replays_it",
        a_failing_run_ends_with_the_command_that_replays_it,
    ),
    ("failures_are_grouped_by_signature", failures_are_grouped_by_signature),
    (
        "a_quirk_from_the_command_line_is_planted_and_replayed",
        a_quirk_from_the_command_line_is_planted_and_replayed,
    ),
    (
        "expected_anomalies_must_be_found_and_others_not",
        expected_anomalies_must_be_found_and_others_not,
    ),
    ("exit_codes", exit_codes),
    (
        "a_panic_is_an_internal_error_with_its_seed",
        a_panic_is_an_internal_error_with_its_seed,
    ),
    ("one_seed_with_two_runs_is_told", one_seed_with_two_runs_is_told),
    ("json_is_one_object_a_trial", json_is_one_object_a_trial),
    ("jobs_change_nothing", jobs_change_nothing),
    (
        "fail_fast_ends_at_the_first_failure_whatever_the_jobs",
        fail_fast_ends_at_the_first_failure_whatever_the_jobs,
    ),
    (
        "a_sweep_leaves_files_of_failures_alone",
        a_sweep_leaves_files_of_failures_alone,
    ),
    ("a_killed_sweep_resumes", a_killed_sweep_resumes),
    (
        "a_killed_sweep_has_told_every_trial_that_it_does_not_hold_again",
        a_killed_sweep_has_told_every_trial_that_it_does_not_hold_again,
    ),
    ("two_sweeps_in_one_folder_both_end", two_sweeps_in_one_folder_both_end),
    (
        "a_place_that_takes_no_files_is_told_before_the_first_trial",
        a_place_that_takes_no_files_is_told_before_the_first_trial,
    ),
    (
        "another_scenario_or_quirk_does_not_resume",
        another_scenario_or_quirk_does_not_resume,
    ),
    (
        "a_sweeps_memory_does_not_grow_with_its_seeds",
        a_sweeps_memory_does_not_grow_with_its_seeds,
    ),
    (
        "seeds_come_from_flags_then_the_environment_then_the_file",
        seeds_come_from_flags_then_the_environment_then_the_file,
    ),
    (
        "replay_says_whether_the_failure_came_again",
        replay_says_whether_the_failure_came_again,
    ),
    (
        "replay_follows_a_node_or_a_partition",
        replay_follows_a_node_or_a_partition,
    ),
    ("quiet_says_the_summary_alone", quiet_says_the_summary_alone),
    ("faults_that_never_fired_are_told", faults_that_never_fired_are_told),
    ("list_explain_and_lint", list_explain_and_lint),
    (
        "without_scenarios_all_else_is_listed",
        without_scenarios_all_else_is_listed,
    ),
    ("lint_judges_all_that_is_there", lint_judges_all_that_is_there),
    (
        "the_real_trace_is_of_the_trial_alone",
        the_real_trace_is_of_the_trial_alone,
    ),
    (
        "a_reader_that_is_gone_is_no_error_but_a_full_disk_is",
        a_reader_that_is_gone_is_no_error_but_a_full_disk_is,
    ),
    (
        "the_real_trial_is_the_same_in_two_processes",
        the_real_trial_is_the_same_in_two_processes,
    ),
];

// ---- the stand-in

/// An outcome that follows from the scenario's `teaches` line.
fn stand_in(scenario: &Scenario, seed: u64, wanted: Wanted) -> Outcome {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::SeqCst);
    let mut findings = Findings::default();
    let mut digest = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1;
    let mut verdict = Verdict::Pass;
    let mut idle = 0;
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
            "panics" => panic!("seed {seed} broke it"),
            "slow" => thread::sleep(Duration::from_millis(4)),
            "idle" => idle = scenario.faults.len(),
            "idle-one" => idle = 1,
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
    Outcome {
        seed,
        record: wanted.record.then(|| record(scenario, seed, &verdict, digest)),
        verdict,
        findings,
        plan: scenario.faults.clone(),
        idle_faults: (1..=idle).map(|fault| format!("fault {fault}")).collect(),
        digest,
        events: 1_000 + seed % 7,
        sim_seconds: 60.5,
        records_acked: 100,
        records_consumed: 99,
        groups: GroupTotals::default(),
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

fn record(scenario: &Scenario, seed: u64, verdict: &Verdict, digest: u64) -> RunRecord {
    RunRecord {
        schema_version: SCHEMA_VERSION,
        build: "0.0.0".to_owned(),
        scenario: scenario.name.clone(),
        teaches: scenario.teaches.clone(),
        seed,
        verdict: if *verdict == Verdict::Pass { "pass" } else { "violation" }.to_owned(),
        signature: None,
        digest: format!("{digest:016x}"),
        sim_seconds: 2.0,
        events: 1,
        totals: Totals::default(),
        findings: Vec::new(),
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

// ---- places and processes

/// A folder of its own for each test, the command's working directory.
struct Place(PathBuf);

/// How a process ended and what it said.
struct Said {
    exit: i32,
    out: String,
    err: String,
}

impl Place {
    fn new(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("trial-command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("scenarios")).expect("a temporary folder");
        Place(folder)
    }

    /// Writes a scenario whose trials come out as `teaches` says.
    fn scenario(&self, name: &str, teaches: &str, more: &str) {
        let text = format!(
            "teaches = \"{teaches}\"\n{more}\n[[topics]]\nname = \"orders\"\npartitions = 2\n\
             [[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 10\n[[consumers]]\nname = \"reader\"\ntopic = \"orders\"\n"
        );
        self.write(&format!("scenarios/{name}.toml"), &text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The command with arguments separated by blanks.
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this executable"));
        command.args(arguments.split_whitespace()).current_dir(&self.0);
        command
            .env("TRIAL_STAND_IN", "1")
            .env_remove("TRIAL_SEED")
            .env_remove("RUST_BACKTRACE")
            .env_remove("NO_COLOR");
        command
    }

    fn trial(&self, arguments: &str) -> Said {
        Said::of(self.command(arguments).output().expect("the process starts"))
    }

    /// Every file below the place but the scenarios, with `*` for the time of the run.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.0, &self.0, &mut files);
        files.retain(|file| !file.starts_with("scenarios/"));
        files.sort();
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

impl Said {
    fn of(output: Output) -> Said {
        Said {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    fn last_line(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    #[track_caller]
    fn ended(self, exit: i32) -> Said {
        assert_eq!(self.exit, exit, "\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }

    /// What was said, without what differs from run to run: wall times, the build, the time of day.
    fn lasting(&self) -> String {
        let lines = self.out.lines().map(|line| {
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            for index in 0..words.len() {
                let next = words
                    .get(index + 1)
                    .is_some_and(|next| next == "s" || next.starts_with("s)"));
                let is_number = words[index]
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
                let is_build =
                    words[index].starts_with("0.1.0+") || words[index].starts_with('(') && words[index].ends_with("×)");
                if (next && is_number) || is_build {
                    words[index] = "#".to_owned();
                }
                if words[index].starts_with("trial-runs/2") {
                    let below = words[index].splitn(3, '/').nth(2).unwrap_or_default().to_owned();
                    words[index] = format!("trial-runs/#/{below}");
                }
            }
            words.join(" ")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let below = path.strip_prefix(root).expect("below").display().to_string();
        if path.is_symlink() {
            files.push(format!("{below} ->"));
        } else if path.is_dir() {
            collect(root, &path, files);
        } else {
            let parts: Vec<&str> = below.split('/').collect();
            let is_time = parts.len() > 2 && parts[0] == "trial-runs" && parts[1].starts_with('2');
            files.push(if is_time {
                format!("trial-runs/*/{}", parts[2..].join("/"))
            } else {
                below
            });
        }
    }
}

/// JSON lines without the wall time.
fn without_wall(lines: &[Value]) -> Vec<Value> {
    let strip = |line: &Value| {
        let mut line = line.clone();
        line.as_object_mut().expect("an object").remove("wall_seconds");
        line
    };
    lines.iter().map(strip).collect()
}

// ---- run

fn a_passing_run_keeps_each_scenarios_first_trial(place: &Place) {
    place.scenario("a/one", "nothing", "");
    place.scenario("two", "nothing", "seeds = \"5..9\"");
    let said = place.trial("run scenarios").ended(0);
    assert!(said.out.contains("2 scenarios, 7 trials · 2 pass"), "{}", said.out);
    let mut expected = Vec::new();
    for trial in ["a/one/0", "two/5"] {
        for file in [
            "lag.png",
            "lag.svg",
            "record.json",
            "scenario.toml",
            "throughput.png",
            "throughput.svg",
        ] {
            expected.push(format!("trial-runs/*/{trial}/{file}"));
        }
    }
    expected.push("trial-runs/latest ->".to_owned());
    assert_eq!(place.files(), expected);
    let record = reports::record::load(&place.0.join("trial-runs/latest/two/5/record.json")).expect("a record");
    assert_eq!((record.scenario.as_str(), record.seed), ("two", 5));
    // The next run gets a folder of its own, and `latest` moves to it.
    place.trial("run scenarios/two.toml --seed 7").ended(0);
    assert!(place.0.join("trial-runs/latest/two/7/record.json").is_file());
    assert!(!place.0.join("trial-runs/latest/a").exists());
}

fn a_failing_run_ends_with_the_command_that_replays_it(place: &Place) {
    place.scenario("bad", "loses/2", "seeds = \"1..8\"");
    let said = place.trial("run scenarios").ended(1);
    assert_eq!(said.last_line(), "trial replay scenarios/bad.toml --seed 2");
    let arguments = said.last_line().strip_prefix("trial ").expect("the command").to_owned();
    let again = place.trial(&arguments).ended(1);
    assert!(
        again
            .out
            .contains("violation reproduced: lost-write: the only copy died"),
        "{}",
        again.out
    );
    assert!(
        again.out.contains("broker 1 died"),
        "the witness is told: {}",
        again.out
    );
    // The first trial and every failing one are kept.
    for seed in [1, 2, 4, 6] {
        assert!(
            place
                .0
                .join(format!("trial-runs/latest/bad/{seed}/throughput.svg"))
                .is_file(),
            "{seed}"
        );
    }
    for seed in [3, 5, 7] {
        assert!(
            !place.0.join(format!("trial-runs/latest/bad/{seed}")).exists(),
            "{seed}"
        );
    }
    // A path that a shell would split is quoted.
    place.write(
        "scenarios/two words.toml",
        &fs::read_to_string(place.0.join("scenarios/bad.toml")).expect("a file"),
    );
    let said = Said::of(
        place
            .command("run --seed 2")
            .arg("scenarios/two words.toml")
            .output()
            .expect("starts"),
    )
    .ended(1);
    assert_eq!(said.last_line(), "trial replay 'scenarios/two words.toml' --seed 2");
    // One that would be a flag is not.
    fs::copy(place.0.join("scenarios/bad.toml"), place.0.join("-dash.toml")).expect("a file");
    let said = place.trial("run --seed 2 -- -dash.toml").ended(1);
    assert_eq!(said.last_line(), "trial replay ./-dash.toml --seed 2");
    place.trial(&said.last_line()["trial ".len()..]).ended(1);
}

fn failures_are_grouped_by_signature(place: &Place) {
    place.scenario("a", "loses/3", "seeds = \"1..11\"");
    place.scenario("b", "loses/4 doubles/5", "seeds = \"1..11\"");
    place.scenario("c", "endless/10 may-lose/2", "seeds = \"1..11\"");
    let said = place.trial("run scenarios --jobs 2").ended(1);
    insta::assert_snapshot!("failures", said.lasting());
}

fn a_quirk_from_the_command_line_is_planted_and_replayed(place: &Place) {
    place.scenario("clean", "buggy", "");
    place.trial("run scenarios").ended(0);
    let said = place
        .trial("run scenarios --quirk ack-before-isr --quirk truncate-to-high-watermark")
        .ended(1);
    let replay = "trial replay scenarios/clean.toml --seed 0 --quirk ack-before-isr --quirk truncate-to-high-watermark";
    assert_eq!(said.last_line(), replay);
    place.trial(&replay["trial ".len()..]).ended(1);
    place.trial(&format!("{} --verify", &replay["trial ".len()..])).ended(1);
    let twice = place
        .trial("run scenarios --quirk ack-before-isr --quirk ack-before-isr")
        .ended(1);
    assert_eq!(
        twice.last_line(),
        "trial replay scenarios/clean.toml --seed 0 --quirk ack-before-isr"
    );
    // The kept file needs no flags: what was planted is in it.
    place
        .trial("replay trial-runs/latest/clean/0/scenario.toml --seed 0")
        .ended(1);
    let said = place.trial("run scenarios --quirk ack-before-irs").ended(64);
    assert_eq!(
        said.err,
        "error: unknown quirk `ack-before-irs`\n  hint: did you mean `ack-before-isr`?\n"
    );
    // The scenario may name it itself.
    place.scenario(
        "dirty",
        "buggy",
        "quirks = [\"ack-before-isr\"]\nexpect = [\"lost-write\"]",
    );
    place.trial("run scenarios/dirty.toml").ended(0);
}

fn expected_anomalies_must_be_found_and_others_not(place: &Place) {
    let expect = |names: &str| format!("seeds = \"1..5\"\nexpect = [{names}]");
    for (name, teaches, names, exit, told) in [
        ("found", "loses/3", "\"lost-write\"", 0, "lost-write in 1 of 4"),
        ("allowed", "may-lose/3", "\"lost-write\"", 0, "lost-write in 1 of 4"),
        (
            "missing",
            "nothing",
            "\"lost-write\"",
            1,
            "missing: expected lost-write, which no trial showed",
        ),
        (
            "half",
            "loses/3",
            "\"lost-write\", \"duplicate\"",
            1,
            "half: expected duplicate, which no trial showed",
        ),
        (
            "other",
            "doubles/2",
            "\"lost-write\"",
            1,
            "duplicate\n  2 of 4 trials (50.0 %), first in other, seed 2",
        ),
        (
            "both",
            "doubles/2 loses/2",
            "\"lost-write\"",
            1,
            "duplicate\n  2 of 4 trials (50.0 %), first in both, seed 2",
        ),
    ] {
        place.scenario(name, teaches, &expect(names));
        let said = place.trial(&format!("run scenarios/{name}.toml")).ended(exit);
        assert!(said.out.contains(told), "{name}: {}", said.out);
        let sweep = place
            .trial(&format!("run scenarios/{name}.toml --seeds 1..5"))
            .ended(exit);
        assert!(sweep.out.contains(told), "{name}: {}", sweep.out);
    }
    assert_eq!(
        place.trial("run scenarios/missing.toml").last_line(),
        "trial run scenarios/missing.toml"
    );
    // One seed need not show what the scenario's seeds must show together.
    place.trial("run scenarios/missing.toml --seed 1").ended(0);
    place.trial("run scenarios/found.toml --seed 1").ended(0);
}

fn exit_codes(place: &Place) {
    place.scenario("pass", "nothing", "");
    place.scenario("endless", "endless", "");
    place.scenario("worse", "endless/2 loses/3", "");
    place.write("scenarios-none/notes.txt", "nothing");
    place.write("wrong.toml", "topics = 3");
    for (arguments, exit) in [
        ("run scenarios/pass.toml", 0),
        ("run scenarios/endless.toml", 2),
        ("run scenarios/worse.toml", 1),
        ("run scenarios-none", 4),
        ("run scenarios/pass.toml --seeds 3..3", 4),
        ("run scenarios/pass.toml --seeds 4..3", 64),
        ("run scenarios/pass.toml --seeds 4", 64),
        ("run scenarios/pass.toml --seed x", 64),
        ("run scenarios/pass.toml --seed 1 --seeds 1..2", 64),
        ("run scenarios/pass.toml --jobs 0", 64),
        ("run scenarios/pass.toml --colour", 64),
        ("run wrong.toml", 64),
        ("run missing.toml", 64),
        ("run", 64),
        ("", 64),
        ("walk", 64),
        ("--help", 0),
        ("run --help", 0),
        ("--version", 0),
        ("replay scenarios/pass.toml", 64),
        ("replay scenarios --seed 1", 64),
        ("replay scenarios/pass.toml --seed 1", 0),
        ("replay scenarios/endless.toml --seed 1", 2),
        ("lint scenarios-none", 4),
        ("lint wrong.toml", 64),
        ("list scenarios-none", 4),
        ("explain nothing-of-that-name", 64),
    ] {
        let said = place.trial(arguments);
        assert_eq!(said.exit, exit, "trial {arguments}\n{}\n{}", said.out, said.err);
        if (exit == 64 || exit == 4) && arguments != "lint wrong.toml" {
            assert!(
                said.out.is_empty() && !said.err.is_empty(),
                "trial {arguments}\n{}",
                said.out
            );
        }
    }
}

fn a_panic_is_an_internal_error_with_its_seed(place: &Place) {
    place.scenario("broken", "panics/3", "seeds = \"1..8\"");
    let said = place.trial("run scenarios").ended(70);
    assert!(
        said.out.contains("internal error at tests/suites/command.rs:"),
        "{}",
        said.out
    );
    assert!(said.out.contains("seed 3 broke it"), "{}", said.out);
    assert!(
        said.out.contains("2 of 7 trials"),
        "the other seeds are held: {}",
        said.out
    );
    assert_eq!(said.last_line(), "trial replay scenarios/broken.toml --seed 3");
    assert!(
        !said.err.contains("panicked"),
        "a panic inside a trial is told once: {}",
        said.err
    );
    place.trial("replay scenarios/broken.toml --seed 3").ended(70);
    place.trial("replay scenarios/broken.toml --seed 4").ended(0);
    let said = place.trial("run scenarios --json").ended(70);
    assert_eq!(said.json()[2]["verdict"], "error");
}

fn one_seed_with_two_runs_is_told(place: &Place) {
    place.scenario("steady", "loses", "");
    place.scenario("by-process", "differs-by-process", "");
    place.scenario("by-call", "differs-by-call loses", "");
    let said = place.trial("replay scenarios/steady.toml --seed 3 --verify").ended(1);
    assert!(
        said.out
            .contains("verified: a second process gave the same 1,003 events"),
        "{}",
        said.out
    );
    let said = place
        .trial("replay scenarios/by-process.toml --seed 3 --verify")
        .ended(3);
    assert!(said.out.contains("not deterministic: digest"), "{}", said.out);
    // A failing trial is held twice, the second time for its record.
    place.trial("run scenarios/steady.toml --seeds 1..2").ended(1);
    let said = place.trial("run scenarios/by-call.toml --jobs 1").ended(3);
    assert!(
        said.err.contains("by-call, seed 1 is not deterministic: digest"),
        "{}",
        said.err
    );
}

fn json_is_one_object_a_trial(place: &Place) {
    place.scenario("a", "loses/2", "seeds = \"1..4\"");
    place.scenario("b", "may-lose", "seeds = \"8..9\"");
    let said = place.trial("run scenarios --json").ended(1);
    let lines = said.json();
    assert_eq!(lines.len(), 4);
    let seeds: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["scenario"].as_str().expect("a name"),
                line["seed"].as_u64().expect("a seed"),
            )
        })
        .collect();
    assert_eq!(seeds, [("a", 1), ("a", 2), ("a", 3), ("b", 8)]);
    let second = &lines[1];
    assert_eq!(second["verdict"], "violation");
    assert_eq!(second["as_expected"], false);
    assert_eq!(second["signature"], "lost-write: the only copy died");
    assert_eq!(
        second["digest"],
        format!("{:016x}", 2_u64.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1)
    );
    assert_eq!(second["sim_seconds"], 60.5);
    assert_eq!(
        (&second["records_acked"], &second["records_consumed"], &second["events"]),
        (&100.into(), &99.into(), &1_002.into())
    );
    assert!(
        second["wall_seconds"]
            .as_f64()
            .is_some_and(|wall| (0.0..60.0).contains(&wall))
    );
    assert_eq!(
        (&lines[0]["signature"], &lines[0]["verdict"], &lines[3]["verdict"]),
        (&Value::Null, &"pass".into(), &"allowed".into())
    );
    assert!(
        said.err.contains("1 signature in 4 trials"),
        "the rest goes to standard error: {}",
        said.err
    );
    assert_eq!(said.err.lines().last(), Some("trial replay scenarios/a.toml --seed 2"));
    let said = place.trial("replay scenarios/a.toml --seed 2 --json --verify").ended(1);
    assert_eq!(without_wall(&said.json()), without_wall(&lines[1..2]));
}

fn jobs_change_nothing(place: &Place) {
    place.scenario("a", "loses/20 slow/5", "seeds = \"1..41\"");
    place.scenario("b", "may-lose/3 endless/25 slow/2", "seeds = \"1..41\"");
    let one = place.trial("run scenarios --json --jobs 1").ended(1);
    let two = place.trial("run scenarios --json --jobs 7").ended(1);
    assert_eq!(without_wall(&one.json()), without_wall(&two.json()));
    let one = place.trial("run scenarios --jobs 1").ended(1);
    let two = place.trial("run scenarios --jobs 7").ended(1);
    assert_eq!(one.lasting(), two.lasting());
}

fn fail_fast_ends_at_the_first_failure_whatever_the_jobs(place: &Place) {
    // Seed 12 fails at once, while the slow ones before it are still held.
    place.scenario("a", "loses/12 slow/3", "seeds = \"1..100\"");
    place.scenario("b", "nothing", "seeds = \"1..100\"");
    let one = place.trial("run scenarios --fail-fast --jobs 1").ended(1);
    let many = place.trial("run scenarios --fail-fast --jobs 8").ended(1);
    assert_eq!(one.lasting(), many.lasting());
    assert!(one.out.contains("1 of 12 trials"), "{}", one.out);
    assert!(
        one.out.contains("186 trials not held: the first failure ended the run"),
        "{}",
        one.out
    );
    let all = place.trial("run scenarios --fail-fast --no-fail-fast").ended(1);
    assert!(all.out.contains("8 of 198 trials"), "{}", all.out);
}

// ---- sweeps

fn a_sweep_leaves_files_of_failures_alone(place: &Place) {
    place.scenario("good", "nothing", "");
    place.scenario("bad", "loses/2 endless/9", "");
    place.trial("run scenarios/good.toml --seeds 0..50").ended(0);
    assert_eq!(place.files(), Vec::<String>::new());
    let said = place.trial("run scenarios --seeds 0..50 --out found").ended(1);
    let kept: Vec<_> = place
        .files()
        .into_iter()
        .filter(|file| file.ends_with("record.json"))
        .collect();
    // The ten lowest seeds of each signature; 0, 18 and 36 lose before they are endless.
    let mut expected: Vec<String> = [0, 2, 4, 6, 8, 9, 10, 12, 14, 16, 18, 27, 45]
        .map(|seed| format!("found/bad/{seed}/record.json"))
        .into();
    expected.sort();
    assert_eq!(kept, expected);
    assert!(
        said.out.contains("25 of 100 trials (25.0 %), first in bad, seed 0"),
        "{}",
        said.out
    );
    assert!(!place.0.join("trial-runs").exists());
    let said = place.trial("run scenarios/bad.toml --seeds 0..4").ended(1);
    assert!(
        place.0.join("trial-runs/latest/bad/2/record.json").is_file(),
        "{}",
        said.out
    );
    place
        .trial("run scenarios/good.toml --seeds 0..3 --keep --out kept")
        .ended(0);
    for seed in 0..3 {
        assert!(place.0.join(format!("kept/good/{seed}/lag.svg")).is_file());
    }
    // A sweep that is complete is held again as a whole.
    let said = place.trial("run scenarios/bad.toml --seeds 0..4").ended(1);
    assert!(!said.out.contains("skipped"), "{}", said.out);
}

fn a_killed_sweep_resumes(place: &Place) {
    place.scenario("slow", "slow loses/100 may-lose/7", "");
    let sweep = "run scenarios --seeds 0..1500 --out sweep --jobs 2";
    let whole = place
        .trial("run scenarios --seeds 0..1500 --out whole --jobs 2")
        .ended(1);
    let mut skipped = 0;
    for _ in 0..2 {
        let mut child = place
            .command(sweep)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        wait_for_growth(&place.0.join("sweep/sweep.jsonl"), &mut child);
        child.kill().expect("is killed");
        child.wait().expect("ends");
    }
    let said = place.trial(sweep).ended(1);
    for line in said
        .out
        .lines()
        .filter(|line| line.contains("skipped: an interrupted sweep had finished them"))
    {
        skipped = line
            .split(' ')
            .next()
            .expect("a count")
            .replace(',', "")
            .parse()
            .expect("a number");
    }
    assert!((1..1_500).contains(&skipped), "{skipped} skipped\n{}", said.out);
    // It tells the same as if it had never been interrupted.
    let told = |said: &Said| {
        let text = said.lasting().replace("whole/", "sweep/");
        text.lines()
            .filter(|line| !line.contains("skipped"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&said), told(&whole));
    assert!(
        !place.0.join("sweep/sweep.jsonl").exists(),
        "a complete sweep leaves no progress"
    );
    assert!(place.0.join("sweep/slow/0/record.json").is_file());
}

/// Whoever reads the lines gets every trial: those of the killed sweeps and of the last one together.
fn a_killed_sweep_has_told_every_trial_that_it_does_not_hold_again(place: &Place) {
    place.scenario("slow", "slow", "");
    let sweep = "run scenarios --seeds 0..1500 --out sweep --jobs 2 --json";
    let mut seeds = Vec::new();
    let mut told = |lines: &str| {
        // The last line may be torn.
        let lines = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        seeds.extend(lines.map(|line| line["seed"].as_u64().expect("a seed")));
    };
    for round in 0..3 {
        let path = place.0.join(format!("lines-{round}"));
        let mut child = place
            .command(sweep)
            .stdout(fs::File::create(&path).expect("a file"))
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        wait_for_growth(&place.0.join("sweep/sweep.jsonl"), &mut child);
        child.kill().expect("is killed");
        child.wait().expect("ends");
        told(&fs::read_to_string(&path).expect("lines"));
    }
    let said = place.trial(sweep).ended(0);
    assert!(said.err.contains("skipped"), "{}", said.err);
    told(&said.out);
    seeds.sort_unstable();
    seeds.dedup();
    let missing: Vec<u64> = (0..1_500).filter(|seed| seeds.binary_search(seed).is_err()).collect();
    assert_eq!(missing, [0; 0]);
}

fn two_sweeps_in_one_folder_both_end(place: &Place) {
    place.scenario("slow", "slow loses/100", "");
    let sweep = "run scenarios --seeds 0..150 --out sweep --jobs 1 --quiet";
    let start = || {
        let mut command = place.command(sweep);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("starts")
    };
    let both = [start(), start()];
    for child in both {
        let said = Said::of(child.wait_with_output().expect("ends")).ended(1);
        assert_eq!(said.err, "");
    }
    for seed in [0, 100] {
        assert!(place.0.join(format!("sweep/slow/{seed}/record.json")).is_file());
    }
    assert!(!place.0.join("sweep/sweep.jsonl").exists());
}

fn a_place_that_takes_no_files_is_told_before_the_first_trial(place: &Place) {
    place.scenario("a", "panics", "");
    place.write("taken", "a file");
    for arguments in [
        "run scenarios",
        "run scenarios --seed 1",
        "run scenarios --seeds 0..9",
        "replay scenarios/a.toml --seed 1",
    ] {
        for out in ["taken", "taken/below"] {
            let said = place.trial(&format!("{arguments} --out {out}")).ended(64);
            assert_eq!(said.out, "", "{arguments}");
            assert!(
                said.err.starts_with(&format!("error: failed to write to {out}: "))
                    && said.err.ends_with("\n  hint: choose another place with `--out DIR`\n"),
                "{arguments}: {}",
                said.err
            );
        }
    }
    place.write("trial-runs", "a file");
    let said = place.trial("run scenarios").ended(64);
    assert!(
        said.err.starts_with("error: failed to write to trial-runs: "),
        "{}",
        said.err
    );
}

fn wait_for_growth(path: &Path, child: &mut Child) {
    let size = || fs::metadata(path).map_or(0, |file| file.len());
    let before = size();
    while size() <= before {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "the sweep ended before it was killed"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn another_scenario_or_quirk_does_not_resume(place: &Place) {
    place.scenario("slow", "slow", "");
    let sweep = "run scenarios --seeds 0..3000 --out sweep --jobs 1";
    let mut child = place
        .command(sweep)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    wait_for_growth(&place.0.join("sweep/sweep.jsonl"), &mut child);
    child.kill().expect("is killed");
    child.wait().expect("ends");
    let progress = fs::read(place.0.join("sweep/sweep.jsonl")).expect("progress");
    let skips = |arguments: &str| {
        fs::create_dir_all(place.0.join("sweep")).expect("a folder");
        fs::write(place.0.join("sweep/sweep.jsonl"), &progress).expect("progress");
        place
            .trial(&format!(
                "run scenarios --seeds 0..300 --out sweep --jobs 1 {arguments}"
            ))
            .ended(0)
            .out
            .contains("skipped")
    };
    assert!(skips(""));
    assert!(!skips("--quirk ack-before-isr"));
    place.scenario("slow", "slow", "duration = \"61s\"");
    assert!(!skips(""));
}

fn a_sweeps_memory_does_not_grow_with_its_seeds(place: &Place) {
    place.scenario("many", "loses/3 may-lose/2", "");
    let peak = |seeds: u64| {
        let mut child = place
            .command(&format!("run scenarios --quiet --seeds 0..{seeds} --out sweep-{seeds}"))
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let path = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().expect("a child").is_none() {
            let status = fs::read_to_string(&path).unwrap_or_default();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .unwrap_or_default();
            peak = peak.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0));
            thread::sleep(Duration::from_millis(2));
        }
        peak
    };
    if !Path::new("/proc/self/status").exists() {
        return;
    }
    let (few, many) = (peak(2_000), peak(100_000));
    assert!(many < few + 8_192, "{few} kB for 2,000 seeds, {many} kB for 100,000");
}

// ---- seeds and replays

fn seeds_come_from_flags_then_the_environment_then_the_file(place: &Place) {
    place.scenario("a", "nothing", "seeds = \"4..6\"");
    let seeds = |arguments: &str, variable: Option<&str>| -> Vec<u64> {
        let mut command = place.command(&format!("run scenarios --json {arguments}"));
        if let Some(variable) = variable {
            command.env("TRIAL_SEED", variable);
        }
        Said::of(command.output().expect("starts"))
            .ended(0)
            .json()
            .iter()
            .map(|line| line["seed"].as_u64().expect("a seed"))
            .collect()
    };
    assert_eq!(seeds("", None), [4, 5]);
    assert_eq!(seeds("", Some("")), [4, 5]);
    assert_eq!(seeds("", Some("0x10")), [16]);
    assert_eq!(seeds("--seed 3", Some("0x10")), [3]);
    assert_eq!(seeds("--seeds 2..4", Some("0x10")), [2, 3]);
    assert_eq!(
        seeds("--seed a7af33650fde95ed1b3ef1b1f5bc73b63a0d7f2f", None),
        [0xa7af_3365_0fde_95ed]
    );
    let wrong = Said::of(
        place
            .command("run scenarios")
            .env("TRIAL_SEED", "today")
            .output()
            .expect("starts"),
    )
    .ended(64);
    assert!(
        wrong.err.contains("TRIAL_SEED is `today`, but a seed is"),
        "{}",
        wrong.err
    );
    let replay = place
        .command("replay scenarios/a.toml --json")
        .env("TRIAL_SEED", "9")
        .output()
        .expect("starts");
    assert_eq!(Said::of(replay).ended(0).json()[0]["seed"], 9);
}

fn replay_says_whether_the_failure_came_again(place: &Place) {
    place.scenario("bad", "loses/2", "");
    place.scenario("known", "loses/2", "expect = [\"lost-write\"]");
    for (arguments, exit, told) in [
        (
            "bad.toml --seed 2",
            1,
            "violation reproduced: lost-write: the only copy died\n  uid 2 is gone (at 1.500000s, step 17)",
        ),
        ("bad.toml --seed 3", 0, "no failure reproduced: pass"),
        (
            "known.toml --seed 2",
            0,
            "found as expected: lost-write: the only copy died",
        ),
        (
            "known.toml --seed 3",
            0,
            "no failure reproduced: this seed does not show the expected lost-write",
        ),
    ] {
        let said = place.trial(&format!("replay scenarios/{arguments}")).ended(exit);
        assert!(said.out.contains(told), "{arguments}: {}", said.out);
    }
    assert_eq!(
        place.files(),
        Vec::<String>::new(),
        "a replay leaves nothing unless it is told where"
    );
    place.trial("replay scenarios/bad.toml --seed 2 --out here").ended(1);
    assert!(place.0.join("here/bad/2/record.json").is_file());
}

fn replay_follows_a_node_or_a_partition(place: &Place) {
    place.scenario("a", "nothing", "");
    let trace = |arguments: &str| -> Vec<String> {
        let said = place
            .trial(&format!("replay scenarios/a.toml --seed 1 --quiet {arguments}"))
            .ended(0);
        said.out
            .lines()
            .filter(|line| line.starts_with("  "))
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let steps = |arguments: &str| -> Vec<String> {
        trace(arguments)
            .iter()
            .map(|line| line.split(' ').next().expect("a step").to_owned())
            .collect()
    };
    assert_eq!(steps(""), Vec::<String>::new());
    assert_eq!(steps("--trace"), ["1", "2", "3", "4", "5"]);
    assert_eq!(steps("--until 2"), ["1", "2"]);
    assert_eq!(steps("--follow orders/0"), ["2", "3"]);
    assert_eq!(steps("--follow orders/1"), ["4"]);
    assert_eq!(steps("--follow app/1"), ["5"]);
    let followed = Said::of(
        place
            .command("replay scenarios/a.toml --seed 1 --follow")
            .arg("broker 2")
            .output()
            .expect("starts"),
    )
    .ended(0);
    assert!(
        followed
            .out
            .contains("       2         0.1s broker 2: Appended { partition: orders/0 }\n"),
        "{}",
        followed.out
    );
    assert!(!followed.out.contains("broker 1:"), "{}", followed.out);
    let mut client = place.command("replay scenarios/a.toml --seed 1 --follow");
    let followed = Said::of(client.arg("client app/1").output().expect("starts")).ended(0);
    assert!(
        followed.out.contains("       5         0.1s client app/1: sends\n"),
        "{}",
        followed.out
    );
    let said = place
        .trial("replay scenarios/a.toml --seed 1 --follow order/0")
        .ended(64);
    assert!(said.err.contains("hint: did you mean `orders/0`?"), "{}", said.err);
}

// ---- the rest

fn quiet_says_the_summary_alone(place: &Place) {
    place.scenario("a", "loses/2", "");
    let loud = place.trial("run scenarios").ended(1);
    let quiet = place.trial("run scenarios --quiet").ended(1);
    assert_eq!(quiet.err, "");
    let after_the_first_line = loud.lasting().split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(Some(quiet.lasting()), after_the_first_line);
}

fn faults_that_never_fired_are_told(place: &Place) {
    let fault = "\n[[faults]]\nat = \"1s\"\nkill = \"broker 1\"\n[[faults]]\nat = \"2s\"\nkill = \"broker 2\"\n";
    for (name, teaches) in [
        ("lazy", "idle"),
        ("half", "idle/2"),
        ("tired", "idle-one"),
        ("busy", "nothing"),
    ] {
        place.scenario(name, teaches, "");
        let path = format!("scenarios/{name}.toml");
        let text = fs::read_to_string(place.0.join(&path)).expect("a file");
        place.write(&path, &format!("{text}{fault}"));
    }
    let said = place.trial("run scenarios").ended(0);
    let warnings: Vec<&str> = said.out.lines().filter(|line| line.starts_with("warning:")).collect();
    assert_eq!(
        warnings,
        [
            "warning: lazy: none of 6 planned faults ever took effect",
            "warning: tired: took effect in no trial: fault 1"
        ]
    );
}

fn list_explain_and_lint(place: &Place) {
    place.scenario("suite/one", "the first thing", "");
    place.scenario("two", "another", "");
    let list = place.trial("list").ended(0);
    assert!(
        list.out
            .starts_with("scenarios\n  suite/one  the first thing\n  two        another\n\nchecks\n  lost-write"),
        "{}",
        list.out
    );
    for what in ["ack-before-isr", "power_loss", "L8 "] {
        assert!(list.out.contains(&format!("\n  {what}")), "{what}");
    }
    let names = [
        "lost-write",
        "ack-before-isr",
        "kill",
        "brokers",
        "producers.rate",
        "cluster.network",
        "min.insync.replicas",
        "scenario",
    ];
    let told: Vec<String> = names
        .iter()
        .map(|name| place.trial(&format!("explain {name}")).ended(0).out)
        .collect();
    insta::assert_snapshot!("explain", told.join("\n"));
    let unknown = place.trial("explain lost-wriet").ended(64);
    assert_eq!(
        unknown.err,
        "error: nothing is called `lost-wriet`\n  hint: did you mean `lost-write`?\n"
    );
    let nameless = Said::of(place.command("explain").arg("").output().expect("starts")).ended(64);
    assert!(
        nameless.err.starts_with("error: nothing is called ``\n  hint: "),
        "{}",
        nameless.err
    );
    let lint = place.trial("lint scenarios").ended(0);
    assert_eq!(
        (lint.out.as_str(), lint.err.as_str()),
        ("2 scenarios: 0 wrong, 0 doubtful\n", "")
    );
    place.write(
        "scenarios/three.toml",
        "[[topics]]\nname = \"orders\"\n[cluster]\nbrokres = 3\n",
    );
    place.write("scenarios/four.toml", "[[topics]]\nname = \"orders\"\n");
    let lint = place.trial("lint scenarios").ended(64);
    assert_eq!(lint.out, "4 scenarios: 1 wrong, 1 doubtful\n");
    assert!(
        lint.err.contains("[scenarios/three.toml:4:1]") && lint.err.contains("hint: did you mean `brokers`?"),
        "{}",
        lint.err
    );
    assert!(
        lint.err.contains("warning: the scenario does not say what it teaches"),
        "{}",
        lint.err
    );
}

fn without_scenarios_all_else_is_listed(place: &Place) {
    fs::remove_dir(place.0.join("scenarios")).expect("it is empty");
    let list = place.trial("list").ended(0);
    assert_eq!(list.err, "note: no scenarios are listed: scenarios does not exist\n");
    assert!(list.out.starts_with("checks\n  lost-write"), "{}", list.out);
    for what in ["ack-before-isr", "power_loss"] {
        assert!(list.out.contains(&format!("\n  {what}")), "{what}");
    }
    let named = place.trial("list scenarios").ended(64);
    assert_eq!(named.out, "");
}

fn lint_judges_all_that_is_there(place: &Place) {
    place.scenario("one", "the first thing", "");
    place.write("broken.toml", "topics = 3");
    let lint = place.trial("lint missing.toml broken.toml scenarios").ended(64);
    assert_eq!(lint.out, "2 scenarios: 1 wrong, 0 doubtful; 1 path cannot be used\n");
    assert!(
        lint.err.starts_with("error: missing.toml does not exist\n") && lint.err.contains("[broken.toml:1:"),
        "{}",
        lint.err
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", place.0.join("scenarios/link.toml")).expect("a link");
        let error = "error: scenarios/link.toml cannot be read: it is a link to what does not exist\n";
        let lint = place.trial("lint scenarios").ended(64);
        assert_eq!(
            (lint.out.as_str(), lint.err.as_str()),
            ("2 scenarios: 1 wrong, 0 doubtful\n", error)
        );
        let list = place.trial("list").ended(64);
        assert!(
            list.out.starts_with("scenarios\n  one  the first thing\n\nchecks"),
            "{}",
            list.out
        );
        assert_eq!(list.err, error);
        assert_eq!(place.trial("run scenarios").ended(64).err, error);
    }
}

fn a_reader_that_is_gone_is_no_error_but_a_full_disk_is(place: &Place) {
    place.scenario("a", "nothing", "seeds = \"0..2000\"");
    let mut child = place
        .command("run scenarios --json --quiet")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("some bytes");
    let said = Said::of(child.wait_with_output().expect("ends")).ended(0);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let said = Said::of(place.command("list").stdout(full).output().expect("starts")).ended(70);
        assert!(said.err.contains("standard output cannot be written"), "{}", said.err);
    }
    // Results that cannot be written are told, and the verdict is too.
    place.write("taken/a", "a file");
    let said = place.trial("run scenarios --seed 1 --out taken").ended(70);
    assert!(said.err.contains("error: failed to write to taken/a"), "{}", said.err);
    assert!(said.out.contains("1 pass"), "{}", said.out);
}

/// Every line of a trace is an event, and a client's are found under both of its names.
fn the_real_trace_is_of_the_trial_alone(place: &Place) {
    place.scenario("short", "nothing", "duration = \"2s\"");
    let trace = |flag: &str, name: &str| -> Vec<String> {
        let mut command = place.command("replay scenarios/short.toml --seed 1 --quiet --until 500");
        let output = command.arg(flag).args(Some(name).filter(|name| !name.is_empty()));
        let said = Said::of(output.env("TRIAL_STAND_IN", "real").output().expect("starts")).ended(0);
        said.out.lines().map(str::to_owned).collect()
    };
    let all = trace("--trace", "");
    for line in &all {
        let mut words = line.split_whitespace();
        let step = words.next().and_then(|step| step.parse::<u64>().ok());
        let time = words.next().is_some_and(|time| time.ends_with('s'));
        assert!(step.is_some() && time, "{line}");
    }
    let followed = trace("--follow", "app/1");
    assert_eq!(followed, trace("--follow", "client app/1"));
    let of_client = all.into_iter().filter(|line| line.contains("s client app/1: "));
    assert_eq!(followed, of_client.collect::<Vec<_>>());
    assert!(!followed.is_empty());
}

/// A second process holds the very same trial: nothing of the first one's address space, threads or clock is in it.
fn the_real_trial_is_the_same_in_two_processes(place: &Place) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/durability/nemesis.toml");
    place.write(
        "scenarios/real.toml",
        &fs::read_to_string(shipped).expect("a shipped scenario"),
    );
    let mut command = place.command("replay scenarios/real.toml --seed 7 --verify");
    let said = Said::of(command.env("TRIAL_STAND_IN", "real").output().expect("starts"));
    assert!(
        said.out.contains("verified: a second process gave the same"),
        "{}\n{}",
        said.out,
        said.err
    );
}
