//! Every name of every registry is explained, with all that there is to say about it, and what is written there as an
//! example is what the reader of scenario files takes.

use broker_core::config::{Quirks, SettingType};
use reports::verdict::Word;

use super::super::filter::Filter;
use super::*;
use crate::command::meanings;
use crate::faults::APIS;
use crate::faults::registry::{DRAWN, REGISTRY};
use crate::faults::target::TARGETS;
use crate::scenario::examples::FULL;
use crate::scenario::keys::{NamedValue, VALUES, sections};
use crate::scenario::measures::Quantity;
use crate::scenario::parse::parse;
use crate::toml_file::kafka_keys;
use crate::toml_file::settings::settings_sections;
use crate::verdict::CAUGHT;

/// What is said of `name`.
fn said(name: &str) -> String {
    explanation(name).unwrap_or_else(|hint| panic!("`{name}` is not explained: {hint}"))
}

/// The one text of `name` that begins with `title`.
fn text_of(name: &str, title: &str) -> String {
    let said = said(name);
    let mut texts = said.split("\n\n").skip_while(|text| !text.starts_with(title));
    let mut text = texts
        .next()
        .unwrap_or_else(|| panic!("no `{title}` in\n{said}"))
        .to_owned();
    // Examples have empty lines too.
    for more in texts.take_while(|more| more.starts_with("    ")) {
        text = text + "\n\n" + more;
    }
    text.trim_end().to_owned() + "\n"
}

/// What stands behind `label` in a line of its own.
fn line<'a>(text: &'a str, label: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(label));
    let found = lines.next().unwrap_or_else(|| panic!("no `{label}` in\n{text}")).trim();
    assert!(!found.is_empty(), "nothing behind `{label}` in\n{text}");
    found
}

