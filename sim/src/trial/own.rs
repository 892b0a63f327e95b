//! Trials of code that a user brings along.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use super::account::History;
use super::own_checks::{OwnChecks, View};
use crate::program::{Env, Instances, OwnProgram};
use crate::scenario::parse::quirk_hint;
use crate::scenario::{Scenario, parse};
use crate::toml_file::error::ScenarioError;

/// A trial of a user's own programs: a scenario sets the stage (cluster, load, faults, expectations), and the programs
/// run beside those of the scenario, on simulated nodes of their own.
///
/// ```
/// use std::time::Duration;
/// use sim::program::ConsumerConfig;
/// use sim::trial::Trial;
///
/// let trial = Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
/// let trial = trial.program("reader", |env| async move {
///     let mut consumer = env.consumer(ConsumerConfig::default());
///     consumer.assign([("orders", 0)]);
///     let _ = consumer.poll(Duration::from_secs(1)).await;
/// });
/// trial.run(7).assert_pass();
/// trial.sweep(0..3).assert_pass();
/// ```
///
/// A failure says how to see it again: `TRIAL_SEED=7 cargo test billing_survives`. With that variable, [`Trial::sweep`]
/// runs this seed alone, and every trial of this seed prints its story and keeps its files.
#[derive(Debug)]
pub struct Trial {
    stage: Stage,
    pub(super) programs: Vec<OwnProgram>,
    pub(super) checks: OwnChecks,
    quirks: Vec<String>,
    name: Option<String>,
    pub(super) test: Option<String>,
    pub(super) out: Option<PathBuf>,
    pub(super) keep: Keep,
}

/// The scenario. A text is read when all programs are known, because its faults may name them.
#[derive(Debug)]
enum Stage {
    Text(String),
    Read(Box<Scenario>),
}

/// Of which trials the files are kept: the scenario as it was understood, the record, its plots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// Of none.
    Nothing,
    /// Of those that did not come out as the scenario expects; of a sweep the first three of each signature.
    #[default]
    Failures,
    /// Of all.
    Everything,
}

impl Trial {
    /// A trial on this stage.
    #[must_use]
    pub fn new(scenario: Scenario) -> Trial {
        Trial::on(Stage::Read(Box::new(scenario)))
    }

    /// A trial on the stage of a scenario file's text. Its faults may affect the user's programs by name
    /// (`client billing/1`).
    #[must_use]
    pub fn from_toml(text: &str) -> Trial {
        Trial::on(Stage::Text(text.to_owned()))
    }

