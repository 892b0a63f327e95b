use super::scene::{HEIGHT, Mark, WIDTH};
use super::*;
use crate::record::tests::{sample, scratch};
use crate::record::{
    FaultBand, FindingLine, GroupSeries, GroupTotals, LagSeries, OwnerBand, PartitionLag, Throughput, Totals,
};
use crate::verdict::Word;

/// A minute of load and a few quiet seconds: `rate(second)` records a second are produced, and each partition's lag
/// is `lag(partition, second)`.
fn run(partitions: usize, rate: impl Fn(f64) -> [f64; 3], lag: impl Fn(usize, f64) -> u64) -> RunRecord {
    let seconds = |bucket: usize| (bucket as f64 + 0.5) * 0.5;
    let series = |which: usize| (0..130).map(|bucket| rate(seconds(bucket))[which]).collect();
    let lags = |partition: usize| LagSeries {
        consumer: "readers".into(),
        partition: format!("orders/{partition}"),
        records: (0..130).map(|bucket| lag(partition, seconds(bucket))).collect(),
    };
    RunRecord {
        scenario: "performance/steady-load".into(),
        teaches: "A cluster of three brokers carries ten thousand records a second with a lag of a few records.".into(),
        seed: 42,
        verdict: Word::Pass,
        signature: None,
        title: None,
        evidence: String::new(),
        digest: "8f3a11c09d27e4b6".into(),
        sim_seconds: 65.0,
        totals: Totals {
            sent: 600_000,
            acked: 600_000,
            failed: 0,
            unknown: 0,
            committed: 600_000,
            consumed: 600_000,
        },
        findings: vec![],
        measures: vec![],
        untested: vec![],
        faults: vec![],
        bucket_seconds: 0.5,
        healed_at: Some(60.0),
        throughput: Throughput {
            produced: series(0),
            committed: series(1),
            consumed: series(2),
        },
        lag: (0..partitions).map(lags).collect(),
        groups: vec![],
        ..sample()
    }
}

/// Uneven, but the same in every run.
fn ripple(place: f64) -> f64 {
    let x = (place * 12.9898).fract() * 43_758.547;
    x.fract() - 0.5
}

fn calm() -> RunRecord {
    let rate = |at: f64| match at < 60.0 {
        true => [
            10_000.0 + 300.0 * ripple(at),
            10_000.0 + 400.0 * ripple(at + 7.0),
            10_000.0 + 500.0 * ripple(at + 3.0),
        ],
        false => [0.0; 3],
    };
    run(6, rate, |partition, at| {
        if at < 60.0 {
            (20.0 + 18.0 * ripple(at * 7.0 + partition as f64 * 0.37)) as u64
        } else {
            0
        }
    })
}

/// Twelve faults, one of them under all the others; nothing is committed for a while, and the backlog follows.
fn faulty() -> RunRecord {
    let rate = |at: f64| {
        let produced = if at < 60.0 { 5_000.0 + 200.0 * ripple(at) } else { 0.0 };
        match at {
            at if (12.0..18.0).contains(&at) => [produced, 0.0, 0.0],
            at if (18.0..21.0).contains(&at) => [produced, 14_000.0, 9_000.0],
            at if (21.0..26.0).contains(&at) => [produced, produced, 8_600.0],
            _ => [produced; 3],
        }
    };
    let lag = |partition: usize, at: f64| match at {
        at if (18.0..21.0).contains(&at) => (2_000.0 * (at - 18.0)) as u64 + partition as u64 * 70,
        at if (21.0..26.0).contains(&at) => (6_000.0 - 1_200.0 * (at - 21.0)) as u64 + partition as u64 * 50,
        at if at < 60.0 => 20 + partition as u64,
        _ => 0,
    };
    let names = [
        "kill broker 1",
        "partition broker 2 | broker 1, broker 3",
        "slow disk broker 3, 10 times",
        "pause client readers/1",
    ];
    let fault = |number: usize| {
        let from = 3.0 + 4.4 * number as f64;
        FaultBand {
            name: names[number % 4].into(),
            from,
            to: from + 2.0 + number as f64 % 5.0,
        }
    };
    let mut faults: Vec<_> = (0..11).map(fault).collect();
    faults.push(FaultBand {
        name: "link broker 1 to broker 2: drop 2 %, delay 40 ms".into(),
        from: 0.0,
        to: 60.0,
    });
    let finding = FindingLine {
        time_ns: 44_250_000_000,
        ..sample().findings[0].clone()
    };
    RunRecord {
        scenario: "bugs/truncate-to-high-watermark".into(),
        teaches:
            "A follower that cuts its log to its own high watermark after a restart loses records that the leader has \
                  already acknowledged, because its high watermark lags behind the leader's by one fetch (KIP-101)."
                .into(),
        verdict: Word::Violation,
        signature: Some("lost-write: truncated below the high watermark by the next leader".into()),
        findings: vec![finding],
        faults,
        ..run(6, rate, lag)
    }
}

