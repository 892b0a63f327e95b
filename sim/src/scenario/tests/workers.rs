//! Workers, services, what producers do about keys and lag, and faults on programs.

use super::*;
use crate::faults::stop::Stop;
use crate::faults::stop_in_sync::StopInSync;
use crate::faults::{Fault, PlannedFault};

/// Two topics and a load.
const STAGE: &str = "teaches = \"something\"\n[[topics]]\nname = \"orders\"\npartitions = 3\n[[topics]]\nname = \"retry\"\n\
    [[topics]]\nname = \"dead\"\n[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n";

fn worker(lines: &str) -> String {
    format!("{STAGE}[[workers]]\nname = \"billing\"\ntopics = [\"orders\"]\n{lines}")
}

/// The messages of files with a worker of these lines, without the text of the files.
fn all(lines: &[&str], message: impl Fn(&str) -> String) -> String {
    let one = |lines: &&str| {
        let text = worker(lines);
        let reported: Vec<String> = message(&text)
            .lines()
            .filter(|line| line.contains("error:") || line.contains("warning:") || line.contains("hint:"))
            .map(|line| line.trim().to_owned())
            .collect();
        format!("{lines}\n    {}\n", reported.join("\n    "))
    };
    lines.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_worker_leaves_out_has_defaults() {
    let group = read(&worker("")).workers.remove(0);
    assert_eq!(
        (group.count, group.group.as_str(), group.commit),
        (1, "billing", CommitMode::After)
    );
    assert_eq!(group.program, WorkerProgram::Plain);
    let consumer = group.consumer_of(1);
    assert_eq!(consumer.group_id.as_deref(), Some("billing"));
    assert_eq!((consumer.enable_auto_commit, consumer.group_instance_id), (false, None));
    assert_eq!(consumer.auto_offset_reset, AutoOffsetReset::Earliest);

    let text = worker("commit = \"auto\"\ngroup = \"b\"\nconsumer = { \"group.instance.id\" = \"host\" }");
    let consumer = read(&text).workers[0].consumer_of(2);
    assert_eq!(consumer.group_id.as_deref(), Some("b"));
    assert_eq!(consumer.group_instance_id.as_deref(), Some("host-2"));
    assert!(consumer.enable_auto_commit);
}

#[test]
fn a_pattern_names_the_topics_that_it_matches() {
    let text = worker("").replace("topics = [\"orders\"]", "pattern = \"(re|or).*\"");
    let group = read(&text).workers.remove(0);
    assert_eq!(group.topics, ["orders", "retry"]);
    assert_eq!(group.pattern.as_deref(), Some("(re|or).*"));

    let lines = [
        "pattern = \"orders-.*\"",
        "pattern = \"orders-(\"",
        "pattern = \"orders\"\ntopics = [\"orders\"]",
        "pattern = \".*\"\nconsumer = { \"group.protocol\" = \"consumer\" }",
        "pattern = \".*\"\nprogram = \"aggregator\"\noutput_topic = \"dead\"",
        "pattern = \"orders\"\nprogram = \"retry-topic\"\nretry_topic = \"retry\"\ndead_letter_topic = \"dead\"",
    ];
    let by_pattern = |text: &str| refused(&text.replace("topics = [\"orders\"]\npattern", "pattern"));
    insta::assert_snapshot!("patterns", all(&lines, by_pattern));
}

#[test]
fn a_list_may_be_a_list_or_text_with_commas() {
    for list in ["[\"sticky\", \"range\"]", "\"sticky, range\"", "\"sticky,range\""] {
        let text = worker(&format!("consumer = {{ \"partition.assignment.strategy\" = {list} }}"));
        let strategy = &read(&text).workers[0].consumer.partition_assignment_strategy;
        assert_eq!(strategy, &["sticky", "range"], "{list}");
    }
}

#[test]
fn small_clusters_keep_their_groups_too() {
    for (brokers, replicas) in [(1, 1), (2, 2), (3, 3), (5, 3)] {
        let scenario = read(&format!("{TOPIC}[cluster]\nbrokers = {brokers}"));
        assert_eq!(scenario.cluster.config.offsets_topic_replication_factor, replicas);
    }
}

#[test]
fn messages_about_workers() {
    let lines = [
        "program = \"plane\"",
        "program = \"coffee-break\"",
        "commit = \"later\"",
        "attempts = 3\nbatch_size = 2\noutput_topic = \"dead\"",
        "tasks = 3",
        "program = \"retry-topic\"",
        "program = \"retry-topic\"\nretry_topic = \"orders\"\ndead_letter_topic = \"ded\"",
        "program = \"retry-topic\"\nretry_topic = \"retry\"\ndead_letter_topic = \"retry\"\nattempts = 0",
        "program = \"aggregator\"\noutput_topic = \"orders\"",
        "group = \"\"",
        "failure = 1.5\npoison = -1",
        "service = \"ledger\"",
        "start = \"60s\"",
        "count = 3\nstart = \"50s\"\nstagger = \"5s\"",
        "start = \"10s\"\nstop = \"10s\"",
        "consumer = { \"group.id\" = \"b\", \"enable.auto.commit\" = true }",
        "consumer = { \"partition.assignment.strategy\" = \"stiky\" }",
        "consumer = { \"partition.assignment.strategy\" = [] }",
        "consumer = { \"partition.assignment.strategy\" = [1] }",
        "consumer = { \"session.timeout.ms\" = [1] }",
        "consumer = { \"session.timeout.ms\" = 5000 }",
        "consumer = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 6000 }",
        "consumer = { \"group.protocol\" = \"consumer\", \"group.remote.assignor\" = \"sticky\" }",
        "consumer = { \"group.protocol\" = \"konsumer\" }",
        "producer = { acks = 1, \"enable.idempotence\" = true }",
        "[[workers]]\nname = \"billing\"\ntopics = []",
        "[[workers]]\nname = \"other\"\ntopics = [\"orders\", \"orders\", \"ordres\"]",
        "[[workers]]\nname = \"other\"",
        "[[services]]\nname = \"ledger\"\n[[services]]\nname = \"ledger\"\nfailure = 2",
        "[cluster]\nbrokers = 2\nconfig = { \"offsets.topic.replication.factor\" = 3 }",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nkeys = { distribution = \"uniform\", count = 2, salted = 2, compound = 3 }",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nbackpressure = { group = \"biling\", lag = 0 }",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nbackpressure = { lag = 1 }",
    ];
    insta::assert_snapshot!("workers", all(&lines, refused));
}

#[test]
fn messages_about_faults_on_programs() {
    let faults = [
        "stop = \"client app/1\"",
        "stop = \"broker 7\"",
        "stop_in_sync = \"client billing/1\"",
        "stop = \"client billing/2\"",
        "stuck_poll = \"the controller\"",
        "slow_program = { target = \"client billing/1\", factor = 0.5 }",
        "slow_program = { target = \"client billin/1\", factor = 2 }",
        "service_down = \"ledger\"",
        "create_partitions = { topic = \"orders\", partitions = 3 }",
        "create_partitions = { topic = \"order\", partitions = 4 }",
        "omit_topic = { topic = \"order\" }",
        "omit_topic = { topic = \"orders\", on = \"broker 7\" }",
        "drop = { from = \"client billing/1\", to = \"all\", api = \"Hartbeat\" }",
        "rolling_restart = { workers = \"biling\" }",
        "rolling_restart = { workers = \"billing\", every = \"0s\" }",
        "rolling_restart = { workers = \"billing\", down = \"2m\" }",
        "rolling_restart = { every = \"5s\" }",
        "rolling_restart = { workers = \"billing\", brokers = true }",
        "rolling_restart = { workers = \"billing\", wait_for_isr = true }",
        "rolling_restart = { brokers = true, every = \"25s\", down = \"20s\" }",
        "kill = \"the coordinator of biling\"",
        "kill = \"coordinator\"",
    ];
    let faults = faults.map(|fault| format!("[[faults]]\nat = \"1s\"\n{fault}"));
    let lines: Vec<&str> = faults.iter().map(String::as_str).collect();
    insta::assert_snapshot!("faults_on_programs", all(&lines, refused));
}

#[test]
fn doubts_about_workers() {
    let doubts = |text: &str| {
        let parsed = parse("test", "test.toml", text).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let warnings = crate::scenario::lint::warnings(&parsed.scenario, &parsed.marks);
        // The topics that this worker leaves alone are no matter here.
        let mut reported = warnings;
        reported.retain(|problem| !problem.message.starts_with("nobody uses"));
        render_problems("test.toml", text, &reported, Severity::Warning, false)
    };
    let lines = [
        "",
        "count = 4",
        "commit = \"before\"",
        "commit = \"async-pool\"",
        "commit = \"none\"",
        "program = \"retry-topic\"\nretry_topic = \"retry\"\ndead_letter_topic = \"dead\"",
        "program = \"retry-topic\"\nretry_topic = \"retry\"\ndead_letter_topic = \"dead\"\ncopy_first = false",
        "program = \"blocking-retry\"\nattempts = 0\npoison = 0.1",
        "program = \"blocking-retry\"\nattempts = 10\nbackoff = \"1m\"",
        "program = \"batch\"\npoison = 0.1",
        "processing = \"1s\"",
        "consumer = { \"session.timeout.ms\" = 6000 }",
        "[[services]]\nname = \"ledger\"\nambiguous = 0.1",
        "[[faults]]\nat = \"1s\"\nfor = \"1s\"\ncreate_partitions = { topic = \"orders\", partitions = 4 }",
        "[[faults]]\nat = \"1s\"\nfor = \"1s\"\nrolling_restart = { workers = \"billing\" }",
        "[[faults]]\nat = \"1s\"\nslow_program = { target = \"client billing/1\", factor = 1 }",
    ];
    insta::assert_snapshot!("doubts_about_workers", all(&lines, doubts));
    let expected = worker("commit = \"before\"").replace("teaches", "expect = [\"skipped-processing\"]\nteaches");
    assert_eq!(doubts(&expected), "");
}

#[test]
fn a_rolling_restart_is_a_stop_for_each() {
    let text =
        worker("count = 3\n[[faults]]\nat = \"10s\"\nrolling_restart = { workers = \"billing\", every = \"4s\" }");
    let plan = nemesis::plan(&read(&text), 1);
    let stops: Vec<_> = plan
        .iter()
        .map(|planned| (planned.at.as_secs(), planned.until, &planned.fault))
        .collect();
    let stop = |number| Fault::from(Stop(Target::Client(format!("billing/{number}"))));
    let until = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        stops,
        [
            (10, until(12), &stop(1)),
            (14, until(16), &stop(2)),
            (18, until(20), &stop(3))
        ]
    );
}

#[test]
fn a_rolling_restart_of_brokers_waits_for_complete_isrs_or_not() {
    for (key, stop) in [
        ("", (|target| StopInSync(target).into()) as fn(Target) -> Fault),
        (", wait_for_isr = true", |target| StopInSync(target).into()),
        (", wait_for_isr = false", |target| Stop(target).into()),
    ] {
        let text = format!("[[faults]]\nat = \"10s\"\nrolling_restart = {{ brokers = true, every = \"4s\"{key} }}");
        let plan = nemesis::plan(&read(&worker(&text)), 1);
        let stops: Vec<_> = plan
            .iter()
            .map(|planned| (planned.at.as_secs(), planned.fault.clone()))
            .collect();
        let stop = |number| stop(Target::Broker(number));
        assert_eq!(stops, [(10, stop(1)), (14, stop(2)), (18, stop(3))], "{key}");
    }
}

#[test]
fn the_nemesis_has_faults_of_workers_besides_those_of_nodes() {
    let nemesis = "[nemesis]\ninterval = \"100ms\"\nduration = \"1s\"\nmax_concurrent = 1\n";
    let with = |weights: &str| {
        let text = worker(&format!("count = 2\n{nemesis}weights = {{ {weights} }}"));
        nemesis::plan(&read(&text), 1)
    };
    let both = with("kill = 1, kill_worker = 1, pause_worker = 1, restart_worker = 1");
    let is_of_worker = |planned: &&PlannedFault| {
        let targets = planned.fault.targets();
        targets.iter().all(|(_, target)| matches!(target, Target::Client(_)))
    };
    // Those of nodes wait for each other; those of workers for nobody.
    let of_workers = both.iter().filter(is_of_worker).count();
    assert!(of_workers > 300);
    assert!(both.len() - of_workers > 20);
}
