//! SEV-SNP attestation reports: what one says, whether it fits an IGVM file, and whether AMD
//! vouches for it. Reports and certificates are untrusted.

mod certificates;
mod check;

pub use certificates::Chain;
pub use check::{Check, Expected, Findings, NotChecked, check};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::ecdsa::{EcdsaError, Signature, SignatureBytes};
use crate::{LaunchDigest, Sha256Digest, Sha384Digest};

/// A report (SEV-SNP Firmware ABI, AMD publication 56860, table ATTESTATION_REPORT, versions 2
/// to 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// VERSION.
    pub version: u32,
    /// GUEST_SVN, from the ID block.
    pub guest_svn: u32,
    /// POLICY that the guest was launched with.
    pub policy: u64,
    /// FAMILY_ID, from the ID block.
    pub family_id: [u8; 16],
    /// IMAGE_ID, from the ID block.
    pub image_id: [u8; 16],
    /// VMPL that asked for the report; 0 is the most privileged.
    pub vmpl: u32,
    /// AUTHOR_KEY_EN: whether an author key vouched for the ID key.
    pub author_key_enabled: bool,
    /// The kind of key that signed.
    pub signing_key: SigningKey,
    /// MEASUREMENT.
    pub measurement: LaunchDigest,
    /// HOST_DATA, chosen by the host at launch.
    pub host_data: Sha256Digest,
    /// ID_KEY_DIGEST; zeros without an ID block.
    pub id_key_digest: Sha384Digest,
    /// AUTHOR_KEY_DIGEST; zeros without an author key.
    pub author_key_digest: Sha384Digest,
    /// REPORTED_TCB, eight security version numbers.
    pub reported_tcb: [u8; 8],
    /// CHIP_ID; zeros when masked.
    pub chip_id: [u8; 64],
    signature: Signature,
    signed: [u8; Self::SIGNED],
}

/// SIGNING_KEY of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKey {
    /// The chip's own key.
    Vcek,
    /// A key that AMD gave a cloud provider.
    Vlek,
    /// The report is not signed with either.
    None,
}

impl SigningKey {
    /// What AMD calls the key in certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
            Self::None => "none",
        }
    }
}

/// The report as it lies in memory; numbers are little-endian.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    version: U32,
    guest_svn: U32,
    policy: U64,
    family_id: [u8; 16],
    image_id: [u8; 16],
    vmpl: U32,
    signature_algorithm: U32,
    _current_tcb: U64,
    _platform_info: U64,
    key_info: U32,
    reserved_4c: U32,
    _report_data: [u8; 64],
    measurement: [u8; 48],
    host_data: [u8; 32],
    id_key_digest: [u8; 48],
    author_key_digest: [u8; 48],
    _report_ids: [u8; 64],
    reported_tcb: [u8; 8],
    processor: [u8; 0x18],
    chip_id: [u8; 64],
    _firmware: [u8; 0x18],
    late: [u8; 0xA8],
    signature: SignatureBytes,
}

const _: () = assert!(size_of::<Wire>() == Report::SIZE);

/// Bytes that are no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Too many or too few bytes.
    #[error(
        "a raw SEV-SNP report has {} bytes, found {found}: give the report alone",
        Report::SIZE
    )]
    Size {
        /// Bytes given.
        found: usize,
    },
    /// A field holds a value that is not known.
    #[error("offset {offset:#x}: {field} is {found}, expected {expected}")]
    Field {
        /// Start of the field.
        offset: usize,
        /// The field, as the ABI names it.
        field: &'static str,
        /// The values allowed.
        expected: &'static str,
        /// The value found.
        found: u32,
    },
    /// Reserved bytes that are not zero.
    #[error("offset {offset:#x}: reserved bytes are not zero, which version {version} has there")]
    Reserved {
        /// Start of the reserved bytes.
        offset: usize,
        /// The report's version.
        version: u32,
    },
    /// A signature out of range.
    #[error("offset 0x2a0: signature: {0}")]
    Signature(#[from] EcdsaError),
}

impl Report {
    /// Bytes in a report.
    pub const SIZE: usize = 1184;

    /// Bytes that are signed, from the start.
    const SIGNED: usize = 0x2A0;

    /// The report in these bytes. Its signature is not verified.
    ///
    /// # Errors
    /// Another size, version or algorithm, reserved bytes that are not zero, and a signature out
    /// of range.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportError> {
        let size = || ReportError::Size { found: bytes.len() };
        let wire = Wire::ref_from_bytes(bytes).map_err(|_| size())?;
        let signed = *bytes.first_chunk().ok_or_else(size)?;
        let field = |offset, field, expected, found| ReportError::Field {
            offset,
            field,
            expected,
            found,
        };
        let version = wire.version.get();
        if !(2..=5).contains(&version) {
            return Err(field(0x0, "VERSION", "2 to 5", version));
        }
        let algorithm = wire.signature_algorithm.get();
        if algorithm != 1 {
            let expected = "1 (ECDSA P-384 with SHA-384)";
            return Err(field(0x34, "SIGNATURE_ALGO", expected, algorithm));
        }
        let key_info = wire.key_info.get();
        let signing_key = match key_info >> 2 & 7 {
            0 => SigningKey::Vcek,
            1 => SigningKey::Vlek,
            7 => SigningKey::None,
            other => return Err(field(0x48, "SIGNING_KEY", "0, 1 or 7", other)),
        };
        // Version 3 tells the processor in the first 3 bytes; version 5 adds two vectors of
        // mitigations, 16 bytes.
        let (processor, late) = (
            if version < 3 { 0 } else { 3 },
            if version < 5 { 0 } else { 16 },
        );
        for (offset, reserved) in [
            (0x48, &(key_info >> 5).to_le_bytes()[..]),
            (0x4C, &wire.reserved_4c.get().to_le_bytes()),
            (0x188 + processor, &wire.processor[processor..]),
            (0x1F8 + late, &wire.late[late..]),
        ] {
            if reserved.iter().any(|&byte| byte != 0) {
                return Err(ReportError::Reserved { offset, version });
            }
        }
        Ok(Self {
            version,
            guest_svn: wire.guest_svn.get(),
            policy: wire.policy.get(),
            family_id: wire.family_id,
            image_id: wire.image_id,
            vmpl: wire.vmpl.get(),
            author_key_enabled: key_info & 1 != 0,
            signing_key,
            measurement: LaunchDigest::new(wire.measurement),
            host_data: Sha256Digest::new(wire.host_data),
            id_key_digest: Sha384Digest::new(wire.id_key_digest),
            author_key_digest: Sha384Digest::new(wire.author_key_digest),
            reported_tcb: wire.reported_tcb,
            chip_id: wire.chip_id,
            signature: Signature::from_bytes(&wire.signature)?,
            signed,
        })
    }

    /// Whether the host may read and write the guest's memory (bit 19 of the policy).
    pub const fn allows_debug(&self) -> bool {
        self.policy & 1 << 19 != 0
    }
}