/// One key takes most of the load, and its partition's consumer cannot follow.
fn hot() -> RunRecord {
    let lag = |partition: usize, at: f64| match partition {
        3 if at < 60.0 => (at * 100_000.0 / 59.75) as u64,
        3 => (100_000.0 - (at - 60.0) * 6_000.0) as u64,
        _ => (90.0 + 80.0 * ripple(at + partition as f64 * 0.7)) as u64,
    };
    let record = run(
        8,
        |at| {
            if at < 60.0 {
                [8_000.0, 8_000.0, 6_300.0]
            } else {
                [0.0, 0.0, 2_000.0]
            }
        },
        lag,
    );
    RunRecord {
        scenario: "performance/hot-key".into(),
        teaches: "One hot key fills one partition: its consumer falls behind while all the others idle.".into(),
        verdict: Word::Allowed,
        ..record
    }
}

/// Sixty partitions in two consumer groups, one of which stops for a while.
fn many() -> RunRecord {
    let lag = |partition: usize, at: f64| {
        let base = 40.0 + 30.0 * ripple(at + partition as f64 * 1.7);
        let backlog = if partition.is_multiple_of(7) {
            (at - 20.0).clamp(0.0, 15.0) * (60.0 + partition as f64)
        } else {
            0.0
        };
        let caught_up = if at > 45.0 { 0.0 } else { backlog };
        (base + caught_up) as u64
    };
    let mut record = run(
        60,
        |at| {
            if at < 60.0 {
                [90_000.0, 89_000.0 + 900.0 * ripple(at), 87_000.0]
            } else {
                [0.0; 3]
            }
        },
        lag,
    );
    for (number, lag) in record.lag.iter_mut().enumerate() {
        lag.consumer = if number % 2 == 0 {
            "billing".into()
        } else {
            "analytics".into()
        };
    }
    let fault = |number: usize| FaultBand {
        name: format!("kill broker {}", number % 5 + 1),
        from: 1.0 + 1.4 * number as f64,
        to: 4.0 + 1.4 * number as f64,
    };
    RunRecord {
        faults: (0..40).map(fault).collect(),
        scenario: "chaos/many-partitions".into(),
        ..record
    }
}

