//! A run as JUnit XML: a test suite for each folder of scenarios, a test case for each scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{FailureSummary, RunSummary, ScenarioSummary};
use crate::verdict::Word;

/// The XML.
///
/// # Errors
/// What the writer of XML says.
pub fn junit(run: &RunSummary) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("trial");
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for scenario in &run.scenarios {
        let (suite, name) = scenario
            .row
            .scenario
            .rsplit_once('/')
            .unwrap_or(("scenarios", &scenario.row.scenario));
        let suite = suites.entry(suite).or_insert_with(|| TestSuite::new(suite));
        suite.add_test_case(case(name, scenario));
    }
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn case(name: &str, scenario: &ScenarioSummary) -> TestCase {
    let row = &scenario.row;
    let status = if row.verdict.is_as_expected() {
        TestCaseStatus::success()
    } else {
        let kind = match row.verdict {
            Word::Error => NonSuccessKind::Error,
            _ => NonSuccessKind::Failure,
        };
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(row.detail.clone()).set_type(row.verdict.as_str());
        let mut lines = Vec::new();
        for failure in &scenario.failures {
            let FailureSummary {
                count,
                seed,
                evidence,
                replay,
                ..
            } = failure;
            let title = failure.title();
            lines.push(format!(
                "{title}: {count} of {} trials, first seed {seed}\n{evidence}\n{replay}",
                row.trials
            ));
        }
        status.set_description(lines.join("\n\n"));
        status
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(scenario.file.clone());
    case.set_time(Duration::from_secs_f64(row.wall_seconds.max(0.0)));
    case
}
