//! From data blocks to files: which files differ, and what of each.

mod compare;
mod table;

use std::collections::BTreeSet;
use std::io;

use guestmark_builder::tree::TreePath;

pub(super) use compare::{Trees, blocks};
pub(super) use table::{Kind, Record, Table, shown};

use super::explanation::{FieldChange, FileChange, Status};

/// The files that differ.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Sorted by path.
    pub(super) changes: Vec<FileChange>,
    /// The same content in another place.
    pub(super) moved: u64,
    /// Files that could not be compared and that lie elsewhere than before.
    pub(super) uncertain: Vec<String>,
}

/// Compares all files of both sides.
pub(super) fn compare(old: &Table, new: &Table, trees: Option<&Trees<'_>>) -> io::Result<Files> {
    let mut files = Files::default();
    let paths: BTreeSet<&TreePath> = old.files.keys().chain(new.files.keys()).collect();
    for path in paths {
        match (old.files.get(path), new.files.get(path)) {
            (Some(one), Some(two)) => {
                let outcome = compare::compare(one, two, trees)?;
                let version_changed = one.origin != two.origin;
                if !outcome.details.is_empty() {
                    let change = change(path, Some(one), Some(two), Status::Changed);
                    files.changes.push(FileChange {
                        blocks: differing_blocks(two, trees),
                        details: outcome.details,
                        ..change
                    });
                } else if outcome.uncertain && (!outcome.moved || version_changed) {
                    files.changes.push(unknown(path, one, two, trees));
                } else if outcome.uncertain {
                    files.uncertain.push(shown(path));
                } else if outcome.moved {
                    files.moved += 1;
                }
            }
            (Some(one), None) => {
                files
                    .changes
                    .push(change(path, Some(one), None, Status::Removed));
            }
            (None, Some(two)) => {
                let change = change(path, None, Some(two), Status::Added);
                let blocks = differing_blocks(two, trees);
                files.changes.push(FileChange { blocks, ..change });
            }
            (None, None) => {}
        }
    }
    Ok(files)
}

fn change(
    path: &TreePath,
    old: Option<&Record>,
    new: Option<&Record>,
    status: Status,
) -> FileChange {
    let kind = |record: &Record| match record.kind {
        Kind::File => format!("file of {} bytes", record.size),
        kind => kind.name().to_owned(),
    };
    let details = match status {
        Status::Added | Status::Removed => {
            vec![FieldChange::of("type", old.map(kind), new.map(kind))]
        }
        _ => Vec::new(),
    };
    FileChange {
        path: shown(path),
        status,
        details,
        old_origin: old.and_then(|record| record.origin.clone()),
        new_origin: new.and_then(|record| record.origin.clone()),
        blocks: Vec::new(),
    }
}

/// A file that shares a block that differs, and whose bytes are not there.
fn unknown(path: &TreePath, old: &Record, new: &Record, trees: Option<&Trees<'_>>) -> FileChange {
    let change = change(path, Some(old), Some(new), Status::Unknown);
    FileChange {
        blocks: differing_blocks(new, trees),
        ..change
    }
}

/// The blocks of a file that differ.
fn differing_blocks(record: &Record, trees: Option<&Trees<'_>>) -> Vec<(u64, u64)> {
    let Some(trees) = trees else {
        return Vec::new();
    };
    let places = record.pieces.iter().chain(&record.inode);
    let mut found: Vec<_> = places
        .flat_map(|piece| trees.comparison.within(&blocks(piece)).collect::<Vec<_>>())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
