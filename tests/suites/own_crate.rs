//! A crate of a user's own, outside this workspace: made from nothing but the steps of the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const README: &str = include_str!("../../README.md");

/// Each package of the library's tree that a crate of one's own could do without.
const UNWANTED: [&str; 6] = ["clap", "indicatif", "miette", "mimalloc", "plotters", "rayon"];

#[test]
fn a_crate_made_by_the_steps_of_the_readme_passes_its_test() {
    let steps = Steps::of_the_readme();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let place = Place::new(root);

    // The README has the repository beside the new crate; the rest of the line is run as it stands there.
    let beside = "../trial/sim";
    assert!(steps.make.contains(beside), "{}", steps.make);
    let make = steps.make.replace(beside, &root.join("sim").display().to_string());
    place.succeeds(&place.folder, &make);
    let own = place.folder.join("shop");
    fs::create_dir_all(own.join("tests")).expect("a new folder");
    for (name, text) in [("own_program.rs", steps.program), ("own_program.toml", steps.stage)] {
        fs::write(own.join("tests").join(name), text).expect("a new file");
    }
    // The versions of this workspace are the ones that are there without a network.
    fs::copy(root.join("Cargo.lock"), own.join("Cargo.lock")).expect("a copy");

    let ran = place.succeeds(&own, steps.run);
    assert!(
        ran.contains("test billing_survives_the_death_of_an_instance ... ok"),
        "{ran}"
    );

    // Without the flag, the first thing that a person reads is which flag, and where to.
    fs::remove_dir_all(own.join(".cargo")).expect("the README makes it");
    // What madsim needs then may have to be fetched before that.
    let refused = place.run(&own, "CARGO_NET_OFFLINE=false cargo check --tests");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    let (before, _) = said.split_once("Trial needs `--cfg madsim`").expect(&said);
    let errors = before.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "cargo's own line alone: {before}");
    assert!(said.contains("rustflags = [\"--cfg\", \"madsim\"]"), "{said}");

    let tree = place.succeeds(&own, "cargo tree --edges normal,dev --prefix none");
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("sim"), "{tree}");
    for unwanted in UNWANTED {
        assert!(!names.contains(unwanted), "the library pulls in {unwanted}");
    }
}

/// The commands and files that the README asks readers to type and write.
struct Steps<'a> {
    make: &'a str,
    stage: &'a str,
    program: &'a str,
    run: &'a str,
}

impl Steps<'_> {
    fn of_the_readme() -> Steps<'static> {
        let (_, section) = README.split_once("\n## Your own code\n").expect("the section");
        let (section, _) = section.split_once("\n## ").expect("another section");
        let shell: Vec<&str> = blocks(section, "sh");
        let [make, run, ..] = shell[..] else {
            panic!("two blocks of commands: {shell:?}");
        };
        Steps {
            make,
            stage: blocks(section, "toml")[0],
            program: blocks(section, "rust")[0],
            run,
        }
    }
}

/// The fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let behind = text.split(fence.as_str()).skip(1);
    behind
        .map(|block| block.split("```").next().expect("split gives at least one"))
        .collect()
}

/// A folder outside the workspace, so that neither its manifest nor its `.cargo/config.toml` is found. Its path is the
/// same in every run, and what is built of it stays in the workspace's target folder: the next run builds little.
struct Place {
    folder: PathBuf,
    target: PathBuf,
}

impl Place {
    fn new(root: &Path) -> Place {
        let name: String = root.display().to_string().replace(|c: char| !c.is_alphanumeric(), "-");
        let folder = std::env::temp_dir().join(format!("trial-own-crate{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        Place {
            folder,
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-crate"),
        }
    }

    /// Runs commands as the user's shell would, but without a network, and returns what they print.
    fn succeeds(&self, folder: &Path, commands: &str) -> String {
        let output = self.run(folder, commands);
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{commands}\n{printed}");
        printed
    }

    fn run(&self, folder: &Path, commands: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", commands]).current_dir(folder);
        // Nothing that this run of cargo has set reaches the user's; nothing else is set for it either.
        for (name, _) in std::env::vars() {
            if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_") {
                shell.env_remove(name);
            }
        }
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_MANIFEST_DIR",
            "TRIAL_SEED",
        ] {
            shell.env_remove(name);
        }
        shell.env("CARGO_TARGET_DIR", &self.target);
        shell.env("CARGO_NET_OFFLINE", "true");
        shell.env("CARGO_TERM_COLOR", "never");
        shell.output().expect("a shell")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
