use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::verdict::Word;

/// An empty folder of this test's own below the target folder, where its files can be looked at afterwards.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/tmp/reports")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("creates");
    dir
}

/// A small record with something in every field.
pub(crate) fn sample() -> RunRecord {
    RunRecord {
        schema_version: SCHEMA_VERSION,
        build: "0.1.0".into(),
        scenario: "durability/leader-killed".into(),
        teaches: "An acknowledged write outlives the leader that acknowledged it.".into(),
        seed: u64::MAX,
        verdict: Word::Violation,
        signature: Some("lost-write: truncated by the next leader".into()),
        title: None,
        evidence: "uid 7 is gone".into(),
        digest: "00ff00ff00ff00ff".into(),
        sim_seconds: 2.0,
        events: 123_456,
        totals: Totals {
            sent: 60,
            acked: 55,
            failed: 2,
            unknown: 3,
            committed: 56,
            consumed: 57,
        },
        findings: vec![FindingLine {
            check: "lost-write".into(),
            name: None,
            ruling: "violation".into(),
            because: None,
            count: 1,
            evidence: "record 17 was answered ok at orders/0 offset 16 and is not in the committed log".into(),
            step: 4242,
            time_ns: 1_250_000_000,
            witness: vec!["broker 2 truncated orders/0 to 16".into()],
        }],
        untested: vec!["kill broker 3 at 5s took no effect".into()],
        measures: vec![Measured {
            what: "lag(reader)".into(),
            unit: "records".into(),
            bounds: "below 100".into(),
            window: "from 50s".into(),
            value: Some(412.0),
            at: Some(52.5),
            is_met: Some(false),
            evidence: "lag(reader) was 412 at 52.5 s, below 100 wanted from 50s".into(),
        }],
        faults: vec![FaultBand {
            name: "kill broker 1".into(),
            from: 0.75,
            to: 1.5,
        }],
        bucket_seconds: 0.5,
        healed_at: Some(1.5),
        throughput: Throughput {
            produced: vec![40.0, 40.0, 40.0, 0.0],
            committed: vec![38.0, 20.0, 54.0, 0.0],
            consumed: vec![36.0, 20.0, 56.0, 2.0],
        },
        lag: vec![LagSeries {
            consumer: "readers".into(),
            partition: "orders/0".into(),
            records: vec![1, 2, 1, 0],
        }],
        groups: vec![GroupSeries {
            group: "billing".into(),
            totals: GroupTotals {
                processed: 50,
                retried: 4,
                dead_lettered: 1,
                skipped: 2,
                rebalances: 2,
            },
            processed: vec![30.0, 40.0, 20.0, 10.0],
            retried: vec![0.0, 8.0, 0.0, 0.0],
            dead_lettered: vec![0.0, 0.0, 2.0, 4.0],
            lag: vec![PartitionLag {
                partition: "orders/0".into(),
                records: vec![4, 3, 9, 0],
            }],
            owners: vec![OwnerBand {
                partition: "orders/0".into(),
                owner: "billing/1".into(),
                from: 0.25,
                to: 2.0,
            }],
            rebalances: vec![0.25, 1.0],
            owners_from: 0.0,
            idle: 0,
        }],
    }
}

#[test]
fn the_json_is_what_readers_of_version_1_know() {
    insta::assert_snapshot!(to_json(&sample()));
}

#[test]
fn what_is_saved_loads_again() {
    let path = scratch("record-round-trip").join("record.json");
    let without = RunRecord {
        signature: None,
        measures: vec![],
        untested: vec![],
        findings: vec![],
        faults: vec![],
        lag: vec![],
        groups: vec![],
        healed_at: None,
        ..sample()
    };
    for record in [sample(), without] {
        save(&record, &path).expect("saves");
        assert_eq!(load(&path).expect("loads"), record);
    }
}

#[test]
fn a_record_of_version_1_without_later_fields_loads() {
    let path = scratch("record-old").join("record.json");
    let without = RunRecord {
        groups: vec![],
        ..sample()
    };
    let old = to_json(&without)
        .replace("  \"healed_at\": 1.5,\n", "")
        .replace("\"seed\"", "\"of_the_future\": [1], \"seed\"");
    fs::write(&path, old).expect("writes");
    assert_eq!(
        load(&path).expect("loads"),
        RunRecord {
            healed_at: None,
            ..without
        }
    );
}

/// One row a way in which a file can be no record, with the message that a person reads.
#[test]
fn what_is_no_record_is_refused_with_the_way_out() {
    let dir = scratch("record-refused");
    let newer = to_json(&sample())
        .replace("\"schema_version\": 1", "\"schema_version\": 2")
        .replace("0.1.0", "0.9.0");
    let uneven = to_json(&sample()).replace("[1, 2, 1, 0]", "[1, 2, 1]");
    let cut = to_json(&sample())[..200].to_owned();
    let rows: [(&str, Option<String>); 7] = [
        ("missing", None),
        ("empty", Some(String::new())),
        ("text", Some("seed 17 failed".into())),
        ("cut", Some(cut)),
        ("other", Some("{\"verdict\": \"pass\"}".into())),
        ("newer", Some(newer)),
        ("uneven", Some(uneven)),
    ];
    let mut errors = String::new();
    for (name, content) in rows {
        let path = dir.join(name);
        if let Some(content) = content {
            fs::write(&path, content).expect("writes");
        }
        let error = load(&path).expect_err(name).to_string();
        errors += &format!("failed to {error}\n\n").replace(&format!("{}/", dir.display()), "");
    }
    let error = load(&dir).expect_err("a folder").to_string();
    assert!(error.contains("hint: check that it is a file"), "{error}");
    insta::assert_snapshot!(errors);
}

#[test]
fn a_record_that_contradicts_itself_is_neither_saved_nor_left_in_part() {
    let path = scratch("record-contradicts").join("record.json");
    let good = sample();
    let short = Throughput {
        consumed: vec![1.0],
        ..good.throughput.clone()
    };
    let not_a_rate = Throughput {
        produced: vec![f64::NAN; 4],
        ..good.throughput.clone()
    };
    let backwards = FaultBand {
        name: "pause broker 2".into(),
        from: 2.0,
        to: 1.0,
    };
    let rows = [
        (
            RunRecord {
                throughput: short,
                ..good.clone()
            },
            "series `throughput.consumed` has 1 buckets, but",
        ),
        (
            RunRecord {
                throughput: not_a_rate,
                ..good.clone()
            },
            "`throughput.produced` is NaN",
        ),
        (
            RunRecord {
                bucket_seconds: 0.0,
                ..good.clone()
            },
            "`bucket_seconds` is 0, and",
        ),
        (
            RunRecord {
                sim_seconds: -1.0,
                ..good.clone()
            },
            "`sim_seconds` is -1, and",
        ),
        (
            RunRecord {
                healed_at: Some(f64::INFINITY),
                ..good.clone()
            },
            "`healed_at` is inf, and",
        ),
        (
            RunRecord {
                faults: vec![backwards],
                ..good.clone()
            },
            "`pause broker 2` ends at 1 s, before",
        ),
    ];
    for (record, message) in rows {
        let error = save(&record, &path).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
        assert!(!path.exists());
    }
    let nowhere = path.with_file_name("no-such-folder").join("record.json");
    assert!(matches!(save(&good, &nowhere), Err(SaveError::Io { .. })));
}
