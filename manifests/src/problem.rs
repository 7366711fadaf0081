//! The one form of what is wrong with something published.

use serde::Serialize;

/// Something that is not as it must be: where, and how it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: expected {expected}, found {found}")]
pub struct Problem {
    /// The field, from the outside inwards.
    pub field: String,
    /// What belongs there.
    pub expected: String,
    /// What is there. Text of others is quoted and escaped.
    pub found: String,
}

impl Problem {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
