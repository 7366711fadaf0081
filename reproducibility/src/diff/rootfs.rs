//! The root file system: from root hashes down to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use guestmark_builder::erofs::{Holds, Image};
use guestmark_builder::tree::Origin;
use guestmark_measure::Sha256Digest;

use super::DiffError;
use super::explanation::{ComparedBy, FieldChange, FileChange, RootfsChange, Share, Status};
use super::files::{self, Files, Record, Table, Trees};
use super::input::{Data, Disk, Input};
use super::verity::{self, Comparison};

/// A root file system compared, and what could not be.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) change: RootfsChange,
    pub(super) unexplained: Vec<String>,
}

/// Compares the root file systems of both sides; `None` if there is none.
pub(super) fn compare(old: &Input, new: &Input) -> Result<Option<Compared>, DiffError> {
    let is_there = |input: &Input| input.disk.is_some() || input.measurement.is_some();
    if !is_there(old) || !is_there(new) {
        return Ok(None);
    }
    let (old_hash, new_hash) = (root_hash(old), root_hash(new));
    let trees = tree(old).zip(tree(new));
    let comparison = trees
        .filter(|(one, two)| old_hash != new_hash && verity::comparable(one, two))
        .map(|(one, two)| verity::compare(one, two))
        .transpose()?;
    let mut compared = Compared {
        change: RootfsChange {
            changed: old_hash != new_hash,
            old_root_hash: old_hash,
            new_root_hash: new_hash,
            blocks: comparison
                .as_ref()
                .map(|comparison| comparison.blocks.clone()),
            compared_by: ComparedBy::RootHash,
            files: Vec::new(),
            moved_files: 0,
            superblock: Vec::new(),
            shares: Vec::new(),
        },
        unexplained: comparison.iter().flat_map(|it| it.damage.clone()).collect(),
    };
    if old_hash.is_none() || new_hash.is_none() {
        // Without root hashes only the bytes say.
        let same = match data(old).zip(data(new)) {
            Some((one, two)) => same_images(one, two)?,
            None => false,
        };
        compared.change.changed = !same;
    }
    let tables = (Table::of(old)?, Table::of(new)?);
    let (Some(one), Some(two)) = tables else {
        if compared.change.changed {
            compared.change.compared_by = ComparedBy::Nothing;
            compared.unexplained.push(
                "the root hash differs, but neither data nor origins.json are there on both \
                 sides: give them to know which files differ"
                    .to_owned(),
            );
        }
        return Ok(Some(compared));
    };
    if compared.change.changed {
        let trees = trees.zip(comparison.as_ref());
        let trees = trees.map(|((old, new), comparison)| Trees {
            old,
            new,
            comparison,
        });
        compared.change.compared_by = match (one.has_data && two.has_data, &trees) {
            (true, _) => ComparedBy::Data,
            (false, Some(_)) => ComparedBy::HashTrees,
            (false, None) => ComparedBy::Maps,
        };
        let files = files::compare(&one, &two, trees.as_ref())?;
        compared.change.superblock = superblock(data(old), data(new));
        account(&mut compared, files, (old, new), comparison.as_ref());
    }
    compared.change.shares = shares((old, &one), (new, &two), &compared.change.files);
    Ok(Some(compared))
}

fn root_hash(input: &Input) -> Option<Sha256Digest> {
    let recorded = input.measurement.as_ref().map(|it| it.verity.root_hash);
    recorded.or_else(|| tree(input)?.root_hash)
}

fn tree(input: &Input) -> Option<&super::input::HashTree> {
    input.disk.as_ref()?.tree.as_ref()
}

fn data(input: &Input) -> Option<&Data> {
    input
        .disk
        .as_ref()
        .and_then(|disk: &Disk| disk.data.as_ref())
}

/// Takes over what the files say, and looks for what they leave open.
fn account(
    compared: &mut Compared,
    files: Files,
    (old, new): (&Input, &Input),
    comparison: Option<&Comparison>,
) {
    let Compared {
        change,
        unexplained,
    } = compared;
    change.files = files.changes;
    change.moved_files = files.moved;
    if let [first, ..] = &files.uncertain[..] {
        unexplained.push(format!(
            "{} files lie elsewhere than before, and without the data of both images neither their \
             metadata nor what does not fill a block could be compared; the first is {first}",
            files.uncertain.len()
        ));
    }
    let maps = old
        .origins
        .as_ref()
        .map(|it| &it.rootfs)
        .zip(new.origins.as_ref().map(|it| &it.rootfs));
    let named = !change.files.is_empty() || !change.superblock.is_empty();
    match (maps, comparison) {
        (Some((one, two)), Some(comparison)) if same_places(one, two) => {
            let left = unnamed_blocks(change, two, comparison);
            if let [first, ..] = &left[..] {
                unexplained.push(format!(
                    "{} data blocks differ that hold nothing of a file that differs; the first is \
                     block {first}",
                    left.len()
                ));
            }
        }
        _ if !named => unexplained.push(
            "the root file systems differ, but no file of them does: what differs is how they \
             are laid out, or times or padding"
                .to_owned(),
        ),
        _ => {}
    }
}

