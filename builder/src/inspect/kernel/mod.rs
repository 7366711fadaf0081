//! A kernel as a bzImage, and the kernel inside of it.

pub(super) mod banner;
mod compression;
mod lz4;

use guestmark_measure::Gpa;
use serde::Serialize;

pub use compression::KernelCompression;

use super::text::printable;
use crate::igvm::bzimage::{BzImage, BzImageError, SetupHeader};

/// The version string's offset counts from here.
const VERSION_BASE: usize = 0x200;

/// A kernel as a bzImage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelFacts {
    /// Bytes in the file.
    pub bytes: u64,
    /// The boot protocol it speaks, as `MAJOR.MINOR`.
    pub boot_protocol: String,
    /// What it says of itself: release, builder, build number and date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it would like to be loaded.
    pub preferred_address: Gpa,
    /// Bytes of contiguous memory that it needs from its load address.
    pub init_size: u64,
    /// Its 64-bit entry when it is loaded at the preferred address.
    pub entry: Gpa,
    /// Whether it can be loaded elsewhere.
    pub relocatable: bool,
    /// Alignment of load addresses, in bytes.
    pub alignment: u64,
    /// The longest command line that it takes, in bytes without the final NUL.
    pub command_line_limit: u64,
    /// Bytes of real-mode code, which a direct boot leaves out.
    pub setup_bytes: u64,
    /// Bytes of the kernel proper: what is loaded.
    pub payload_bytes: u64,
    /// The compressed kernel within it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressed: Option<Compressed>,
}

/// Where the compressed kernel lies in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Compressed {
    /// Where it starts in the payload, in bytes.
    pub offset: u64,
    /// Bytes it takes.
    pub bytes: u64,
    /// How it is compressed; `None` for an unknown way, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<KernelCompression>,
}

impl KernelFacts {
    /// Reads the kernel in `file`.
    pub(super) fn read(file: &[u8]) -> Result<Self, BzImageError> {
        let kernel = BzImage::parse(file)?;
        let header = kernel.header();
        let payload = kernel.payload();
        let setup = &file[..file.len() - payload.len()];
        Ok(Self {
            bytes: file.len() as u64,
            boot_protocol: protocol(header),
            version: version(header, setup),
            preferred_address: kernel.load_address(),
            init_size: kernel.memory_needed(),
            entry: kernel.entry().unwrap_or_default(),
            relocatable: header.relocatable_kernel != 0,
            alignment: header.kernel_alignment.get().into(),
            command_line_limit: kernel.command_line_limit() as u64,
            setup_bytes: setup.len() as u64,
            payload_bytes: payload.len() as u64,
            compressed: compressed(header, payload),
        })
    }
}

/// The boot protocol of a setup header, as `MAJOR.MINOR`.
pub(super) fn protocol(header: &SetupHeader) -> String {
    let [minor, major] = header.version.get().to_le_bytes();
    format!("{major}.{minor}")
}

/// The version string; it lies in the real-mode code and ends with NUL.
fn version(header: &SetupHeader, setup: &[u8]) -> Option<String> {
    let offset = match header.kernel_version.get() {
        0 => return None,
        offset => VERSION_BASE + usize::from(offset),
    };
    let text = setup.get(offset..)?;
    let end = text.iter().position(|&byte| byte == 0)?;
    Some(printable(&text[..end]))
}

fn compressed(header: &SetupHeader, payload: &[u8]) -> Option<Compressed> {
    let (offset, bytes) = (header.payload_offset.get(), header.payload_length.get());
    let data = payload
        .get(usize::try_from(offset).ok()?..)?
        .get(..usize::try_from(bytes).ok()?)?;
    (!data.is_empty()).then(|| Compressed {
        offset: offset.into(),
        bytes: bytes.into(),
        compression: KernelCompression::of_magic(data),
    })
}
