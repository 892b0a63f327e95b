//! What all trials of a scenario together leave untested, so that a good verdict of them says less than it seems.

use super::tally::Tally;
use crate::outcome::NO_CONTRACT;
use crate::units::show_count;

/// Sentences about faults that did nothing in any trial, and about clients that were never promised anything.
#[must_use]
pub fn untested(tally: &Tally) -> Vec<String> {
    faults(tally).into_iter().chain(contract(tally)).collect()
}

fn faults(tally: &Tally) -> Option<String> {
    if tally.faults_planned > 0 && tally.faults_fired == 0 {
        let planned = show_count(tally.faults_planned);
        return Some(format!("none of {planned} planned faults ever took effect"));
    }
    let idle: Vec<&str> = tally.idle_faults.iter().flatten().map(String::as_str).collect();
    (!idle.is_empty()).then(|| format!("took effect in no trial: {}", idle.join(", ")))
}

fn contract(tally: &Tally) -> Option<String> {
    let is_vacuous = tally.trials > 0 && tally.without_contract == tally.trials;
    is_vacuous.then(|| format!("{NO_CONTRACT}: no check of what clients rely on could fail"))
}
