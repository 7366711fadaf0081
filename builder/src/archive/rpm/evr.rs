//! Versions of RPM packages and their order: epoch, version, release, each compared as rpm's own
//! `rpmvercmp` does (rpm-version(7)).

use std::cmp::Ordering;
use std::fmt;

/// Epoch, version and release. A bound may leave out the release; a package has all three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evr {
    /// 0 where none is given.
    pub(crate) epoch: u32,
    pub(crate) version: Box<str>,
    pub(crate) release: Option<Box<str>>,
}

impl Evr {
    /// Compares; releases count only where both sides have one.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let releases = || match (&self.release, &other.release) {
            (Some(one), Some(two)) => compare(one, two),
            _ => Ordering::Equal,
        };
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.version, &other.version))
            .then_with(releases)
    }
}

impl fmt::Display for Evr {
    /// As rpm shows it: `1:2.0-3`, without an epoch of 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

/// Compares runs of digits and runs of letters from the left. Everything else only separates,
/// but for `~`, which sorts before the end, and `^`, which sorts right behind it.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        left = without_separators(left);
        right = without_separators(right);
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, _) | (_, None) => break,
            _ => {}
        }
        let digits = left[0].is_ascii_digit();
        let is_of_run = |byte: &u8| match digits {
            true => byte.is_ascii_digit(),
            false => byte.is_ascii_alphabetic(),
        };
        let (left_run, left_rest) = split_run(left, is_of_run);
        let (right_run, right_rest) = split_run(right, is_of_run);
        let order = match (digits, right_run.is_empty()) {
            // A number is newer than letters.
            (true, true) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (true, false) => compare_numbers(left_run, right_run),
            (false, false) => left_run.cmp(right_run),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    left.len().min(1).cmp(&right.len().min(1))
}

fn without_separators(text: &[u8]) -> &[u8] {
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || b"~^".contains(byte);
    &text[text.iter().position(counts).unwrap_or(text.len())..]
}

fn split_run(text: &[u8], is_of_run: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(
        text.iter()
            .position(|byte| !is_of_run(byte))
            .unwrap_or(text.len()),
    )
}

/// Numbers of any length; none is zero.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_run(left, |&byte| byte == b'0');
    let (_, right) = split_run(right, |&byte| byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Hundreds of pairs, unlike ones and neighbours, are compared by rpm itself.
    #[test]
    fn versions_sort_as_rpm_sorts_them() {
        let texts = [
            "0",
            "00",
            "1",
            "1.0",
            "1.00",
            "1.0.",
            "1..0",
            "1.0a",
            "1.0.a",
            "1.a",
            "a",
            "a1",
            "aa",
            "1a",
            "10",
            "9",
            "1.10",
            "1.9",
            "1.0~rc1",
            "1.0~rc2",
            "1.0~",
            "1.0~~",
            "~",
            "1.0^",
            "1.0^git1",
            "1.0^git1~pre",
            "1.0~rc1^git",
            "^",
            "1^",
            "1.0^a",
            "1.0.1",
            "1_0",
            "1+0",
            "20260401",
            "2.el9",
            "2.azl3",
            "2.azl10",
            "18446744073709551616",
            "A",
            "Z9",
            "z9",
        ];
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .flat_map(|left| texts.iter().map(move |right| (*left, *right)))
            .collect();
        assert!(pairs.len() > 1000);
        let quoted: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
        let script = format!(
            "local all = {{{}}} for _, left in ipairs(all) do for _, right in ipairs(all) do \
             print(rpm.vercmp(left, right) .. ' ') end end",
            quoted.join(", ")
        );
        let output = Command::new("rpm")
            .args(["--eval", &format!("%{{lua:{script}}}")])
            .output()
            .expect("the test needs rpm, of the Debian package rpm");
        let said = String::from_utf8(output.stdout).unwrap();
        let orders: Vec<&str> = said.split_whitespace().collect();
        assert_eq!(orders.len(), pairs.len(), "{said}");
        for ((left, right), order) in pairs.into_iter().zip(orders) {
            assert_eq!(
                (compare(left, right) as i8).to_string(),
                order,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn epochs_count_first_and_releases_only_where_both_sides_have_one() {
        let evr = |epoch, version: &str, release: Option<&str>| Evr {
            epoch,
            version: version.into(),
            release: release.map(Into::into),
        };
        let newer = evr(1, "0.1", Some("1"));
        assert_eq!(newer.compare(&evr(0, "9", Some("9"))), Ordering::Greater);
        let package = evr(0, "1.0", Some("2"));
        assert_eq!(package.compare(&evr(0, "1.0", None)), Ordering::Equal);
        assert_eq!(package.compare(&evr(0, "1.0", Some("3"))), Ordering::Less);
        assert_eq!(newer.to_string(), "1:0.1-1");
        assert_eq!(package.to_string(), "1.0-2");
    }
}
