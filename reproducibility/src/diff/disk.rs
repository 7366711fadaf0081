//! Bytes of a disk outside of the root file system and its hash tree: no digest depends on them.

use std::io;
use std::ops::Range;

use guestmark_builder::inspect::Partition;
use guestmark_builder::verity::{BLOCK_SIZE, TreeShape};

use super::explanation::FieldChange;
use super::input::Disk;
use super::rootfs::same_ranges;

/// The partition table and its backup, in bytes.
const TABLE: u64 = 34 * 512;

/// What differs there. `follows` says that the root hashes differ, which the partitions' UUIDs
/// carry.
pub(super) fn compare(old: &Disk, new: &Disk, follows: bool) -> io::Result<Vec<FieldChange>> {
    if old.partitions.is_empty() || new.partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    if old.length != new.length {
        let bytes = |disk: &Disk| format!("{} bytes", disk.length);
        changes.push(FieldChange::new("disk size", bytes(old), bytes(new)));
    }
    if old.partitions.len() != new.partitions.len() {
        let count = |disk: &Disk| disk.partitions.len();
        changes.push(FieldChange::new("partitions", count(old), count(new)));
    }
    for (one, two) in old.partitions.iter().zip(&new.partitions) {
        changes.extend(partition(one, two, follows));
    }
    let gaps = unused(old);
    if old.length == new.length && gaps == unused(new) {
        for gap in gaps {
            let length = gap.end - gap.start;
            if !same_ranges((&old.file, gap.start), (&new.file, gap.start), length)? {
                let name = format!("disk bytes {:#x} to {:#x}", gap.start, gap.end - 1);
                changes.push(FieldChange::of(name, None, None));
            }
        }
    }
    Ok(changes)
}

fn partition(old: &Partition, new: &Partition, follows: bool) -> Vec<FieldChange> {
    let place = |part: &Partition| format!("{:#x}, {} bytes", part.offset, part.length);
    let fields = [
        ("type", old.type_guid.to_string(), new.type_guid.to_string()),
        ("UUID", old.guid.to_string(), new.guid.to_string()),
        ("place", place(old), place(new)),
        (
            "attributes",
            format!("{:#x}", old.attributes),
            format!("{:#x}", new.attributes),
        ),
        ("name", old.name.clone(), new.name.clone()),
    ];
    let differing = fields.into_iter().filter(|(_, old, new)| old != new);
    differing
        .map(|(name, one, two)| {
            let change = FieldChange::new(format!("partition {}, {name}", new.number), one, two);
            match follows && matches!(name, "UUID" | "place") {
                true => change.from("root file system"),
                false => change,
            }
        })
        .collect()
}

/// What belongs to no partition, and what lies behind data and tree in theirs.
fn unused(disk: &Disk) -> Vec<Range<u64>> {
    let mut used: Vec<Range<u64>> = vec![
        0..TABLE.min(disk.length),
        disk.length.saturating_sub(TABLE)..disk.length,
    ];
    used.extend(disk.partitions.iter().map(|partition| {
        let start = partition.offset;
        let end = start + partition.length;
        let tree = disk.tree.as_ref();
        let tree_end = tree.map(|tree| tree.offset + TreeShape::new(tree.data_blocks).size());
        let data = disk.data.as_ref().filter(|data| data.offset == start);
        match (data, tree, tree_end) {
            (Some(_), Some(tree), _) => start..end.min(start + tree.data_blocks * BLOCK_SIZE),
            (_, _, Some(tree_end)) if (start..end).contains(&tree_end) => start..tree_end,
            _ => start..end,
        }
    }));
    used.sort_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut at = 0;
    for range in used {
        if range.start > at {
            gaps.push(at..range.start);
        }
        at = at.max(range.end);
    }
    gaps
}
