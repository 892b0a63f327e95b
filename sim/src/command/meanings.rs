//! What `trial explain` says of verdicts, measures, targets and units.

use reports::verdict::Word;

use super::columns::columns;
use super::exit::Exit;
use crate::faults::target::TARGETS;
use crate::scenario::measures::{Quantity, Reading, Whose};
use crate::sweep::Came;
use crate::units::EXAMPLES as EXAMPLES_OF_UNITS;

/// The names that mean something here, besides words of verdicts and quantities.
pub const NAMES: [&str; 9] = [
    "verdict", "verdicts", "measure", "measures", "target", "targets", "unit", "units", "schema",
];

/// What is said of `name`; nothing if it is none of ours.
pub fn of(name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let is_word = Word::ALL.iter().any(|(word, _)| word.as_str() == name);
    if is_word || matches!(name, "verdict" | "verdicts") {
        texts.push(verdicts());
    }
    let is_quantity = Quantity::ALL.iter().any(|(_, quantity, ..)| *quantity == name);
    if is_quantity || matches!(name, "measure" | "measures") {
        texts.push(measures());
    }
    if matches!(name, "target" | "targets") || TARGETS.iter().any(|(target, _)| *target == name) {
        let title = "targets of faults; who is meant is decided when the fault begins, and articles may be left out";
        texts.push(columns(title, &TARGETS));
    }
    if matches!(name, "unit" | "units") {
        let title = "times and sizes in a scenario file; Kafka's settings are plain numbers: milliseconds and bytes";
        texts.push(columns(title, &EXAMPLES_OF_UNITS));
    }
    if name == "schema" {
        texts.push(SCHEMA.to_owned());
    }
    texts
}

const SCHEMA: &str = "\
schema: `trial schema` prints a JSON Schema (draft 2020-12) of scenario files
  Editors complete and check a scenario with it, and show what a key means. For those with Taplo (VS Code's Even Better TOML,
  Helix, Neovim and others) write it to a file, and name that in the first line of a scenario, from the scenario's folder:
    trial schema > trial.schema.json
    #:schema ./trial.schema.json
  What names, times and numbers mean together is judged by `trial lint` alone.
";

/// The words in their order, with the exit codes.
fn verdicts() -> String {
    let meaning = |(word, meaning): &(Word, &str)| {
        let exit = match Came::from(*word) {
            Came::AsExpected => Exit::AsExpected,
            Came::Violated => Exit::Violation,
            Came::Inconclusive => Exit::Inconclusive,
            Came::Broke => Exit::Internal,
        };
        (word.as_str(), format!("exit {:<2}  {meaning}", exit as u8))
    };
    let words: Vec<(&str, String)> = Word::ALL.iter().map(meaning).collect();
    let words: Vec<(&str, &str)> = words.iter().map(|(word, meaning)| (*word, &**meaning)).collect();
    let title = "verdicts: how a trial came out, from good to bad; the worst trial gives the scenario its word, and the \
                 worst scenario the run its exit code";
    columns(title, &words)
}

/// What can be measured, and how it is written.
fn measures() -> String {
    let row = |(_, name, whose, reading, unit, meaning): &(Quantity, &str, Whose, Reading, &str, &str)| {
        let of = match whose {
            Whose::Readers => "GROUP or CONSUMERS",
            Whose::Programs => "PROGRAMS",
            Whose::Topic => "TOPIC",
            Whose::Group => "GROUP",
        };
        let how = match reading {
            Reading::Level => format!("{unit}, at the end of each 0.5 s"),
            Reading::Rate => format!("{unit}, in each 0.5 s"),
            Reading::Count => format!("{unit}, in the whole time"),
        };
        (format!("{name}({of})"), format!("{meaning} ({how})"))
    };
    let rows: Vec<(String, String)> = Quantity::ALL.iter().map(row).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, meaning)| (&**name, &**meaning)).collect();
    let mut text = columns(
        "what can be measured, and of what; empty parentheses mean all, except for a lag",
        &rows,
    );
    text += "examples\n";
    for example in EXAMPLES {
        text += "  ";
        text += example;
        text.push('\n');
    }
    text
}

/// Measures as they stand in a scenario file.
const EXAMPLES: [&str; 4] = [
    "measures = [{ that = \"lag(billing)\", below = 100, from = \"50s\" }]",
    "measures = [{ that = \"acked(checkout)\", above = 50, from = \"10s\", aggregate = \"mean\" }]",
    "measures = [{ that = \"failed()\", below = 1 }, { that = \"rebalances(billing)\", below = 5, until = \"30s\" }]",
    "measures = [{ that = \"lag(reader)\", below = 1, at = \"60s\" }]",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse::parse;

    #[test]
    fn examples_are_read() {
        for example in EXAMPLES {
            let text = format!(
                "{example}\ntopics = [{{ name = \"orders\" }}]\n\
                 producers = [{{ name = \"checkout\", topic = \"orders\", rate = 1 }}]\n\
                 consumers = [{{ name = \"reader\", topic = \"orders\" }}]\n\
                 workers = [{{ name = \"billing\", topics = [\"orders\"] }}]"
            );
            if let Err(error) = parse("s", "s.toml", &text) {
                panic!("{}", error.render(false));
            }
        }
    }
}
