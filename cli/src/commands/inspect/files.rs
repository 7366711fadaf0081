//! File trees as lists: EROFS and ext4 images, and initrds.

use guestmark_builder::inspect::{
    Compression, Entry, ErofsFacts, ErofsSuperblock, Ext4Facts, Ext4Superblock, InitrdFacts,
};

use super::{section, values};
use crate::output::human_bytes;

pub(super) fn erofs(facts: &ErofsFacts) -> String {
    let size = human_bytes(facts.superblock.bytes);
    let mut rows = vec![("Holds", format!("EROFS image, {size}"))];
    rows.extend(superblock(&facts.superblock));
    rows.extend(trailing(facts.trailing_bytes));
    values(rows) + &list(&facts.entries)
}

fn trailing(bytes: u64) -> Option<(&'static str, String)> {
    let size = human_bytes(bytes);
    (bytes > 0).then(|| {
        (
            "Behind it",
            format!("{size} that are not part of the image"),
        )
    })
}

pub(super) fn ext4(facts: &Ext4Facts) -> String {
    let name = facts.superblock.file_system;
    let size = human_bytes(facts.superblock.bytes);
    let mut rows = vec![("Holds", format!("{name} file system, {size}"))];
    rows.extend(ext4_superblock(&facts.superblock));
    rows.extend(trailing(facts.trailing_bytes));
    values(rows) + &list(&facts.entries)
}

/// What the superblock of an ext file system says, as names and values.
pub(super) fn ext4_superblock(superblock: &Ext4Superblock) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("UUID", superblock.uuid.to_string()),
        (
            "Blocks",
            format!(
                "{} of {} bytes, {} free",
                superblock.blocks, superblock.block_size, superblock.free_blocks
            ),
        ),
        (
            "Inodes",
            format!("{}, {} free", superblock.inodes, superblock.free_inodes),
        ),
        ("Features", superblock.features.join(" ")),
    ];
    if !superblock.volume_name.is_empty() {
        rows.push(("Volume name", superblock.volume_name.clone()));
    }
    rows
}

/// What a superblock says, as names and values.
pub(super) fn superblock(superblock: &ErofsSuperblock) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("UUID", superblock.uuid.to_string()),
        (
            "Timestamp",
            format!("{} seconds since 1970", superblock.timestamp),
        ),
        ("Inodes", superblock.inodes.to_string()),
        ("Image size", format!("{} bytes", superblock.bytes)),
    ];
    if !superblock.volume_name.is_empty() {
        rows.push(("Volume name", superblock.volume_name.clone()));
    }
    rows
}

pub(super) fn initrd(facts: &InitrdFacts) -> String {
    let unpacked = facts
        .segments
        .iter()
        .map(|segment| segment.unpacked_bytes)
        .sum();
    let text = values([
        ("Holds", format!("initrd, {}", human_bytes(facts.bytes))),
        ("Unpacks to", human_bytes(unpacked)),
        ("Entries", facts.entries.len().to_string()),
    ]);
    let parts = facts.segments.iter().map(|segment| {
        let compression = match segment.compression {
            Compression::None => "plain cpio",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        [
            format!("{:#x}", segment.offset),
            compression.to_owned(),
            human_bytes(segment.bytes),
            human_bytes(segment.unpacked_bytes),
        ]
    });
    let header = ["Offset", "Compression", "Size", "Unpacked"];
    text + &section("Parts", header, parts.collect()) + &list(&facts.entries)
}

fn list(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        [
            format!("{}{}", entry.file_type.letter(), entry.mode),
            format!("{}:{}", entry.uid, entry.gid),
            match entry.device {
                Some(device) => device.to_string(),
                None => entry.size.to_string(),
            },
            path(entry),
        ]
    });
    section("Files", ["Mode", "Owner", "Size", "Path"], rows.collect())
}

/// A path and what belongs to it: where a link leads, names of extended attributes.
fn path(entry: &Entry) -> String {
    let mut text = entry.path.clone();
    if let Some(target) = &entry.target {
        text.push_str(&format!(" -> {target}"));
    }
    if let Some(first) = &entry.hard_link_to {
        text.push_str(&format!(" = {first}"));
    }
    if !entry.xattrs.is_empty() {
        text.push_str(&format!(" [{}]", entry.xattrs.join(", ")));
    }
    text
}
