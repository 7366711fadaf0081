//! Two files of one path compared: by their bytes, or by the hashes of the blocks they lie in.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::ops::Range;

use guestmark_builder::erofs::BLOCK_SIZE;
use guestmark_builder::inspect::printable;
use guestmark_builder::tree::{Content, Metadata};

use super::table::{Kind, Read, Record};
use crate::diff::explanation::FieldChange;
use crate::diff::input::HashTree;
use crate::diff::verity::{self, Comparison};

/// The hash trees of both sides, which have one salt.
pub(in crate::diff) struct Trees<'a> {
    pub(in crate::diff) old: &'a HashTree,
    pub(in crate::diff) new: &'a HashTree,
    pub(in crate::diff) comparison: &'a Comparison,
}

/// What is known after a comparison.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) details: Vec<FieldChange>,
    /// Whether something could not be compared.
    pub(super) uncertain: bool,
    pub(super) moved: bool,
}

/// Compares two files.
pub(super) fn compare(
    old: &Record,
    new: &Record,
    trees: Option<&Trees<'_>>,
) -> io::Result<Outcome> {
    let mut outcome = Outcome {
        moved: old.pieces != new.pieces,
        ..Outcome::default()
    };
    if old.kind != new.kind {
        let change = FieldChange::new("type", old.kind.name(), new.kind.name());
        outcome.details.push(change);
        return Ok(outcome);
    }
    match (&old.read, &new.read) {
        (Some(one), Some(two)) => metadata(&one.metadata, &two.metadata, one, two, &mut outcome),
        _ => outcome.uncertain = !untouched(&old.inode, &new.inode, trees),
    }
    if old.kind == Kind::Directory {
        return Ok(outcome);
    }
    if old.size != new.size {
        let bytes = |size| format!("{size} bytes");
        let change = FieldChange::new("content", bytes(old.size), bytes(new.size));
        outcome.details.push(change);
        return Ok(outcome);
    }
    match contents(old, new, trees)? {
        Equality::Same => {}
        Equality::Unknown => outcome.uncertain = true,
        Equality::Different => {
            let text = format!("{} bytes", new.size);
            let other = format!("{} other bytes", new.size);
            outcome
                .details
                .push(FieldChange::new("content", text, other));
        }
    }
    Ok(outcome)
}

fn metadata(old: &Metadata, new: &Metadata, one: &Read, two: &Read, outcome: &mut Outcome) {
    let mut differs = |name: &str, old: String, new: String| {
        if old != new {
            outcome.details.push(FieldChange::new(name, old, new));
        }
    };
    let octal = |mode: u16| format!("{mode:04o}");
    differs("mode", octal(old.mode), octal(new.mode));
    let owner = |metadata: &Metadata| format!("{}:{}", metadata.uid, metadata.gid);
    differs("owner", owner(old), owner(new));
    let names: BTreeSet<_> = old.xattrs.keys().chain(new.xattrs.keys()).collect();
    for name in names {
        let value = |metadata: &Metadata| metadata.xattrs.get(name).map(|value| xattr(value));
        let (before, after) = (value(old), value(new));
        if before != after {
            let name = format!("xattr {}", printable(name));
            outcome.details.push(FieldChange::of(name, before, after));
        }
    }
    if one.special != two.special {
        let name = two.special.as_ref().or(one.special.as_ref());
        let value = |read: &Read| read.special.as_ref().map(|(_, value)| value.clone());
        let name = name.map_or("", |(name, _)| *name);
        outcome
            .details
            .push(FieldChange::of(name, value(one), value(two)));
    }
}

