//! Programs: the code that produces and consumes.
