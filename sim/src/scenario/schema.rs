//! The JSON Schema (draft 2020-12) of scenario files, from the tables that the reader and `explain` have.
//!
//! It takes every file that the program takes. What names mean together, and numbers that text hides, it cannot see.
//! Nothing is referred to by `$ref`: editors would lose the description that stands beside one.

use broker_core::config::{Quirks, Setting, SettingType};
use serde_json::{Map, Value, json};

use super::keys::TOP;
use super::measures::that_pattern;
use crate::faults::{APIS, target};
use crate::toml_file::kafka_keys::{Accepted, names, unmodelled};
use crate::toml_file::keys::{Default, Key, Rule, Section, Settings, Type};
use crate::toml_file::settings;
use crate::units::{bytes_pattern, duration_pattern, nanoseconds_pattern, signed_duration_pattern};
use crate::verdict::Check;

/// The schema of a scenario file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&TOP);
    let top = schema.as_object_mut().expect("an object");
    top.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    top.insert("title".to_owned(), json!("Scenario of Trial"));
    schema
}

/// A table.
fn object(section: &Section) -> Value {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required = section.keys.iter().filter(|key| key.default == Default::Required);
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.meaning,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    for rule in section.rules {
        add_rule(&mut schema, section, *rule);
    }
    schema
}

