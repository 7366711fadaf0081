//! A disk held against the kernel command line that an IGVM file measures: whether that line, the
//! hash tree on the disk and the data agree.

mod command_line;
mod disk;
mod dm_table;
mod kernel_parameters;
mod root;

use std::ops::Range;
use std::path::Path;

use fs_err::os::unix::fs::FileExt;
use guestmark_measure::report::{Check, Findings, NotChecked};
use serde::Serialize;

pub use disk::UnmeasuredRange;
pub use kernel_parameters::words as kernel_words;

use super::InspectError;
use super::igvm::IgvmFacts;
use crate::verity::{self, BLOCK_SIZE, Corruption, Data, Mismatch, Superblock, TreeShape};
use disk::{Disk, Partition};
use root::{MeasuredRoot, OpenedBy, Wrong};

/// What came of holding a disk against the command line that an IGVM file measures.
#[derive(Debug, Clone, Serialize)]
pub struct MeasuredDiskFacts {
    /// The disk, as it was given.
    pub disk: String,
    /// Whether nothing that was checked is wrong.
    pub good: bool,
    /// Each check, and what none was made of.
    #[serde(flatten)]
    pub findings: Findings,
    /// What of the disk the root hash does not cover.
    pub not_measured: Vec<UnmeasuredRange>,
}

/// Holds the disk at `path` against the command line of an IGVM file, which reads all data and
/// the whole hash tree. What is wrong is told, it is no error.
///
/// # Errors
/// The file is no disk image, its partition table is damaged, or it cannot be read.
pub fn hold_against_disk(igvm: &IgvmFacts, path: &Path) -> Result<MeasuredDiskFacts, InspectError> {
    let disk = Disk::open(path)?;
    let mut findings = Findings::default();
    let line = command_line::measured(igvm, &mut findings);
    let covered = match line.and_then(|line| find_root(line, &mut findings)) {
        Some((line, root)) => {
            command_line::hold_against_root(igvm, line, &root, &disk, &mut findings);
            Places::find(&disk, &root, &mut findings)?
                .map(|places| {
                    let covered = places.covered();
                    check_tree(path, &disk, &root, &places, &mut findings).map(|()| covered)
                })
                .transpose()?
        }
        None => {
            let reason = "the command line does not name it";
            leave(&mut findings, "Hash tree and data", reason);
            None
        }
    };
    let reason = "that a guest was launched with this IGVM file: hold its attestation report \
                  against the file with guestmark measure --report";
    leave(&mut findings, "Launch", reason);
    Ok(MeasuredDiskFacts {
        disk: path.display().to_string(),
        good: findings.good(),
        not_measured: disk.outside(&covered.unwrap_or_default()),
        findings,
    })
}

/// The root file system that the command line names, told as a check.
fn find_root<'a>(line: &'a [u8], findings: &mut Findings) -> Option<(&'a [u8], MeasuredRoot)> {
    let root = MeasuredRoot::find(line);
    let said = root.as_ref().map(|root| {
        let table = &root.table;
        format!(
            "{} names {} blocks of 4096 bytes on {}, their tree on {}, SHA-256, root hash {}, \
             salt {}",
            root.opened_by,
            table.data_blocks,
            table.data_device,
            table.hash_device,
            table.root_hash,
            table.salt
        )
    });
    tell(findings, "Root hash", said.map_err(Wrong::clone));
    root.ok().map(|root| (line, root))
}

fn tell(findings: &mut Findings, name: &'static str, result: Result<String, Wrong>) {
    let (good, found, expected) = match result {
        Ok(found) => (true, found, None),
        Err(wrong) => (false, wrong.found, Some(wrong.expected)),
    };
    findings.checks.push(Check {
        name,
        good,
        found,
        expected,
    });
}

fn leave(findings: &mut Findings, name: &'static str, reason: impl Into<String>) {
    let reason = reason.into();
    findings.not_checked.push(NotChecked { name, reason });
}

/// Where data and tree lie on the disk, in bytes.
struct Places {
    data: Range<u64>,
    tree: Range<u64>,
}

