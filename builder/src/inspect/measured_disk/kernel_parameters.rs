//! Takes a kernel command line apart as the kernel does (Linux, lib/cmdline.c `next_arg`, and
//! kernel/params.c).

/// What Linux takes for white space: that of C and, in its Latin-1 table, the hard space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d | 0xa0)
}

/// The words of a kernel command line as they are written. Double quotes keep spaces within a word.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| !is_space(byte))?;
        let all = &rest[start..];
        let mut in_quotes = false;
        let end = all.iter().position(|&byte| {
            in_quotes ^= byte == b'"';
            !in_quotes && is_space(byte)
        });
        let word;
        (word, rest) = all.split_at(end.unwrap_or(all.len()));
        Some(word)
    })
}

/// The values of the parameter `name`, in order. Hyphens and underscores in names are the same.
/// What follows `--` is for the first process and no parameter.
pub(super) fn values<'a>(line: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    words(line)
        .map(parameter)
        .take_while(|parameter| *parameter != (b"--", None))
        .filter(|(found, _)| is_same_name(found, name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
        .collect()
}

fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    a.iter().map(plain).eq(b.iter().map(plain))
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\"").unwrap_or(quoted),
        None => text,
    }
}

/// A word's name and value, without quotes around the word or the value.
fn parameter(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let word = unquoted(word);
    // A name has at least one byte: `=x` is a name.
    match word.iter().skip(1).position(|&byte| byte == b'=') {
        None => (word, None),
        Some(before) => (&word[..=before], Some(unquoted(&word[before + 2..]))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str, name: &str) -> Vec<String> {
        let values = values(line.as_bytes(), name).into_iter();
        values
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn quotes_keep_spaces_and_tabs_part_as_spaces_do() {
        let line = "quiet \troot=/dev/dm-0 dm-mod.create=\"a b\" \"x y=z w\" \t root=/dev/sda";
        assert_eq!(texts(line, "root"), ["/dev/dm-0", "/dev/sda"]);
        assert_eq!(texts(line, "dm-mod.create"), ["a b"]);
        assert_eq!(texts(line, "x y"), ["z w"]);
        assert_eq!(texts(line, "quiet"), [""]);
    }

    #[test]
    fn names_take_underscores_for_hyphens_and_end_at_two_hyphens() {
        let line = "dm_mod.create=1 dm-mod.create=2 -- dm-mod.create=3";
        assert_eq!(texts(line, "dm-mod.create"), ["1", "2"]);
    }

    #[test]
    fn a_quote_without_an_end_takes_the_rest() {
        assert_eq!(texts("a=\"b c d", "a"), ["b c d"]);
        assert_eq!(texts("a=b\"c d", "a"), ["b\"c d"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in prop::collection::vec(any::<u8>(), 0..200)) {
            for value in values(&line, "a") {
                prop_assert!(value.len() <= line.len());
            }
        }
    }
}
