//! Takes a kernel command line apart as the kernel does (Linux, lib/cmdline.c `next_arg`, and
//! kernel/params.c).

/// What Linux takes for white space: that of C and, in its Latin-1 table, the hard space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d | 0xa0)
}

/// The values of the parameter `name`, in order. Hyphens and underscores in names are the same.
/// What follows `--` is for the first process and no parameter.
pub(super) fn values<'a>(line: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    Parameters { rest: line }
        .take_while(|parameter| *parameter != (b"--", None))
        .filter(|(found, _)| is_same_name(found, name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
        .collect()
}

fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    a.iter().map(plain).eq(b.iter().map(plain))
}

/// Names and values of a line.
struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.rest.iter().position(|&byte| !is_space(byte))?;
        let all = &self.rest[start..];
        let mut in_quotes = false;
        let end = all.iter().position(|&byte| {
            in_quotes ^= byte == b'"';
            !in_quotes && is_space(byte)
        });
        let (mut word, rest) = all.split_at(end.unwrap_or(all.len()));
        self.rest = rest;
        if let Some(quoted) = word.strip_prefix(b"\"") {
            word = quoted.strip_suffix(b"\"").unwrap_or(quoted);
        }
        // A name has at least one byte: `=x` is a name.
        let equals = word.iter().skip(1).position(|&byte| byte == b'=');
        Some(match equals {
            None => (word, None),
            Some(before) => {
                let value = &word[before + 2..];
                let value = match value.strip_prefix(b"\"") {
                    Some(value) => value.strip_suffix(b"\"").unwrap_or(value),
                    None => value,
                };
                (&word[..=before], Some(value))
            }
        })
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