    fn on(stage: Stage) -> Trial {
        Trial {
            stage,
            programs: Vec::new(),
            checks: OwnChecks::default(),
            quirks: Vec::new(),
            name: None,
            test: running_test(),
            out: None,
            keep: Keep::default(),
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

    /// A check of the user's own, asked at the end of each trial with all that happened. What it returns as its error
    /// is a violation with the signature `own: <name>`, and so is a panic (`panic: <place>`).
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// let trial = trial.check("every order is processed once", |history| {
    ///     for order in history.acked() {
    ///         let times = history.processed().filter(|(_, sent)| sent.uid == order.uid).count();
    ///         if times != 1 {
    ///             return Err(format!("order {:?} of {} was processed {times} times", order.key, order.by));
    ///         }
    ///     }
    ///     Ok(())
    /// });
    /// trial.run(0).assert_pass();
    /// ```
    #[must_use]
    pub fn check(
        mut self,
        name: &str,
        check: impl Fn(&History) -> Result<(), String> + Send + Sync + 'static,
    ) -> Trial {
        self.checks.check(name, check);
        self
    }

    /// A check of the user's own, asked at each event of the history while the trial runs: its finding says when it was
    /// broken first. It must be quick, as there may be a hundred thousand events: look at [`View::event`] first.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// use sim::trial::Happened;
    ///
    /// let trial = trial.invariant("nothing is processed before its second attempt", |view| match &view.event.what {
    ///     Happened::Ended(work, _) if work.attempt < 2 => Err(format!("{work} was, by {}", view.event.who)),
    ///     _ => Ok(()),
    /// });
    /// trial.run(0).assert_pass();
    /// ```
    #[must_use]
    pub fn invariant(
        mut self,
        name: &str,
        invariant: impl Fn(&View<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Trial {
        self.checks.invariant(name, invariant);
        self
    }

    /// Plants a defect that a real system once had (`trial list` names them all). A test that still passes does not
    /// look where that defect shows.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// let trial = trial.quirk("truncate-to-high-watermark");
    /// trial.run(0).assert_pass(); // no election, nothing to truncate
    /// ```
    ///
    /// # Panics
    /// When no quirk has this name.
    #[must_use]
    pub fn quirk(mut self, name: &str) -> Trial {
        let known = broker_core::config::Quirks::default().enable(name);
        if let Err(unknown) = known {
            panic!("{unknown}\n  hint: {}", quirk_hint(name));
        }
        self.quirks.push(name.to_owned());
        self
    }

    /// The trial's name in messages and in the folder of its files, instead of that of the test that makes it.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// let trial = trial.named("billing/one-instance");
    /// assert_eq!(trial.name(), "billing/one-instance");
    /// ```
    #[must_use]
    pub fn named(mut self, name: &str) -> Trial {
        self.name = Some(name.to_owned());
        self
    }

    /// The folder for files of trials: `<dir>/<name>/<seed>/`, instead of `target/trial/<name>/<seed>/`.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// # let scratch = std::env::temp_dir().join(format!("trial-doc-out-{}", std::process::id()));
    /// use sim::trial::Keep;
    ///
    /// let run = trial.named("calm").out(&scratch).keep(Keep::Everything).run(7);
    /// assert!(scratch.join("calm/7/record.json").exists());
    /// # std::fs::remove_dir_all(&scratch).unwrap();
    /// ```
    #[must_use]
    pub fn out(mut self, dir: impl Into<PathBuf>) -> Trial {
        self.out = Some(dir.into());
        self
    }

    /// Of which trials the files are kept; of failures alone if nothing is said.
    ///
    /// ```
    /// # let trial = sim::trial::Trial::from_toml("duration = \"5s\"\ntopics = [{ name = \"orders\" }]");
    /// use sim::trial::Keep;
    ///
    /// trial.keep(Keep::Nothing).sweep(0..2).assert_pass();
    /// ```
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Trial {
        self.keep = keep;
        self
    }

    /// The trial's name.
    #[must_use]
    pub fn name(&self) -> String {
        let of_test = || self.test.as_ref().map(|test| test.replace("::", "/"));
        let name = self.name.clone().or_else(of_test);
        name.unwrap_or_else(|| "trial".to_owned())
    }

    /// The program that was added last may read this file, or all files in this folder: fixtures, whose content is a part
    /// of the test. Nothing else of the real world is there inside of a trial ([`crate::program`] says what is guarded).
    ///
    /// # Panics
    /// When no program was added.
    #[must_use]
    pub fn reads(mut self, path: impl Into<PathBuf>) -> Trial {
        let program = self.programs.last_mut().expect("`reads` stands behind a program");
        program.readable.push(path.into());
        self
    }

    /// The scenario, with the trial's name and quirks.
    ///
    /// # Errors
    /// With everything that is wrong in the text.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        let mut scenario = match &self.stage {
            Stage::Read(scenario) => (**scenario).clone(),
            Stage::Text(text) => {
                let programs = self.programs.iter();
                let names: Vec<(String, u32)> = programs
                    .map(|program| (program.name.clone(), program.instances.count))
                    .collect();
                parse::parse_with("trial", "the scenario of the trial", text, &names)?.scenario
            }
        };
        scenario.name = self.name();
        for quirk in &self.quirks {
            scenario.quirks.retain(|known| known != quirk);
            scenario.quirks.push(quirk.clone());
        }
        scenario.quirk_set = parse::quirk_set(&scenario.quirks);
        Ok(scenario)
    }
}

/// The test that runs on this thread: the harness calls the thread like it. With `--test-threads=1` there is no such
/// thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the name of the test stands in messages and paths alone"
)]
fn running_test() -> Option<String> {
    let thread = std::thread::current();
    thread.name().filter(|name| *name != "main").map(str::to_owned)
}
