//! Rebuild, compare, explain: why a launch digest changed, and whether a release is what its
//! inputs give.

pub mod audit;
pub mod diff;
