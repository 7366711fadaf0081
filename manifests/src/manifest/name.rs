//! Names of published files.

use std::collections::BTreeSet;

/// Whether a published file may have this name: letters, digits, `.`, `_`, `+` and `-` of ASCII,
/// not beginning with `.` or `-`. No such name leads out of the folder, and none has a second
/// Unicode form.
pub fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    name.len() <= 255
        && !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(plain)
}

/// The first name that stands twice, or differs from an earlier one by case alone.
pub fn repeated<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen = BTreeSet::new();
    names
        .into_iter()
        .find(|name| !seen.insert(name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_and_reads_one_way() {
        assert!(is_plain("kata-containers-igvm.img") && is_plain("libstdc++_1"));
        for name in [
            "", "..", ".hidden", "-rf", "../a", "/a", "a/b", "a\\b", "a\0", "a\n", "a b", "\u{e9}",
            "e\u{301}",
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(!is_plain(&"a".repeat(256)));
    }

    #[test]
    fn names_that_a_file_system_may_take_for_one_are_found() {
        assert_eq!(repeated(["a", "b", "A"]), Some("A"));
        assert_eq!(repeated(["a", "b", "a"]), Some("a"));
        assert_eq!(repeated(["a", "b", "c"]), None);
    }
}