/// Four programs share twelve partitions. One joins late, one is killed, and its partitions move twice; for a while two
/// own the same ones. Some records fail, and a few of them for good.
fn shared() -> RunRecord {
    let rate = |at: f64| {
        if at < 60.0 {
            [2_400.0, 2_400.0, 2_380.0]
        } else {
            [0.0; 3]
        }
    };
    let record = run(12, rate, |_, _| 8);
    let buckets = |value: fn(f64) -> f64| {
        (0..130)
            .map(|bucket| value((bucket as f64 + 0.5) * 0.5))
            .collect::<Vec<f64>>()
    };
    let lag = |partition: usize| PartitionLag {
        partition: format!("orders/{partition}"),
        records: (0..130)
            .map(|bucket| {
                let at = (bucket as f64 + 0.5) * 0.5;
                let stalled = partition % 4 == 2 && (24.0..33.0).contains(&at);
                let backlog = if stalled {
                    (at - 24.0) * 200.0
                } else {
                    30.0 + 20.0 * ripple(at + partition as f64)
                };
                backlog as u64
            })
            .collect(),
    };
    let band = |partition: usize, owner: usize, from: f64, to: f64| OwnerBand {
        partition: format!("orders/{partition}"),
        owner: format!("billing/{owner}"),
        from,
        to,
    };
    let mut owners: Vec<OwnerBand> = (0..12)
        .map(|partition| band(partition, partition % 3 + 1, 3.0, 12.0))
        .collect();
    owners.extend((0..12).map(|partition| band(partition, partition % 4 + 1, 12.5, 33.0)));
    // The third one is paused, and learns late that it has lost its partitions.
    owners.extend((0..12).map(|partition| match partition % 4 {
        2 => band(partition, partition % 3 + 1, 30.5, 65.0),
        owner => band(partition, owner + 1, 33.0, 65.0),
    }));
    owners.sort_by(|a, b| a.from.total_cmp(&b.from));
    let group = GroupSeries {
        group: "billing".into(),
        totals: GroupTotals {
            processed: 140_000,
            retried: 2_900,
            dead_lettered: 120,
            skipped: 0,
            rebalances: 4,
        },
        processed: buckets(|at| {
            if !(3.0..=61.0).contains(&at) {
                0.0
            } else {
                2_380.0 + 90.0 * ripple(at)
            }
        }),
        retried: buckets(|at| {
            if !(3.0..=61.0).contains(&at) {
                0.0
            } else {
                48.0 + 30.0 * ripple(at + 5.0)
            }
        }),
        dead_lettered: buckets(|at| if (20.0..40.0).contains(&at) { 6.0 } else { 0.0 }),
        lag: (0..12).map(lag).collect(),
        owners,
        rebalances: vec![3.0, 12.2, 30.4, 33.0],
        owners_from: 0.0,
        idle: 0,
    };
    let fault = FaultBand {
        name: "pause client billing/3".into(),
        from: 24.0,
        to: 33.0,
    };
    RunRecord {
        scenario: "groups/paused-member".into(),
        teaches: "A member that stands still for longer than its session timeout loses its partitions; what it does before it learns of that cannot be committed.".into(),
        faults: vec![fault],
        groups: vec![group],
        ..record
    }
}

/// Two groups with more programs and partitions than there is room for.
fn crowd() -> RunRecord {
    let mut record = shared();
    let first = &mut record.groups[0];
    first.owners = (0..90)
        .map(|number| OwnerBand {
            partition: format!("a-topic-with-quite-a-long-name/{number}"),
            owner: format!("a-program-with-quite-a-long-name-as-well/{}", number % 30),
            from: number as f64 / 10.0,
            to: 60.0,
        })
        .collect();
    first.rebalances = (0..60).map(f64::from).collect();
    let mut second = first.clone();
    second.group = "analytics".into();
    record.groups.push(second);
    record
}

fn nothing() -> RunRecord {
    let record = run(0, |_| [0.0; 3], |_, _| 0);
    RunRecord {
        scenario: "quorum/no-majority".into(),
        teaches: String::new(),
        verdict: Word::Inconclusive,
        totals: Totals::default(),
        sim_seconds: 0.0,
        throughput: Throughput::default(),
        healed_at: None,
        ..record
    }
}

/// More faults at once than there is room for names, with long names everywhere.
fn storm() -> RunRecord {
    let fault = |number: usize| FaultBand {
        name: format!(
            "partition broker {number}, broker {} | the controller, leader of orders/{number}",
            number + 1
        ),
        from: 0.4 * number as f64,
        to: 0.4 * number as f64 + if number.is_multiple_of(3) { 0.0 } else { 9.0 },
    };
    let mut record = faulty();
    for (number, lag) in record.lag.iter_mut().enumerate() {
        lag.consumer = format!("the-consumers-of-the-billing-department-{}", number % 3);
        lag.partition = format!("a-topic-with-quite-a-long-name-for-a-plot/{number}");
    }
    RunRecord {
        scenario: format!("chaos/{}storm", "very-".repeat(24)),
        signature: Some("R6: the high watermark advanced beyond what the maximal ISR holds ".repeat(4)),
        teaches: "Everything that can break breaks at once, and again. ".repeat(12),
        seed: u64::MAX,
        faults: (0..150).map(fault).collect(),
        ..record
    }
}

