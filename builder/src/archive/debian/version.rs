//! Debian versions and their order (Debian Policy, section 5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Text that is not a Debian version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Debian version")]
pub(crate) struct ParseVersionError(String);

/// A Debian version: `[epoch:]upstream[-revision]`. Versions that sort alike are equal, however
/// they are written (`1.0` and `0:1.0-0`).
#[derive(Debug, Clone)]
pub(crate) struct Version {
    text: String,
    epoch: u32,
    /// Where the upstream version begins.
    upstream: usize,
    /// Where it ends; a revision begins one byte later.
    end: usize,
}

impl Version {
    /// The version as it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    fn upstream(&self) -> &[u8] {
        &self.text.as_bytes()[self.upstream..self.end]
    }

    fn revision(&self) -> &[u8] {
        self.text.as_bytes().get(self.end + 1..).unwrap_or_default()
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseVersionError(text.to_owned());
        let (epoch, upstream) = match text.find(':') {
            Some(colon) => {
                let digits = &text[..colon];
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(refused());
                }
                (digits.parse().map_err(|_| refused())?, colon + 1)
            }
            None => (0, 0),
        };
        let end = match text[upstream..].rfind('-') {
            Some(hyphen) if upstream + hyphen + 1 == text.len() => return Err(refused()),
            Some(hyphen) => upstream + hyphen,
            None => text.len(),
        };
        let version = Self {
            text: text.to_owned(),
            epoch,
            upstream,
            end,
        };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".+~".contains(byte);
        let sound = version.upstream().first().is_some_and(u8::is_ascii_digit)
            && version
                .upstream()
                .iter()
                .all(|byte| plain(byte) || b"-:".contains(byte))
            && version.revision().iter().all(plain);
        if sound { Ok(version) } else { Err(refused()) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream(), other.upstream()))
            .then_with(|| compare(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Compares by turns a run of other characters and a run of digits, from the left.
fn compare(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_at_first(left, u8::is_ascii_digit);
        let (right_text, right_rest) = split_at_first(right, u8::is_ascii_digit);
        let (left_number, left_next) = split_at_first(left_rest, |byte| !byte.is_ascii_digit());
        let (right_number, right_next) = split_at_first(right_rest, |byte| !byte.is_ascii_digit());
        let order = compare_text(left_text, right_text)
            .then_with(|| compare_numbers(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_next, right_next);
    }
    Ordering::Equal
}

fn split_at_first(text: &[u8], ends: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(ends).unwrap_or(text.len()))
}

/// A tilde sorts before the end, the end before letters, letters before everything else.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|index| weight(left.get(index)).cmp(&weight(right.get(index))))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length; none is zero.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_at_first(left, |byte| *byte != b'0');
    let (_, right) = split_at_first(right, |byte| *byte != b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in [
            "",
            "a1",
            "1:",
            ":1",
            "x:1",
            "1-",
            "1_2",
            "1 2",
            "-1",
            "1.0-a-",
            "1.0-1:2",
            "99999999999:1",
        ] {
            assert_eq!(
                text.parse::<Version>().unwrap_err().to_string(),
                format!("{text:?} is not a Debian version")
            );
        }
    }

    #[test]
    fn versions_sort_as_policy_says() {
        let sorted = [
            "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a", "1.0+b", "1.0.1", "1:0.1",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1.0"), version("0:1.00-0"));
    }

    /// Each version of a few hundred is compared with its neighbours by dpkg itself.
    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let upstreams = [
            "0", "1", "1.0", "1.00", "1.0~rc1", "1.0~", "1.0+dfsg", "1.0a", "1.10", "1.9-2", "2:a",
        ];
        let mut texts = Vec::new();
        for epoch in ["", "0:", "1:"] {
            for upstream in upstreams
                .iter()
                .filter(|text| !epoch.is_empty() || !text.contains(':'))
            {
                for revision in ["", "-0", "-1", "-1~bpo12+1", "-1+deb12u1", "-10", "-1.1"] {
                    texts.push(format!("{epoch}{upstream}{revision}"));
                }
            }
        }
        // A fixed stride pairs unlike versions as well as neighbours.
        for stride in [1, 8, 37] {
            for index in 0..texts.len() {
                let (left, right) = (&texts[index], &texts[(index + stride) % texts.len()]);
                let holds = |operator: &str| {
                    Command::new("dpkg")
                        .args(["--compare-versions", left, operator, right])
                        .status()
                        .expect("the test needs dpkg, of the Debian package dpkg")
                        .success()
                };
                let expected = match (holds("lt"), holds("eq")) {
                    (true, _) => Ordering::Less,
                    (_, true) => Ordering::Equal,
                    _ => Ordering::Greater,
                };
                assert_eq!(
                    version(left).cmp(&version(right)),
                    expected,
                    "{left} {right}"
                );
            }
        }
    }
}
