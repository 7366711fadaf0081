//! Where archives and their files can be reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Text that is not a mirror's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mirror's address: {problem}")]
pub struct ParseMirrorUrlError {
    text: String,
    problem: &'static str,
}

/// The address of an archive's root: `http://`, `https://` or `file://`. Shown without user name
/// and password.
#[derive(Clone, PartialEq, Eq)]
pub struct MirrorUrl(Location);

/// The address of one file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// An address that the HTTP client takes as it is.
    Http(String),
    /// A file on this machine.
    File(PathBuf),
}

impl MirrorUrl {
    /// The file at `path` in the archive.
    pub(crate) fn file(&self, path: &str) -> Location {
        match &self.0 {
            Location::Http(base) => Location::Http(format!("{base}/{}", percent_encoded(path))),
            Location::File(base) => Location::File(base.join(path)),
        }
    }

    /// Whether a part of the path is one of an archive that Debian's tools lay out: `debian`,
    /// `debian-security` and so on.
    pub(crate) fn names_debian(&self) -> bool {
        let of_debian = |part: &str| part == "debian" || part.starts_with("debian-");
        match &self.0 {
            Location::Http(url) => url.split('/').skip(3).any(of_debian),
            Location::File(path) => path.iter().filter_map(|part| part.to_str()).any(of_debian),
        }
    }
}

impl FromStr for MirrorUrl {
    type Err = ParseMirrorUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |problem| ParseMirrorUrlError {
            text: text.to_owned(),
            problem,
        };
        if text.contains(['?', '#']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refused("it may hold no space, \"?\" or \"#\""));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(refused("expected http://, https:// or file:///"));
        };
        let rest = rest.trim_end_matches('/');
        match scheme {
            "http" | "https" if rest.is_empty() || rest.starts_with('/') => {
                Err(refused("it has no host"))
            }
            "http" | "https" => Ok(Self(Location::Http(format!("{scheme}://{rest}")))),
            "file" if text.starts_with("file:///") => percent_decoded(rest)
                .map(|path| Self(Location::File(PathBuf::from(format!("/{path}")))))
                .ok_or_else(|| refused("its percent-encoding is broken")),
            "file" => Err(refused("a file address is file:// and an absolute path")),
            _ => Err(refused("expected http://, https:// or file:///")),
        }
    }
}

impl fmt::Display for MirrorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MirrorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let authority = rest.split('/').next().unwrap_or_default();
                let host = authority.rsplit('@').next().unwrap_or_default();
                write!(f, "{scheme}://{host}{}", &rest[authority.len()..])
            }
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `path` as it stands in a URL (RFC 3986, section 3.3: `pchar` and `/` stay).
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.trim_start_matches('/').split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part.get(..2)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).ok()?;
        bytes.push(byte[0]);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_joined_and_encoded() {
        let mirror: MirrorUrl = "http://mirror.example/debian/".parse().unwrap();
        assert_eq!(
            mirror.file("pool/g++ 1%3a2~rc.deb"),
            Location::Http("http://mirror.example/debian/pool/g++%201%253a2~rc.deb".to_owned())
        );
        let local: MirrorUrl = "file:///srv/my%20mirror".parse().unwrap();
        assert_eq!(
            local.file("dists/x"),
            Location::File(PathBuf::from("/srv/my mirror/dists/x"))
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        let mirror: MirrorUrl = "https://me:secret@mirror.example:8443/a@b".parse().unwrap();
        assert_eq!(mirror.to_string(), "https://mirror.example:8443/a@b");
        assert_eq!(format!("{mirror:?}"), "https://mirror.example:8443/a@b");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for (text, problem) in [
            ("mirror.example", "expected http://, https:// or file:///"),
            (
                "ftp://mirror.example",
                "expected http://, https:// or file:///",
            ),
            ("http:///debian", "it has no host"),
            ("http://a/?b", "it may hold no space, \"?\" or \"#\""),
            (
                "file://host/debian",
                "a file address is file:// and an absolute path",
            ),
            ("file:///a%2", "its percent-encoding is broken"),
        ] {
            assert_eq!(
                text.parse::<MirrorUrl>().unwrap_err().to_string(),
                format!("{text:?} is not a mirror's address: {problem}")
            );
        }
    }
}