/// What is behind a key, with its meaning and its default.
fn property(key: &Key) -> Value {
    let mut schema = of_type(key.takes);
    let (description, default) = match key.default {
        Default::Required | Default::Words("none") => (key.meaning.to_owned(), None),
        Default::Value(default) => (key.meaning.to_owned(), Some(from_toml(default))),
        Default::Words(default) => (format!("{} (default: {default})", key.meaning), None),
    };
    schema["description"] = json!(description);
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

/// A value as it would stand in a scenario file.
fn from_toml(text: &str) -> Value {
    let mut table: toml::Table = format!("value = {text}").parse().expect("defaults are TOML");
    let value = table.remove("value").expect("it was just written");
    serde_json::to_value(value).expect("TOML without dates is JSON")
}

fn of_type(takes: Type) -> Value {
    match takes {
        Type::String => json!({ "type": "string" }),
        Type::Form(form) => json!({ "type": "string", "pattern": form.pattern }),
        Type::Word(words) => json!({ "type": "string", "enum": words }),
        Type::Check => json!({ "type": "string", "enum": checks() }),
        Type::Quirk => {
            let names: Vec<&str> = Quirks::ALL.iter().map(|(name, _)| *name).collect();
            json!({ "type": "string", "enum": names })
        }
        Type::Api => json!({ "type": "string", "enum": APIS.map(|api| format!("{api:?}")) }),
        Type::Target => json!({ "type": "string", "pattern": target::pattern() }),
        Type::Measured => json!({ "type": "string", "pattern": that_pattern() }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Whole(least, u64::MAX) => json!({ "type": "integer", "minimum": least }),
        Type::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Type::Signed(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Type::Number(least, f64::MAX) => json!({ "type": "number", "minimum": least }),
        Type::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Type::Probability => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Type::Duration => json!({ "type": "string", "pattern": duration_pattern() }),
        Type::SignedDuration => json!({ "type": "string", "pattern": signed_duration_pattern() }),
        Type::PositiveDuration => {
            let pattern = duration_pattern();
            let pattern = pattern.trim_start_matches('^');
            json!({ "type": "string", "pattern": format!("^(?=.*[1-9]){pattern}") })
        }
        Type::Nanoseconds => json!({ "type": "string", "pattern": nanoseconds_pattern() }),
        Type::Bytes(least, u64::MAX) => {
            json!({ "type": ["integer", "string"], "minimum": least, "pattern": bytes_pattern() })
        }
        Type::Bytes(least, most) => {
            json!({ "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": bytes_pattern() })
        }
        Type::Bandwidth => of_type(Type::Bytes(1, u64::MAX)),
        Type::List(item) => json!({ "type": "array", "items": of_type(*item) }),
        Type::NonEmpty(item) => json!({ "type": "array", "minItems": 1, "items": of_type(*item) }),
        Type::Table(section) => object(section),
        Type::Tables(section) => json!({ "type": "array", "items": object(section) }),
        Type::NonEmptyTables(section) => json!({ "type": "array", "minItems": 1, "items": object(section) }),
        Type::Counts => {
            let count = of_type(Type::Whole(1, u64::MAX));
            let properties: Map<String, Value> = checks()
                .into_iter()
                .map(|check| (check.to_owned(), count.clone()))
                .collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
        Type::Settings(settings) => of_settings(settings),
        Type::Either(types) => {
            let types: Vec<Value> = types.iter().map(|one| of_type(*one)).collect();
            json!({ "anyOf": types })
        }
    }
}

fn checks() -> Vec<&'static str> {
    Check::names().collect()
}

/// What keys of a table demand of each other.
fn add_rule(schema: &mut Value, section: &Section, rule: Rule) {
    let each = |keys: &[&str]| keys.iter().map(|key| json!({ "required": [key] })).collect::<Value>();
    match rule {
        // They are among no properties, and so refused.
        Rule::Planned(_) | Rule::Refused(_) => {}
        Rule::ExactlyOne(keys) => schema["oneOf"] = each(keys),
        Rule::AtLeastOne(keys) => schema["anyOf"] = each(keys),
        Rule::Excludes(key, others) => {
            let others: Map<String, Value> = others.iter().map(|other| ((*other).to_owned(), json!(false))).collect();
            schema["dependentSchemas"][key] = json!({ "properties": others });
        }
        Rule::Belongs {
            key,
            to,
            words,
            required_by,
        } => {
            let default = match section.key(to).map(|key| key.default) {
                Some(Default::Value(default)) => default.trim_matches('"'),
                _ => "",
            };
            let has_words = |words: &[&str]| {
                let required: &[&str] = if words.contains(&default) { &[] } else { &[to] };
                json!({ "required": required, "properties": { to: { "enum": words } } })
            };
            schema["dependentSchemas"][key] = has_words(words);
            if !required_by.is_empty() {
                let demand = json!({ "if": has_words(required_by), "then": { "required": [key] } });
                match schema["allOf"].as_array_mut() {
                    Some(demands) => demands.push(demand),
                    None => schema["allOf"] = json!([demand]),
                }
            }
        }
    }
}

/// A table of Kafka's settings: those that are modelled, and those whose value changes nothing.
fn of_settings(table: &Settings) -> Value {
    let section = settings::section(table.kind);
    let is_derived = |key: &str| table.derived.iter().any(|(derived, _)| *derived == key);
    let modelled = section.settings.iter().filter(|setting| !is_derived(setting.key));
    let modelled = modelled.map(|setting| {
        let mut schema = of_setting(setting);
        schema["description"] = json!(setting.meaning);
        if let Some(default) = section.default_of(setting.key) {
            schema["default"] = from_toml(&default);
        }
        (setting.key.to_owned(), schema)
    });
    let others = names(table.kind).filter_map(|key| {
        let schema = match unmodelled(table.kind, key)? {
            Accepted::Nothing => return None,
            Accepted::Only(value) => json!({
                "enum": spellings(value),
                "description": "Trial does not model it: only the value that a trial has anyway.",
            }),
            Accepted::Anything => json!({ "description": "It means nothing in a trial." }),
        };
        Some((key.to_owned(), schema))
    });
    let properties: Map<String, Value> = others.chain(modelled).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Kafka's own files write everything as text, so numbers and truth values may be text, too.
fn of_setting(setting: &Setting) -> Value {
    match setting.takes {
        SettingType::Whole(_) => {
            let (least, most) = settings::bounds(setting);
            json!({ "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": r"^\+?[0-9]+$" })
        }
        SettingType::Boolean => json!({ "enum": [true, false, "true", "false"] }),
        SettingType::String => json!({ "type": ["string", "integer"] }),
        SettingType::Word(words) => {
            let texts = words.iter().map(|word| json!(word));
            let numbers = words.iter().filter_map(|word| word.parse::<i64>().ok());
            json!({ "enum": texts.chain(numbers.map(|number| json!(number))).collect::<Vec<_>>() })
        }
        SettingType::WordOr(words, prefix) => {
            json!({ "type": "string", "pattern": format!("^({}|{prefix}.+)$", words.join("|")) })
        }
        SettingType::List => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
    }
}

/// A value as text and as what it says.
fn spellings(value: &str) -> Vec<Value> {
    let mut spellings = vec![json!(value), json!(value.to_lowercase()), json!(value.to_uppercase())];
    spellings.dedup();
    match value.parse::<Value>() {
        Ok(said) if !said.is_string() => spellings.push(said),
        _ => {}
    }
    spellings
}