fn all() -> [(&'static str, RunRecord); 8] {
    let (calm, faulty, hot, many, storm, nothing) = (calm(), faulty(), hot(), many(), storm(), nothing());
    [
        ("shared", shared()),
        ("crowd", crowd()),
        ("calm", calm),
        ("faulty", faulty),
        ("hot", hot),
        ("many", many),
        ("storm", storm),
        ("nothing", nothing),
    ]
}

/// All scenes of a record.
fn scenes(record: &RunRecord) -> Vec<scene::Scene> {
    let mut scenes = vec![throughput::scene(record), lag::scene(record)];
    if !record.groups.is_empty() {
        scenes.push(groups::lag_scene(record));
        scenes.push(groups::assignment_scene(record));
        scenes.push(groups::processing_scene(record));
    }
    scenes
}

#[test]
fn runs_are_compared_in_one_picture() {
    let dir = scratch("plots-compared");
    let named = |name: &str, record: RunRecord| RunRecord {
        scenario: format!("hot-partitions/{name}"),
        ..record
    };
    let mut records = vec![named("default-partitioner", hot())];
    let keyless = |at: usize| move |partition: usize, _: f64| (120 + at + partition * 9) as u64;
    for (number, name) in ["keyless", "salted-key", "compound-key"].into_iter().enumerate() {
        records.push(named(name, run(8, |_| [8_000.0; 3], keyless(number))));
    }
    records.push(named("backpressure", shared()));
    let paths = compare("hot-key", &records, &dir).expect("draws");
    assert_eq!(
        paths,
        ["compare-hot-key.svg", "compare-hot-key.png"].map(|name| dir.join(name))
    );
    let scene = compare::scene("hot-key", &records);
    let lines: Vec<_> = scene.texts().map(|text| text.text.as_str()).collect();
    insta::assert_snapshot!("compared", lines.join("\n"));
    apart("compared", &scene);
}

#[test]
fn the_files_are_what_their_names_say() {
    for (name, record) in all() {
        let dir = scratch(&format!("plots-{name}")).join("created");
        let paths = write_plots(&record, &dir).expect("draws");
        let more = ["group-lag", "assignment", "processing"];
        let more = if record.groups.is_empty() { &[][..] } else { &more };
        let names = ["throughput", "lag"].iter().chain(more);
        let files = names.flat_map(|name| ["svg", "png"].map(|ending| dir.join(format!("{name}.{ending}"))));
        assert_eq!(paths, files.collect::<Vec<_>>());
        for path in paths {
            let bytes = fs::read(&path).expect("reads");
            if path.extension().is_some_and(|ending| ending == "png") {
                let reader = png::Decoder::new(&bytes[..]).read_info().expect("is PNG");
                assert_eq!((reader.info().width, reader.info().height), (2400, 1350));
            } else {
                let text = String::from_utf8(bytes).expect("is text");
                assert!(
                    text.starts_with("<svg width=\"1200\" height=\"675\""),
                    "{}",
                    &text[..80]
                );
                assert!(
                    !text.contains("http") || text.matches("http").count() == 1,
                    "only the name space has an address"
                );
            }
        }
    }
}

#[test]
fn equal_records_give_equal_files() {
    let dirs = [scratch("plots-once"), scratch("plots-twice")];
    let [once, twice] = dirs.map(|dir| write_plots(&faulty(), &dir).expect("draws"));
    for (once, twice) in once.iter().zip(&twice) {
        assert!(
            fs::read(once).expect("reads") == fs::read(twice).expect("reads"),
            "{} differs",
            once.display()
        );
    }
}

#[test]
fn a_record_that_contradicts_itself_is_not_drawn() {
    let dir = scratch("plots-refused").join("never");
    let broken = RunRecord {
        bucket_seconds: f64::NAN,
        ..calm()
    };
    assert!(matches!(
        write_plots(&broken, &dir),
        Err(PlotError::Invalid(Invalid::Bucket(_)))
    ));
    assert!(!dir.exists());
    let file = scratch("plots-no-folder").join("file");
    fs::write(&file, "").expect("writes");
    assert!(matches!(write_plots(&calm(), &file), Err(PlotError::Io { .. })));
}

/// All that the plots say in words, as a person reads them.
#[test]
fn what_the_plots_say() {
    for (name, record) in all() {
        let mut said = String::new();
        for scene in scenes(&record) {
            let lines: Vec<_> = scene.texts().map(|text| text.text.as_str()).collect();
            said += &format!("{}\n---\n{}\n\n", scene.title, lines.join("\n"));
        }
        insta::assert_snapshot!(name, said);
    }
}

/// The lines go where the values are: the hot partition's peak is a red pixel at the top, in both kinds of file.
#[test]
fn values_become_points_and_points_become_pixels() {
    let record = hot();
    let scene = lag::scene(&record);
    let is_hot_line = |mark: &&Mark| matches!(mark, Mark::Line { width: 3.5, .. });
    let hot_lines: Vec<_> = scene.marks.iter().filter(is_hot_line).collect();
    // One in the plot, one in the legend.
    let [Mark::Line { points, colour, .. }, Mark::Line { .. }] = hot_lines[..] else {
        panic!("{hot_lines:?}")
    };
    assert_eq!(
        points.len(),
        131,
        "a point for the beginning and one for the end of each bucket"
    );
    let peak = points
        .iter()
        .copied()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("has points");
    assert!(peak.0 > 850.0 && peak.0 < 900.0, "at 60 of 65 seconds: {peak:?}");

    let png = raster::draw(&scene).expect("draws");
    let mut reader = png::Decoder::new(&png[..]).read_info().expect("is PNG");
    let mut pixels = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut pixels).expect("decodes");
    let place = ((2.0 * peak.1) as usize * 2400 + (2.0 * peak.0) as usize) * 3;
    assert_eq!((pixels[place], pixels[place + 1], pixels[place + 2]), colour.rgb);

    let svg = svg::draw(&scene).expect("draws");
    let point = format!("{},{}", (10.0 * peak.0).round(), (10.0 * peak.1).round());
    let (red, green, blue) = colour.rgb;
    let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\"");
    assert!(
        svg.lines().any(|line| line.contains(&point) && line.contains(&stroke)),
        "{point}"
    );
}