/// Attributes are bytes: text if they look like it.
fn xattr(value: &[u8]) -> String {
    let text = value.strip_suffix(b"\0").unwrap_or(value);
    match !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    {
        true => printable(text),
        false => format!("0x{}", hex::encode(value)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Equality {
    Same,
    Different,
    Unknown,
}

/// Compares contents of one size, piece by piece.
fn contents(old: &Record, new: &Record, trees: Option<&Trees<'_>>) -> io::Result<Equality> {
    let like = old.pieces.len() == new.pieces.len()
        && old
            .pieces
            .iter()
            .zip(&new.pieces)
            .all(|(one, two)| one.end - one.start == two.end - two.start);
    let content = |record: &Record| record.read.as_ref().and_then(|read| read.content.clone());
    let data = content(old).zip(content(new));
    if !like {
        return match data {
            Some((one, two)) => same_bytes(&one, &two, 0..old.size),
            None => Ok(Equality::Unknown),
        };
    }
    let mut known = Equality::Same;
    let mut position = 0;
    for (one, two) in old.pieces.iter().zip(&new.pieces) {
        let length = one.end - one.start;
        let by_hash = by_hashes(one, two, trees)?;
        let equality = match (by_hash, &data) {
            (Equality::Same, _) => Equality::Same,
            (_, Some((a, b))) => same_bytes(a, b, position..position + length)?,
            (other, None) => other,
        };
        position += length;
        match equality {
            Equality::Different => return Ok(Equality::Different),
            Equality::Unknown => known = Equality::Unknown,
            Equality::Same => {}
        }
    }
    Ok(known)
}

/// What the hashes of the blocks that two pieces lie in say of the pieces.
fn by_hashes(
    old: &Range<u64>,
    new: &Range<u64>,
    trees: Option<&Trees<'_>>,
) -> io::Result<Equality> {
    let Some(trees) = trees else {
        return Ok(Equality::Unknown);
    };
    if old == new {
        return Ok(match trees.comparison.touches(&blocks(old)) {
            false => Equality::Same,
            // A block that others share may differ for them.
            true if fills_its_blocks(old) => Equality::Different,
            true => Equality::Unknown,
        });
    }
    let aligned = old.start.is_multiple_of(BLOCK_SIZE) && new.start.is_multiple_of(BLOCK_SIZE);
    let (one, two) = (blocks(old), blocks(new));
    let inside = one.end <= trees.old.data_blocks && two.end <= trees.new.data_blocks;
    if !aligned || !inside {
        return Ok(Equality::Unknown);
    }
    let count = one.end - one.start;
    let different =
        verity::moved_differences((trees.old, one.start), (trees.new, two.start), count)?;
    Ok(match different.is_empty() {
        true => Equality::Same,
        false
            if different
                .iter()
                .all(|block| *block < (old.end - old.start) / BLOCK_SIZE) =>
        {
            Equality::Different
        }
        false => Equality::Unknown,
    })
}

/// Whether no other file has a part of any block.
fn fills_its_blocks(piece: &Range<u64>) -> bool {
    piece.start.is_multiple_of(BLOCK_SIZE) && piece.end.is_multiple_of(BLOCK_SIZE)
}

/// Whether something stands where it stood, in blocks that are the same.
fn untouched(
    old: &Option<Range<u64>>,
    new: &Option<Range<u64>>,
    trees: Option<&Trees<'_>>,
) -> bool {
    match (old, new, trees) {
        (Some(old), Some(new), Some(trees)) => {
            old == new && !trees.comparison.touches(&blocks(old))
        }
        _ => false,
    }
}

/// The blocks that hold any of these bytes.
pub(in crate::diff) fn blocks(bytes: &Range<u64>) -> Range<u64> {
    bytes.start / BLOCK_SIZE..bytes.end.div_ceil(BLOCK_SIZE)
}

/// Compares a range of two contents.
fn same_bytes(old: &Content, new: &Content, range: Range<u64>) -> io::Result<Equality> {
    const CHUNK: usize = 256 << 10;
    let (mut one, mut two) = (old.open_at(range.start)?, new.open_at(range.start)?);
    let mut left = range.end - range.start;
    let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
    let (mut first, mut second) = (vec![0; size], vec![0; size]);
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(size);
        one.read_exact(&mut first[..length])?;
        two.read_exact(&mut second[..length])?;
        if first[..length] != second[..length] {
            return Ok(Equality::Different);
        }
        left -= length as u64;
    }
    Ok(Equality::Same)
}
