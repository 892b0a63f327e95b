use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::faults::link::Link;
use crate::faults::pause::Pause;
use crate::faults::power_loss::PowerLoss;
use crate::scenario::parse::parse;

fn scenario(brokers: u32, dedicated: u32, nemesis: &str) -> Scenario {
    let text = format!(
        "duration = \"60s\"\n[cluster]\nbrokers = {brokers}\ndedicated_controllers = {dedicated}\n\
         [[topics]]\nname = \"orders\"\npartitions = 4\n\
         [[faults]]\nat = \"20s\"\nfor = \"10s\"\nkill = \"broker 1\"\n[nemesis]\n{nemesis}"
    );
    parse("test", "test.toml", &text)
        .expect("the scenario is valid")
        .scenario
}

/// The most nodes that are affected at any moment, counted without the nemesis' own bookkeeping.
fn most_affected(plan: &FaultPlan) -> u32 {
    let holds = |moment: Duration| {
        plan.iter()
            .filter(move |planned| planned.at <= moment && planned.until.is_none_or(|until| until >= moment))
    };
    let count = |moment| holds(moment).map(|planned| planned.fault.affects(0).0).sum();
    plan.iter().map(|planned| count(planned.at)).max().unwrap_or(0)
}

#[test]
fn a_weight_of_zero_is_never_drawn_and_every_other_kind_is() {
    let scenario = scenario(
        5,
        0,
        "interval = \"100ms\"\nduration = \"1ms\"\nweights = { pause = 1, link = 1 }",
    );
    let plan = plan(&scenario, 7);
    let drawn: Vec<_> = plan
        .iter()
        .filter(|planned| planned.until != Some(Duration::from_secs(30)))
        .collect();
    let pauses = drawn
        .iter()
        .filter(|planned| planned.fault.of_kind::<Pause>().is_some())
        .count();
    let links = drawn
        .iter()
        .filter(|planned| planned.fault.of_kind::<Link>().is_some())
        .count();
    assert!(pauses > 50 && links > 50, "{pauses} pauses and {links} links");
    assert_eq!(pauses + links, drawn.len());
}

#[test]
fn removing_a_weight_leaves_the_times_as_they_were() {
    let with = scenario(5, 0, "max_concurrent = 100\nweights = { pause = 1, kill = 1 }");
    let without = scenario(5, 0, "max_concurrent = 100\nweights = { pause = 1 }");
    let times = |scenario: &Scenario| -> Vec<_> {
        plan(scenario, 3)
            .iter()
            .map(|planned| (planned.at, planned.until))
            .collect()
    };
    assert_eq!(times(&with), times(&without));
}

#[test]
fn without_a_nemesis_the_plan_is_the_fixed_faults() {
    let mut scenario = scenario(3, 0, "");
    scenario.nemesis = None;
    assert_eq!(plan(&scenario, 1), scenario.faults);
}

proptest! {
    #[test]
    fn a_plan_keeps_its_bounds(
        seed in any::<u64>(),
        brokers in 1u32..8,
        dedicated in 0u32..4,
        start in 0u64..30,
        length in 1u64..30,
        interval in 50u64..20_000,
        holds in 1u64..30_000,
        max_concurrent in 1u32..6,
        power_loss in 0u32..3,
    ) {
        let stop = start + length;
        let spec = format!(
            "start = \"{start}s\"\nstop = \"{stop}s\"\ninterval = \"{interval}ms\"\nduration = \"{holds}ms\"\n\
             max_concurrent = {max_concurrent}\n\
             weights = {{ kill = 3, power_loss = {power_loss}, restart = 1, pause = 1, partition = 4, one_way = 1, slow_disk = 1, link = 1 }}"
        );
        let scenario = scenario(brokers, dedicated, &spec);
        let first = plan(&scenario, seed);
        prop_assert_eq!(&first, &plan(&scenario, seed), "one seed, one plan");
        prop_assert!(first.is_sorted_by_key(|planned| planned.at));
        let drawn: FaultPlan = first.iter().filter(|planned| !scenario.faults.contains(planned)).cloned().collect();
        for planned in &drawn {
            let until = planned.until.expect("the nemesis lets go");
            prop_assert!(planned.at >= Duration::from_secs(start) && planned.at < Duration::from_secs(stop));
            prop_assert!(until > planned.at && until <= Duration::from_secs(stop));
            prop_assert!(until - planned.at <= Duration::from_millis(holds * 3 / 2 + 1));
            if power_loss == 0 {
                prop_assert!(planned.fault.of_kind::<PowerLoss>().is_none());
            }
        }
        prop_assert!(most_affected(&first) <= max_concurrent, "{:?}", first);
    }
}
