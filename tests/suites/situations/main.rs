//! Situations from public bug reports, one test a file: the verdict and the words of each, as a user reads them. The
//! first line of a file has its source and what is right; what Trial does not model yet must say so.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use sim::scenario::lint::warnings;
use sim::scenario::parse::{Parsed, parse};
use sim::toml_file::error::{Severity, render_problems};
use sim::trial::{Outcome, Wanted, run};
use sim::verdict::Ruling;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/situations/files");
    let files = fs::read_dir(folder).expect("the situations are there");
    let paths = files.map(|file| file.expect("is listed").path());
    let trials = paths.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("is text");
        Trial::test(name.clone(), move || {
            reads_as_before(&name, &text);
            Ok(())
        })
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    assert!(trials.len() >= 28, "only {} situations", trials.len());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn reads_as_before(name: &str, text: &str) {
    let description = describe(name, text);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, description));
}

/// The first line of the file, and what a user reads of it: errors, or doubts and how the first seed comes out.
fn describe(name: &str, text: &str) -> String {
    let path = format!("{name}.toml");
    let mut description = format!("{}\n\n", text.lines().next().unwrap_or_default());
    let Parsed { scenario, marks, .. } = match parse(name, &path, text) {
        Ok(parsed) => parsed,
        Err(error) => return description + &error.render(false),
    };
    description += &render_problems(&path, text, &warnings(&scenario, &marks), Severity::Warning, false);
    let outcome = run(&scenario, scenario.seeds.start, Wanted::default());
    describe_outcome(&outcome, &mut description);
    description
}

fn describe_outcome(outcome: &Outcome, description: &mut String) {
    let judged = &outcome.judgement;
    let _ = writeln!(description, "{}", judged.word);
    // When exactly it was changes with everything.
    let (evidence, _) = judged.evidence.split_once(" (at ").unwrap_or((&judged.evidence, ""));
    for line in [judged.signature.as_deref(), Some(evidence)] {
        if let Some(line) = line.filter(|line| !line.is_empty()) {
            let _ = writeln!(description, "  {line}");
        }
    }
    for fault in &outcome.idle_faults {
        let _ = writeln!(description, "  no effect: {fault}");
    }
    let mut rulings: Vec<String> = Vec::new();
    for finding in outcome.findings.kept() {
        let (check, shape) = (finding.check.title(), &finding.shape);
        rulings.push(match &finding.ruling {
            Ruling::Violation => format!("{check}, violation: {shape}"),
            Ruling::Allowed(clause) => format!("{check}, allowed: {shape} ({clause})"),
            Ruling::Unknown(reason) => format!("{check}, unknown: {shape} ({reason})"),
        });
    }
    rulings.sort();
    rulings.dedup();
    for ruling in rulings {
        let _ = writeln!(description, "  {ruling}");
    }
}
