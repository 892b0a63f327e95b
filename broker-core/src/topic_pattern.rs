//! Regular expressions over the names of topics, as consumers subscribe to them.

use alloc::format;
use alloc::string::{String, ToString};

use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;

use crate::types::TopicName;

/// A regular expression in RE2's syntax that matches whole names (Kafka `SubscriptionPattern`). Classic consumers of Kafka take
/// Java's syntax, of which look-around and back-references are missing here.
#[derive(Clone, Debug)]
pub struct TopicPattern(PikeVM);

/// Why a text is no regular expression, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

impl TopicPattern {
    /// The pattern that `text` is.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: &str) -> Result<TopicPattern, InvalidPattern> {
        // Names are ASCII.
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        // By itself first: what is only balanced within the group, such as `a)(b`, is no pattern.
        syntax::parse_with(text, &syntax).map_err(|error| {
            // The last line says what is wrong, those before where.
            let words = error.to_string();
            let reason = words.lines().last().unwrap_or_default();
            InvalidPattern(reason.trim_start_matches("error: ").into())
        })?;
        let mut builder = PikeVM::builder();
        let builder = builder
            .syntax(syntax)
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MOST_BYTES)));
        let pattern = builder.build(&format!(r"\A(?:{text})\z"));
        pattern
            .map(TopicPattern)
            .map_err(|error| InvalidPattern(error.to_string()))
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        self.0.is_match(&mut self.0.create_cache(), &*topic.0)
    }
}

/// The largest pattern, as it is in memory.
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        // (pattern, name, whether it matches)
        let rows = [
            ("orders", "orders", true),
            ("orders", "orders-eu", false),
            ("orders", "all-orders", false),
            ("orders.*", "orders-eu", true),
            ("orders-(eu|us)", "orders-us", true),
            ("a|ab", "ab", true),
            ("(?i)ORDERS", "orders", true),
            (r"orders\.\d+", "orders.17", true),
            (r"orders\.\d+", "orders-17", false),
            ("", "orders", false),
            (".*", "__consumer_offsets", true),
        ];
        for (pattern, name, expected) in rows {
            let pattern = TopicPattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(&name.into()), expected, "{pattern:?} {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, why) in [
            ("orders-(", "unclosed group"),
            ("a)(b", "unopened group"),
            ("*", "repetition operator missing expression"),
            (
                "(?=a)",
                "look-around, including look-ahead and look-behind, is not supported",
            ),
        ] {
            let error = TopicPattern::new(text).expect_err("no pattern");
            assert_eq!(error.to_string(), why, "{text}");
        }
    }
}
