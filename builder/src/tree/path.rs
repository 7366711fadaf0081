//! Names inside a tree: bytes, relative to its root.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why some bytes are not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` component would lead out of the tree.
    #[error("path {path:?} has a \"..\" component, which leads out of the tree")]
    Traversal {
        /// The path as found, non-UTF-8 bytes replaced.
        path: String,
    },
    /// A NUL byte cannot stand in a file name.
    #[error("path {path:?} contains a NUL byte")]
    Nul {
        /// The path as found, non-UTF-8 bytes replaced.
        path: String,
    },
    /// Linux limits a name to 255 bytes (`NAME_MAX`).
    #[error("path {path:?} has a component of {length} bytes; the limit is 255")]
    NameTooLong {
        /// The path as found, non-UTF-8 bytes replaced.
        path: String,
        /// The length of the component in bytes.
        length: usize,
    },
}

/// A path inside a tree: components of bytes joined by `/`, with no leading slash and no empty,
/// `.` or `..` component. The root is the empty path.
///
/// Paths sort component by component, so a sorted sequence of them is a depth-first walk that
/// names each directory directly before what it holds.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The root of a tree.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads a path as archives write it: a leading `/` or `./`, repeated and trailing slashes
    /// and `.` components carry no meaning and are dropped.
    ///
    /// # Errors
    /// `..`, NUL bytes and components past 255 bytes are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        let path = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.contains(&0) {
            return Err(PathError::Nul { path: path() });
        }
        let mut parsed = Vec::with_capacity(bytes.len());
        for component in bytes.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(PathError::Traversal { path: path() }),
                long if long.len() > 255 => {
                    return Err(PathError::NameTooLong {
                        path: path(),
                        length: long.len(),
                    });
                }
                _ => {}
            }
            if !parsed.is_empty() {
                parsed.push(b'/');
            }
            parsed.extend_from_slice(component);
        }
        Ok(Self(parsed))
    }

    /// The path's bytes, components joined by `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self
            .0
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// This path followed by one more, which must itself be valid.
    ///
    /// # Errors
    /// As [`TreePath::parse`] for the appended bytes.
    pub fn join(&self, below: &[u8]) -> Result<Self, PathError> {
        let below = Self::parse(below)?;
        let mut joined = self.0.clone();
        if !joined.is_empty() && !below.is_root() {
            joined.push(b'/');
        }
        joined.extend_from_slice(&below.0);
        Ok(Self(joined))
    }

    /// This path with `to` in place of its first part `from`; itself if it does not start so.
    pub(super) fn rebase(&self, from: &Self, to: &Self) -> Self {
        match self.0.strip_prefix(from.as_bytes()) {
            Some(rest) if self.starts_with(from) => Self([to.as_bytes(), rest].concat()),
            _ => self.clone(),
        }
    }

    /// The components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|&byte| byte == b'/')
            .filter(|component| !component.is_empty())
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        match self.0.strip_prefix(ancestor.as_bytes()) {
            Some(rest) => ancestor.is_root() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TreePath {
    /// With a leading slash; bytes that are not UTF-8 as `\xNN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TreePath {
    /// As text that leads back to the same bytes: a leading slash, and `\xNN` for a backslash
    /// and for each byte that is not UTF-8.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::from("/");
        for chunk in self.0.utf8_chunks() {
            text.push_str(&chunk.valid().replace('\\', "\\x5c"));
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut pieces = text.split("\\x");
        let mut bytes: Vec<u8> = pieces.next().unwrap_or_default().into();
        for piece in pieces {
            let mut byte = [0];
            piece
                .get(..2)
                .and_then(|digits| hex::decode_to_slice(digits, &mut byte).ok())
                .ok_or_else(|| {
                    de::Error::custom(format!(
                        "path {text:?}: \"\\x\" must be followed by two hexadecimal digits"
                    ))
                })?;
            bytes.extend_from_slice(&byte);
            bytes.extend_from_slice(&piece.as_bytes()[2..]);
        }
        Self::parse(&bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn archive_spellings_of_a_path_are_one_path() {
        for spelling in ["usr/bin", "/usr/bin", "./usr//bin/", "usr/./bin"] {
            assert_eq!(path(spelling), path("usr/bin"));
        }
        assert!(path("./").is_root());
    }

    #[test]
    fn a_path_cannot_leave_the_tree() {
        assert_eq!(
            TreePath::parse(b"usr/../../etc/passwd")
                .unwrap_err()
                .to_string(),
            "path \"usr/../../etc/passwd\" has a \"..\" component, which leads out of the tree"
        );
        assert!(TreePath::parse(b"a\0b").is_err());
        assert!(TreePath::parse(&[b'n'; 256]).is_err());
        assert!(TreePath::parse(&[b'n'; 255]).is_ok());
    }

    #[test]
    fn sorted_paths_are_a_depth_first_walk() {
        let mut paths = ["a-b", "a/z", "a", "a.b", "a/b/c", "a/b"].map(path);
        paths.sort();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a/z", "a-b", "a.b"].map(path));
    }

    #[test]
    fn parent_name_and_ancestry_agree() {
        let deep = path("usr/lib/os-release");
        assert_eq!(deep.name(), b"os-release");
        assert_eq!(deep.parent(), Some(path("usr/lib")));
        assert!(deep.starts_with(&path("usr")) && deep.starts_with(&TreePath::root()));
        assert!(!path("usrlocal").starts_with(&path("usr")));
        assert_eq!(path("usr").parent(), Some(TreePath::root()));
        assert_eq!(TreePath::root().parent(), None);
    }

    #[test]
    fn every_path_leads_back_from_its_serialized_text() {
        for bytes in [
            &b"usr/lib"[..],
            b"",
            b"caf\xc3\xa9",
            b"not-utf8-\xff\xfe",
            br"system-systemd\x2dcryptsetup.slice",
        ] {
            let path = TreePath::parse(bytes).unwrap();
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(
                serde_json::from_str::<TreePath>(&text).unwrap(),
                path,
                "{text}"
            );
        }
        assert!(serde_json::from_str::<TreePath>(r#""/a\\xg0""#).is_err());
    }
}
