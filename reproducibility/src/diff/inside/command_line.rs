//! Words of the kernel command line.

use guestmark_builder::build::VerityRecord;
use guestmark_builder::inspect::{kernel_words, printable};

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
    let template = |word: &str, record: &VerityRecord| {
        let sectors = record.data_blocks.saturating_mul(8);
        word.replace(&record.root_hash.to_string(), "{root_hash}")
            .replace(&record.salt, "{salt}")
            .replace(&sectors.to_string(), "{data_sectors}")
            .replace(&record.data_blocks.to_string(), "{data_blocks}")
    };
    let follows = |one: &str, two: &str| {
        verity.is_some_and(|(old, new)| template(one, old) == template(two, new))
    };
    // A word that only changed its value keeps its key.
    gone.retain(|word| {
        let like = |other: &String| key(other) == key(word) || follows(word, other);
        let Some(place) = came.iter().position(like) else {
            return true;
        };
        let other = came.remove(place);
        let mut change = FieldChange::new(key(word), word, &other);
        if follows(word, &other) {
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
    kernel_words(line).map(printable).collect()
}

/// What stands before the `=`.
fn key(word: &str) -> &str {
    word.split_once('=').map_or(word, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use guestmark_measure::Sha256Digest;

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
    fn what_the_hash_tree_puts_into_quotes_follows_from_it() {
        let record = |byte: u8, blocks| VerityRecord {
            root_hash: Sha256Digest::new([byte; 32]),
            salt: "5a".repeat(32),
            data_blocks: blocks,
            hash_start_block: 0,
            block_size: 4096,
            algorithm: "sha256".to_owned(),
        };
        let line = |record: &VerityRecord, end: &str| {
            format!(
                "dm-mod.create=\"dm-verity,,,ro,0 {} verity 1 /dev/vda1 /dev/vda2 4096 4096 {} 0 \
                 sha256 {} {}\" \troot=/dev/dm-0 {} {end}",
                record.data_blocks * 8,
                record.data_blocks,
                record.root_hash,
                record.salt,
                record.root_hash
            )
        };
        let (old, new) = (record(1, 86_741), record(2, 86_742));
        let lines = (line(&old, "quiet"), line(&new, "debug"));
        let changes = compare(lines.0.as_bytes(), lines.1.as_bytes(), Some((&old, &new)));
        let said: Vec<_> = changes
            .iter()
            .map(|change| (change.name.as_str(), change.follows_from.as_deref()))
            .collect();
        let root_hash = old.root_hash.to_string();
        assert_eq!(
            said,
            [
                ("dm-mod.create", Some(FROM_ROOTFS)),
                (root_hash.as_str(), Some(FROM_ROOTFS)),
                ("quiet", None),
                ("debug", None),
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
