//! Names that someone may have meant.

/// Up to three of `names` that differ from `wanted` in few letters, or hold it, as an addition
/// to a message; empty if there are none.
pub(super) fn close_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let limit = (wanted.len() / 3).max(1);
    let mut close: Vec<(usize, &str)> = names
        .map(|name| match name.contains(wanted) {
            true => (0, name),
            false => (distance(wanted, name), name),
        })
        .filter(|&(distance, _)| distance <= limit)
        .collect();
    close.sort_unstable();
    close.truncate(3);
    match close.is_empty() {
        true => String::new(),
        false => {
            let close: Vec<_> = close.into_iter().map(|(_, name)| name).collect();
            format!("; there is {}", close.join(", "))
        }
    }
}

/// How many letters must be put in, taken out or changed (Levenshtein distance).
fn distance(from: &str, to: &str) -> usize {
    let to = to.as_bytes();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, from) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, &letter) in to.iter().enumerate() {
            let change = diagonal + usize::from(letter != from);
            diagonal = row[at + 1];
            row[at + 1] = change.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (from, to, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("a", "a", 0)] {
            assert_eq!(distance(from, to), expected);
            assert_eq!(distance(to, from), expected);
        }
    }

    #[test]
    fn typing_errors_and_parts_of_names_are_found() {
        let names = ["dm-verity", "dm-bufio", "virtio_blk", "erofs"];
        assert_eq!(
            close_names("dm-verty", names.into_iter()),
            "; there is dm-verity"
        );
        assert_eq!(
            close_names("verity", names.into_iter()),
            "; there is dm-verity"
        );
        assert_eq!(close_names("ext4", names.into_iter()), "");
    }
}
