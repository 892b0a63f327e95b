//! What a setting takes, as data: for explanations, and for whoever checks a file without reading it.

use alloc::string::String;
use alloc::vec::Vec;

use super::{AcksSetting, AutoOffsetReset, GroupProtocol, MigrationPolicy};

/// One of Kafka's keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What may stand behind it.
    pub takes: SettingType,
    /// What it means: sentences.
    pub meaning: &'static str,
}

/// What may stand behind a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingType {
    /// A whole number from 0 to this.
    Whole(u64),
    /// `true` or `false`.
    Boolean,
    /// Any string.
    String,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or what begins with the second.
    WordOr(&'static [&'static str], &'static str),
    /// A list of strings.
    List,
}

/// A type that settings have.
pub(super) trait Typed {
    /// What it takes.
    const TYPE: SettingType;
}

impl Typed for u16 {
    const TYPE: SettingType = SettingType::Whole(u16::MAX as u64);
}

impl Typed for u32 {
    const TYPE: SettingType = SettingType::Whole(u32::MAX as u64);
}

impl Typed for u64 {
    const TYPE: SettingType = SettingType::Whole(i64::MAX as u64);
}

impl Typed for bool {
    const TYPE: SettingType = SettingType::Boolean;
}

impl Typed for Option<String> {
    const TYPE: SettingType = SettingType::String;
}

impl Typed for Vec<String> {
    const TYPE: SettingType = SettingType::List;
}

impl Typed for AcksSetting {
    const TYPE: SettingType = SettingType::Word(&["all", "0", "1", "-1"]);
}

impl Typed for MigrationPolicy {
    const TYPE: SettingType = SettingType::Word(&["disabled", "downgrade", "upgrade", "bidirectional"]);
}

impl Typed for GroupProtocol {
    const TYPE: SettingType = SettingType::Word(&["classic", "consumer"]);
}

impl Typed for AutoOffsetReset {
    const TYPE: SettingType = SettingType::WordOr(&["earliest", "latest", "none"], "by_duration:");
}
