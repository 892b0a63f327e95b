//! Checks that a user brings along, and the panics of a user's code, as findings.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::trace;
use broker_core::types::NodeId;

use super::account::{Event, History};
use crate::history::{At, Entry, Environment, What};
use crate::panics::{self, Panic};
use crate::verdict::{Check, Finding, Findings, Ruling};

/// How many events before the newest an own finding shows.
const WITNESS: usize = 8;

type AtTheEnd = Arc<dyn Fn(&History) -> Result<(), String> + Send + Sync>;
type AtEachEvent = Arc<dyn Fn(&View<'_>) -> Result<(), String> + Send + Sync>;

/// The checks that a user brings along.
#[derive(Clone, Default)]
pub(crate) struct OwnChecks {
    checks: Vec<(String, AtTheEnd)>,
    invariants: Vec<(String, AtEachEvent)>,
}

/// What an invariant looks at: the newest event, and all before it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Everything so far; its last event is [`View::event`]. Going through all of it at each event makes a trial's cost
    /// quadratic: look at the newest event first.
    pub history: &'a History,
    /// The newest event.
    pub event: &'a Event,
}

impl OwnChecks {
    /// One more, asked at the end.
    pub(super) fn check(&mut self, name: &str, check: impl Fn(&History) -> Result<(), String> + Send + Sync + 'static) {
        self.checks.push((name.to_owned(), Arc::new(check)));
    }

    /// One more, asked at each event.
    pub(super) fn invariant(
        &mut self,
        name: &str,
        invariant: impl Fn(&View<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.invariants.push((name.to_owned(), Arc::new(invariant)));
    }
}

impl fmt::Debug for OwnChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |named: &[String]| named.join(", ");
        let checks: Vec<String> = self.checks.iter().map(|(name, _)| name.clone()).collect();
        let invariants: Vec<String> = self.invariants.iter().map(|(name, _)| name.clone()).collect();
        write!(f, "checks: {}; invariants: {}", names(&checks), names(&invariants))
    }
}

/// The checks of one trial, as it happens.
pub(crate) struct OwnWatch {
    checks: Vec<(String, AtTheEnd)>,
    /// Those that still stand.
    invariants: Vec<(String, AtEachEvent)>,
    /// Kept only if somebody reads it.
    history: Option<History>,
    names: BTreeMap<NodeId, String>,
    findings: Vec<Finding>,
    last: At,
}

impl OwnWatch {
    pub(super) fn new(own: &OwnChecks, names: &BTreeMap<NodeId, String>) -> OwnWatch {
        let is_read = !own.checks.is_empty() || !own.invariants.is_empty();
        OwnWatch {
            checks: own.checks.clone(),
            invariants: own.invariants.clone(),
            history: is_read.then(|| History::new(names)),
            names: names.clone(),
            findings: Vec::new(),
            last: At::default(),
        }
    }

    pub(super) fn fact(&mut self, event: &trace::Event) {
        if let (Some(history), trace::Event::TopicCreated(trace::TopicCreated { name, topic, .. })) =
            (&mut self.history, event)
        {
            history.name_topic(*topic, &name.0);
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.last = entry.at;
        if let What::Environment(Environment::Panicked { place, message }) = &entry.what {
            self.panicked(entry, place, message);
        }
        // What Trial does for itself is nothing that a user asks about.
        let is_ours = |name: &String| name == "probe" || name == "admin";
        if self.names.get(&entry.process).is_some_and(is_ours) {
            return;
        }
        let Some(history) = &mut self.history else {
            return;
        };
        if history.leaves_out(entry) {
            return;
        }
        history.add(entry);
        let (history, findings) = (&*history, &mut self.findings);
        let event = history.events().last().expect("one was added");
        let view = View { history, event };
        // One that was broken once would be so at every event: its first break is the one to show.
        self.invariants.retain(|(name, invariant)| {
            let asked = panics::catch(|| invariant(&view));
            match own_finding(name, asked, entry.at, history) {
                Some(finding) => {
                    findings.push(finding);
                    false
                }
                None => true,
            }
        });
    }

    /// Asks the checks, now that the trial has ended, and hands out all findings.
    pub(super) fn finish(mut self, findings: &mut Findings) {
        if let Some(history) = &self.history {
            for (name, check) in &self.checks {
                let asked = panics::catch(|| check(history));
                self.findings.extend(own_finding(name, asked, self.last, history));
            }
        }
        for finding in self.findings {
            findings.add(finding);
        }
    }

    fn panicked(&mut self, entry: &Entry, place: &str, message: &str) {
        let program = self.names.get(&entry.process).map_or("a program", String::as_str);
        self.findings.push(panic_finding(program, place, message, entry.at));
    }
}

/// What the answer of an own check or invariant comes to; none if it passed.
fn own_finding(name: &str, asked: Result<Result<(), String>, Panic>, at: At, history: &History) -> Option<Finding> {
    match asked {
        Ok(Ok(())) => None,
        Ok(Err(evidence)) => {
            let events = history.events();
            let latest = events.iter().rev().take(WITNESS).rev();
            Some(Finding {
                check: Check::Own,
                ruling: Ruling::Violation,
                shape: name.to_owned(),
                evidence,
                at,
                witness: latest.map(ToString::to_string).collect(),
            })
        }
        Err(panic) => Some(panic_finding(
            &format!("the check `{name}`"),
            &panic.place,
            &panic.message,
            at,
        )),
    }
}

/// A panic of a user's code. Those of one place have one cause.
pub(crate) fn panic_finding(who: &str, place: &str, message: &str, at: At) -> Finding {
    // Assertions speak in several lines.
    let message: Vec<&str> = message.split_whitespace().collect();
    let message = message.join(" ");
    Finding {
        check: Check::Panic,
        ruling: Ruling::Violation,
        shape: place.to_owned(),
        evidence: format!("{who} panicked: {message}"),
        at,
        witness: Vec::new(),
    }
}
