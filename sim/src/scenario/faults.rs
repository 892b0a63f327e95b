//! Reads faults, their targets, and the nemesis.

use core::time::Duration;

use broker_core::protocol::ApiKey;

use super::nearest::nearest;
use super::reader::{Table, Value};
use crate::fault::{Fault, PlannedFault, Rolling, Target};
use crate::nemesis::{NemesisSpec, Weights};

/// The keys that say what a fault does.
pub const KINDS: [&str; 18] = [
    "kill",
    "power_loss",
    "restart",
    "pause",
    "partition",
    "one_way",
    "slow_disk",
    "link",
    "hold",
    "drop",
    "stop",
    "stop_in_sync",
    "rolling_restart",
    "slow_program",
    "stuck_poll",
    "service_down",
    "create_partitions",
    "omit_topic",
];

/// Every API that a message can belong to.
pub const APIS: [ApiKey; 23] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::Metadata,
    ApiKey::CreateTopics,
    ApiKey::InitProducerId,
    ApiKey::AllocateProducerIds,
    ApiKey::BrokerRegistration,
    ApiKey::BrokerHeartbeat,
    ApiKey::AlterPartition,
    ApiKey::Vote,
    ApiKey::BeginQuorumEpoch,
    ApiKey::EndQuorumEpoch,
    ApiKey::CreatePartitions,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
];

/// Reads one `[[faults]]`.
pub fn fault(table: &Table<'_>) -> Option<PlannedFault> {
    let at = table.required("at").and_then(|value| value.duration());
    let length = table.get("for").map(|value| value.duration());
    let given = table.given(&KINDS);
    let kind = match given.as_slice() {
        [(kind, _)] => *kind,
        // Whoever mistyped the key of the fault is told that already.
        [] if table.has_unknown_key => return None,
        [] => {
            let hint = format!("add one of {}", KINDS.join(", "));
            table.problem("the fault does not say what it does", hint);
            return None;
        }
        [(first, _), (second, _), ..] => {
            let value = table.get(second)?;
            value.problem(
                format!("a fault does one thing, but this one has `{first}` and `{second}`"),
                "write a `[[faults]]` for each",
            );
            return None;
        }
    };
    let fault = what(kind, &table.get(kind)?);
    let at = at?;
    let until = match length {
        Some(length) => Some(at.saturating_add(length?)),
        None => None,
    };
    Some(PlannedFault {
        at,
        until,
        fault: fault?,
    })
}

