//! The launch digest of a guest that starts in a firmware image, as OVMF does: SEV, SEV-ES and
//! SEV-SNP.
//!
//! The image ends at 4 GiB of guest memory. Near its own end it carries a table of entries, each
//! under a GUID, that tells the VMM what it needs to launch the guest (edk2,
//! `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm` and `X64/OvmfSevMetadata.asm`). Nothing in an
//! image is trusted: what is missing or contradicts itself is an error, never a digest.

mod error;
mod footer;
mod kernel_hashes;
mod launch;
mod metadata;
mod vcpu;
mod vmsa;

pub use error::OvmfError;
pub use kernel_hashes::KernelHashes;
pub use launch::{
    Machine, SnpGuest, SvsmGuest, sev_es_launch_digest, sev_launch_digest, snp_image_digest,
    snp_launch_digest, svsm_launch_digest,
};
pub use metadata::{Section, SectionKind};
pub use vcpu::{ParseVcpuTypeError, VcpuCount, VcpuError, VcpuSignature, VcpuType};
pub use vmsa::Vmm;

use crate::Gpa;
use crate::lanes::Page;
use footer::{FooterTable, Item};
use kernel_hashes::HashTableArea;

/// Where firmware images end in guest memory.
const IMAGE_END: u64 = 1 << 32;

/// A firmware image, checked: what it tells the VMM that launches it.
#[derive(Debug, Clone)]
pub struct Firmware<'f> {
    pages: &'f [Page],
    table: FooterTable<'f>,
    sections: Option<Vec<Section>>,
}

impl<'f> Firmware<'f> {
    /// Bytes that an image may have: 16 MiB. QEMU takes no more, for the I/O APIC lies below.
    pub const IMAGE_LIMIT: usize = 16 << 20;

    /// Bytes that the sections of an image may add up to: 1 GiB. Measuring them takes time
    /// although the image does not carry them.
    pub const DECLARED_MEMORY_LIMIT: u64 = 1 << 30;

    /// Reads `image`, the bytes of a whole firmware file.
    ///
    /// # Errors
    /// The image is not whole pages or passes [`Self::IMAGE_LIMIT`]; its footer table or its SEV
    /// metadata is damaged, or contradicts itself. That one of them is absent is no error before
    /// a digest needs it.
    pub fn parse(image: &'f [u8]) -> Result<Self, OvmfError> {
        let (pages, rest) = image.as_chunks();
        if pages.is_empty() || !rest.is_empty() {
            return Err(OvmfError::Size { found: image.len() });
        }
        if image.len() > Self::IMAGE_LIMIT {
            return Err(OvmfError::TooLarge {
                limit: Self::IMAGE_LIMIT,
            });
        }
        let table = FooterTable::parse(image)?;
        let sections = metadata::sections(image, &table)?;
        Ok(Self {
            pages,
            table,
            sections,
        })
    }

    /// Bytes in the image.
    pub fn size(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// What the image tells the VMM to launch beside it.
    ///
    /// # Errors
    /// The image has no SEV metadata: it was not built for SEV-SNP.
    pub fn sections(&self) -> Result<&[Section], OvmfError> {
        match &self.sections {
            Some(sections) => Ok(sections),
            None => Err(self.table.absent(Item::SevMetadata)),
        }
    }

    fn bytes(&self) -> &'f [u8] {
        self.pages.as_flattened()
    }

    /// Where the image starts in guest memory.
    pub fn start(&self) -> Gpa {
        Gpa::new(IMAGE_END - self.size())
    }

    /// Where processors but the first start (`SevEsResetBlock`): CS base in the upper half, IP in
    /// the lower.
    fn reset_address(&self) -> Result<u32, OvmfError> {
        match self.table.required(Item::SevEsResetBlock)?.u32(0)? {
            0 => Err(OvmfError::NoResetAddress),
            address => Ok(address),
        }
    }

    /// Where the table of kernel hashes goes.
    fn hash_table_area(&self) -> Result<HashTableArea, OvmfError> {
        let item = self.table.required(Item::HashTable)?;
        HashTableArea::new(item.u32(0)?, item.u32(4)?)
    }

    /// The offset from the start of the image at which an SVSM starts.
    fn svsm_entry(&self) -> Result<u32, OvmfError> {
        self.table.required(Item::SvsmInfo)?.u32(0)
    }
}