/// The example of several lines.
fn example(text: &str) -> String {
    let (_, example) = text
        .split_once("\n  example:\n")
        .unwrap_or_else(|| panic!("no example in\n{text}"));
    let lines: Vec<&str> = example
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .collect();
    let lines = lines.iter().map(|line| line.strip_prefix("    ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[track_caller]
fn is_read(text: &str) {
    if let Err(error) = parse("s", "s.toml", text) {
        panic!("{}\n{text}", error.render(false));
    }
}

/// A file in which `lines` of a topic, a producer, a consumer or a worker stand.
fn with(place: &str, line: &str) -> String {
    let at = |table: &str| match place == table {
        true => line,
        false => "",
    };
    format!(
        "{}\n[[topics]]\nname = \"orders\"\n{}\n[cluster]\n{}\n[[producers]]\nname = \"checkout\"\ntopic = \"orders\"\n\
         rate = 1\n{}\n[[consumers]]\nname = \"reader\"\ntopic = \"orders\"\n{}\n[nemesis]\n{}\n",
        at(""),
        at("topics"),
        at("cluster"),
        at("producers"),
        at("consumers"),
        at("nemesis"),
    )
}

/// Names in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_check_is_explained_by_its_id_and_by_its_name() {
    for check in Check::ALL {
        let text = text_of(check.id(), &format!("{} (check)", check.title()));
        assert_eq!(text_of(check.name(), &format!("{} (check)", check.title())), text);
        assert_eq!(line(&text, "A violation means:"), format!("{}.", check.meaning()));
        assert_eq!(
            line(&text, "Allowed when:"),
            format!("{}.", check.allowed_when().unwrap_or("never"))
        );
        for key in ["expect", "forbid", "at_most", "at_least"] {
            let own = text
                .lines()
                .find(|line| line.trim_start().starts_with(&format!("{key} = ")));
            let own = own.unwrap_or_else(|| panic!("no `{key}` in\n{text}"));
            assert!(own.contains("; default: "), "{own}");
            is_read(&with("", own));
        }
        let filter = line(&text, "Scenarios that name it: trial list -E");
        assert!(filter.parse::<Filter>().is_ok(), "{filter}");
    }
    assert_eq!(
        explanation("isr-member-lacks-commited"),
        Err("did you mean `isr-member-lacks-committed`?".to_owned())
    );
}

#[test]
fn every_check_is_accepted_by_id_and_name_wherever_checks_are_named() {
    for check in Check::ALL {
        let mut read = Vec::new();
        for name in [check.id(), check.name()] {
            let scenario = |line: &str| {
                let text = with("", line);
                parse("s", "s.toml", &text)
                    .unwrap_or_else(|error| panic!("{}", error.render(false)))
                    .scenario
            };
            let filter: Filter = format!("check:{name}").parse().expect("a filter");
            let named = [
                scenario(&format!("expect = [\"{name}\"]")),
                scenario(&format!("forbid = [\"{name}\"]")),
                scenario(&format!("at_most = {{ {name} = 2 }}")),
                scenario(&format!("at_least = {{ {name} = 2 }}")),
            ];
            for scenario in &named {
                let only = std::slice::from_ref(&filter);
                assert!(crate::command::filter::selects(only, scenario), "{name}: {scenario:?}");
            }
            let own = crate::trial::Trial::from_toml(&with("", &format!("expect = [\"{name}\"]")));
            assert!(format!("{own:?}").contains(check.id()) || !check.id().is_empty());
            read.push((named, said(name).contains(&check.title())));
        }
        assert!(
            read[0].1 && read[0] == read[1],
            "{} means something else than {}",
            check.id(),
            check.name()
        );
    }
}

#[test]
fn every_quirk_is_explained() {
    for (quirk, mechanism) in Quirks::ALL {
        let text = text_of(quirk, &format!("{quirk} (quirk)"));
        assert_eq!(line(&text, "A planted defect:"), format!("{mechanism}."));
        let found = line(&text, "Found by:");
        let caught = CAUGHT
            .iter()
            .find(|caught| caught.quirk == *quirk)
            .expect("each is found");
        assert!(found.starts_with(&caught.by.title()), "{found}");
        assert!(said(caught.by.id()).contains(quirk), "{quirk}");
        if let Some(scenario) = caught.shipped {
            assert!(found.contains(&format!("--shipped {scenario} ")) && found.contains(&format!("--quirk {quirk}")));
            assert!(said(scenario).contains(" (scenario)\n"));
        }
        line(&text, "Allowed when:");
        let (own, default) = line(&text, "In a scenario:")
            .split_once(" (default: []); ")
            .expect("its default");
        assert!(default.ends_with(&format!("--quirk {quirk}")));
        is_read(&with("", own));
    }
}

#[test]
fn every_fault_is_explained() {
    for entry in REGISTRY {
        let name = entry.key.name;
        let text = text_of(name, &format!("{name} (fault)"));
        assert_eq!(said(&format!("faults.{name}")).lines().next(), text.lines().next());
        assert!(text.contains(entry.key.meaning), "{text}");
        assert_eq!(line(&text, "allowed:"), entry.allows);
        for known in quoted(entry.allows) {
            said(known);
        }
        assert!(line(&text, "type:").starts_with(&entry.key.takes.to_string()), "{text}");
        let section = entry.key.takes.section();
        for key in section.into_iter().flat_map(|section| section.keys) {
            is_a_row(&text, key.name, key.meaning);
        }
        let example = example(&text);
        assert!(
            example.contains(&format!("\n{name} = ")) && example.starts_with("[[faults]]\n"),
            "{example}"
        );
        // The full file has all that faults name. Its own faults do not matter here.
        let (rest, _) = FULL.split_once("[[faults]]").expect("faults");
        is_read(&format!("{rest}\n{example}\n"));
        for other in &entry.examples[1..] {
            let key = format!("{name} = {other}");
            assert_eq!(text.matches(&key).count(), 1, "{text}");
            is_read(&format!("{rest}\n[[faults]]\nat = \"20s\"\nfor = \"10s\"\n{key}\n"));
        }
        for drawn in entry.drawn {
            assert!(
                line(&text, "drawn by the nemesis:").contains(&format!("`{}`", drawn.weight.name)),
                "{text}"
            );
        }
    }
    for drawn in DRAWN {
        let name = drawn.weight.name;
        let text = text_of(name, &format!("{name} (key of `nemesis.weights`)"));
        assert!(line(&text, "unit:").contains("relative to the others"));
        is_read(&with("nemesis", line(&text, "example:")));
    }
}

/// A line of a list of keys: name, meaning, and in parentheses its default.
#[track_caller]
fn is_a_row(text: &str, name: &str, meaning: &str) {
    let is_it = |line: &&str| {
        let rest = line.strip_prefix("  ").and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with("  ") && rest.trim_start().starts_with(meaning))
    };
    let row = text
        .lines()
        .find(is_it)
        .unwrap_or_else(|| panic!("no `{name}` in\n{text}"));
    assert!(row.contains("default: ") || row.contains("must be given"), "{row}");
}

#[test]
fn every_table_is_explained() {
    is_read(&FULL);
    for section in sections() {
        let (name, title) = match section.name {
            "" => ("scenario", "scenario: ".to_owned()),
            name => match name.strip_prefix("faults.") {
                Some(fault) => (fault, format!("{fault} (fault)")),
                None => (name, format!("{name}: ")),
            },
        };
        let text = text_of(name, &title);
        for key in section.keys {
            is_a_row(&text, key.name, key.meaning);
        }
        for rule in section.rules {
            assert!(text.contains(&format!("  rule: {rule}\n")), "{rule} in\n{text}");
        }
        let example = example(&text);
        match section.name {
            "" => is_read(&example),
            // As it stands in the full file, which is read above.
            _ => assert!(plain(&FULL).contains(&plain(&example)), "{example}"),
        }
    }
}

/// The text without what stands differently in an example: comments, and the lines of a list.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("# "));
    lines.collect::<Vec<_>>().concat().replace([' ', ','], "")
}