fn what(kind: &str, value: &Value<'_>) -> Option<Fault> {
    let field = |table: &Table<'_>, name: &str| table.required(name).and_then(|value| target(&value));
    match kind {
        "kill" => target(value).map(Fault::Kill),
        "power_loss" => target(value).map(Fault::PowerLoss),
        "restart" => target(value).map(Fault::Restart),
        "pause" => target(value).map(Fault::Pause),
        "partition" => groups(value).map(Fault::Partition),
        "one_way" => {
            let table = value.table()?;
            let (from, to) = (field(&table, "from"), field(&table, "to"));
            Some(Fault::OneWay(from?, to?))
        }
        "slow_disk" => {
            let table = value.table()?;
            let target = field(&table, "target");
            let factor = table.required("factor").and_then(|value| value.number());
            Some(Fault::SlowDisk(target?, factor?))
        }
        "link" => {
            let table = value.table()?;
            let (from, to) = (field(&table, "from"), field(&table, "to"));
            let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number());
            let (drop, duplicate) = (chance("drop"), chance("duplicate"));
            let delay = table
                .get("delay")
                .map_or(Some(Duration::ZERO), |value| value.duration());
            Some(Fault::Link {
                from: from?,
                to: to?,
                drop: drop?,
                delay: delay?,
                duplicate: duplicate?,
            })
        }
        "hold" => {
            let table = value.table()?;
            let (from, to) = (field(&table, "from"), field(&table, "to"));
            let api = table.required("api").and_then(|value| api(&value));
            let response = table.get("response").map_or(Some(false), |value| value.boolean());
            Some(Fault::Hold {
                from: from?,
                to: to?,
                api: api?,
                response: response?,
            })
        }
        "drop" => {
            let table = value.table()?;
            let (from, to) = (field(&table, "from"), field(&table, "to"));
            let api = table.required("api").and_then(|value| api(&value));
            let response = table.get("response").map_or(Some(false), |value| value.boolean());
            Some(Fault::Drop {
                from: from?,
                to: to?,
                api: api?,
                response: response?,
            })
        }
        "stop" => target(value).map(Fault::Stop),
        "stop_in_sync" => target(value).map(Fault::StopInSync),
        "rolling_restart" => {
            let table = value.table()?;
            let of = rolling(&table);
            let time = |name: &str, default| {
                let value = table.get(name);
                value.map_or(Some(default), |value| value.duration())
            };
            let (every, down) = (
                time("every", Duration::from_secs(10)),
                time("down", Duration::from_secs(2)),
            );
            Some(Fault::RollingRestart {
                of: of?,
                every: every?,
                down: down?,
            })
        }
        "slow_program" => {
            let table = value.table()?;
            let target = field(&table, "target");
            let factor = table.required("factor").and_then(|value| value.number());
            Some(Fault::SlowProgram(target?, factor?))
        }
        "stuck_poll" => target(value).map(Fault::StuckPoll),
        "service_down" => Some(Fault::ServiceDown(value.text()?.to_owned())),
        "create_partitions" => {
            let table = value.table()?;
            let topic = table.required("topic").and_then(|value| value.text());
            let partitions = table.required("partitions").and_then(|value| value.count());
            Some(Fault::CreatePartitions {
                topic: topic?.to_owned(),
                partitions: partitions?,
            })
        }
        "omit_topic" => {
            let table = value.table()?;
            let topic = table.required("topic").and_then(|value| value.text());
            let on = table.get("on").map_or(Some(Target::All), |value| target(&value));
            Some(Fault::OmitTopic {
                topic: topic?.to_owned(),
                on: on?,
            })
        }
        other => unreachable!("{other} is not among the kinds"),
    }
}

/// Who is restarted one after the other: workers or brokers.
fn rolling(table: &Table<'_>) -> Option<Rolling> {
    let workers = table.get("workers").map(|value| value.text().map(str::to_owned));
    let brokers = table.get("brokers").map(|value| value.boolean());
    let wait_for_isr = table.get("wait_for_isr");
    match (workers, brokers) {
        (Some(name), None | Some(Some(false))) => {
            if let Some(value) = wait_for_isr {
                value.problem(
                    "workers wait for no ISR",
                    "remove `wait_for_isr`, or write `brokers = true`",
                );
                return None;
            }
            name.map(Rolling::Workers)
        }
        (None, Some(Some(true))) => {
            let wait_for_isr = wait_for_isr.map_or(Some(true), |value| value.boolean())?;
            Some(Rolling::Brokers { wait_for_isr })
        }
        (_, Some(None)) => None,
        (Some(_), Some(_)) => {
            let hint = "write a `[[faults]]` for each";
            table.problem(
                "a rolling restart is of workers or of brokers, but this one is of both",
                hint,
            );
            None
        }
        (None, None | Some(Some(false))) => {
            let hint = "add `workers = \"<name>\"`, or `brokers = true`";
            table.problem("the rolling restart does not say of what", hint);
            None
        }
    }
}

fn groups(value: &Value<'_>) -> Option<Vec<Vec<Target>>> {
    let groups = value.list()?;
    if groups.is_empty() {
        value.problem(
            "a partition has at least one group",
            "write `[[\"broker 1\"], [\"broker 2\", \"broker 3\"]]`, or `[[\"broker 1\"]]` to isolate it",
        );
        return None;
    }
    let group = |value: &Value<'_>| {
        if !value.is_list() {
            let hint = "put each group into brackets: `[[\"broker 1\"], [\"broker 2\", \"broker 3\"]]`";
            value.problem(
                "a partition is a list of groups, and each group a list of targets",
                hint,
            );
            return None;
        }
        let members = value.list()?;
        if members.is_empty() {
            value.problem(
                "a group of a partition has at least one member",
                "remove the empty group",
            );
            return None;
        }
        members.iter().map(target).collect::<Option<Vec<_>>>()
    };
    groups.iter().map(group).collect::<Vec<_>>().into_iter().collect()
}

