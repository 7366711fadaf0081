//! Where a file lies in an archive.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that is not a path in an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path in an archive: expected names joined by \"/\", none of them \"..\"")]
pub struct ParseArchivePathError(String);

/// A file's path in an archive, relative to the archive's root (`pool/main/s/systemd/...`). It
/// has no empty, `.` or `..` part and no control character, so it never leads out of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ArchivePath(String);

impl ArchivePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ArchivePath {
    type Error = ParseArchivePathError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        let sound = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
        if path.split('/').all(sound) && !path.chars().any(char::is_control) {
            Ok(Self(path))
        } else {
            Err(ParseArchivePathError(path))
        }
    }
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out_of_its_archive() {
        let sound = "pool/main/g/g++/g++_12.2~rc1:1_amd64.deb".to_owned();
        assert_eq!(
            ArchivePath::try_from(sound.clone()).unwrap().as_str(),
            sound
        );
        for refused in [
            "",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            "./a",
            "a\\b",
            "a\nb",
        ] {
            assert_eq!(
                ArchivePath::try_from(refused.to_owned())
                    .unwrap_err()
                    .to_string(),
                format!(
                    "{refused:?} is not a path in an archive: \
                     expected names joined by \"/\", none of them \"..\""
                )
            );
        }
    }
}