#[test]
fn every_key_is_explained() {
    for section in sections() {
        for key in section.keys {
            if section.name == "faults" && REGISTRY.iter().any(|entry| entry.key.name == key.name) {
                continue;
            }
            let place = match section.name {
                "" => "the top level of a scenario file".to_owned(),
                name => format!("`{name}`"),
            };
            let path = keys::path(section.name, key.name);
            for name in [&path, key.name] {
                let text = text_of(name, &format!("{} (key of {place})", key.name));
                assert!(text.contains(&format!("\n  {}\n", key.meaning)), "{text}");
                assert!(line(&text, "type:").starts_with(&key.takes.to_string()), "{text}");
                assert_eq!(line(&text, "default:"), keys::default_text(key.default));
                let example = line(&text, "example:");
                assert!(example.contains(key.name), "{text}");
                if section.name != "nemesis.weights" {
                    assert!(plain(&FULL).contains(&plain(example)), "{example}");
                }
                for rule in section.rules.iter().filter(|rule| rule.concerns(key.name)) {
                    assert!(text.contains(&format!("  rule: {rule}\n")), "{text}");
                }
            }
        }
    }
}

#[test]
fn every_word_behind_a_key_is_explained() {
    for value in VALUES {
        let NamedValue {
            key,
            word,
            meaning,
            allows,
        } = value;
        let text = text_of(word, &format!("{word} (value of `{key}`)"));
        assert!(text.contains(meaning) && text.contains(allows), "{text}");
        for known in quoted(allows) {
            said(known);
        }
        let own = said(key);
        assert!(own.contains(&format!("  {word:?}: {meaning}")), "{own}");
        let example = line(&text, "example:");
        assert!(example.contains(&format!("\"{word}\"")), "{example}");
        match *key {
            "expect" => is_read(&with("", example)),
            "producers.keys" => is_read(&with("producers", example)),
            key if key.starts_with("producers.config") => is_read(&with("producers", example)),
            key if key.starts_with("consumers.config") => is_read(&with("consumers", example)),
            key if key.starts_with("cluster.config") => is_read(&with("cluster", example)),
            "producers.keys.distribution" => {
                is_read(&with("producers", &format!("keys = {{ {example}, count = 10 }}")));
            }
            key if key.starts_with("consumers.schedule") => {
                let then = match key.ends_with(".pause") {
                    true => ", { at = \"6s\", resume = \"all\" }",
                    false => "",
                };
                let schedule = format!("schedule = [{{ at = \"5s\", {example} }}{then}]");
                is_read(&with("consumers", &schedule));
            }
            "measures.aggregate" => {
                is_read(&with(
                    "",
                    &format!("measures = [{{ that = \"sent()\", below = 9, {example} }}]"),
                ));
            }
            "workers.commit" => is_read(&with(
                "",
                &format!("workers = [{{ name = \"w\", topics = [\"orders\"], {example} }}]"),
            )),
            "workers.program" => {
                let needed = match *word {
                    "retry-topic" => ", retry_topic = \"retry\", dead_letter_topic = \"dead\"",
                    "aggregator" => ", output_topic = \"counts\"",
                    _ => "",
                };
                let topics = ["retry", "dead", "counts"].map(|name| format!("[[topics]]\nname = \"{name}\"\n"));
                let worker = format!("workers = [{{ name = \"w\", topics = [\"orders\"], {example}{needed} }}]");
                is_read(&format!("{}{}", with("", &worker), topics.concat()));
            }
            key => panic!("where does a word of {key} stand?"),
        }
    }
}

