//! The release file of a suite: when it was made, until when it is valid, and what its indexes
//! hash to (repository format of the Debian wiki, "Release").

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::control::{ControlError, Paragraphs};
use crate::archive::source::ListedFile;

/// How far a release file's date may lie ahead of the clock, in seconds.
const CLOCK_SKEW: i64 = 10;

/// A release file that cannot be used, though its signature is right.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The text is not a release file.
    #[error("it is not a release file: {0}")]
    Syntax(#[from] ControlError),
    /// A field is missing or cannot be read.
    #[error("field {field}: {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The file describes another suite.
    #[error(
        "expected suite {expected}, found suite {suite:?} with codename {codename:?}; \
         the mirror serves something else"
    )]
    OtherSuite {
        /// The suite of the recipe.
        expected: String,
        /// The suite of the file.
        suite: String,
        /// The codename of the file.
        codename: String,
    },
    /// The file was made in the future.
    #[error("it is dated {date}, and now is {now}; set this machine's clock")]
    NotYetValid {
        /// The file's date.
        date: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// The file is no longer valid.
    #[error("it was valid until {until}, and now is {now}; the mirror is out of date, use another")]
    Expired {
        /// The end of the file's validity.
        until: Timestamp,
        /// The time now.
        now: Timestamp,
    },
}

/// What a release file says.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    suite: String,
    codename: String,
    /// The `Date` field as it is written.
    pub(crate) date: String,
    pub(crate) time: Timestamp,
    valid_until: Option<Timestamp>,
    /// Whether indexes can be fetched by their hash.
    pub(crate) by_hash: bool,
    /// Whether packages of architecture `all` stand in an index of their own only.
    pub(crate) separate_all: bool,
    files: BTreeMap<String, ListedFile>,
}

impl Release {
    pub(crate) fn parse(text: &str) -> Result<Self, ReleaseError> {
        let fields = Paragraphs::new(text.as_bytes()).next().transpose()?;
        let field = |name: &'static str| fields.as_ref().and_then(|fields| fields.get(name));
        let needed = |name: &'static str| {
            field(name).ok_or(ReleaseError::Field {
                field: name,
                problem: "it is missing".to_owned(),
            })
        };
        let words = |name| field(name).unwrap_or_default().split_whitespace();
        let date = needed("Date")?;
        Ok(Self {
            suite: field("Suite").unwrap_or_default().to_owned(),
            codename: field("Codename").unwrap_or_default().to_owned(),
            date: date.to_owned(),
            time: parse_date("Date", date)?,
            valid_until: field("Valid-Until")
                .map(|until| parse_date("Valid-Until", until))
                .transpose()?,
            by_hash: field("Acquire-By-Hash") == Some("yes"),
            separate_all: words("Architectures").any(|word| word == "all")
                && !words("No-Support-for-Architecture-all").any(|word| word == "Packages"),
            files: parse_files(needed("SHA256")?)?,
        })
    }

    /// Whether this is the release file of `suite`, and valid at `now`.
    pub(crate) fn check(&self, suite: &str, now: Timestamp) -> Result<(), ReleaseError> {
        if suite != self.suite && suite != self.codename {
            return Err(ReleaseError::OtherSuite {
                expected: suite.to_owned(),
                suite: self.suite.clone(),
                codename: self.codename.clone(),
            });
        }
        if self.time.as_second() > now.as_second().saturating_add(CLOCK_SKEW) {
            return Err(ReleaseError::NotYetValid {
                date: self.time,
                now,
            });
        }
        match self.valid_until {
            Some(until) if until < now => Err(ReleaseError::Expired { until, now }),
            _ => Ok(()),
        }
    }

    /// The file at `path`, relative to the suite's folder.
    pub(crate) fn file(&self, path: &str) -> Option<ListedFile> {
        self.files.get(path).copied()
    }
}

/// Reads a date as release files write it: `Sat, 11 Jul 2026 10:16:37 UTC`.
pub(crate) fn parse_date(field: &'static str, text: &str) -> Result<Timestamp, ReleaseError> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .map_err(|error| ReleaseError::Field {
            field,
            problem: error.to_string(),
        })
}

fn parse_files(text: &str) -> Result<BTreeMap<String, ListedFile>, ReleaseError> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut entry = || {
                let sha256 = words.next()?.parse().ok()?;
                let size = words.next()?.parse().ok()?;
                Some((words.next()?.to_owned(), ListedFile { size, sha256 }))
            };
            entry().ok_or_else(|| ReleaseError::Field {
                field: "SHA256",
                problem: format!("expected a hash, a size and a path, found {line:?}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: oldstable\nCodename: bookworm\n\
        Date: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Sat, 18 Jul 2026 10:16:37 UTC\n\
        Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
        Architectures: all amd64\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/Packages\n";

    fn message(text: &str) -> String {
        Release::parse(text).unwrap_err().to_string()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_file_reads_as_written() {
        let release = Release::parse(TEXT).unwrap();
        assert_eq!(release.time, at("2026-07-11T10:16:37Z"));
        assert_eq!(release.date, "Sat, 11 Jul 2026 10:16:37 UTC");
        assert!(release.by_hash && !release.separate_all);
        assert_eq!(release.file("main/Packages").unwrap().size, 0);
        assert!(release.file("main/Packages.xz").is_none());
    }

    #[test]
    fn suite_and_time_are_checked() {
        let release = Release::parse(TEXT).unwrap();
        let now = at("2026-07-12T00:00:00Z");
        release.check("bookworm", now).unwrap();
        release.check("oldstable", now).unwrap();
        let message = |suite, now| release.check(suite, at(now)).unwrap_err().to_string();
        assert_eq!(
            message("trixie", "2026-07-12T00:00:00Z"),
            "expected suite trixie, found suite \"oldstable\" with codename \"bookworm\"; \
             the mirror serves something else"
        );
        assert_eq!(
            message("bookworm", "2026-07-11T10:16:00Z"),
            "it is dated 2026-07-11T10:16:37Z, and now is 2026-07-11T10:16:00Z; \
             set this machine's clock"
        );
        assert_eq!(
            message("bookworm", "2026-07-18T10:16:38Z"),
            "it was valid until 2026-07-18T10:16:37Z, and now is 2026-07-18T10:16:38Z; \
             the mirror is out of date, use another"
        );
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        assert_eq!(message("Suite: a\n"), "field Date: it is missing");
        let weak = TEXT.replace("SHA256:", "MD5Sum:");
        assert_eq!(message(&weak), "field SHA256: it is missing");
        let broken = TEXT.replace("        0 main", " zero main");
        assert!(message(&broken).starts_with("field SHA256: expected a hash, a size and a path"));
        assert!(message(&TEXT.replace("11 Jul", "11 Foo")).starts_with("field Date: "));
    }
}
