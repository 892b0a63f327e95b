use super::{NoSuchRecord, RecordSelector, Station};
use crate::gauge::Gauge;
use crate::scenario::Scenario;
use crate::scenario::parse::parse;
use crate::trial;

fn stage() -> Scenario {
    let text = r#"
duration = "8s"

[cluster]
brokers = 3
config = { "offsets.topic.num.partitions" = 1, "group.initial.rebalance.delay.ms" = 0 }

[[topics]]
name = "orders"
partitions = 1
replication_factor = 3
config = { "min.insync.replicas" = 2 }

[[producers]]
name = "checkout"
topic = "orders"
rate = 10
keys = { distribution = "uniform", count = 5 }
config = { acks = "all" }

[[workers]]
name = "billing"
count = 1
topics = ["orders"]
processing = "1ms"
consumer = { "auto.offset.reset" = "earliest" }
"#;
    parse("test", "test.toml", text)
        .expect("the scenario is valid")
        .scenario
}

fn offset(offset: i64) -> RecordSelector {
    RecordSelector::Offset {
        topic: "orders".to_owned(),
        partition: 0,
        offset,
    }
}

fn follow(scenario: &Scenario, seed: u64, selector: RecordSelector) -> Result<Vec<Station>, NoSuchRecord> {
    trial::follow(scenario, seed, selector, &Gauge::default())
}

/// The stations with who was at work, without what differs from record to record.
fn lines(stations: &[Station]) -> Vec<String> {
    let line = |station: &Station| format!("{}: {}", station.node, station.text);
    stations.iter().map(line).collect()
}

#[test]
fn a_record_is_sent_appended_replicated_committed_polled_processed_and_passed() {
    let stations = follow(&stage(), 1, offset(10)).expect("it has an offset 10");
    assert!(stations.is_sorted_by_key(|station| station.at));
    let lines = lines(&stations);
    let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    // In this order; each of them as often as there are replicas or programs to do it.
    let mut last = 0;
    for (words, times) in [
        ("checkout/1: sent uid", 1),
        ("at offset 10 of orders/0, as the leader of epoch 0", 1),
        ("at offset 10 of orders/0, copied from the leader of epoch 0", 2),
        ("it is replicated there", 2),
        ("its high watermark of orders/0 passed offset 10", 1),
        ("is stored at offset 10 of orders/0 (acks=all)", 1),
        ("billing/1: polled uid", 1),
        ("billing/1: began attempt 1 at uid", 1),
        ("billing/1: processed uid", 1),
        ("for group billing: it has passed uid", 1),
    ] {
        assert_eq!(count(words), times, "{words}: {lines:#?}");
        if matches!(
            words,
            "its high watermark of orders/0 passed offset 10"
                | "billing/1: polled uid"
                | "billing/1: processed uid"
                | "for group billing: it has passed uid"
        ) {
            let place = lines.iter().position(|line| line.contains(words)).expect("it is there");
            assert!(place > last, "{words}: {lines:#?}");
            last = place;
        }
    }
}

#[test]
fn an_offset_a_uid_and_a_key_lead_to_the_same_record() {
    let scenario = stage();
    let by_offset = follow(&scenario, 1, offset(10)).expect("it has an offset 10");
    let sent = &by_offset[0].text;
    let uid = sent
        .split_whitespace()
        .nth(2)
        .expect("sent uid 11 (key key-3) to orders");
    let by_uid = follow(&scenario, 1, RecordSelector::Uid(uid.parse().expect("a number"))).expect("it was sent");
    assert_eq!(lines(&by_uid), lines(&by_offset));
    let key = sent
        .split("(key ")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .expect("a key");
    let by_key = lines(&follow(&scenario, 1, RecordSelector::Key(key.to_owned())).expect("it was sent"));
    for line in lines(&by_offset) {
        assert!(by_key.contains(&line), "{line}");
    }
}

#[test]
fn what_does_not_exist_is_said_with_what_does() {
    let hint = |selector| -> String {
        let NoSuchRecord { what, hint } = follow(&stage(), 1, selector).expect_err("there is none");
        format!("{what}; {}", hint.unwrap_or_default())
    };
    assert_eq!(
        hint(RecordSelector::Key("kye-1".to_owned())),
        "has the key `kye-1`; did you mean `key:key-1`?"
    );
    assert!(hint(RecordSelector::Uid(1 << 40)).contains("uids go from 1 to "));
    assert!(hint(offset(1 << 40)).contains("orders/0 ends at offset "));
}
