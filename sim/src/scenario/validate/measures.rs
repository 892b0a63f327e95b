//! Measures: whose figures there are, and when.

use super::{Judge, nearest, show_duration};
use crate::scenario::measures::{Measure, Whose};

impl Judge<'_> {
    pub(super) fn measures(&mut self) {
        for (index, measure) in self.scenario.measures.iter().enumerate() {
            let path = format!("measures.{index}");
            self.measured_names(&path, measure);
            self.measured_time(&path, measure);
        }
    }

    fn measured_names(&mut self, path: &str, measure: &Measure) {
        let scenario = self.scenario;
        let Some(of) = &measure.of else { return };
        let topics = scenario.topics.iter().map(|topic| topic.name.as_str());
        let groups = scenario.workers.iter().map(|group| group.group.as_str());
        let producers = scenario.producers.iter().map(|group| group.name.as_str());
        let consumers = scenario.consumers.iter().map(|group| group.name.as_str());
        let workers = scenario.workers.iter().map(|group| group.name.as_str());
        let own = self.own.iter().map(|(name, _)| name.as_str());
        let (what, known): (_, Vec<&str>) = match measure.quantity.whose() {
            Whose::Topic => ("topic has", topics.collect()),
            Whose::Programs => (
                "programs have",
                producers.chain(consumers).chain(workers).chain(own).collect(),
            ),
            Whose::Readers => (
                "consumer group or consumers have",
                groups.chain(consumers).chain(own).collect(),
            ),
            Whose::Group => ("consumer group has", groups.collect()),
        };
        // Programs of a user name their groups while they run; one that never appears misses its measure.
        let is_open = !self.own.is_empty() && matches!(measure.quantity.whose(), Whose::Readers | Whose::Group);
        if is_open || known.contains(&of.as_str()) {
            return;
        }
        let hint = match nearest(of, known.iter().copied()) {
            Some(near) => format!("did you mean `{}({near})`?", measure.quantity.name()),
            None if known.is_empty() => "the scenario has none".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        self.add(&format!("{path}.that"), format!("no {what} the name `{of}`"), hint);
    }

    fn measured_time(&mut self, path: &str, measure: &Measure) {
        let (duration, settle) = (self.scenario.duration, self.scenario.settle);
        if measure.from > duration {
            let key = if measure.until == Some(measure.from) {
                "at"
            } else {
                "from"
            };
            self.add(
                &format!("{path}.{key}"),
                format!(
                    "a trial may be over by {}: load and faults last {}",
                    show_duration(measure.from),
                    show_duration(duration)
                ),
                "measure earlier, or raise `duration`",
            );
        }
        if let Some(until) = measure
            .until
            .filter(|until| measure.from <= duration && *until > duration + settle)
        {
            self.add(
                &format!("{path}.until"),
                format!("no trial lasts until {}", show_duration(until)),
                format!(
                    "at most `duration` and `settle` together, {}",
                    show_duration(duration + settle)
                ),
            );
        }
    }
}
