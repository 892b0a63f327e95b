//! The `trial` command.
