//! What can be wrong with a scenario file, and how a person reads of it.

use core::ops::Range;
use std::borrow::Cow;

use super::excerpt::excerpt;

/// No scenario came out of a path. All but [`ScenarioError::NothingThere`] are errors of use.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The path does not exist.
    #[error("{path} does not exist")]
    Missing {
        /// The path.
        path: String,
    },
    /// The path is neither a file nor a folder.
    #[error("{path} is neither a file nor a folder")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// A folder where one file is needed.
    #[error("{path} is a folder, not a scenario file")]
    IsAFolder {
        /// The path.
        path: String,
    },
    /// A folder holds no scenario file.
    #[error("{path} holds no scenario")]
    NothingThere {
        /// The path.
        path: String,
    },
    /// The file system refused.
    #[error("{path} cannot be read: {cause}")]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        cause: String,
    },
    /// The file is larger than any scenario.
    #[error("{path} has {bytes} bytes; a scenario file has at most {limit}")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The file is no text.
    #[error("{path} is not UTF-8: the byte at offset {offset} belongs to no character")]
    NotUtf8 {
        /// The path.
        path: String,
        /// Where the first bad byte stands, from 0.
        offset: usize,
    },
    /// Two files would have one name, and one folder for their results.
    #[error("two scenarios are called `{name}`: {first} and {second}")]
    SameName {
        /// The name.
        name: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// No scenario that the program brings along has this name.
    #[error("no shipped scenario or folder of them is called `{name}`")]
    NotShipped {
        /// The name.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// The file was read, but it does not say a possible scenario.
    #[error("{path} has {} {}", problems.len(), if problems.len() == 1 { "problem" } else { "problems" })]
    Invalid {
        /// The path.
        path: String,
        /// What it says.
        text: String,
        /// What is wrong, in the order of the file; never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong, or doubtful, at one place of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What is wrong: a lowercase sentence without a full stop.
    pub message: String,
    /// Where, in bytes.
    pub span: Range<usize>,
    /// The way out, if one is known.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    #[must_use]
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// With a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

/// How many problems of one file are shown.
const SHOWN: usize = 20;

impl ScenarioError {
    /// The error for a person: each problem with file, line, column, excerpt and hint. `fancy` is for terminals.
    #[must_use]
    pub fn render(&self, fancy: bool) -> String {
        if let ScenarioError::Invalid { path, text, problems } = self {
            return render_problems(path, text, problems, Severity::Error, fancy);
        }
        let hint = match self.hint() {
            Some(hint) => format!("  hint: {hint}\n"),
            None => String::new(),
        };
        format!("error: {self}\n{hint}")
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let fixed = match self {
            ScenarioError::NotShipped { nearest, .. } => {
                let meant = nearest.map_or(String::new(), |name| format!("did you mean `{name}`? "));
                return Some(format!("{meant}`trial list --shipped` shows all").into());
            }
            ScenarioError::Missing { .. } => Some("give a scenario file, or a folder of them such as `scenarios`"),
            ScenarioError::IsAFolder { .. } => {
                Some("give one file of it; `trial run` and `trial lint` take folders too")
            }
            ScenarioError::NothingThere { .. } => Some("scenario files end in `.toml`"),
            ScenarioError::NotUtf8 { .. } => Some("save the file as UTF-8"),
            ScenarioError::SameName { .. } => {
                Some("a scenario is called by its path below `scenarios`, or below the folder given; rename one")
            }
            ScenarioError::NotAFile { .. }
            | ScenarioError::Unreadable { .. }
            | ScenarioError::TooLarge { .. }
            | ScenarioError::Invalid { .. } => None,
        };
        fixed.map(Cow::Borrowed)
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The file says no scenario.
    Error,
    /// It does, but perhaps not the one that was meant.
    Warning,
}

/// Problems of one file for a person, at most [`SHOWN`] of them.
#[must_use]
pub fn render_problems(path: &str, text: &str, problems: &[Problem], severity: Severity, fancy: bool) -> String {
    let word = match (severity, fancy) {
        (Severity::Error, true) => "\x1b[1;31merror\x1b[0m",
        (Severity::Error, false) => "error",
        (Severity::Warning, true) => "\x1b[1;33mwarning\x1b[0m",
        (Severity::Warning, false) => "warning",
    };
    let mut rendered = String::new();
    for problem in problems.iter().take(SHOWN) {
        rendered.push_str(&format!("{word}: {}\n", problem.message));
        rendered.push_str(&excerpt(path, text, &problem.span, fancy));
        if let Some(hint) = &problem.hint {
            rendered.push_str(&format!("  hint: {hint}\n"));
        }
    }
    if problems.len() > SHOWN {
        rendered.push_str(&format!("… and {} more in {path}\n", problems.len() - SHOWN));
    }
    rendered
}