fn api(value: &Value<'_>) -> Option<ApiKey> {
    let name = value.text()?;
    let found = APIS.into_iter().find(|api| format!("{api:?}") == name);
    if found.is_none() {
        let names: Vec<String> = APIS.iter().map(|api| format!("{api:?}")).collect();
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known APIs: {}", names.join(", ")),
        };
        value.problem(format!("unknown API `{name}`"), hint);
    }
    found
}

/// How targets are written, and whom they mean when the fault begins.
pub const TARGETS: [(&str, &str); 9] = [
    ("broker 2", "a broker by number, from 1"),
    ("controller 1", "a dedicated controller by number, from 1"),
    ("leader of orders/0", "the leader of a partition"),
    ("a follower of orders/0", "the running follower with the lowest number"),
    (
        "another follower of orders/0",
        "the next one; while one is down, the running follower with the lowest number",
    ),
    ("the controller", "the active controller"),
    ("the coordinator of billing", "the coordinator of a consumer group"),
    (
        "client checkout/1",
        "a program by name and number, with all of its clients",
    ),
    ("all", "every broker and controller"),
];

fn target(value: &Value<'_>) -> Option<Target> {
    let text = value.text()?;
    let target = parse_target(text);
    if target.is_none() {
        let hint = match text.split_once(' ').map_or((text, ""), |(first, _)| (first, "")).0 {
            "client" => "a client program is `client <name>/<number>`, numbers from 1: `client app/1`",
            "leader" | "a" | "another" | "follower" => {
                "write `leader of orders/0`, `a follower of orders/0` or `another follower of orders/0`: topic and partition"
            }
            _ => {
                "a target is `broker 2`, `controller 1`, `leader of orders/0`, `a follower of orders/0`, `the controller`, `the coordinator of billing`, `client app/1` or `all`"
            }
        };
        value.problem(format!("`{text}` is no target"), hint);
    }
    target
}

/// Reads a target as [`Target`]'s `Display` writes it; articles may be left out.
#[must_use]
pub fn parse_target(text: &str) -> Option<Target> {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !matches!(*word, "the" | "a"))
        .collect();
    let partition = |place: &str| {
        let (topic, partition) = place.rsplit_once('/')?;
        let partition: u16 = partition.parse().ok()?;
        Some((topic.to_owned(), i32::from(partition)))
    };
    match words.as_slice() {
        ["all"] => Some(Target::All),
        ["controller"] => Some(Target::Controller),
        ["controller", number] => Some(Target::ControllerNode(
            number.parse().ok().filter(|number| *number > 0)?,
        )),
        ["broker", number] => Some(Target::Broker(number.parse().ok().filter(|number| *number > 0)?)),
        ["leader", "of", place] => partition(place).map(|(topic, partition)| Target::LeaderOf(topic, partition)),
        ["another", "follower", "of", place] => {
            partition(place).map(|(topic, partition)| Target::AnotherFollowerOf(topic, partition))
        }
        ["follower", "of", place] => partition(place).map(|(topic, partition)| Target::FollowerOf(topic, partition)),
        ["coordinator", "of", group] => Some(Target::CoordinatorOf((*group).to_owned())),
        ["client", name] => {
            let (group, number) = name.rsplit_once('/')?;
            let number: u32 = number.parse().ok()?;
            (number > 0 && !group.is_empty()).then(|| Target::Client(format!("{group}/{number}")))
        }
        _ => None,
    }
}

