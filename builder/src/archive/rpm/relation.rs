//! What packages provide, require and exclude, and which capability meets which requirement.

use std::cmp::Ordering;
use std::fmt;

use super::evr::Evr;

/// How a capability's version is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    /// Reads the attribute `flags` of primary metadata.
    pub(crate) fn parse(flags: &str) -> Option<Self> {
        Some(match flags {
            "LT" => Self::Less,
            "LE" => Self::LessOrEqual,
            "EQ" => Self::Equal,
            "GE" => Self::GreaterOrEqual,
            "GT" => Self::Greater,
            _ => return None,
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    fn below(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual)
    }

    fn above(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }

    fn includes(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::Equal | Self::GreaterOrEqual)
    }
}

/// A capability, possibly bounded: `libc.so.6(GLIBC_2.38)(64bit)`, `systemd >= 255`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability {
    pub(crate) name: Box<str>,
    pub(crate) bound: Option<(Comparison, Evr)>,
}

impl Capability {
    /// Whether `bound` and this capability's own have a version in common, as rpm decides it:
    /// without a version on either side they do.
    pub(crate) fn overlaps(&self, bound: Option<&(Comparison, Evr)>) -> bool {
        let (Some((one, left)), Some((two, right))) = (&self.bound, bound) else {
            return true;
        };
        match left.compare(right) {
            Ordering::Less => one.above() || two.below(),
            Ordering::Greater => one.below() || two.above(),
            Ordering::Equal => {
                one.includes() && two.includes()
                    || one.below() && two.below()
                    || one.above() && two.above()
            }
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.bound {
            Some((comparison, evr)) => write!(f, " {} {evr}", comparison.text()),
            None => Ok(()),
        }
    }
}

/// Reads a capability as text has it: `libc.so.6(GLIBC_2.38)(64bit)`, `systemd >= 255`.
pub(super) fn parse_capability(text: &str) -> Option<Capability> {
    let mut words = text.split_whitespace();
    let name = words.next()?.into();
    let bound = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some(operator), Some(version), None) => {
            Some((operator_of(operator)?, parse_evr(version)?))
        }
        _ => return None,
    };
    Some(Capability { name, bound })
}

fn operator_of(text: &str) -> Option<Comparison> {
    [
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Equal,
        Comparison::GreaterOrEqual,
        Comparison::Greater,
    ]
    .into_iter()
    .find(|comparison| comparison.text() == text)
}

/// Reads `[epoch:]version[-release]`.
fn parse_evr(text: &str) -> Option<Evr> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().ok()?, rest),
        None => (0, text),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release.into())),
        None => (rest, None),
    };
    Some(Evr {
        epoch,
        version: version.into(),
        release,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(text: &str) -> Capability {
        parse_capability(text).unwrap()
    }

    #[test]
    fn capabilities_overlap_as_in_rpm() {
        for (provided, required, expected) in [
            ("a", "a >= 9", true),
            ("a = 1", "a", true),
            ("a = 1-1", "a = 1", true),
            ("a = 1-1", "a > 1", false),
            ("a = 1-1", "a >= 1-2", false),
            ("a = 1:1", "a >= 9", true),
            ("a = 1", "a >= 1:0", false),
            ("a < 2", "a < 1", true),
            ("a < 2", "a >= 2", false),
            ("a <= 2", "a >= 2", true),
            ("a > 2", "a = 3", true),
        ] {
            let overlaps = capability(provided).overlaps(capability(required).bound.as_ref());
            assert_eq!(overlaps, expected, "{provided} meets {required}");
        }
    }
}
