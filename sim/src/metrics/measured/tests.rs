use std::collections::BTreeMap;

use reports::record::{LagSeries, PartitionLag, Throughput};

use super::*;
use crate::scenario::parse::parse;

/// Ten buckets of half a second.
const BUCKETS: usize = 10;

fn series() -> Series {
    let lag = |partition: &str, records: [u64; BUCKETS]| PartitionLag {
        partition: partition.to_owned(),
        records: records.to_vec(),
    };
    let got = |consumer: &str, records: [u64; BUCKETS]| LagSeries {
        consumer: consumer.to_owned(),
        partition: "orders/0".to_owned(),
        records: records.to_vec(),
    };
    let group = GroupSeries {
        group: "billing".to_owned(),
        processed: vec![0.0, 2.0, 4.0, 6.0, 4.0, 4.0, 4.0, 4.0, 4.0, 0.0],
        retried: vec![0.0, 0.0, 0.0, 2.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0],
        dead_lettered: vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0],
        lag: vec![
            lag("orders/0", [0, 5, 10, 50, 40, 30, 20, 10, 0, 0]),
            lag("orders/1", [0, 5, 10, 50, 40, 30, 20, 10, 5, 0]),
        ],
        rebalances: vec![0.2, 1.0, 3.1],
        owners_from: 0.0,
        idle: 0,
        ..GroupSeries::default()
    };
    let counts = [
        ((Quantity::Sent, "checkout".to_owned()), vec![5, 5, 5, 5, 5, 5, 5, 5]),
        ((Quantity::Sent, "audit".to_owned()), vec![1, 0, 1]),
        ((Quantity::Acked, "checkout".to_owned()), vec![5, 5, 0, 10, 5, 5, 5, 5]),
        ((Quantity::Committed, "orders".to_owned()), vec![4; BUCKETS]),
        (
            (Quantity::Failed, "checkout".to_owned()),
            vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
        ),
    ];
    Series {
        bucket_seconds: 0.5,
        healed_at: Some(4.0),
        faults: Vec::new(),
        throughput: Throughput {
            produced: vec![0.0; BUCKETS],
            ..Throughput::default()
        },
        // The programs of the group have got more than is committed.
        lag: vec![
            got("billing", [0; BUCKETS]),
            got("reader", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ],
        groups: vec![group],
        counts: BTreeMap::from(counts),
    }
}

/// Of a trial of 4 s that ended at 4.8 s: the measure and what it says, with `yes`, `no`, or `?` for what cannot be decided.
const MEASURED: &[(&str, &str)] = &[
    (
        "that = 'lag(billing)', below = 101",
        "yes lag(billing) was 100 at 2 s, below 101 wanted",
    ),
    (
        "that = 'lag(billing)', below = 100",
        "no lag(billing) was 100 at 2 s, below 100 wanted",
    ),
    (
        "that = 'lag(billing)', below = 100, from = '2100ms'",
        "yes lag(billing) was 80 at 2.5 s, below 100 wanted from 2s100ms",
    ),
    (
        "that = 'lag(billing)', below = 100, until = '1s'",
        "yes lag(billing) was 10 at 1 s, below 100 wanted until 1s",
    ),
    (
        "that = 'lag(billing)', below = 5, from = '3s', until = '4s'",
        "no lag(billing) was 60 at 3 s, below 5 wanted from 3s until 4s",
    ),
    (
        "that = 'lag(billing)', below = 21, at = '4s'",
        "yes lag(billing) was 20 at 4 s, below 21 wanted at 4s",
    ),
    // Between two of its values: that of the bucket.
    (
        "that = 'lag(billing)', below = 21, at = '3700ms'",
        "yes lag(billing) was 20 at 4 s, below 21 wanted at 3s700ms",
    ),
    (
        "that = 'lag(billing)', below = 1, aggregate = 'last'",
        "no last of lag(billing) was 20 at 4 s, below 1 wanted",
    ),
    (
        "that = 'lag(billing)', below = 1, aggregate = 'last', until = '10s'",
        "yes last of lag(billing) was 0 at 4.8 s, below 1 wanted until 10s",
    ),
    (
        "that = 'lag(billing)', below = 41.25, aggregate = 'mean'",
        "no mean of lag(billing) was 41.25, below 41.25 wanted",
    ),
    (
        "that = 'lag(billing)', above = 0, aggregate = 'min'",
        "no min of lag(billing) was 0 at 0.5 s, above 0 wanted",
    ),
    (
        "that = 'lag(billing)', above = 99, aggregate = 'max'",
        "yes max of lag(billing) was 100 at 2 s, above 99 wanted",
    ),
    // Consumers that are no group: what they have got counts.
    (
        "that = 'lag(reader)', below = 7",
        "no lag(reader) was 7 at 4 s, below 7 wanted",
    ),
    (
        "that = 'sent(checkout)', above = 9",
        "yes sent(checkout) was 10/s at 0.5 s, above 9 wanted",
    ),
    (
        "that = 'sent(checkout)', above = 9, until = '5s'",
        "no sent(checkout) was 0/s at 4.5 s, above 9 wanted until 5s",
    ),
    (
        "that = 'sent()', below = 12",
        "no sent() was 12/s at 0.5 s, below 12 wanted",
    ),
    (
        "that = 'acked(checkout)', above = 0, below = 20",
        "no acked(checkout) was 0/s at 1.5 s, above 0 and below 20 wanted",
    ),
    (
        "that = 'acked(checkout)', above = 1, below = 20, from = '1500ms'",
        "no acked(checkout) was 20/s at 2 s, above 1 and below 20 wanted from 1s500ms",
    ),
    // The bucket that 1.6 s falls into is not wholly in that time.
    (
        "that = 'acked(checkout)', below = 20, from = '1600ms'",
        "yes acked(checkout) was 10/s at 2.5 s, below 20 wanted from 1s600ms",
    ),
    (
        "that = 'acked()', above = 9, aggregate = 'mean'",
        "yes mean of acked() was 10/s, above 9 wanted",
    ),
    (
        "that = 'committed(orders)', above = 7",
        "yes committed(orders) was 8/s at 0.5 s, above 7 wanted",
    ),
    (
        "that = 'processed(billing)', above = 3, from = '1s'",
        "yes processed(billing) was 4/s at 1.5 s, above 3 wanted from 1s",
    ),
    // What is counted is counted to the end of the trial.
    (
        "that = 'failed(checkout)', below = 1",
        "no failed(checkout) was 3, below 1 wanted",
    ),
    (
        "that = 'failed()', below = 1, until = '4s'",
        "yes failed() was 0, below 1 wanted until 4s",
    ),
    ("that = 'unknown()', below = 1", "yes unknown() was 0, below 1 wanted"),
    (
        "that = 'retried(billing)', below = 4",
        "yes retried(billing) was 3, below 4 wanted",
    ),
    (
        "that = 'dead_lettered(billing)', above = 0",
        "yes dead_lettered(billing) was 1, above 0 wanted",
    ),
    (
        "that = 'rebalances(billing)', below = 3",
        "no rebalances(billing) was 3, below 3 wanted",
    ),
    (
        "that = 'rebalances()', below = 2, from = '1s'",
        "yes rebalances() was 1, below 2 wanted from 1s",
    ),
];

