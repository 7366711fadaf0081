//! A disk image as tables.

use guestmark_builder::inspect::{
    DiskFacts, HashTreeCheck, HashTreeFacts, MbrDiskFacts, PartitionContent,
};

use super::{files, section, values};
use crate::output::human_bytes;

pub(super) fn text(facts: &DiskFacts) -> String {
    let mut rows = vec![
        (
            "Holds",
            format!("disk image, GPT, {}", human_bytes(facts.bytes)),
        ),
        ("Disk GUID", facts.guid.to_string()),
        ("Sector size", facts.sector_size.to_string()),
    ];
    if let Some(problem) = &facts.backup_problem {
        rows.push(("Backup table", format!("DAMAGED: {problem}")));
    }
    let mut text = values(rows);
    text.push_str(&partitions(facts));
    for partition in &facts.partitions {
        text.push_str(&content(partition.number, partition.content.as_ref()));
    }
    for tree in &facts.hash_trees {
        text.push_str(&format!(
            "\nHash tree in partition {} of the data in partition {}\n{}",
            tree.hash_partition,
            tree.data_partition,
            hash_tree(tree)
        ));
    }
    text
}

pub(super) fn mbr(facts: &MbrDiskFacts) -> String {
    let size = human_bytes(facts.bytes);
    let mut text = values([
        ("Holds", format!("disk image, MBR, {size}")),
        ("Disk signature", facts.disk_signature.to_string()),
    ]);
    let rows = facts.partitions.iter().map(|partition| {
        let number = partition.partition_type;
        [
            partition.number.to_string(),
            match partition.type_name {
                Some(name) => format!("{name} ({number})"),
                None => number.to_string(),
            },
            partition.offset.to_string(),
            human_bytes(partition.bytes),
            if partition.bootable { "bootable" } else { "" }.to_owned(),
        ]
    });
    let header = ["No.", "Type", "Starts at", "Size", ""];
    text.push_str(&section("Partitions", header, rows.collect()));
    for partition in &facts.partitions {
        text.push_str(&content(partition.number, partition.content.as_ref()));
    }
    text
}

/// What a partition holds.
fn content(number: u32, content: Option<&PartitionContent>) -> String {
    match content {
        Some(PartitionContent::Erofs(superblock)) => {
            let rows = values(files::superblock(superblock));
            format!("\nEROFS in partition {number}\n{rows}")
        }
        Some(PartitionContent::Ext4(superblock)) => {
            let rows = values(files::ext4_superblock(superblock));
            format!("\n{} in partition {number}\n{rows}", superblock.file_system)
        }
        Some(
            PartitionContent::UnreadableErofs { problem }
            | PartitionContent::UnreadableExt4 { problem },
        ) => format!("\nPartition {number}: {problem}\n"),
        None => String::new(),
    }
}

fn partitions(facts: &DiskFacts) -> String {
    let rows = facts.partitions.iter().map(|partition| {
        let type_name = match partition.type_name {
            Some(name) => name.to_owned(),
            None => partition.type_uuid.to_string(),
        };
        [
            partition.number.to_string(),
            type_name,
            partition.uuid.to_string(),
            partition.name.clone(),
            partition.offset.to_string(),
            human_bytes(partition.bytes),
            if partition.read_only { "read-only" } else { "" }.to_owned(),
        ]
    });
    let header = ["No.", "Type", "UUID", "Name", "Starts at", "Size", ""];
    section("Partitions", header, rows.collect())
}

fn hash_tree(tree: &HashTreeFacts) -> String {
    let mut rows = vec![(
        "Root hash",
        format!(
            "{} (implied by the partition UUIDs)",
            tree.implied_root_hash
        ),
    )];
    rows.push(match &tree.superblock {
        None => ("Superblock", "none".to_owned()),
        Some(superblock) => (
            "Superblock",
            format!(
                "UUID {}, {} data blocks, salt {}",
                superblock.uuid, superblock.data_blocks, superblock.salt
            ),
        ),
    });
    rows.push(("Verdict", match &tree.check {
        HashTreeCheck::Matches { data_blocks, salt } => format!(
            "matches: all {data_blocks} data blocks and the tree lead to the root hash, salt {salt}"
        ),
        HashTreeCheck::Differs { reason } => format!("DIFFERS: {reason}"),
        HashTreeCheck::NotChecked { reason } => format!("not checked: {reason}"),
    }));
    values(rows)
}
