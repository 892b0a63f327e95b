//! Kafka's settings.

use core::fmt::Write as _;

use broker_core::config::{NEVER, Setting, SettingType};

use super::keys::{is_called, said_of};
use crate::command::columns::columns;
use crate::scenario::keys::{VALUES, sections};
use crate::toml_file::kafka_keys::{self, Accepted};
use crate::toml_file::settings::{self, SettingsSection, settings_sections};

/// What there is to say of tables of settings, and of settings, of this name.
pub fn named(name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for section in settings_sections() {
        let places = places(&section);
        if name == "config" || places.iter().any(|(place, _)| place == name) {
            texts.push(section_text(&section));
        }
        let is_meant = |key: &str| {
            let is_at = |(place, _): &(String, _)| is_called(&format!("{place}.{key}"), name);
            key == name || name.ends_with(&format!(".{key}")) && places.iter().any(is_at)
        };
        let setting = section.settings.iter().find(|setting| is_meant(setting.key));
        texts.extend(setting.map(|setting| setting_text(&section, setting)));
        let unmodelled = kafka_keys::names(section.kind).find(|key| is_meant(key));
        texts.extend(unmodelled.and_then(|key| unmodelled_text(&section, key)));
    }
    texts
}

/// The names of the settings that are modelled.
pub fn names() -> impl Iterator<Item = &'static str> {
    let settings = settings_sections().into_iter().flat_map(|section| section.settings);
    settings.map(|setting| setting.key)
}

/// Where a scenario file has tables of these settings, each with the settings that it derives from other keys.
fn places(section: &SettingsSection) -> Vec<(String, &'static [(&'static str, &'static str)])> {
    let mut places = Vec::new();
    for table in sections() {
        for key in table.keys {
            if let Some(settings) = key.takes.settings().filter(|settings| settings.kind == section.kind) {
                places.push((format!("{}.{}", table.name, key.name), settings.derived));
            }
        }
    }
    places
}

fn section_text(section: &SettingsSection) -> String {
    let row = |setting: &Setting| {
        let unit = settings::unit_of(setting).map_or_else(String::new, |unit| format!(" {unit}"));
        (setting.key, format!("{}{unit}", default_of(section, setting.key)))
    };
    let rows: Vec<(&str, String)> = section.settings.iter().map(row).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(key, default)| (*key, default.as_str())).collect();
    let title = format!(
        "{}: Kafka's settings of {}, with their defaults",
        section.place, section.whose
    );
    columns(&title, &rows)
}

/// The default as it would stand in a file.
fn default_of(section: &SettingsSection, key: &str) -> String {
    let default = section.default_of(key).unwrap_or_else(|| "none".to_owned());
    match default == NEVER.to_string() {
        true => format!("{default} (never)"),
        false => default,
    }
}

fn setting_text(section: &SettingsSection, setting: &Setting) -> String {
    let key = setting.key;
    let mut text = format!("\"{key}\" (key of `{}`)\n  {}\n", section.place, setting.meaning);
    let _ = writeln!(text, "  Kafka's setting of {}{}", section.whose, also(section, key));
    if let Some(note) = settings::note_of(key) {
        let _ = writeln!(text, "  {note}");
    }
    let _ = writeln!(text, "  type: {}", settings::type_in_words(setting));
    if let Some(unit) = settings::unit_of(setting) {
        let _ = writeln!(text, "  unit: {unit}, as a plain number");
    }
    let _ = writeln!(text, "  default: {}", default_of(section, key));
    let path = format!("{}.{key}", section.place);
    for value in VALUES.iter().filter(|value| value.key == path) {
        let _ = writeln!(text, "  {:?}: {}", value.word, said_of(value));
    }
    let _ = writeln!(
        text,
        "  example: config = {{ \"{key}\" = {} }}",
        example_of(section, setting)
    );
    text
}

/// Where the setting may stand besides.
fn also(section: &SettingsSection, key: &str) -> String {
    let mut text = String::new();
    for (place, derived) in places(section).iter().filter(|(place, _)| place != section.place) {
        match derived.iter().find(|(known, _)| *known == key) {
            Some((_, instead)) => {
                let _ = write!(text, "; not in `{place}`: {instead}");
            }
            None => {
                let _ = write!(text, ", also in `{place}`");
            }
        }
    }
    text
}

fn example_of(section: &SettingsSection, setting: &Setting) -> String {
    section.default_of(setting.key).unwrap_or_else(|| {
        match (setting.key, setting.takes) {
            ("group.remote.assignor", _) => "\"uniform\"",
            (_, SettingType::String) => "\"billing\"",
            _ => "0",
        }
        .to_owned()
    })
}

fn unmodelled_text(section: &SettingsSection, key: &str) -> Option<String> {
    let takes = match kafka_keys::unmodelled(section.kind, key)? {
        Accepted::Nothing => "it cannot be given: a trial does not do what it asks for".to_owned(),
        Accepted::Only(value) => format!("only as {value}, which is what a trial does"),
        Accepted::Anything => "with any value, which means nothing in a trial".to_owned(),
    };
    Some(format!(
        "\"{key}\" (key of `{}`)\n  Kafka's setting of {}, which is not modelled\n  allowed: {takes}\n",
        section.place, section.whose
    ))
}
