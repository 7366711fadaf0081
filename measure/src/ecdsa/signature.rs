//! Signatures.

use p384::elliptic_curve::PrimeField;
use p384::{FieldBytes, Scalar};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{AnyRef, UintRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{EcdsaError, FIELD, NUMBER, from_field, to_field};

/// A signature whose numbers are in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature(p384::ecdsa::Signature);

/// A signature as the firmware keeps it: R and S, little-endian, and zeros (SEV-SNP Firmware ABI,
/// table "ECDSA P-384 with SHA-384 signature", 512 bytes).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SignatureBytes {
    r: [u8; FIELD],
    s: [u8; FIELD],
    reserved: [u8; 0x200 - 2 * FIELD],
}

const _: () = assert!(size_of::<SignatureBytes>() == 0x200);

impl Signature {
    /// The signature that a signer wrote: 96 bytes are R and S, big-endian (PKCS #11); any other
    /// number of bytes is DER (`openssl dgst -sign`).
    ///
    /// # Errors
    /// Neither form, or a number out of range.
    pub fn from_detached(bytes: &[u8]) -> Result<Self, EcdsaError> {
        let none = || EcdsaError::NoSignature { found: bytes.len() };
        if bytes.len() == 2 * NUMBER {
            let (r, s) = bytes.split_at(NUMBER);
            return Self::from_numbers(r, s);
        }
        // ECDSA-Sig-Value (RFC 3279, section 2.2.3).
        let numbers = AnyRef::from_der(bytes).and_then(|sequence| {
            sequence.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)))
        });
        let (r, s) = numbers.map_err(|_| none())?;
        Self::from_numbers(r.as_bytes(), s.as_bytes())
    }

    /// The signature in two fields of a structure of the firmware.
    ///
    /// # Errors
    /// Padding that is not zero, or a number out of range.
    pub fn from_fields(r: &[u8; FIELD], s: &[u8; FIELD]) -> Result<Self, EcdsaError> {
        Self::from_numbers(&from_field(r, "R")?, &from_field(s, "S")?)
    }

    /// The signature in a structure of the firmware.
    ///
    /// # Errors
    /// Padding that is not zero, or a number out of range.
    pub fn from_bytes(bytes: &SignatureBytes) -> Result<Self, EcdsaError> {
        if bytes.reserved.iter().any(|&byte| byte != 0) {
            return Err(EcdsaError::Padding {
                field: "the signature",
            });
        }
        Self::from_fields(&bytes.r, &bytes.s)
    }

    fn from_numbers(r: &[u8], s: &[u8]) -> Result<Self, EcdsaError> {
        let (r, s) = (in_range(r, "R")?, in_range(s, "S")?);
        let signature = p384::ecdsa::Signature::from_scalars(r, s);
        // Both numbers are in range, which is all that this could refuse.
        signature.map(Self).map_err(|_| EcdsaError::DoesNotVerify)
    }

    /// R and S as fields of a structure of the firmware.
    pub fn to_fields(&self) -> ([u8; FIELD], [u8; FIELD]) {
        let (r, s) = self.0.split_bytes();
        (to_field(&r), to_field(&s))
    }

    /// The structure of the firmware.
    pub fn to_bytes(&self) -> SignatureBytes {
        let (r, s) = self.to_fields();
        SignatureBytes {
            r,
            s,
            reserved: [0; 0x200 - 2 * FIELD],
        }
    }

    /// R and S, big-endian, 48 bytes each: as PKCS #11 modules and COSE write it.
    pub fn to_raw(&self) -> [u8; 2 * NUMBER] {
        let mut raw = [0; 2 * NUMBER];
        raw.copy_from_slice(&self.0.to_bytes());
        raw
    }

    /// As OpenSSL writes it.
    pub fn to_der(&self) -> Vec<u8> {
        self.0.to_der().as_bytes().to_vec()
    }

    pub(super) fn inner(&self) -> &p384::ecdsa::Signature {
        &self.0
    }
}

/// A big-endian number that is neither zero nor the curve's order or more.
fn in_range(number: &[u8], field: &'static str) -> Result<FieldBytes, EcdsaError> {
    let refused = |found| EcdsaError::Range { field, found };
    let mut bytes = FieldBytes::default();
    let start = NUMBER.checked_sub(number.len());
    let start = start.ok_or_else(|| refused("more than 48 bytes"))?;
    bytes[start..].copy_from_slice(number);
    if bytes.iter().all(|&byte| byte == 0) {
        return Err(refused("zero"));
    }
    let scalar: Option<Scalar> = Scalar::from_repr(bytes).into();
    scalar
        .map(|_| bytes)
        .ok_or_else(|| refused("the order or more"))
}
