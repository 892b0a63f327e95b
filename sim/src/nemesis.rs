//! The nemesis draws a fault plan from a seed and weights.
/// Placeholder until the room is built.
#[derive(Clone, PartialEq, Debug)]
pub struct NemesisSpec {}
