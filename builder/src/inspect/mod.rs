//! What an artifact holds, whoever made it: files are recognised by their magic numbers, and
//! nothing in them is trusted.

mod disk;
mod erofs;
mod error;
mod ext4;
mod format;
mod id_block;
mod igvm;
mod initrd;
mod kernel;
mod listing;
mod measured_disk;
mod policy;
mod text;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_measure::id_block::IdBlock;
use serde::Serialize;

pub use disk::{
    DiskFacts, Gpt, GptError, HashTreeCheck, HashTreeFacts, MbrDiskFacts, MbrError,
    MbrPartitionFacts, Partition, PartitionContent, PartitionFacts, SuperblockFacts,
    partition_type,
};
pub use erofs::{ErofsError, ErofsFacts, ErofsSuperblock};
pub use error::InspectError;
pub use ext4::{Ext4Error, Ext4Facts, Ext4Superblock};
pub use id_block::IdBlockFacts;
pub use igvm::{
    CommandLine, E820Range, IgvmFacts, InitrdRange, KeyFacts, LinuxFacts, MemoryRange, OtherHeader,
    PageRange, ParameterAreaFacts, ParameterFacts, PlatformFacts, Registers, SevFeatures,
    SignedIdBlockFacts, UnknownHeaderFacts, VpContextFacts,
};
pub use initrd::{Compression, InitrdError, InitrdFacts, Segment};
pub use kernel::{Compressed, KernelCompression, KernelFacts};
pub use listing::{DeviceNumber, Entry, FileType, ListingTooLarge, Mode};
pub use measured_disk::{MeasuredDiskFacts, UnmeasuredRange, hold_against_disk, kernel_words};
pub use policy::Policy;
pub use text::{Hex, printable};

use format::Format;

/// The format keeps a file's size in 32 bits.
const IGVM_LIMIT: u64 = u32::MAX as u64;
/// Kernels are much smaller, in bytes.
const KERNEL_LIMIT: u64 = 512 << 20;

/// What an artifact holds.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Inspection {
    /// An IGVM file.
    Igvm(Box<IgvmFacts>),
    /// A disk image with a GUID partition table.
    Disk(DiskFacts),
    /// A disk image with an MBR.
    MbrDisk(MbrDiskFacts),
    /// An EROFS image.
    Erofs(ErofsFacts),
    /// An ext2, ext3 or ext4 file system.
    Ext4(Ext4Facts),
    /// An initrd.
    Initrd(InitrdFacts),
    /// An ID block.
    IdBlock(IdBlockFacts),
    /// A kernel.
    Kernel(KernelFacts),
}

/// Says what the artifact at `path` holds.
///
/// IGVM files and kernels are read into memory; of disk images, file systems and initrds only the
/// list of files is kept. A hash tree that a disk image has is checked against the data, which
/// reads all of it.
///
/// # Errors
/// The file cannot be read, is not of a known kind, or is damaged.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let path = || path.to_owned();
    if !metadata.is_file() {
        return Err(InspectError::NotAFile { path: path() });
    }
    let length = metadata.len();
    let start = start(&file, length)?;
    let format = Format::detect(&start, length);
    Ok(
        match format.ok_or_else(|| InspectError::Unknown { path: path() })? {
            Format::Igvm => {
                let bytes = read_whole(&file, length, IGVM_LIMIT, "an IGVM file")?;
                let facts = IgvmFacts::read(&bytes).map_err(|source| InspectError::Igvm {
                    path: path(),
                    source,
                })?;
                Inspection::Igvm(Box::new(facts))
            }
            Format::Disk { sector_size } => {
                let facts = DiskFacts::read(file, length, sector_size);
                Inspection::Disk(facts.map_err(|source| InspectError::Disk {
                    path: path(),
                    source,
                })?)
            }
            Format::MbrDisk => {
                let facts = MbrDiskFacts::read(file, length);
                Inspection::MbrDisk(facts.map_err(|source| InspectError::MbrDisk {
                    path: path(),
                    source,
                })?)
            }
            Format::Ext4 => {
                let facts = Ext4Facts::read(file.into(), length);
                Inspection::Ext4(facts.map_err(|source| InspectError::Ext4 {
                    path: path(),
                    source,
                })?)
            }
            Format::Erofs => {
                let facts = ErofsFacts::read(file.into(), length);
                Inspection::Erofs(facts.map_err(|source| InspectError::Erofs {
                    path: path(),
                    source,
                })?)
            }
            Format::Kernel => {
                let bytes = read_whole(&file, length, KERNEL_LIMIT, "a kernel")?;
                let facts = KernelFacts::read(&bytes);
                Inspection::Kernel(facts.map_err(|source| InspectError::Kernel {
                    path: path(),
                    source,
                })?)
            }
            Format::Initrd => {
                let facts = InitrdFacts::read(file.into(), length, initrd::UNPACKED_LIMIT);
                Inspection::Initrd(facts.map_err(|source| InspectError::Initrd {
                    path: path(),
                    source,
                })?)
            }
            Format::IdBlock => {
                let block =
                    IdBlock::from_bytes(&start).map_err(|source| InspectError::IdBlock {
                        path: path(),
                        source,
                    })?;
                Inspection::IdBlock(IdBlockFacts::new(&block))
            }
        },
    )
}

/// The bytes that tell what a file is.
fn start(file: &File, length: u64) -> Result<Vec<u8>, InspectError> {
    let mut start = vec![0; usize::try_from(length.min(format::START)).unwrap_or_default()];
    file.read_exact_at(&mut start, 0)?;
    Ok(start)
}

fn read_whole(
    mut file: &File,
    length: u64,
    limit: u64,
    what: &'static str,
) -> Result<Vec<u8>, InspectError> {
    if length > limit {
        return Err(InspectError::TooLarge {
            path: file.path().to_owned(),
            what,
            found: length,
            limit,
        });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
