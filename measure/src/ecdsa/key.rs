//! Public keys.

use p384::EncodedPoint;
use p384::ecdsa::VerifyingKey;
use p384::ecdsa::signature::hazmat::PrehashVerifier;
use p384::pkcs8::{EncodePublicKey, LineEnding};
use sha2::{Digest, Sha384};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, pem};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{EcdsaError, FIELD, Signature, from_field, to_field};
use crate::Sha384Digest;

/// A point on P-384.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A public key as the firmware keeps it: curve, X and Y, little-endian, and zeros (SEV-SNP
/// Firmware ABI, table "ECDSA P-384 public key", 0x404 bytes).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PublicKeyBytes {
    curve: U32,
    qx: [u8; FIELD],
    qy: [u8; FIELD],
    reserved: [u8; 0x404 - 4 - 2 * FIELD],
}

const _: () = assert!(size_of::<PublicKeyBytes>() == 0x404);

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P_521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

impl PublicKeyBytes {
    /// The bytes that an author key signs.
    pub fn as_bytes(&self) -> &[u8; 0x404] {
        zerocopy::transmute_ref!(self)
    }
}

impl PublicKey {
    /// The number that stands for P-384 in the firmware's structures.
    pub const CURVE: u32 = 2;

    /// The key in a file: PEM, or the same in DER.
    ///
    /// # Errors
    /// A private key, a key on another curve, or no key.
    pub fn from_file(bytes: &[u8]) -> Result<Self, EcdsaError> {
        if !bytes.starts_with(b"-----") {
            return Self::from_spki(bytes);
        }
        let (label, der) = pem::decode_vec(bytes).map_err(|error| {
            // Encrypted keys of old have headers, which the PEM reader refuses.
            match bytes.windows(11).any(|window| window == b"PRIVATE KEY") {
                true => EcdsaError::PrivateKey,
                false => EcdsaError::NoKey(error.to_string()),
            }
        })?;
        match label {
            "PUBLIC KEY" => Self::from_spki(&der),
            private if private.ends_with("PRIVATE KEY") => Err(EcdsaError::PrivateKey),
            other => Err(EcdsaError::NoKey(format!("found BEGIN {other}"))),
        }
    }

    fn from_spki(der: &[u8]) -> Result<Self, EcdsaError> {
        let key = SubjectPublicKeyInfoRef::from_der(der)
            .map_err(|error| EcdsaError::NoKey(error.to_string()))?;
        Self::try_from(key)
    }

    /// The key in the fields of a structure of the firmware.
    ///
    /// # Errors
    /// Another curve, padding that is not zero, or no point of the curve.
    pub fn from_fields(curve: u32, qx: &[u8; FIELD], qy: &[u8; FIELD]) -> Result<Self, EcdsaError> {
        if curve != Self::CURVE {
            let found = format!("on curve {curve}");
            return Err(EcdsaError::Curve { found });
        }
        let (x, y) = (from_field(qx, "QX")?, from_field(qy, "QY")?);
        let point = EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
        let key = VerifyingKey::from_encoded_point(&point);
        key.map(Self).map_err(|_| EcdsaError::NotOnCurve)
    }

    /// The key in a structure of the firmware.
    ///
    /// # Errors
    /// As [`Self::from_fields`].
    pub fn from_bytes(bytes: &PublicKeyBytes) -> Result<Self, EcdsaError> {
        if bytes.reserved.iter().any(|&byte| byte != 0) {
            return Err(EcdsaError::Padding { field: "the key" });
        }
        Self::from_fields(bytes.curve.get(), &bytes.qx, &bytes.qy)
    }

    /// X and Y as fields of a structure of the firmware.
    pub fn to_fields(&self) -> ([u8; FIELD], [u8; FIELD]) {
        let point = self.0.to_encoded_point(false);
        let field = |coordinate: Option<&p384::FieldBytes>| {
            to_field(coordinate.map_or(&[], |bytes| bytes.as_slice()))
        };
        (field(point.x()), field(point.y()))
    }

    /// The structure of the firmware.
    pub fn to_bytes(&self) -> PublicKeyBytes {
        let (qx, qy) = self.to_fields();
        PublicKeyBytes {
            curve: U32::new(Self::CURVE),
            qx,
            qy,
            reserved: [0; 0x404 - 4 - 2 * FIELD],
        }
    }

    /// SHA-384 of the firmware's structure: ID_KEY_DIGEST or AUTHOR_KEY_DIGEST of a report.
    pub fn digest(&self) -> Sha384Digest {
        Sha384Digest::new(Sha384::digest(self.to_bytes().as_bytes()).into())
    }

    /// The key in DER (SubjectPublicKeyInfo, RFC 5480), the point not compressed.
    pub fn to_der(&self) -> Vec<u8> {
        // A point of the curve always has this form.
        let der = self.0.to_public_key_der();
        der.map(|document| document.into_vec()).unwrap_or_default()
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        // A point of the curve always has this form.
        self.0.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Holds that `signature` was made by this key over `message`.
    ///
    /// # Errors
    /// It was not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), EcdsaError> {
        let verified = self
            .0
            .verify_prehash(&Sha384::digest(message), signature.inner());
        verified.map_err(|_| EcdsaError::DoesNotVerify)
    }
}

impl TryFrom<SubjectPublicKeyInfoRef<'_>> for PublicKey {
    type Error = EcdsaError;

    fn try_from(key: SubjectPublicKeyInfoRef<'_>) -> Result<Self, Self::Error> {
        let curve = key.algorithm.parameters_oid().ok();
        let found = match (key.algorithm.oid, curve) {
            (EC_PUBLIC_KEY, Some(P_384)) => {
                let point = key.subject_public_key.as_bytes().unwrap_or_default();
                let key = VerifyingKey::from_sec1_bytes(point);
                return key.map(Self).map_err(|_| EcdsaError::NotOnCurve);
            }
            (EC_PUBLIC_KEY, Some(P_256)) => "on P-256".to_owned(),
            (EC_PUBLIC_KEY, Some(P_521)) => "on P-521".to_owned(),
            (EC_PUBLIC_KEY, Some(other)) => format!("on curve {other}"),
            (RSA, _) => "RSA".to_owned(),
            (other, _) => format!("of kind {other}"),
        };
        Err(EcdsaError::Curve { found })
    }
}
