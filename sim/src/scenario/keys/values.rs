//! What the words mean that may stand behind a key.

/// A word that may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub struct NamedValue {
    /// Where it may stand: `workers.commit`, `producers.config.acks`.
    pub key: &'static str,
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What may come of it without being a violation: the names of checks stand in backticks. Empty if nothing does.
    pub allows: &'static str,
}

const fn value(key: &'static str, word: &'static str, meaning: &'static str) -> NamedValue {
    allowing(key, word, meaning, "")
}

const fn allowing(key: &'static str, word: &'static str, meaning: &'static str, allows: &'static str) -> NamedValue {
    NamedValue {
        key,
        word,
        meaning,
        allows,
    }
}

/// Every word of every key of a scenario file and of every setting that takes words.
pub const VALUES: &[NamedValue] = &[
    value("expect", "pass", "no check may be violated in any trial"),
    value("measures.aggregate", "max", "the greatest of the values"),
    value("measures.aggregate", "min", "the least of the values"),
    value("measures.aggregate", "mean", "the mean of the values"),
    value("measures.aggregate", "last", "the last of the values"),
    value(
        "producers.keys",
        "none",
        "records have no key, and go to the partition that the producer chooses",
    ),
    value(
        "producers.keys.distribution",
        "uniform",
        "each key is as frequent as any other",
    ),
    value(
        "producers.keys.distribution",
        "zipf",
        "key number k has weight 1/k^exponent: a few keys are frequent, most are rare",
    ),
    value(
        "producers.keys.distribution",
        "hot",
        "one key has `share` of all records, and the others have the rest evenly",
    ),
    value(
        "consumers.schedule.seek",
        "beginning",
        "the first offset of each partition",
    ),
    value(
        "consumers.schedule.seek",
        "end",
        "the end of each partition: what is there already is jumped over",
    ),
    value(
        "consumers.schedule.pause",
        "all",
        "all partitions that the consumer reads",
    ),
    value(
        "consumers.schedule.resume",
        "all",
        "all partitions that the consumer reads",
    ),
    value(
        "workers.program",
        "plain",
        "works on each record once; a record that fails is skipped over",
    ),
    allowing(
        "workers.program",
        "retry-topic",
        "copies a failed record to a retry topic, where it waits for its next attempt, and after its last attempt to a dead-letter topic; its partition goes on meanwhile",
        "later records of a key pass one that waits (`retry-key-order`); a crash between the copy and the commit copies once more (`duplicate-hop`)",
    ),
    value(
        "workers.program",
        "blocking-retry",
        "tries a failed record again before anything else: the order of keys is kept, and the partition waits; after its last attempt the record goes to a dead-letter topic, or is skipped over if there is none",
    ),
    value(
        "workers.program",
        "batch",
        "works on so many records at once; if one fails, the whole batch is tried again until all of it succeeds",
    ),
    value(
        "workers.program",
        "aggregator",
        "counts records by key and sends each new count to another topic; counts are in memory, and begin anew when a partition comes to it",
    ),
    allowing(
        "workers.commit",
        "before",
        "the position is committed before the work: at most once",
        "a crash skips what was in work (`skipped-processing`, `terminal-outcome`, `hop-before-commit`)",
    ),
    allowing(
        "workers.commit",
        "after",
        "the position is committed after the work: at least once",
        "a crash or a rebalance repeats what was not committed yet (`reprocessed`)",
    ),
    allowing(
        "workers.commit",
        "auto",
        "the consumer commits by itself what earlier polls returned, every `auto.commit.interval.ms`: at least once, as long as the work is done before the next poll",
        "a crash or a rebalance repeats up to an interval of work (`reprocessed`)",
    ),
    allowing(
        "workers.commit",
        "async-pool",
        "tasks work on records side by side, while a timer commits the highest position polled: a known mistake",
        "a crash skips what was in work (`skipped-processing`, `terminal-outcome`); records of a key are processed in another order (`retry-key-order`)",
    ),
    allowing(
        "workers.commit",
        "none",
        "no position is ever committed",
        "the next owner of a partition begins at `auto.offset.reset`, and works on everything again (`reprocessed`)",
    ),
    allowing(
        "producers.config.acks",
        "0",
        "the producer waits for no answer, and counts a record as sent once its request is written",
        "any loss (`lost-write`)",
    ),
    allowing(
        "producers.config.acks",
        "1",
        "the leader answers once its own log has the record",
        "a leader that changes or loses power before followers have the record loses it (`lost-write`)",
    ),
    allowing(
        "producers.config.acks",
        "all",
        "the leader answers once all replicas in sync have the record; it refuses while they are fewer than `min.insync.replicas`",
        "unclean leader election, and power losses of all replicas in sync before a flush, lose records (`lost-write`)",
    ),
    allowing(
        "producers.config.acks",
        "-1",
        "the same as `all`",
        "unclean leader election, and power losses of all replicas in sync before a flush, lose records (`lost-write`)",
    ),
    value(
        "consumers.config.auto.offset.reset",
        "earliest",
        "it begins at the first record that is there",
    ),
    allowing(
        "consumers.config.auto.offset.reset",
        "latest",
        "it begins at the end",
        "a group without a position jumps over what is there already (`poll-skip`)",
    ),
    value(
        "consumers.config.auto.offset.reset",
        "none",
        "its poll ends with an error, and the program must seek; one that does not is found by `thrown-out`",
    ),
    value(
        "consumers.config.group.protocol",
        "classic",
        "members join, and one of them assigns the partitions",
    ),
    value(
        "consumers.config.group.protocol",
        "consumer",
        "members send heartbeats, and the coordinator assigns the partitions (KIP-848)",
    ),
    value(
        "cluster.config.group.consumer.migration.policy",
        "disabled",
        "a group keeps its protocol as long as it has members",
    ),
    value(
        "cluster.config.group.consumer.migration.policy",
        "downgrade",
        "a group becomes a classic one when its last member of the consumer protocol goes",
    ),
    value(
        "cluster.config.group.consumer.migration.policy",
        "upgrade",
        "a classic group changes to the consumer protocol when the first member of that joins",
    ),
    value(
        "cluster.config.group.consumer.migration.policy",
        "bidirectional",
        "both `upgrade` and `downgrade`",
    ),
    value(
        "consumers.config.group.remote.assignor",
        "uniform",
        "the coordinator gives every member as many partitions as any other, and moves few",
    ),
    value(
        "consumers.config.group.remote.assignor",
        "range",
        "the coordinator gives each member a range of each topic's partitions",
    ),
    value(
        "consumers.config.partition.assignment.strategy",
        "range",
        "each member has a range of each topic's partitions",
    ),
    value(
        "consumers.config.partition.assignment.strategy",
        "roundrobin",
        "the partitions of all topics are dealt out in turn",
    ),
    value(
        "consumers.config.partition.assignment.strategy",
        "sticky",
        "every member has as many partitions as any other, and keeps those that it had; all give up all of them in a rebalance",
    ),
    value(
        "consumers.config.partition.assignment.strategy",
        "cooperative-sticky",
        "as `sticky`, but members keep their partitions through a rebalance, and give up only those that move (KIP-429)",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use broker_core::config::SettingType;

    use super::VALUES;
    use crate::scenario::keys::sections;
    use crate::toml_file::keys::{Section, Type};
    use crate::toml_file::settings::settings_sections;

    /// Where a key stands.
    fn path(section: &Section, key: &str) -> String {
        format!("{}.{key}", section.name).trim_start_matches('.').to_owned()
    }

    #[test]
    fn every_word_that_is_read_has_a_meaning() {
        let mut read = BTreeSet::new();
        for section in sections() {
            for key in section.keys {
                let types = match key.takes {
                    Type::Either(types) => types,
                    ref one => std::slice::from_ref(one),
                };
                for words in types.iter().filter_map(|one| one.words()) {
                    read.extend(words.iter().map(|word| (path(section, key.name), *word)));
                }
            }
        }
        for section in settings_sections() {
            for setting in section.settings {
                if let SettingType::Word(words) | SettingType::WordOr(words, _) = setting.takes {
                    let path = format!("{}.{}", section.place, setting.key);
                    read.extend(words.iter().map(|word| (path.clone(), *word)));
                }
            }
        }
        let meant: BTreeSet<(String, &str)> = VALUES.iter().map(|value| (value.key.to_owned(), value.word)).collect();
        assert_eq!(meant.len(), VALUES.len(), "a word has two meanings at one key");
        let missing: Vec<_> = read.difference(&meant).collect();
        assert!(missing.is_empty(), "without a meaning: {missing:?}");
        // Assignors are strings to the reader, and judged by name.
        let others = meant
            .difference(&read)
            .filter(|(key, _)| !key.ends_with(".assignor") && !key.ends_with(".assignment.strategy"));
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "no words of their key: {others:?}");
    }
}