/// A regular expression (ECMA-262) of what [`parse_target`] reads.
#[must_use]
pub fn target_pattern() -> String {
    const NUMBER: &str = r"\+?0*[1-9][0-9]*";
    const PLACE: &str = r"\S*/\+?[0-9]+";
    let forms = [
        &["all"][..],
        &["controller"],
        &["(controller|broker)", NUMBER],
        &["(leader|(another )?follower)", "of", PLACE],
        &["coordinator", "of", r"(?!(the|a)(\s|$))\S+"],
        &["client", &format!(r"\S+/{NUMBER}")],
    ];
    let forms = forms.map(|words| words.join(" "));
    // Articles may stand between any two words.
    let spaced = format!("({})", forms.join("|")).replace(' ', r"\s+((the|a)\s+)*");
    format!(r"^\s*((the|a)\s+)*{spaced}(\s+(the|a))*\s*$")
}

/// Reads `[nemesis]`.
pub fn nemesis(table: &Table<'_>, scenario_duration: Duration) -> NemesisSpec {
    let default = NemesisSpec::lasting(scenario_duration);
    let duration =
        |name: &str, default: Duration| table.get(name).and_then(|value| value.duration()).unwrap_or(default);
    let positive =
        |name: &str, default: Duration| table.get(name).and_then(|value| value.duration()).unwrap_or(default);
    NemesisSpec {
        start: duration("start", default.start),
        stop: duration("stop", default.stop),
        interval: positive("interval", default.interval),
        duration: positive("duration", default.duration),
        max_concurrent: table
            .get("max_concurrent")
            .and_then(|value| value.count())
            .unwrap_or(default.max_concurrent),
        weights: table
            .get("weights")
            .and_then(|value| weights(&value))
            .unwrap_or(default.weights),
    }
}

fn weights(value: &Value<'_>) -> Option<Weights> {
    let table = value.table()?;
    if table.is_empty() {
        return None;
    }
    let weight = |name: &str| table.get(name).map_or(Some(0), |value| value.count());
    let weights = Weights {
        kill: weight("kill")?,
        power_loss: weight("power_loss")?,
        restart: weight("restart")?,
        pause: weight("pause")?,
        partition: weight("partition")?,
        one_way: weight("one_way")?,
        slow_disk: weight("slow_disk")?,
        link: weight("link")?,
        kill_worker: weight("kill_worker")?,
        restart_worker: weight("restart_worker")?,
        pause_worker: weight("pause_worker")?,
        stop: weight("stop")?,
    };
    if weights.total() == 0 {
        if table.has_unknown_key {
            return None;
        }
        value.problem(
            "all weights are 0",
            "give at least one kind of fault a weight, or remove `[nemesis]`",
        );
        return None;
    }
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_as_it_is_written() {
        for target in [
            Target::Broker(2),
            Target::ControllerNode(1),
            Target::LeaderOf("orders".to_owned(), 0),
            Target::FollowerOf("a/b".to_owned(), 7),
            Target::AnotherFollowerOf("orders".to_owned(), 0),
            Target::Controller,
            Target::CoordinatorOf("billing".to_owned()),
            Target::All,
            Target::Client("app/1".to_owned()),
        ] {
            assert_eq!(parse_target(&target.to_string()), Some(target));
        }
    }

    #[test]
    fn what_is_no_target_is_none() {
        for text in [
            "",
            "broker",
            "broker 0",
            "broker -1",
            "broker two",
            "leader of orders",
            "leader orders/0",
            "client app",
            "client /1",
            "everybody",
            "leader of orders/-1",
        ] {
            assert_eq!(parse_target(text), None, "{text}");
        }
    }

    #[test]
    fn no_api_is_listed_twice() {
        let names: std::collections::BTreeSet<String> = APIS.iter().map(|api| format!("{api:?}")).collect();
        assert_eq!(names.len(), APIS.len());
    }

    #[test]
    fn every_target_is_read_as_it_is_written() {
        for (text, _) in TARGETS {
            let target = parse_target(text).unwrap_or_else(|| panic!("{text}"));
            let plain = |text: &str| text.trim_start_matches("the ").to_owned();
            assert_eq!(plain(&target.to_string()), plain(text));
        }
    }
}
