//! The JSON Schema of scenario files, by a validator that is not the project's: it takes what the program takes, and
//! refuses the mistakes that it can see.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::{Validator, draft202012};
use proptest::prelude::*;
use serde_json::Value;
use sim::faults::target;
use sim::scenario::examples::FULL;
use sim::scenario::parse::parse;
use sim::scenario::schema::schema;
use sim::units;

/// What every case below stands on.
const BASE: &str = "[[topics]]\nname = \"orders\"\n\n[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 10\n\n\
                    [[workers]]\nname = \"billing\"\ntopics = [\"orders\"]\n\n";

fn validator() -> Validator {
    draft202012::new(&schema()).expect("a schema")
}

fn json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("TOML without dates is JSON")
}

#[test]
fn it_is_a_schema_of_its_draft() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    draft202012::meta::validate(&schema).expect("a schema");
}

#[test]
fn a_table_of_it_reads_well() {
    let schema = schema();
    let keys = &schema["properties"]["producers"]["items"]["properties"]["keys"];
    insta::assert_snapshot!(format!("{keys:#}"));
}

#[test]
fn it_takes_every_file_that_the_program_takes() {
    let validator = validator();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["../scenarios", "suites/situations/files"] {
        toml_files(&tests.join(folder), &mut files);
    }
    let (mut taken, mut refused) = (0, 0);
    let texts = files.into_iter().map(|file| {
        let text = fs::read_to_string(&file).expect("is text");
        (file.display().to_string(), text)
    });
    for (path, text) in texts.chain([("full.toml".to_owned(), FULL.clone())]) {
        if parse("scenario", &path, &text).is_err() {
            refused += 1;
            continue;
        }
        taken += 1;
        let value = json(&text);
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{path}: {}", errors.join("\n"));
    }
    assert!(taken >= 80 && refused >= 5, "{taken} taken, {refused} refused");
}

