//! Why a file cannot be inspected.

use std::io;
use std::path::PathBuf;

use guestmark_measure::id_block::IdBlockError;
use guestmark_measure::igvm::IgvmError;

use super::disk::{GptError, MbrError};
use super::erofs::ErofsError;
use super::ext4::Ext4Error;
use super::initrd::InitrdError;
use crate::igvm::bzimage::BzImageError;
use crate::verity::VerityError;

/// Why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder or a device.
    #[error("{path}: not a regular file; give the artifact itself", path = .path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// No known magic number.
    #[error(
        "{path}: not an artifact that can be inspected; those are IGVM files, disk images with a \
         GPT or an MBR, EROFS and ext4 images, initrds (cpio, plain or with gzip or zstd), ID \
         blocks of 96 bytes and kernels (bzImage)", path = .path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A file that is read whole and is too large for what it says it is.
    #[error(
        "{path}: {found} bytes are too many for {what}, expected at most {limit}",
        path = .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        what: &'static str,
        /// Its size in bytes.
        found: u64,
        /// The most bytes that it may have.
        limit: u64,
    },
    /// A damaged IGVM file.
    #[error("{path}: IGVM file: {source}", path = .path.display())]
    Igvm {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IgvmError,
    },
    /// A damaged disk image.
    #[error("{path}: disk image: {source}", path = .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GptError,
    },
    /// A disk image with a damaged MBR.
    #[error("{path}: disk image: {source}", path = .path.display())]
    MbrDisk {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MbrError,
    },
    /// An ext file system that is damaged, or that the library cannot read.
    #[error("{path}: {source}", path = .path.display())]
    Ext4 {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Ext4Error,
    },
    /// An EROFS image that is damaged, or of a form that is not understood.
    #[error("{path}: {source}", path = .path.display())]
    Erofs {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ErofsError,
    },
    /// A damaged initrd, or other compressed data.
    #[error("{path}: initrd: {source}", path = .path.display())]
    Initrd {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: InitrdError,
    },
    /// 96 bytes that are no ID block.
    #[error("{path}: ID block: {source}", path = .path.display())]
    IdBlock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IdBlockError,
    },
    /// A damaged kernel, or one that cannot be started directly.
    #[error("{path}: {source}", path = .path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BzImageError,
    },
    /// A file that was to be a disk and has no partition table.
    #[error(
        "{path}: {found}, expected a disk image; give the IGVM file first, and to --disk the disk \
         that the guest starts from", path = .path.display()
    )]
    NotADisk {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// The file to hold a disk against is no IGVM file.
    #[error(
        "{path}: not an IGVM file; --disk holds a disk against the command line that an IGVM file \
         measures", path = .path.display()
    )]
    NotIgvm {
        /// The file.
        path: PathBuf,
    },
    /// Hashing data and hash tree failed.
    #[error(transparent)]
    Verity(#[from] VerityError),
}
