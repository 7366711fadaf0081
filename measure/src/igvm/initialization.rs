//! Initialization headers: what a platform must know before pages are loaded.

use super::file_data::FileData;
use super::variable_headers::VariableHeader;
use super::wire::{self, kind};
use super::{CompatibilityMask, IgvmError};
use crate::Gpa;

/// An initialization header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initialization<'a> {
    /// The guest policy; on SEV-SNP the 64-bit POLICY of SNP_LAUNCH_START.
    GuestPolicy {
        /// The platforms it is for.
        mask: CompatibilityMask,
        /// The policy's bits.
        policy: u64,
    },
    /// Memory that a loader may move as a whole.
    RelocatableRegion {
        /// The platforms it is for.
        mask: CompatibilityMask,
        /// Start of the region.
        gpa: Gpa,
        /// Bytes in the region.
        size: u64,
    },
    /// Page tables that a loader may have to fix up.
    PageTableRelocation {
        /// The platforms it is for.
        mask: CompatibilityMask,
        /// Start of the page tables.
        gpa: Gpa,
        /// Bytes in the page tables.
        size: u64,
    },
    /// A CoRIM document: the reference values in CBOR.
    CorimDocument {
        /// The platforms it is for.
        mask: CompatibilityMask,
        /// The CBOR bytes.
        document: &'a [u8],
    },
    /// A COSE_Sign1 structure over the CoRIM document.
    CorimSignature {
        /// The platforms it is for.
        mask: CompatibilityMask,
        /// The CBOR bytes.
        signature: &'a [u8],
    },
    /// The policy of an Arm CCA realm.
    CcaPolicy {
        /// The platforms it is for.
        mask: CompatibilityMask,
    },
    /// A label that the file's maker chose.
    VersionString(&'a str),
}

impl<'a> Initialization<'a> {
    /// The platforms the header is for; `None` for all.
    pub const fn mask(&self) -> Option<CompatibilityMask> {
        match self {
            Self::GuestPolicy { mask, .. }
            | Self::RelocatableRegion { mask, .. }
            | Self::PageTableRelocation { mask, .. }
            | Self::CorimDocument { mask, .. }
            | Self::CorimSignature { mask, .. }
            | Self::CcaPolicy { mask } => Some(*mask),
            Self::VersionString(_) => None,
        }
    }

    /// What the header is, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GuestPolicy { .. } => "guest policy",
            Self::RelocatableRegion { .. } => "relocatable region",
            Self::PageTableRelocation { .. } => "page table relocation",
            Self::CorimDocument { .. } => "CoRIM document",
            Self::CorimSignature { .. } => "CoRIM signature",
            Self::CcaPolicy { .. } => "CCA policy",
            Self::VersionString(_) => "version string",
        }
    }

    pub(super) fn parse(
        header: &VariableHeader<'a>,
        data: FileData<'a>,
    ) -> Result<Self, IgvmError> {
        match header.kind {
            kind::GUEST_POLICY => {
                let raw: &wire::GuestPolicy = header.body_as()?;
                let reserved = raw.reserved.get();
                header.check(reserved == 0, "reserved", "0", reserved)?;
                let mask = CompatibilityMask::new(raw.compatibility_mask.get());
                Ok(Self::GuestPolicy {
                    mask,
                    policy: raw.policy.get(),
                })
            }
            kind::RELOCATABLE_REGION => {
                let raw: &wire::RelocatableRegion = header.body_as()?;
                Ok(Self::RelocatableRegion {
                    mask: CompatibilityMask::new(raw.compatibility_mask.get()),
                    gpa: Gpa::new(raw.gpa.get()),
                    size: raw.size.get(),
                })
            }
            kind::PAGE_TABLE_RELOCATION_REGION => {
                let raw: &wire::PageTableRelocation = header.body_as()?;
                Ok(Self::PageTableRelocation {
                    mask: CompatibilityMask::new(raw.compatibility_mask.get()),
                    gpa: Gpa::new(raw.gpa.get()),
                    size: raw.size.get(),
                })
            }
            kind::CORIM_DOCUMENT => {
                let (mask, document) = corim(header, data)?;
                Ok(Self::CorimDocument { mask, document })
            }
            kind::CORIM_SIGNATURE => {
                let (mask, signature) = corim(header, data)?;
                Ok(Self::CorimSignature { mask, signature })
            }
            kind::CCA_POLICY => {
                let raw: &wire::CcaPolicy = header.body_as()?;
                Ok(Self::CcaPolicy {
                    mask: CompatibilityMask::new(raw.compatibility_mask.get()),
                })
            }
            kind::VERSION_STRING => {
                let text = str::from_utf8(header.body).map_err(|error| {
                    let valid_up_to = error.valid_up_to();
                    IgvmError::VersionString {
                        offset: header.offset,
                        valid_up_to,
                    }
                })?;
                Ok(Self::VersionString(text))
            }
            kind => Err(IgvmError::UnknownRequired {
                offset: header.offset,
                kind,
            }),
        }
    }
}

fn corim<'a>(
    header: &VariableHeader<'a>,
    data: FileData<'a>,
) -> Result<(CompatibilityMask, &'a [u8]), IgvmError> {
    let raw: &wire::CorimData = header.body_as()?;
    header.check(raw.reserved.get() == 0, "reserved", "0", raw.reserved)?;
    let bytes = data.bytes(header.offset, raw.file_offset.get(), raw.size_bytes.into())?;
    Ok((CompatibilityMask::new(raw.compatibility_mask.get()), bytes))
}
