//! Stories that the checks must pass, and for each check one that it must catch.

mod script;
mod stories;
