//! Relations between packages (Debian Policy, chapter 7), as binary packages state them.

use std::fmt;

use super::version::Version;

/// How a relation restricts versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

/// What may stand behind a package's name and a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Qualifier {
    /// A package of any architecture, if that package allows it (`Multi-Arch: allowed`).
    Any,
    /// A package of the architecture at hand.
    Native,
    /// A package of this architecture.
    Architecture(String),
}

/// A package named by another: `libc6:any (>= 2.36)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) qualifier: Option<Qualifier>,
    pub(crate) version: Option<(Comparison, Version)>,
}

impl Relation {
    /// Whether `version` is within the bounds.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.version
            .as_ref()
            .is_none_or(|(comparison, bound)| match comparison {
                Comparison::Earlier => version < bound,
                Comparison::EarlierOrEqual => version <= bound,
                Comparison::Equal => version == bound,
                Comparison::LaterOrEqual => version >= bound,
                Comparison::Later => version > bound,
            })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not a relation to a package");
        let (package, version) = match text.split_once('(') {
            Some((package, rest)) => {
                let bound = rest.strip_suffix(')').ok_or_else(refused)?;
                (
                    package.trim_end(),
                    Some(parse_bound(bound).ok_or_else(refused)?),
                )
            }
            None => (text, None),
        };
        let (name, qualifier) = match package.split_once(':') {
            Some((name, "any")) => (name, Some(Qualifier::Any)),
            Some((name, "native")) => (name, Some(Qualifier::Native)),
            Some((name, other)) if is_name(other) => {
                (name, Some(Qualifier::Architecture(other.to_owned())))
            }
            Some(_) => return Err(refused()),
            None => (package, None),
        };
        if !is_name(name) {
            return Err(refused());
        }
        Ok(Self {
            name: name.to_owned(),
            qualifier,
            version,
        })
    }
}

/// Alternatives, of which the first is preferred.
pub(crate) type Alternatives = Vec<Relation>;

/// Reads `Depends` and `Pre-Depends`: all of these, one alternative of each.
pub(crate) fn parse_dependencies(text: &str) -> Result<Vec<Alternatives>, String> {
    entries(text)
        .map(|entry| {
            entry
                .split('|')
                .map(|text| Relation::parse(text.trim()))
                .collect()
        })
        .collect()
}

/// Reads `Provides`, `Conflicts` and `Breaks`: a list without alternatives.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Relation>, String> {
    entries(text).map(Relation::parse).collect()
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

fn parse_bound(text: &str) -> Option<(Comparison, Version)> {
    let text = text.trim();
    let end = text.find(|c| !matches!(c, '<' | '=' | '>'))?;
    // A single angle bracket once meant "or equal", and dpkg still reads it so.
    let comparison = match &text[..end] {
        "<<" => Comparison::Earlier,
        "<=" | "<" => Comparison::EarlierOrEqual,
        "=" => Comparison::Equal,
        ">=" | ">" => Comparison::LaterOrEqual,
        ">>" => Comparison::Later,
        _ => return None,
    };
    Some((comparison, text[end..].trim().parse().ok()?))
}

/// Package and architecture names, more generously than policy, as archives in use need it.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c))
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.qualifier {
            Some(Qualifier::Any) => f.write_str(":any")?,
            Some(Qualifier::Native) => f.write_str(":native")?,
            Some(Qualifier::Architecture(architecture)) => write!(f, ":{architecture}")?,
            None => {}
        }
        match &self.version {
            Some((comparison, version)) => write!(f, " ({comparison} {version})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_read_as_written() {
        let text =
            "libc6 (>= 2.36), default-dbus | dbus:any(<<2),,\n perl:native , a:i386 (= 1:2-3)";
        let read: Vec<Vec<String>> = parse_dependencies(text)
            .unwrap()
            .iter()
            .map(|alternatives| alternatives.iter().map(Relation::to_string).collect())
            .collect();
        let expected: [&[&str]; 4] = [
            &["libc6 (>= 2.36)"],
            &["default-dbus", "dbus:any (<< 2)"],
            &["perl:native"],
            &["a:i386 (= 1:2-3)"],
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn bounds_admit_versions() {
        for (bound, admitted) in [
            ("<< 2", [true, false, false]),
            ("<= 2", [true, true, false]),
            ("< 2", [true, true, false]),
            ("= 2", [false, true, false]),
            (">= 2", [false, true, true]),
            ("> 2", [false, true, true]),
            (">> 2", [false, false, true]),
        ] {
            let relation = Relation::parse(&format!("a ({bound})")).unwrap();
            let found = ["1", "2", "3"].map(|text| relation.admits(&text.parse().unwrap()));
            assert_eq!(found, admitted, "{bound}");
        }
    }

    #[test]
    fn what_is_not_a_relation_is_refused() {
        for text in [
            "a b",
            "a (1)",
            "a (>= 1",
            "a (>= )",
            "a (=> 1)",
            "a [amd64]",
            "${misc:Depends}",
            "a:",
        ] {
            assert_eq!(
                parse_list(text).unwrap_err(),
                format!("{text:?} is not a relation to a package")
            );
        }
        assert!(parse_dependencies("a | ").is_err());
    }
}