#[test]
fn words_from_outside_cannot_leave_their_place_in_the_svg() {
    let hostile = "</title><script>alert(1)</script> & \"quotes\"";
    let record = RunRecord {
        scenario: hostile.into(),
        teaches: hostile.into(),
        ..calm()
    };
    let svg = svg::draw(&throughput::scene(&record)).expect("draws");
    assert!(!svg.contains("<script") && svg.contains("&lt;script"), "{svg}");
}

/// Every text stands on the sheet, and no two texts stand on each other.
#[test]
fn texts_stay_on_the_sheet_and_off_each_other() {
    for (name, record) in all() {
        for scene in scenes(&record) {
            apart(name, &scene);
        }
    }
}

fn apart(name: &str, scene: &scene::Scene) {
    let texts: Vec<_> = scene.texts().collect();
    for (place, text) in texts.iter().enumerate() {
        let (left, right) = (text.left(), text.left() + text.width());
        let (top, bottom) = (text.at.1 - 0.75 * text.size, text.at.1 + 0.25 * text.size);
        assert!(
            left >= 0.0 && right <= WIDTH && top >= 0.0 && bottom <= HEIGHT,
            "{name}: {text:?}"
        );
        for other in &texts[..place] {
            let apart = right <= other.left() || other.left() + other.width() <= left;
            let below = top >= other.at.1 + 0.25 * other.size || bottom <= other.at.1 - 0.75 * other.size;
            assert!(apart || below, "{name}: {text:?} stands on {other:?}");
        }
    }
}