fn measured(entry: &str, length: Length) -> String {
    let text = format!(
        "duration = \"4s\"\nmeasures = [{{ {entry} }}]\ntopics = [{{ name = \"orders\" }}]\n\
         producers = [{{ name = \"checkout\", topic = \"orders\", rate = 1 }}]\n\
         consumers = [{{ name = \"reader\", topic = \"orders\" }}]\n\
         workers = [{{ name = \"billing\", topics = [\"orders\"] }}]"
    );
    let scenario = parse("s", "s.toml", &text).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let measured = series().measured(&scenario.scenario.measures[0], length);
    let word = match measured.is_met {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    };
    format!("{word} {}", measured.evidence)
}

fn length(ms: u64, is_cut_off: bool) -> Length {
    Length {
        duration: Duration::from_secs(4),
        end: SimTime::after(Duration::from_millis(ms)),
        is_cut_off,
    }
}

#[test]
fn figures_keep_within_their_bounds_or_not() {
    let said = MEASURED.iter().map(|(entry, _)| measured(entry, length(4_800, false)));
    let wanted = MEASURED.iter().map(|(_, said)| *said);
    assert_eq!(
        said.collect::<Vec<_>>().join("\n"),
        wanted.collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn of_a_trial_that_a_limit_ended_only_what_cannot_change_is_decided() {
    for (entry, word) in [
        ("that = 'lag(billing)', below = 1_000", "?"),
        ("that = 'lag(billing)', below = 100", "no"),
        ("that = 'lag(billing)', below = 1_000, until = '2s'", "yes"),
        ("that = 'lag(billing)', below = 1, aggregate = 'mean'", "?"),
        (
            "that = 'lag(billing)', below = 1, aggregate = 'mean', until = '2s'",
            "no",
        ),
        ("that = 'rebalances(billing)', below = 3", "no"),
        ("that = 'rebalances(billing)', above = 3", "?"),
        ("that = 'failed()', below = 9", "?"),
    ] {
        let said = measured(entry, length(3_500, true));
        assert_eq!(said.split(' ').next(), Some(word), "{entry}: {said}");
    }
}

#[test]
fn a_group_that_never_appeared_misses_its_measures() {
    let gone = Series {
        groups: Vec::new(),
        lag: Vec::new(),
        ..series()
    };
    let measure = |that: &str| {
        let text = format!(
            "measures = [{{ that = \"{that}\", below = 5 }}]\ntopics = [{{ name = \"orders\" }}]\n\
             workers = [{{ name = \"billing\", topics = [\"orders\"] }}]"
        );
        let scenario = parse("s", "s.toml", &text).expect("a scenario").scenario;
        gone.measured(&scenario.measures[0], length(4_800, false))
    };
    for that in ["lag(billing)", "rebalances(billing)", "processed(billing)"] {
        let measured = measure(that);
        assert_eq!((measured.is_met, measured.value), (Some(false), None));
        assert_eq!(measured.evidence, format!("{that} was never measured, below 5 wanted"));
    }
    assert_eq!(measure("rebalances()").is_met, Some(true));
}
