//! Trials of code that a user brings along.

use std::future::Future;
use std::sync::Arc;

use super::{Outcome, Wanted, hold};
use crate::nemesis;
use crate::program::{Env, Instances, OwnProgram};
use crate::scenario::error::ScenarioError;
use crate::scenario::{Scenario, parse};

/// A trial of a user's own programs: a scenario sets the stage (cluster, load, faults, expectations), and the programs
/// run beside those of the scenario, on simulated nodes of their own.
///
/// ```
/// use std::time::Duration;
/// use sim::program::{ConsumerConfig, PartitionIndex};
/// use sim::trial::Trial;
///
/// let trial = Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
/// let trial = trial.program("reader", |env| async move {
///     let mut consumer = env.consumer(ConsumerConfig::default());
///     consumer.assign(vec![("orders".into(), PartitionIndex(0))]);
///     consumer.poll(Duration::from_secs(1)).await;
/// });
/// trial.run(7).assert_pass();
/// ```
#[derive(Debug)]
pub struct Trial {
    stage: Stage,
    programs: Vec<OwnProgram>,
}

/// The scenario. A text is read when all programs are known, because its faults may name them.
#[derive(Debug)]
enum Stage {
    Text(String),
    Read(Box<Scenario>),
}

impl Trial {
    /// A trial on this stage.
    #[must_use]
    pub fn new(scenario: Scenario) -> Trial {
        Trial {
            stage: Stage::Read(Box::new(scenario)),
            programs: Vec::new(),
        }
    }

    /// A trial on the stage of a scenario file's text. Its faults may strike the user's programs by name
    /// (`client billing/1`).
    #[must_use]
    pub fn from_toml(text: &str) -> Trial {
        Trial {
            stage: Stage::Text(text.to_owned()),
            programs: Vec::new(),
        }
    }

    /// One program more; its name in faults and reports is `<name>/1`. Each run of it calls `main`, also after a crash.
    #[must_use]
    pub fn program<F>(self, name: &str, main: impl Fn(Env) -> F + Send + Sync + 'static) -> Trial
    where
        F: Future<Output = ()> + 'static,
    {
        self.programs(name, Instances::default(), main)
    }

    /// Several instances of a program: `<name>/1`, `<name>/2`, …
    #[must_use]
    pub fn programs<F>(
        mut self,
        name: &str,
        instances: Instances,
        main: impl Fn(Env) -> F + Send + Sync + 'static,
    ) -> Trial
    where
        F: Future<Output = ()> + 'static,
    {
        let main = Arc::new(main);
        let main = move |env: Env| {
            let main = Arc::clone(&main);
            async move {
                env.clock.topics_exist().await;
                main(env).await;
            }
        };
        self.programs.push(OwnProgram::new(name.to_owned(), instances, main));
        self
    }

    /// The program that was added last is the consumer group `group`, and promises to process every record of these
    /// topics: no commit may pass a record whose work has not ended, and the trial ends only when all is processed.
    ///
    /// # Panics
    /// When no program was added.
    #[must_use]
    pub fn drains(mut self, group: &str, topics: &[&str]) -> Trial {
        let program = self.programs.last_mut().expect("`drains` stands behind a program");
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        program.drains = Some((group.to_owned(), topics));
        self
    }

    /// The scenario.
    ///
    /// # Errors
    /// With everything that is wrong in the text.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        match &self.stage {
            Stage::Read(scenario) => Ok((**scenario).clone()),
            Stage::Text(text) => {
                let programs = self.programs.iter();
                let names: Vec<(String, u32)> = programs
                    .map(|program| (program.name.clone(), program.instances.count))
                    .collect();
                let parsed = parse::parse_with("trial", "the scenario of the trial", text, &names)?;
                Ok(parsed.scenario)
            }
        }
    }

    /// Holds the trial with this seed.
    ///
    /// # Panics
    /// When the scenario's text is wrong, with the message that `trial lint` would print; and when a program panics.
    #[must_use]
    pub fn run(&self, seed: u64) -> Outcome {
        let scenario = self
            .scenario()
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        let plan = nemesis::plan(&scenario, seed);
        hold(&scenario, &self.programs, seed, plan, Wanted::default())
    }
}
