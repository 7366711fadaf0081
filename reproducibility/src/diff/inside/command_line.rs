//! Words of the kernel command line.

use guestmark_builder::build::VerityRecord;
use guestmark_builder::inspect::printable;

use crate::diff::explanation::FieldChange;

/// What a word is called when it follows from the root file system.
pub(in crate::diff) const FROM_ROOTFS: &str = "root file system";

/// The words that differ, in the order of the lines. A word that differs only by what the hash
/// trees of the root file systems put there follows from those.
pub(in crate::diff) fn compare(
    old: &[u8],
    new: &[u8],
    verity: Option<(&VerityRecord, &VerityRecord)>,
) -> Vec<FieldChange> {
    let (old_words, new_words) = (words(old), words(new));
    let mut changes = Vec::new();
    let (mut gone, mut came) = unmatched(&old_words, &new_words);
    // A word that only changed its value keeps its key.
    gone.retain(|word| {
        let Some(place) = came.iter().position(|other| key(other) == key(word)) else {
            return true;
        };
        let other = came.remove(place);
        let mut change = FieldChange::new(key(word), word, &other);
        let template = |word: &str, record: &VerityRecord| {
            word.replace(&record.root_hash.to_string(), "{root_hash}")
                .replace(&record.salt, "{salt}")
                .replace(&record.data_blocks.to_string(), "{data_blocks}")
        };
        if let Some((old, new)) = verity
            && template(word, old) == template(&other, new)
        {
            change = change.from(FROM_ROOTFS);
        }
        changes.push(change);
        false
    });
    changes.extend(gone.into_iter().map(|word| {
        let name = key(&word).to_owned();
        FieldChange::of(name, Some(word), None)
    }));
    changes.extend(came.into_iter().map(|word| {
        let name = key(&word).to_owned();
        FieldChange::of(name, None, Some(word))
    }));
    if changes.is_empty() && old != new {
        let name = match old_words == new_words {
            true => "spaces",
            false => "order of words",
        };
        changes.push(FieldChange::new(name, printable(old), printable(new)));
    }
    changes
}

/// The words of each line that the other lacks, repetitions counted.
fn unmatched(old: &[String], new: &[String]) -> (Vec<String>, Vec<String>) {
    let mut came = new.to_vec();
    let mut gone = Vec::new();
    for word in old {
        match came.iter().position(|other| other == word) {
            Some(place) => {
                came.remove(place);
            }
            None => gone.push(word.clone()),
        }
    }
    (gone, came)
}

fn words(line: &[u8]) -> Vec<String> {
    let words = line.split(|byte| byte.is_ascii_whitespace());
    words
        .filter(|word| !word.is_empty())
        .map(printable)
        .collect()
}

/// What stands before the `=`.
fn key(word: &str) -> &str {
    word.split_once('=').map_or(word, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(old: &str, new: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let changes = compare(old.as_bytes(), new.as_bytes(), None);
        let parts = |change: FieldChange| (change.name, change.old, change.new);
        changes.into_iter().map(parts).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn words_are_paired_by_key() {
        assert_eq!(
            said("quiet a=1 b=2 gone", "quiet b=3 a=1 came"),
            [
                ("b".to_owned(), some("b=2"), some("b=3")),
                ("gone".to_owned(), some("gone"), None),
                ("came".to_owned(), None, some("came")),
            ]
        );
    }

    #[test]
    fn order_and_spaces_are_changes_too() {
        assert_eq!(said("a b", "b a")[0].0, "order of words");
        assert_eq!(said("a b", "a  b")[0].0, "spaces");
        assert_eq!(said("a b", "a b"), []);
    }
}
