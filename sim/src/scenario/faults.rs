//! Reads faults: when they begin, how long they last, and which of the registry they are.

use crate::faults::PlannedFault;
use crate::faults::registry::{NAMES, REGISTRY};
use crate::toml_file::reader::Table;

/// Reads one `[[faults]]`.
pub fn fault(table: &Table<'_>) -> Option<PlannedFault> {
    let at = table.required("at").and_then(|value| value.duration());
    let length = table.get("for").map(|value| value.duration());
    let given = table.given(&NAMES);
    let kind = match given.as_slice() {
        [(kind, _)] => *kind,
        // A mistyped key of a fault is a problem already.
        [] if table.has_unknown_key => return None,
        [] => {
            let hint = format!("add one of {}", NAMES.join(", "));
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
    let value = table.get(kind)?;
    let fault = REGISTRY.iter().find(|entry| entry.key.name == kind)?;
    let fault = (fault.read)(&value);
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
