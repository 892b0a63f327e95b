//! Whole-system suites of Trial.
