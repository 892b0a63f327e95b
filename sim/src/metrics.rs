//! Series for the plots.
