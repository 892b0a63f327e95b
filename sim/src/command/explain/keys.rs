//! Faults, and the tables, keys and words of a scenario file.

use core::fmt::Write as _;

use crate::command::columns::columns;
use crate::faults::registry::REGISTRY;
use crate::faults::{APIS, Entry, Victims};
use crate::scenario::examples;
use crate::scenario::keys::{NamedValue, VALUES, sections};
use crate::toml_file::kafka_keys::Kind;
use crate::toml_file::keys::{Default, Key, Rule, Section, Type};

/// What there is to say of faults, tables, keys, words and APIs of this name.
pub fn named(name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let fault = REGISTRY
        .iter()
        .find(|entry| is_called(&path("faults", entry.key.name), name));
    texts.extend(fault.map(|entry| fault_text(entry)));
    for section in sections() {
        let is_of_fault = section.name.starts_with("faults.");
        let known_as = if section.name.is_empty() {
            "scenario"
        } else {
            section.name
        };
        if is_called(known_as, name) && !is_of_fault {
            texts.push(section_text(known_as, section));
        }
        for key in section.keys {
            let is_fault = section.name == "faults" && REGISTRY.iter().any(|entry| entry.key.name == key.name);
            if is_called(&path(section.name, key.name), name) && !is_fault {
                texts.push(key_text(section, key));
            }
        }
    }
    let values = VALUES.iter().filter(|value| value.word == name);
    texts.extend(values.map(value_text));
    if matches!(name, "api" | "apis") || APIS.iter().any(|api| format!("{api:?}") == name) {
        texts.push(apis());
    }
    texts
}

/// All names of these, but for APIs.
pub fn names() -> impl Iterator<Item = &'static str> {
    let of_section = |section: &'static Section| {
        let keys = section.keys.iter().map(|key| key.name);
        keys.chain(Some(section.name).filter(|name| !name.is_empty()))
    };
    // Whatever is as short as `0` is near to.
    let values = VALUES.iter().map(|value| value.word).filter(|word| word.len() > 2);
    sections().into_iter().flat_map(of_section).chain(values)
}

/// The path of a key in a scenario file.
pub fn path(section: &str, key: &str) -> String {
    format!("{section}.{key}").trim_start_matches('.').to_owned()
}

/// Whether `name` is the path or the end of it: `drop.api` for `faults.drop.api`.
pub fn is_called(path: &str, name: &str) -> bool {
    let before = path.strip_suffix(name).filter(|_| !name.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn fault_text(entry: &Entry) -> String {
    let key = &entry.key;
    let mut text = format!("{} (fault)\n  {}\n", key.name, key.meaning);
    let _ = writeln!(text, "  allowed: {}", entry.allows);
    match key.takes.section() {
        Some(section) => {
            let _ = writeln!(text, "  type: {}, with the keys", key.takes);
            text += &keys_of(section);
        }
        None => {
            let _ = writeln!(text, "  type: {}", type_text(key.takes));
        }
    }
    text +=
        "  default: none; besides it a fault has `at`, when it begins (must be given), and `for`, how long it lasts\n";
    let weights: Vec<String> = entry
        .drawn
        .iter()
        .map(|drawn| {
            let whose = match drawn.of {
                Victims::Nodes => "nodes",
                Victims::Workers => "workers",
            };
            format!(
                "`{}` (of {whose}; default {})",
                drawn.weight.name,
                default_text(drawn.weight.default)
            )
        })
        .collect();
    let weights = match weights.is_empty() {
        true => "never".to_owned(),
        false => format!("by its weight {}", weights.join(", ")),
    };
    let _ = writeln!(text, "  drawn by the nemesis: {weights}");
    if let Some(example) = examples::fault(key.name) {
        text += &example_text(&example);
    }
    for example in entry.examples.iter().skip(1) {
        let _ = writeln!(text, "  or: {} = {example}", key.name);
    }
    text
}

fn section_text(known_as: &str, section: &Section) -> String {
    let mut text = format!("{known_as}: {}\n", section.meaning);
    text += &keys_of(section);
    if let Some(example) = examples::table(section.name) {
        text += &example_text(&example);
    }
    text
}

/// The keys of a table with types and defaults, and what they demand of each other.
fn keys_of(section: &Section) -> String {
    let row = |key: &Key| {
        let default = match key.default {
            Default::Required => "must be given".to_owned(),
            default => format!("default: {}", default_text(default)),
        };
        let says_all = |words: &[&str]| words.iter().all(|word| key.meaning.contains(&format!("`{word}`")));
        let type_and_default = match key.takes {
            Type::Word(words) if says_all(words) => default,
            takes => format!("{takes}; {default}"),
        };
        (key.name, format!("{} ({type_and_default})", key.meaning))
    };
    let rows: Vec<(&str, String)> = section.keys.iter().map(row).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, meaning)| (*name, &**meaning)).collect();
    let mut text = columns("", &rows).trim_start_matches('\n').to_owned();
    for rule in section.rules {
        let _ = writeln!(text, "  rule: {rule}");
    }
    let more: Vec<&str> = section.keys.iter().filter_map(|key| written_as(key.takes)).collect();
    for (place, one) in more.iter().enumerate() {
        if !more[..place].contains(one) {
            let _ = writeln!(text, "  {one}");
        }
    }
    text
}

