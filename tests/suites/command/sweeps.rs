//! `trial run --seeds`: what a sweep keeps, and how it goes on after it was killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    a_sweep_leaves_files_of_failures_alone,
    a_killed_sweep_resumes,
    a_killed_sweep_has_printed_every_trial_that_it_does_not_run_again,
    two_sweeps_in_one_folder_both_end,
    another_scenario_or_quirk_does_not_resume,
    a_sweep_compares_a_sample_with_a_second_process,
    a_trial_over_the_wall_limit_is_not_finished,
    the_first_failure_has_files_while_others_run,
    a_sweeps_memory_does_not_grow_with_its_seeds,
];

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
    // A sweep that is complete is run again as a whole.
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
        kill_midway(place, sweep, Stdio::null());
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
    // The summary is the same as if it had never been interrupted.
    let printed = |said: &Said| {
        let text = said.lasting().replace("whole/", "sweep/");
        text.lines()
            // Nor are the trials compared again that the first part had compared.
            .filter(|line| !line.contains("skipped") && !line.contains("in a second process"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(printed(&said), printed(&whole));
    assert!(
        !place.0.join("sweep/sweep.jsonl").exists(),
        "a complete sweep leaves no progress"
    );
    assert!(place.0.join("sweep/slow/0/record.json").is_file());
}

/// A reader of the lines gets every trial: those of the killed sweeps and of the last one together.
fn a_killed_sweep_has_printed_every_trial_that_it_does_not_run_again(place: &Place) {
    place.scenario("slow", "slow", "");
    let sweep = "run scenarios --seeds 0..1500 --out sweep --jobs 2 --json";
    let mut seeds = Vec::new();
    let mut collect = |lines: &str| {
        // The last line may be torn.
        let lines = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        seeds.extend(lines.map(|line| line["seed"].as_u64().expect("a seed")));
    };
    for round in 0..3 {
        let path = place.0.join(format!("lines-{round}"));
        kill_midway(place, sweep, fs::File::create(&path).expect("a file").into());
        collect(&fs::read_to_string(&path).expect("lines"));
    }
    let said = place.trial(sweep).ended(0);
    assert!(said.err.contains("skipped"), "{}", said.err);
    collect(&said.out);
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

fn another_scenario_or_quirk_does_not_resume(place: &Place) {
    place.scenario("slow", "slow", "");
    let sweep = "run scenarios --seeds 0..3000 --out sweep --jobs 1";
    kill_midway(place, sweep, Stdio::null());
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

fn a_trial_over_the_wall_limit_is_not_finished(place: &Place) {
    place.scenario("long", "lasts/4", "");
    for skipped in ["", "7 trials skipped"] {
        let said = place.trial("run scenarios --seeds 1..10 --wall-limit 400ms --out sweep");
        let said = said.ended(2);
        let expected = "inconclusive: more than 400ms of wall time";
        assert!(
            said.out.contains(expected) && said.out.contains(skipped),
            "{}",
            said.out
        );
        let files = ["sweep/summary.json", "sweep/summary.md", "sweep/sweep.jsonl"];
        assert_eq!(place.files(), files);
    }
    for until in ["", " --until 70s"] {
        let again = format!("replay scenarios/long.toml --seed 4 --wall-limit 400ms{until}");
        let said = place.trial(&again).ended(2);
        assert!(said.out.contains("more than 400ms of wall time"), "{}", said.out);
    }
    let said = place.trial("run scenarios --seed 1 --wall-limit 0s").ended(64);
    assert!(said.err.contains("give a time above zero"), "{}", said.err);
    let said = place.trial("run scenarios --seed 1 --wall-limit 5").ended(64);
    assert!(said.err.contains("`5` has no unit; units: w, d, h"), "{}", said.err);
}

fn the_first_failure_has_files_while_others_run(place: &Place) {
    place.scenario("bad", "loses/100000 slow", "");
    let mut child = place.command("run scenarios --seeds 0..100000 --jobs 1 --verify-every 0 --out sweep");
    let mut child = child.stdout(Stdio::null()).spawn().expect("the process starts");
    let record = place.0.join("sweep/bad/0/record.json");
    let is_there = (0..1_000).any(|_| {
        thread::sleep(Duration::from_millis(50));
        record.is_file()
    });
    let is_running = child.try_wait().expect("it can be asked").is_none();
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    assert!(
        is_there && is_running,
        "the files: {is_there}, still running: {is_running}"
    );
}

/// What it takes to draw plots, several of them at once by chance, is no part of it.
fn a_sweeps_memory_does_not_grow_with_its_seeds(place: &Place) {
    place.scenario("many", "loses/3 may-lose/2", "");
    let peak = |seeds: u64| {
        let mut child = place
            .command(&format!(
                "run scenarios --quiet --verify-every 0 --keep-at-most 0 --seeds 0..{seeds} --out sweep-{seeds}"
            ))
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

/// One trial in fifty, the first one among them; a passing trial that differs ends the run with 3.
fn a_sweep_compares_a_sample_with_a_second_process(place: &Place) {
    place.scenario("steady", "nothing", "");
    place.scenario("by-process", "differs-by-process", "");
    let said = place.trial("run scenarios/steady.toml --seeds 0..101").ended(0);
    let expected = "3 trials compared with the same in a second process";
    assert!(said.out.contains(expected), "{}", said.out);
    let said = place.trial("run scenarios/by-process.toml --seeds 7..108").ended(3);
    let differ: Vec<&str> = said
        .err
        .lines()
        .filter(|line| line.contains("is not deterministic: digest"))
        .map(|line| line.split(" is not").next().expect("a beginning"))
        .collect();
    let expected = [7, 57, 107].map(|seed| format!("error: by-process, seed {seed}"));
    assert_eq!(differ, expected, "{}", said.err);
    for (arguments, exit) in [("--verify-every 0", 0), ("--verify-every 1000", 3)] {
        place
            .trial(&format!("run scenarios/by-process.toml --seeds 7..108 {arguments}"))
            .ended(exit);
    }
}

/// Starts a sweep into the folder `sweep`, and kills it once it has noted progress.
fn kill_midway(place: &Place, sweep: &str, stdout: Stdio) {
    let mut child = place
        .command(sweep)
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    wait_for_growth(&place.0.join("sweep/sweep.jsonl"), &mut child);
    child.kill().expect("is killed");
    child.wait().expect("ends");
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
