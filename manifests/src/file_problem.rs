//! What is wrong with a published file.

use std::fmt;

use crate::Problem;

/// The first thing that is wrong: in which file, and what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FileProblem {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl FileProblem {
    /// A problem of `field` in `file`.
    pub fn new(
        file: impl fmt::Display,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let problem = Problem::new(field.to_string(), expected.to_string(), found.to_string());
        Self::of(file, problem)
    }

    /// A problem of `file`.
    pub(crate) fn of(file: impl fmt::Display, problem: Problem) -> Self {
        Self {
            file: file.to_string(),
            problem,
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