impl Places {
    /// Finds both on the disk; `None` if there is no room for them.
    fn find(
        disk: &Disk,
        root: &MeasuredRoot,
        findings: &mut Findings,
    ) -> Result<Option<Self>, InspectError> {
        let (data, tree) = root.partitions;
        let blocks = root.table.data_blocks;
        let data = place(disk, data, 0, blocks * BLOCK_SIZE).map(|range| (range, "data blocks"));
        let hash_start = match (root.opened_by, disk.partition(tree)) {
            (OpenedBy::Initrd, Some(partition)) if has_superblock(disk, partition)? => 1,
            _ => root.table.hash_start,
        };
        let size = TreeShape::new(blocks).size();
        let tree = place(disk, tree, hash_start.saturating_mul(BLOCK_SIZE), size)
            .map(|range| (range, "hash blocks"));
        for (name, found) in [("Data partition", &data), ("Hash partition", &tree)] {
            let said = found.as_ref().map(|(range, what)| {
                let count = (range.end - range.start) / BLOCK_SIZE;
                format!(
                    "has room for {count} {what}, bytes {} to {} of the disk",
                    range.start, range.end
                )
            });
            tell(findings, name, said.map_err(Wrong::clone));
        }
        let overlap = |(data, _): &(Range<u64>, _), (tree, _): &(Range<u64>, _)| {
            data.start < tree.end && tree.start < data.end
        };
        Ok(match (data, tree) {
            (Ok(data), Ok(tree)) if !overlap(&data, &tree) => Some(Self {
                data: data.0,
                tree: tree.0,
            }),
            _ => {
                let reason = "data and tree do not fit where the command line has them";
                leave(findings, "Hash tree and data", reason);
                None
            }
        })
    }

    fn covered(&self) -> Vec<Range<u64>> {
        vec![self.data.clone(), self.tree.clone()]
    }
}

/// The `bytes` bytes of a partition from `skip` on, as bytes of the disk.
fn place(disk: &Disk, number: u32, skip: u64, bytes: u64) -> Result<Range<u64>, Wrong> {
    let Some(partition) = disk.partition(number) else {
        let there = disk.partitions.iter().map(|it| it.number.to_string());
        let there = there.collect::<Vec<_>>().join(", ");
        let found = format!("the disk has partitions {there}");
        return Err(Wrong::new(found, format!("partition {number}")));
    };
    let needed = skip.saturating_add(bytes);
    if needed > partition.bytes {
        return Err(Wrong::new(
            format!("partition {number} has {} bytes", partition.bytes),
            format!("at least {needed}, by the command line"),
        ));
    }
    let start = partition.offset + skip;
    Ok(start..start + bytes)
}

/// Whether a hash partition starts with a superblock of dm-verity.
fn has_superblock(disk: &Disk, partition: &Partition) -> Result<bool, InspectError> {
    let mut start = [0; Superblock::SIZE];
    if partition.bytes < start.len() as u64 {
        return Ok(false);
    }
    disk.file.read_exact_at(&mut start, partition.offset)?;
    Ok(Superblock::parse(&start).is_ok())
}

/// Hashes data and tree up to the root hash.
fn check_tree(
    path: &Path,
    disk: &Disk,
    root: &MeasuredRoot,
    places: &Places,
    findings: &mut Findings,
) -> Result<(), InspectError> {
    let Places { data, tree } = places;
    let blocks = Data::new(&disk.file, data.start, data.end - data.start)?;
    let corruption = verity::check(
        blocks,
        &disk.file,
        tree.start,
        &root.table.salt,
        root.table.root_hash,
    )?;
    let has = |what: String, start: u64, block: u64, found| {
        let offset = start + block * BLOCK_SIZE;
        let path = path.display();
        format!("{path}: {what}, at byte {offset}, has the hash {found}")
    };
    let says = |Mismatch { expected, .. }| format!("{expected}, as the hash block above it says");
    let said = match corruption {
        None => Ok(format!(
            "all {} data blocks and {} hash blocks lead to the root hash",
            blocks.blocks(),
            (tree.end - tree.start) / BLOCK_SIZE
        )),
        Some(Corruption::Data(first)) => Err(Wrong::new(
            has(
                format!("data block {}", first.block),
                data.start,
                first.block,
                first.found,
            ),
            says(first),
        )),
        Some(Corruption::Tree(first)) => Err(Wrong::new(
            has(
                format!("hash block {}", first.block),
                tree.start,
                first.block,
                first.found,
            ),
            says(first),
        )),
        Some(Corruption::Root { expected, found }) => {
            let (what, start) = match tree.is_empty() {
                true => ("the only data block", data.start),
                false => ("the top hash block", tree.start),
            };
            Err(Wrong::new(
                has(what.to_owned(), start, 0, found),
                format!("{expected}, the root hash in the command line"),
            ))
        }
    };
    tell(findings, "Hash tree and data", said);
    Ok(())
}
