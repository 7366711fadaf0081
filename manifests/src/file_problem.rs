//! What is wrong with something that was published.

use std::fmt;

/// The first thing that is wrong: where, what belongs there, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {field}: expected {expected}, found {found}")]
pub struct FileProblem {
    /// The file.
    pub file: String,
    /// The field of it, or the property.
    pub field: String,
    /// What belongs there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl FileProblem {
    /// A problem of `field` in `file`.
    pub fn new(
        file: impl fmt::Display,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self {
            file: file.to_string(),
            field: field.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// Holds that a field is as expected.
///
/// # Errors
/// It is not.
pub(crate) fn expect<T: PartialEq + fmt::Display>(
    file: &str,
    field: impl fmt::Display,
    expected: &T,
    found: &T,
) -> Result<(), FileProblem> {
    if expected == found {
        return Ok(());
    }
    Err(FileProblem::new(file, field, expected, found))
}