fn key_text(section: &Section, key: &Key) -> String {
    let place = if section.name.is_empty() {
        "the top level of a scenario file".to_owned()
    } else {
        format!("`{}`", section.name)
    };
    let mut text = format!("{} (key of {place})\n  {}\n", key.name, key.meaning);
    let _ = writeln!(text, "  type: {}", type_text(key.takes));
    let _ = writeln!(text, "  default: {}", default_text(key.default));
    for rule in section.rules.iter().filter(|rule| rule.concerns(key.name)) {
        let _ = writeln!(text, "  rule: {rule}");
    }
    let path = path(section.name, key.name);
    for value in VALUES.iter().filter(|value| value.key == path) {
        let _ = writeln!(text, "  {:?}: {}", value.word, said_of(value));
    }
    if section.name == "nemesis.weights" {
        let _ = writeln!(text, "  unit: {}", section.meaning);
    }
    let example = match section.name {
        "nemesis.weights" => Some(format!("weights = {{ {} = 1 }}", key.name)),
        section => examples::of(section, key.name),
    };
    if let Some(example) = example {
        let _ = writeln!(text, "  example: {example}");
    }
    text
}

fn value_text(value: &NamedValue) -> String {
    let (section, key) = value.key.split_at(value.key.find(".config.").map_or_else(
        || value.key.rfind('.').map_or(0, |dot| dot + 1),
        |dot| dot + ".config.".len(),
    ));
    let mut text = format!("{} (value of `{}`)\n  {}\n", value.word, value.key, said_of(value));
    let section = section.trim_end_matches('.');
    let table = sections().into_iter().find(|known| known.name == section);
    for rule in table.into_iter().flat_map(|table| table.rules) {
        if let Rule::Belongs {
            key: own, to, words, ..
        } = rule
            && *to == key
            && words.contains(&value.word)
            && let Some(own) = table.and_then(|table| table.key(own))
        {
            let default = default_text(own.default);
            let _ = writeln!(
                text,
                "  its key `{}`: {} ({}; default: {default})",
                own.name, own.meaning, own.takes
            );
        }
    }
    let example = match (key, value.word) {
        ("partition.assignment.strategy", word) => format!("config = {{ \"{key}\" = [\"{word}\"] }}"),
        ("group.remote.assignor", word) => {
            format!("config = {{ \"group.protocol\" = \"consumer\", \"{key}\" = \"{word}\" }}")
        }
        (key, word) if key.contains('.') || section.ends_with(".config") => {
            format!("config = {{ \"{key}\" = \"{word}\" }}")
        }
        ("keys", _) if section == "producers" => format!("{key} = \"{}\"", value.word),
        (key, word) => format!("{key} = \"{word}\""),
    };
    let _ = writeln!(text, "  example: {example}");
    let _ = writeln!(text, "  more: trial explain {}", value.key);
    text
}

/// Meaning of a word, and what it allows.
pub fn said_of(value: &NamedValue) -> String {
    let mut said = value.meaning.to_owned();
    if !value.allows.is_empty() {
        let _ = write!(said, "; allowed: {}", value.allows);
    }
    said
}

fn apis() -> String {
    let names: Vec<String> = APIS.iter().map(|api| format!("{api:?}")).collect();
    let mut text = "apis: the APIs whose messages the faults `hold` and `drop` choose, by Kafka's names\n".to_owned();
    for line in names.chunks(6) {
        let _ = writeln!(text, "  {}", line.join(", "));
    }
    if let Some(example) = examples::fault("hold") {
        text += &example_text(&example);
    }
    text
}

/// An example of several lines.
fn example_text(example: &str) -> String {
    let mut text = "  example:\n".to_owned();
    for line in example.lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
    text
}

/// The default of a key, as it is said.
pub fn default_text(default: Default) -> &'static str {
    match default {
        Default::Required => "none, it must be given",
        Default::Value(default) | Default::Words(default) => default,
    }
}

fn type_text(takes: Type) -> String {
    match written_as(takes) {
        Some(more) => format!("{takes}; {more}"),
        None => takes.to_string(),
    }
}

/// How values of a type are written, and where there is more about them.
fn written_as(takes: Type) -> Option<&'static str> {
    const TIMES: &str = "a time has its unit, such as \"250ms\" or \"1h 30m\": trial explain units";
    const SIZES: &str = "bytes are a number or a size such as \"64KiB\": trial explain units";
    Some(match takes {
        Type::Duration | Type::PositiveDuration | Type::SignedDuration | Type::Nanoseconds => TIMES,
        Type::Bytes(..) => SIZES,
        Type::Bandwidth => "a bandwidth is a size a second, such as \"125MB/s\": trial explain units",
        Type::Target => "a target is such as \"broker 2\" or \"leader of orders/0\": trial explain targets",
        Type::Api => "APIs have Kafka's names: trial explain apis",
        Type::Measured => "what can be measured: trial explain measures",
        Type::Check | Type::Counts => "checks are named by id or name: trial list",
        Type::Quirk => "quirks: trial list",
        Type::Settings(settings) => match settings.kind {
            Kind::Broker => "Kafka's settings: trial explain cluster.config",
            Kind::Topic => "Kafka's settings: trial explain topics.config",
            Kind::Producer => "Kafka's settings: trial explain producers.config",
            Kind::Consumer => "Kafka's settings: trial explain consumers.config",
        },
        Type::List(item) | Type::NonEmpty(item) => return written_as(*item),
        Type::Either(types) => return types.iter().find_map(|one| written_as(*one)),
        _ => return None,
    })
}