fn same_places(old: &Image, new: &Image) -> bool {
    let paths = |image: &'_ Image| image.inodes.len();
    old.extents == new.extents
        && paths(old) == paths(new)
        && old
            .inodes
            .iter()
            .zip(&new.inodes)
            .all(|(one, two)| one.paths == two.paths)
}

/// Blocks that differ although nothing in them is known to.
fn unnamed_blocks(change: &RootfsChange, map: &Image, comparison: &Comparison) -> Vec<u64> {
    let differing: BTreeSet<&str> = change.files.iter().map(|file| &file.path[..]).collect();
    let explained = |block: u64| {
        map.extents_in_block(block).iter().any(|extent| {
            if extent.holds == Holds::Superblock {
                return !change.superblock.is_empty() || change.compared_by != ComparedBy::Data;
            }
            let inode = map.inode(extent);
            inode.is_some_and(|inode| {
                let mut paths = inode.paths.iter();
                paths.any(|path| differing.contains(&files::shown(path)[..]))
            })
        })
    };
    let ranges = comparison.blocks.ranges.iter();
    ranges
        .flat_map(|(first, count)| *first..first + count)
        .filter(|block| !explained(*block))
        .collect()
}

/// The file system's own fields that differ.
fn superblock(old: Option<&Data>, new: Option<&Data>) -> Vec<FieldChange> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let (old, new) = (&old.reader, &new.reader);
    let fields = [
        ("UUID", old.uuid().to_string(), new.uuid().to_string()),
        ("volume name", old.volume_name(), new.volume_name()),
        (
            "timestamp",
            old.timestamp().to_string(),
            new.timestamp().to_string(),
        ),
    ];
    let differing = fields.into_iter().filter(|(_, old, new)| old != new);
    differing
        .map(|(name, old, new)| FieldChange::new(name, old, new))
        .collect()
}

/// Bytes by origin where both sides say it, else by the first folder.
fn shares(
    (old, old_table): (&Input, &Table),
    (new, new_table): (&Input, &Table),
    changes: &[FileChange],
) -> Vec<Share> {
    let maps = old.origins.as_ref().zip(new.origins.as_ref());
    let (before, after) = match maps {
        Some((one, two)) => (by_origin(&one.rootfs), by_origin(&two.rootfs)),
        None => (by_folder(old_table), by_folder(new_table)),
    };
    let mut changed: BTreeSet<String> = BTreeSet::new();
    for file in changes.iter().filter(|file| file.status != Status::Unknown) {
        match maps {
            Some(_) => {
                let origins = file.old_origin.iter().chain(&file.new_origin);
                changed.extend(origins.map(origin_name));
            }
            None => drop(changed.insert(folder(&file.path))),
        }
    }
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let bytes = |side: &BTreeMap<String, u64>, name| side.get(name).copied().unwrap_or(0);
    names
        .into_iter()
        .map(|name| Share {
            name: name.clone(),
            old_bytes: bytes(&before, name),
            new_bytes: bytes(&after, name),
            changed: changed.contains(name),
        })
        .collect()
}

fn by_origin(map: &Image) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    for extent in &map.extents {
        let origin = map.inode(extent).and_then(|inode| map.origin(inode));
        let name = origin.map_or_else(|| "superblock".to_owned(), origin_name);
        *shares.entry(name).or_default() += extent.length;
    }
    shares
}

/// The name of an origin without its version.
pub(super) fn origin_name(origin: &Origin) -> String {
    match origin {
        Origin::Package { name, .. } => name.clone(),
        other => other.to_string(),
    }
}

fn by_folder(table: &Table) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    let with_content = table
        .files
        .iter()
        .filter(|(_, record): &(_, &Record)| record.size > 0);
    for (path, record) in with_content {
        *shares.entry(folder(&files::shown(path))).or_default() += record.size;
    }
    shares
}

fn folder(path: &str) -> String {
    let first = path.split('/').nth(1).unwrap_or_default();
    format!("/{first}")
}

/// Whether two images have the same bytes; memory does not grow with them.
fn same_images(old: &Data, new: &Data) -> io::Result<bool> {
    let size = old.reader.size();
    if size != new.reader.size() {
        return Ok(false);
    }
    same_ranges((&old.file, old.offset), (&new.file, new.offset), size)
}

/// Whether two files hold the same bytes from some places on.
pub(super) fn same_ranges(old: (&File, u64), new: (&File, u64), length: u64) -> io::Result<bool> {
    const CHUNK: usize = 1 << 20;
    let (mut one, mut two) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut done = 0;
    while done < length {
        let step = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        old.0.read_exact_at(&mut one[..step], old.1 + done)?;
        new.0.read_exact_at(&mut two[..step], new.1 + done)?;
        if one[..step] != two[..step] {
            return Ok(false);
        }
        done += step as u64;
    }
    Ok(true)
}