fn toml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("is a folder") {
        let path = entry.expect("is listed").path();
        if path.is_dir() {
            toml_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

/// The same file with the first piece of text, which is right, and with the second, which is wrong.
const MISTAKES: &[(&str, &str)] = &[
    // Unknown keys.
    ("[cluster]\nbrokers = 4", "[cluster]\nbrokrs = 4"),
    ("[limits]\nevents = 1000", "[limit]\nevents = 1000"),
    (
        "[cluster.network]\nlatency_mean = \"1ms\"",
        "[cluster.network]\nlatency = \"1ms\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"",
        "[[faults]]\nat = \"1s\"\nkil = \"broker 1\"",
    ),
    // Wrong types.
    ("[cluster]\nbrokers = 4", "[cluster]\nbrokers = \"four\""),
    ("[cluster]\nbrokers = 4", "[cluster]\nbrokers = 4.5"),
    (
        "[[consumers]]\nname = \"c\"\ntopic = \"orders\"",
        "[[consumers]]\nname = 7\ntopic = \"orders\"",
    ),
    (
        "[[services]]\nname = \"s\"\nfailure = 0.5",
        "[[services]]\nname = \"s\"\nfailure = \"half\"",
    ),
    ("[nemesis]\nstart = \"5s\"", "[[nemesis]]\nstart = \"5s\""),
    ("[[services]]\nname = \"s\"", "[services]\nname = \"s\""),
    (
        "[[faults]]\nat = \"1s\"\npartition = [[\"broker 1\"]]",
        "[[faults]]\nat = \"1s\"\npartition = [\"broker 1\"]",
    ),
    // Out of bounds.
    ("[cluster]\nbrokers = 4", "[cluster]\nbrokers = 400"),
    ("[cluster]\nbrokers = 4", "[cluster]\nbrokers = 0"),
    (
        "[[services]]\nname = \"s\"\nfailure = 0.5",
        "[[services]]\nname = \"s\"\nfailure = 1.5",
    ),
    ("[limits]\nmemory = \"64MiB\"", "[limits]\nmemory = 0"),
    (
        "[[faults]]\nat = \"1s\"\npartition = [[\"broker 1\"]]",
        "[[faults]]\nat = \"1s\"\npartition = []",
    ),
    // Times and sizes.
    ("[nemesis]\nstart = \"5s\"", "[nemesis]\nstart = \"5\""),
    ("[nemesis]\nstart = \"5s\"", "[nemesis]\nstart = 5"),
    ("[nemesis]\nstart = \"5s\"", "[nemesis]\nstart = \"5 fortnights\""),
    ("[nemesis]\ninterval = \"5s\"", "[nemesis]\ninterval = \"0s\""),
    ("[limits]\nmemory = \"64MiB\"", "[limits]\nmemory = \"64MiBs\""),
    (
        "[cluster.hardware]\nnic = \"1Gbit/s\"",
        "[cluster.hardware]\nnic = \"1Gbit/h\"",
    ),
    (
        "[cluster.hardware]\ncpu_per_byte = \"0.5ns\"",
        "[cluster.hardware]\ncpu_per_byte = \"0.5\"",
    ),
    // Misspelt words and names.
    (
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\ncommit = \"before\"",
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\ncommit = \"befor\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nhold = { from = \"broker 1\", to = \"broker 2\", api = \"Fetch\" }",
        "[[faults]]\nat = \"1s\"\nhold = { from = \"broker 1\", to = \"broker 2\", api = \"fetch\" }",
    ),
    (
        "[[measures]]\nthat = \"lag(billing)\"\nbelow = 5\naggregate = \"max\"",
        "[[measures]]\nthat = \"lag(billing)\"\nbelow = 5\naggregate = \"maximum\"",
    ),
    (
        "[[measures]]\nthat = \"lag(billing)\"\nbelow = 5",
        "[[measures]]\nthat = \"leg(billing)\"\nbelow = 5",
    ),
    (
        "[[measures]]\nthat = \"sent()\"\nbelow = 5",
        "[[measures]]\nthat = \"lag()\"\nbelow = 5",
    ),
    ("[at_most]\nlost-write = 1", "[at_most]\nlost-writes = 1"),
    ("[at_most]\nlost-write = 1", "[at_most]\nlost-write = 0"),
    ("[[topics]]\nname = \"a.b\"", "[[topics]]\nname = \"a b\""),
    ("[[topics]]\nname = \"_a\"", "[[topics]]\nname = \"__a\""),
    // Missing keys, and keys that need or exclude each other.
    ("[[topics]]\nname = \"t\"", "[[topics]]\npartitions = 3"),
    (
        "[[measures]]\nthat = \"sent()\"\nbelow = 5",
        "[[measures]]\nthat = \"sent()\"",
    ),
    (
        "[[measures]]\nthat = \"sent()\"\nbelow = 5\nat = \"5s\"",
        "[[measures]]\nthat = \"sent()\"\nbelow = 5\nat = \"5s\"\nfrom = \"1s\"",
    ),
    (
        "[[producers]]\nname = \"p\"\nrate = 1\ntopics = [\"orders\"]",
        "[[producers]]\nname = \"p\"\nrate = 1",
    ),
    (
        "[[producers]]\nname = \"p\"\nrate = 1\ntopics = [\"orders\"]",
        "[[producers]]\nname = \"p\"\nrate = 1\ntopics = [\"orders\"]\ntopic = \"orders\"",
    ),
    (
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nkeys = { distribution = \"zipf\", count = 9, exponent = 1 }",
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nkeys = { distribution = \"hot\", count = 9, exponent = 1 }",
    ),
    (
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nprogram = \"batch\"\nbatch_size = 5",
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nbatch_size = 5",
    ),
    (
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nprogram = \"batch\"",
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nprogram = \"aggregator\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"",
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"\npause = \"broker 1\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"",
        "[[faults]]\nat = \"1s\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"",
        "[[faults]]\nkill = \"broker 1\"",
    ),
    (
        "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\nschedule = [{ at = \"1s\", seek = \"back 5\" }]",
        "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\nschedule = [{ at = \"1s\", seek = \"bakc 5\" }]",
    ),
    // Targets.
    (
        "[[faults]]\nat = \"1s\"\nkill = \"the leader of orders/0\"",
        "[[faults]]\nat = \"1s\"\nkill = \"the leader of orders\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"broker 1\"",
        "[[faults]]\nat = \"1s\"\nkill = \"broker 0\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\nkill = \"client app/1\"",
        "[[faults]]\nat = \"1s\"\nkill = \"app/1\"",
    ),
    (
        "[[faults]]\nat = \"1s\"\none_way = { from = \"broker 1\", to = \"the controller\" }",
        "[[faults]]\nat = \"1s\"\none_way = { from = \"broker 1\", to = \"a controller node\" }",
    ),
    // Kafka's settings.
    (
        "[cluster.config]\n\"min.insync.replicas\" = 2",
        "[cluster.config]\n\"min.insync.replica\" = 2",
    ),
    (
        "[cluster.config]\n\"min.insync.replicas\" = 2",
        "[cluster.config]\nmin.insync.replicas = 2",
    ),
    (
        "[cluster.config]\n\"min.insync.replicas\" = \"2\"",
        "[cluster.config]\n\"min.insync.replicas\" = \"two\"",
    ),
    (
        "[cluster.config]\n\"min.insync.replicas\" = 2",
        "[cluster.config]\n\"min.insync.replicas\" = 0",
    ),
    (
        "[cluster.config]\n\"controlled.shutdown.enable\" = \"false\"",
        "[cluster.config]\n\"controlled.shutdown.enable\" = \"no\"",
    ),
    (
        "[cluster.config]\n\"request.timeout.ms\" = 30_000",
        "[cluster.config]\n\"request.timeout.ms\" = 40_000",
    ),
    (
        "[cluster.config]\n\"socket.send.buffer.bytes\" = 7",
        "[cluster.config]\n\"remote.log.storage.manager.class.name\" = \"X\"",
    ),
    (
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nconfig = { acks = 1, retries = 3 }",
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nconfig = { acks = 2, retries = 3 }",
    ),
    (
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nconfig = { retries = 2_147_483_647 }",
        "[[producers]]\nname = \"p\"\nrate = 1\ntopic = \"orders\"\nconfig = { retries = 2_147_483_648 }",
    ),
    (
        "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\nconfig = { \"auto.offset.reset\" = \"by_duration:PT1H\" }",
        "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\nconfig = { \"auto.offset.reset\" = \"erliest\" }",
    ),
    (
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nconsumer = { \"partition.assignment.strategy\" = \"range,sticky\" }",
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nconsumer = { \"partition.assignment.strategy\" = 3 }",
    ),
    (
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nconsumer = { \"max.poll.records\" = 5 }",
        "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nconsumer = { \"group.id\" = \"g\" }",
    ),
];

/// The same at the top level.
const MISTAKES_AT_THE_TOP: &[(&str, &str)] = &[
    ("seeds = \"0..3\"", "seeds = 3"),
    ("seeds = \"0..3\"", "seeds = \"0-3\""),
    ("duration = \"1m30s\"", "duration = \"90\""),
    ("duration = \"1m30s\"", "duration = \"0s\""),
    ("expect = [\"lost-write\"]", "expect = \"lost-write\""),
    ("expect = \"pass\"", "expect = []"),
    ("forbid = [\"lost-write\"]", "forbid = [\"lost-wite\"]"),
    ("quirks = [\"ack-before-isr\"]", "quirks = [\"ack-before-iser\"]"),
    ("teaches = \"It.\"", "teachs = \"It.\""),
];

#[test]
fn both_refuse_the_same_mistakes() {
    let validator = validator();
    let below = MISTAKES
        .iter()
        .map(|(right, wrong)| (format!("{BASE}{right}\n"), format!("{BASE}{wrong}\n")));
    let above = MISTAKES_AT_THE_TOP
        .iter()
        .map(|(right, wrong)| (format!("{right}\n{BASE}"), format!("{wrong}\n{BASE}")));
    for (right, wrong) in below.chain(above) {
        if let Err(error) = parse("scenario", "scenario.toml", &right) {
            panic!("{}", error.render(false));
        }
        if let Err(error) = validator.validate(&json(&right)) {
            panic!("{right}: {error}");
        }
        assert!(
            parse("scenario", "scenario.toml", &wrong).is_err(),
            "the program takes {wrong}"
        );
        assert!(!validator.is_valid(&json(&wrong)), "the schema takes {wrong}");
    }
}

/// Every value of a file that has every key is replaced by what no key takes, and removed.
#[test]
fn both_refuse_each_key_with_a_wrong_value_or_without_it() {
    let validator = validator();
    let full: toml::Value = toml::from_str(&FULL).expect("TOML");
    let mut paths = Vec::new();
    paths_of(&full, &mut Vec::new(), &mut paths);
    assert!(paths.len() > 250, "{} values", paths.len());
    let wrong: toml::Value = vec![vec![toml::Value::Boolean(true)]].into();
    let mut missing = 0;
    for path in paths {
        for replacement in [Some(&wrong), None] {
            let mut changed = full.clone();
            replace(&mut changed, &path, replacement);
            let text = toml::to_string(&changed).expect("TOML");
            let is_valid = validator.is_valid(&serde_json::to_value(&changed).expect("JSON"));
            let error = parse("scenario", "scenario.toml", &text).err();
            let message = error.as_ref().map(|error| error.render(false)).unwrap_or_default();
            let is_missing = replacement.is_none() && message.contains("` is missing");
            if replacement.is_some() || is_missing {
                assert!(error.is_some() && !is_valid, "{path:?} {replacement:?}: {message}");
            }
            assert!(
                is_valid || error.is_some(),
                "{path:?}: the program takes what the schema does not"
            );
            missing += usize::from(is_missing);
        }
    }
    assert!(missing > 30, "{missing} keys must be given");
}

/// The paths of all values below `value`.
fn paths_of(value: &toml::Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let below: Vec<(String, &toml::Value)> = match value {
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        toml::Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        path.push(key);
        paths.push(path.clone());
        paths_of(value, path, paths);
        path.pop();
    }
}

/// Puts `replacement` in the place of the value at `path`, or removes it.
fn replace(value: &mut toml::Value, path: &[String], replacement: Option<&toml::Value>) {
    let (key, rest) = path.split_first().expect("a path");
    match (value, rest) {
        (toml::Value::Table(table), []) => match replacement {
            Some(replacement) => drop(table.insert(key.clone(), replacement.clone())),
            None => drop(table.remove(key)),
        },
        (toml::Value::Array(list), []) => {
            let at: usize = key.parse().expect("an index");
            match replacement {
                Some(replacement) => list[at] = replacement.clone(),
                None => drop(list.remove(at)),
            }
        }
        (toml::Value::Table(table), rest) => replace(&mut table[key], rest, replacement),
        (toml::Value::Array(list), rest) => {
            replace(&mut list[key.parse::<usize>().expect("an index")], rest, replacement);
        }
        (other, _) => panic!("{other} has nothing at {key}"),
    }
}

#[test]
fn a_scenario_needs_topics() {
    let text = "duration = \"5s\"";
    assert!(parse("scenario", "scenario.toml", text).is_err());
    assert!(!validator().is_valid(&json(text)));
}

fn below(path: &[&str]) -> Validator {
    let schema = schema();
    let found = path.iter().fold(&schema, |schema, key| &schema["properties"][key]);
    draft202012::new(found).expect("a schema")
}

#[test]
fn times_sizes_and_targets_that_the_program_reads_are_in_its_patterns() {
    let (time, size) = (below(&["duration"]), below(&["limits", "memory"]));
    let target = draft202012::new(&schema()["properties"]["faults"]["items"]["properties"]["kill"]).expect("a schema");
    let number = "[0-9_]{0,2}(\\.[0-9]{0,2})?";
    let times = format!("{number} ?(w|d|m|s|ms|us|µs|min|hours|x|)( ?{number}(s|ms|ns))?");
    let sizes = format!("{number} ?(B|kB|KiB|MB|kbit|Gbit|x|) ?(/s|/h|)");
    let targets = "( |the |a )?(all|broker|controller|leader|follower|another|client|coordinator|)( the)?( of | )\
                   (a |the )?([a-c]?/?[0-2]{0,2}|controller)( the| )?";
    let seen = std::cell::Cell::new([0; 3]);
    let count = |index: usize| {
        let mut counts = seen.get();
        counts[index] += 1;
        seen.set(counts);
    };
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(3_000)
    };
    proptest!(config, |(text in times.as_str(), sized in sizes.as_str(), aim in targets)| {
        if units::duration(&text).is_ok_and(|time| !time.is_zero()) {
            count(0);
            prop_assert!(time.is_valid(&Value::from(&*text)), "{text:?}");
        }
        if units::bytes(&sized).is_ok_and(|size| size > 0) {
            count(1);
            prop_assert!(size.is_valid(&Value::from(&*sized)), "{sized:?}");
        }
        let is_target = target::parse(&aim).is_some();
        prop_assert_eq!(target.is_valid(&Value::from(&*aim)), is_target, "{:?}", aim);
        if is_target {
            count(2);
        }
    });
    assert!(seen.get().iter().all(|count| *count > 100), "{seen:?}");
}
