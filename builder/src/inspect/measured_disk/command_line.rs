//! What the command line says besides the root hash, and whether it is measured at all.

use guestmark_measure::PAGE_SIZE;
use guestmark_measure::report::Findings;

use super::disk::Disk;
use super::kernel_parameters::values;
use super::root::{MeasuredRoot, OpenedBy, Wrong};
use super::{leave, tell};
use crate::inspect::disk::PartitionContent;
use crate::inspect::igvm::{CommandLine, IgvmFacts};
use crate::inspect::text::printable;
use crate::verity::BLOCK_SIZE;

/// Sectors of 512 bytes in a block of dm-verity.
const SECTORS_PER_BLOCK: u64 = BLOCK_SIZE / 512;

/// The command line, if the launch digest covers it.
pub(super) fn measured<'a>(igvm: &'a IgvmFacts, findings: &mut Findings) -> Option<&'a [u8]> {
    let line = find(igvm);
    let said = line.as_ref().map(|line| {
        format!(
            "{} bytes at {}, in pages that the launch digest covers",
            line.bytes, line.start
        )
    });
    tell(findings, "Command line", said.map_err(Wrong::clone));
    line.ok().map(|line| &line.raw[..])
}

fn find(igvm: &IgvmFacts) -> Result<&CommandLine, Wrong> {
    let expected = "a Linux guest with a command line, on SEV-SNP";
    let linux = igvm.linux.as_ref();
    let linux = linux.ok_or_else(|| Wrong::new("no Linux guest on SEV-SNP", expected))?;
    let line = linux.command_line.as_ref();
    let line = line.ok_or_else(|| Wrong::new("no command line", expected))?;
    if !line.complete {
        return Err(Wrong::new(
            "the file does not hold its end",
            "a NUL after it",
        ));
    }
    // Its NUL included.
    let pages = line.start.get() / PAGE_SIZE..=(line.start.get() + line.bytes) / PAGE_SIZE;
    match pages.into_iter().all(|page| is_measured(igvm, page)) {
        true => Ok(line),
        false => Err(Wrong::new(
            format!("{} bytes at {}", line.bytes, line.start),
            "in pages that the launch digest covers: normal, not shared, not unmeasured",
        )),
    }
}

/// Whether the launch digest covers the contents of a page, by its number.
fn is_measured(igvm: &IgvmFacts, page: u64) -> bool {
    let snp = igvm.platforms.iter().find(|it| it.platform == "sev-snp");
    let mut ranges = igvm.pages.iter().filter(|range| {
        let first = range.start.get() / PAGE_SIZE;
        let is_meant = snp.is_some_and(|snp| snp.mask.0 & range.mask.0 != 0);
        is_meant && (first..first + range.bytes / PAGE_SIZE).contains(&page)
    });
    let is_covered = |range: &_| {
        matches!(
            range,
            crate::inspect::igvm::PageRange {
                page_type: "normal",
                unmeasured: false,
                shared: false,
                ..
            }
        )
    };
    ranges.clone().next().is_some() && ranges.all(is_covered)
}

/// Holds what the line says of the root device against the disk.
pub(super) fn hold_against_root(
    igvm: &IgvmFacts,
    line: &[u8],
    root: &MeasuredRoot,
    disk: &Disk,
    findings: &mut Findings,
) {
    let OpenedBy::Kernel { sectors, minor } = root.opened_by else {
        let reason = "an initrd opens the hash tree, as its own programs have it; the launch \
                      digest covers them, and guestmark inspect lists them";
        leave(findings, "Root device and file system", reason);
        return;
    };
    let blocks = root.table.data_blocks;
    let needed = blocks * SECTORS_PER_BLOCK;
    tell(
        findings,
        "Sectors",
        match sectors == needed {
            true => Ok(format!("{sectors}, which is {blocks} data blocks of 8")),
            false => Err(Wrong::new(
                format!("{sectors} sectors"),
                format!("{needed}, which is {blocks} data blocks of 8"),
            )),
        },
    );
    let device = format!("/dev/dm-{minor}");
    let given = last(line, "root");
    tell(
        findings,
        "Root device",
        match given == Some(device.as_bytes()) {
            true => Ok(format!("root={device}, the device with the hash tree")),
            false => Err(Wrong::new(
                shown("root", given),
                format!("root={device}, the device with the hash tree"),
            )),
        },
    );
    let content = disk.partition(root.partitions.0);
    let content = content.and_then(|partition| partition.content.as_ref());
    let said = file_system(last(line, "rootfstype"), content, blocks * BLOCK_SIZE);
    tell(findings, "Root file system", said);
    if igvm
        .linux
        .as_ref()
        .is_some_and(|linux| linux.initrd.is_some())
    {
        let reason = "it runs before the root file system is mounted, and what it does is up to \
                      its programs; the launch digest covers them";
        leave(findings, "Initrd", reason);
    }
}

/// The value of a parameter that counts if it is given several times.
fn last<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    values(line, name).pop()
}

fn shown(name: &str, value: Option<&[u8]>) -> String {
    match value {
        None => format!("no {name}="),
        Some(value) => format!("{name}={}", printable(value)),
    }
}

/// Whether the file system in the data partition is the one that the kernel is to mount, and lies
/// under the hash tree as a whole.
fn file_system(
    given: Option<&[u8]>,
    content: Option<&PartitionContent>,
    covered: u64,
) -> Result<String, Wrong> {
    let given_text = shown("rootfstype", given);
    let (there, bytes, mountable): (_, _, &[&[u8]]) = match content {
        Some(PartitionContent::Erofs(superblock)) => ("erofs", superblock.bytes, &[b"erofs"]),
        Some(PartitionContent::Ext4(superblock)) => {
            let mountable: &[&[u8]] = match superblock.file_system {
                "ext2" => &[b"ext2", b"ext3", b"ext4"],
                "ext3" => &[b"ext3", b"ext4"],
                _ => &[b"ext4"],
            };
            (superblock.file_system, superblock.bytes, mountable)
        }
        Some(
            PartitionContent::UnreadableErofs { problem }
            | PartitionContent::UnreadableExt4 { problem },
        ) => return Err(Wrong::new(problem, "a file system that can be read")),
        None => {
            let expected = format!("the file system of {given_text}");
            return Err(Wrong::new("no file system that is known", expected));
        }
    };
    if given.is_none_or(|given| !mountable.contains(&given)) {
        let expected = format!("rootfstype={there}, which is what the data partition holds");
        return Err(Wrong::new(given_text, expected));
    }
    if bytes > covered {
        return Err(Wrong::new(
            format!("{there} of {bytes} bytes"),
            format!("at most {covered}, which is what the hash tree covers"),
        ));
    }
    Ok(format!(
        "{given_text}, and the data partition holds {there} of {bytes} bytes, all of them under \
         the hash tree"
    ))
}
