//! Names of output files.

use serde::{Deserialize, Serialize};

/// The name of an output file: one path component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct FileName(String);

impl FileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0', '\n']) {
            return Err(format!("{name:?} is not a plain file name"));
        }
        Ok(Self(name))
    }
}
