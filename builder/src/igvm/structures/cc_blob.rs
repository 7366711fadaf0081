//! How a guest started without firmware finds its secrets and CPUID pages.
//!
//! Source: Linux, arch/x86/include/asm/sev.h, `struct cc_blob_sev_info`, and
//! arch/x86/include/uapi/asm/setup_data.h.

use guestmark_measure::Gpa;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: u32 = u32::from_le_bytes(*b"AMDE");
/// Bytes in a page.
const PAGE: u32 = 0x1000;
/// Bytes of the blob's address in a `setup_data` node.
const ADDRESS_SIZE: u32 = 4;
/// `SETUP_CC_BLOB`.
const SETUP_CC_BLOB: u32 = 7;

/// The confidential-computing blob, 40 bytes.
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in crate::igvm) struct CcBlob {
    magic: U32,
    version: U16,
    _reserved: U16,
    secrets: U64,
    secrets_size: U32,
    _reserved2: U32,
    cpuid: U64,
    cpuid_size: U32,
    _reserved3: U32,
}

const _: () = assert!(size_of::<CcBlob>() == 40);

impl CcBlob {
    /// The blob that names a secrets page and a CPUID page.
    pub(in crate::igvm) fn new(secrets: Gpa, cpuid: Gpa) -> Self {
        Self {
            magic: MAGIC.into(),
            version: U16::ZERO,
            _reserved: U16::ZERO,
            secrets: secrets.get().into(),
            secrets_size: PAGE.into(),
            _reserved2: U32::ZERO,
            cpuid: cpuid.get().into(),
            cpuid_size: PAGE.into(),
            _reserved3: U32::ZERO,
        }
    }
}

/// A `setup_data` node that names the blob, 20 bytes; the kernel wants it 16-aligned.
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in crate::igvm) struct CcSetupData {
    next: U64,
    kind: U32,
    length: U32,
    blob: U32,
}

const _: () = assert!(size_of::<CcSetupData>() == 20);

impl CcSetupData {
    /// The only node of a list, naming a blob at `blob`.
    pub(in crate::igvm) fn new(blob: U32) -> Self {
        Self {
            next: U64::ZERO,
            kind: SETUP_CC_BLOB.into(),
            length: ADDRESS_SIZE.into(),
            blob,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blob_and_its_setup_data_have_the_kernels_bytes() {
        assert_eq!(
            hex::encode(CcBlob::new(Gpa::new(0x80_1000), Gpa::new(0x80_0000)).as_bytes()),
            "414d4445000000000010800000000000001000000000000000008000000000000010000000000000"
        );
        assert_eq!(
            hex::encode(CcSetupData::new(0x80_3000.into()).as_bytes()),
            "0000000000000000070000000400000000308000"
        );
    }
}
