//! Where a test runs the command, and what the command said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

/// A folder of its own for each test, the command's working directory.
pub struct Place(pub PathBuf);

/// How a process ended and what it said.
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("trial-command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("scenarios")).expect("a temporary folder");
        Place(folder)
    }

    /// Writes a scenario whose trials come out as `teaches` says.
    pub fn scenario(&self, name: &str, teaches: &str, more: &str) {
        let text = format!(
            "teaches = \"{teaches}\"\n{more}\n[[topics]]\nname = \"orders\"\npartitions = 2\n\
             [[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 10\n[[consumers]]\nname = \"reader\"\ntopic = \"orders\"\n"
        );
        self.write(&format!("scenarios/{name}.toml"), &text);
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The command with arguments separated by blanks.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this executable"));
        command.args(arguments.split_whitespace()).current_dir(&self.0);
        command
            .env("TRIAL_STAND_IN", "1")
            .env_remove("TRIAL_SEED")
            .env_remove("RUST_BACKTRACE")
            .env_remove("NO_COLOR");
        command
    }

    pub fn trial(&self, arguments: &str) -> Said {
        Said::by(&mut self.command(arguments))
    }

    /// Every file below the place but the scenarios, with `*` for the time of the run.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.0, &self.0, &mut files);
        files.retain(|file| !file.starts_with("scenarios/"));
        files.sort();
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

impl Said {
    pub fn by(command: &mut Command) -> Said {
        Said::of(command.output().expect("the process starts"))
    }

    pub fn of(output: Output) -> Said {
        Said {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    pub fn last_line(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    #[track_caller]
    pub fn ended(self, exit: i32) -> Said {
        assert_eq!(self.exit, exit, "\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }

    /// What was said, without what differs from run to run: wall times, the build, the time of day.
    pub fn lasting(&self) -> String {
        let lines = self.out.lines().map(|line| {
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            for index in 0..words.len() {
                let next = words
                    .get(index + 1)
                    .is_some_and(|next| next == "s" || next.starts_with("s)"));
                let is_number = words[index]
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
                let is_build =
                    words[index].starts_with("0.1.0+") || words[index].starts_with('(') && words[index].ends_with("×)");
                if (next && is_number) || is_build {
                    words[index] = "#".to_owned();
                }
                if words[index].starts_with("trial-runs/2") {
                    let below = words[index].splitn(3, '/').nth(2).unwrap_or_default().to_owned();
                    words[index] = format!("trial-runs/#/{below}");
                }
            }
            words.join(" ")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let below = path.strip_prefix(root).expect("below").display().to_string();
        if path.is_symlink() {
            files.push(format!("{below} ->"));
        } else if path.is_dir() {
            collect(root, &path, files);
        } else {
            let parts: Vec<&str> = below.split('/').collect();
            let is_time = parts.len() > 2 && parts[0] == "trial-runs" && parts[1].starts_with('2');
            files.push(if is_time {
                format!("trial-runs/*/{}", parts[2..].join("/"))
            } else {
                below
            });
        }
    }
}

/// JSON lines without the wall time.
pub fn without_wall(lines: &[Value]) -> Vec<Value> {
    let strip = |line: &Value| {
        let mut line = line.clone();
        line.as_object_mut().expect("an object").remove("wall_seconds");
        line
    };
    lines.iter().map(strip).collect()
}