#[test]
fn every_setting_is_explained() {
    for section in settings_sections() {
        let table = said(section.place);
        for setting in section.settings {
            let key = setting.key;
            let title = format!("\"{key}\" (key of `{}`)", section.place);
            let text = text_of(key, &title);
            assert_eq!(text_of(&format!("{}.{key}", section.place), &title), text);
            assert!(text.contains(&format!("\n  {}\n", setting.meaning)), "{text}");
            line(&text, "type:");
            let default = section.default_of(key).unwrap_or_else(|| "none".to_owned());
            assert!(line(&text, "default:").starts_with(&default), "{text}");
            assert!(table.contains(&format!("\n  {key} ")), "{table}");
            if matches!(setting.takes, SettingType::Whole(_)) && key != "retries" {
                line(&text, "unit:");
            }
            let (place, _) = section.place.split_once('.').expect("a table in a table");
            is_read(&with(place, line(&text, "example:")));
            let note = text.lines().find(|line| line.contains(" is allowed"));
            for known in note.into_iter().flat_map(quoted) {
                said(known);
            }
        }
        for key in kafka_keys::names(section.kind) {
            line(
                &text_of(key, &format!("\"{key}\" (key of `{}`)", section.place)),
                "allowed:",
            );
        }
    }
    for place in ["workers.consumer", "workers.producer", "config"] {
        assert!(said(place).contains("Kafka's settings of"));
    }
}

#[test]
fn every_other_name_is_explained() {
    let words = Word::ALL.iter().map(|(word, meaning)| (word.as_str(), *meaning));
    let quantities = Quantity::ALL
        .iter()
        .map(|(_, name, _, _, _, meaning)| (*name, *meaning));
    for (name, meaning) in words.chain(quantities).chain(TARGETS) {
        assert!(said(name).contains(meaning), "{name}");
    }
    for api in APIS {
        let name = format!("{api:?}");
        assert!(said(&name).contains(&name));
    }
    for name in meanings::NAMES.iter().chain(&["follow", "api", "apis"]) {
        said(name);
    }
}

#[test]
fn every_shipped_scenario_is_explained() {
    for (name, file) in SHIPPED {
        let title = format!("{name} (scenario)");
        let text = text_of(name, &title);
        let short = said(scenarios::last_part(name));
        assert!(short.contains(&title), "{short}");
        line(&text, "expected:");
        line(&text, "allowed:");
        assert!(line(&text, "run it:").contains(&format!("shipped:{name}")), "{text}");
        let (folder, _) = name.split_once('/').expect("a folder");
        assert!(said(folder).contains(&format!("  {name} ")), "{folder}");
        let printed = text.split_once("  the file:\n").expect("its file").1;
        let lines: Vec<&str> = printed.trim_end().lines().map(str::trim).collect();
        let own: Vec<&str> = file.trim_end().lines().map(str::trim).collect();
        assert_eq!(lines, own, "{name}");
    }
}

#[test]
fn names_that_are_nearly_right_are_found_again() {
    let names = Check::names()
        .chain(Quirks::ALL.iter().map(|(quirk, _)| *quirk))
        .chain(keys::names())
        .chain(settings::names())
        .chain(SHIPPED.iter().map(|(name, _)| *name))
        .filter(|name| name.len() > 7);
    for name in names.step_by(7) {
        // A letter is lost.
        let wrong = format!("{}{}", &name[..3], &name[4..]);
        let Err(hint) = explanation(&wrong) else { continue };
        let near = quoted(&hint)
            .first()
            .copied()
            .unwrap_or_else(|| panic!("{wrong}: {hint}"));
        assert!(
            explanation(near).is_ok() && hint.starts_with("did you mean"),
            "{wrong}: {hint}"
        );
    }
    for nothing in ["", "nothing-of-the-kind-is-known"] {
        let hint = explanation(nothing).expect_err("no name");
        assert!(hint.starts_with("`trial list` lists"), "{hint}");
    }
}
