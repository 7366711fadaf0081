//! The certificates behind a report's signature: VCEK or VLEK, signed by the ASK, signed by the
//! ARK, AMD's root (AMD publication 57230, "VCEK Certificate and KDS Interface Specification").

use rsa::RsaPublicKey;
use rsa::pss::{Signature as PssSignature, VerifyingKey};
use rsa::sha2::Sha384;
use rsa::signature::Verifier;
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::Report;
use crate::Sha256Digest;
use crate::ecdsa::{EcdsaError, PublicKey};

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// SHA-256 of AMD's roots in DER, as the Key Distribution Service gives them
/// (kdsintf.amd.com/vcek/v1/PRODUCT/cert_chain) and the crate `sev` 8.0 carries them.
static AMD_ROOTS: [(&str, &str); 3] = [
    (
        "ARK-Milan",
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    ),
    (
        "ARK-Genoa",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    ),
    (
        "ARK-Turin",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    ),
];

/// A certificate, read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    certificate: x509_cert::Certificate,
    der: Vec<u8>,
}

/// The two certificates of AMD above a VCEK or VLEK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Signs the VCEK or VLEK.
    pub ask: Certificate,
    /// The root.
    pub ark: Certificate,
}

/// Certificates that cannot be read, or do not vouch for each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No certificate.
    #[error("expected certificates in PEM, or one in DER: {0}")]
    Unreadable(x509_cert::der::Error),
    /// Another number of certificates.
    #[error("expected {expected}, found {found} certificates")]
    Count {
        /// What is expected.
        expected: &'static str,
        /// Certificates found.
        found: usize,
    },
    /// None or both of the two are self-issued.
    #[error("expected the ASK and the ARK, of which the ARK alone names itself as issuer")]
    NoRoot,
    /// The key of the certificate is wrong.
    #[error("{0}")]
    Key(#[from] EcdsaError),
    /// The issuer is another one.
    #[error("the issuer is {found}, expected {expected}")]
    Issuer {
        /// Subject of the certificate above.
        expected: String,
        /// Issuer of the certificate.
        found: String,
    },
    /// The certificate above may not sign others.
    #[error("the certificate above is not marked as an authority")]
    NotAuthority,
    /// The signature is wrong or of another kind.
    #[error("the signature of {issuer} (RSASSA-PSS with SHA-384) does not verify")]
    Signature {
        /// Subject of the certificate above.
        issuer: String,
    },
}

impl Certificate {
    /// The certificates of a file: PEM, one after the other, or one in DER.
    ///
    /// # Errors
    /// Anything else.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let read = if bytes.starts_with(b"-----") {
            x509_cert::Certificate::load_pem_chain(bytes)
        } else {
            x509_cert::Certificate::from_der(bytes).map(|one| vec![one])
        };
        let certificates = read.map_err(CertificateError::Unreadable)?;
        let encoded = certificates.into_iter().map(|certificate| {
            let der = certificate.to_der().map_err(CertificateError::Unreadable)?;
            Ok(Self { certificate, der })
        });
        encoded.collect()
    }

    /// The one certificate of a file.
    ///
    /// # Errors
    /// None, several, or something else.
    pub fn read_one(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut certificates = Self::read(bytes)?;
        match (certificates.pop(), certificates.len()) {
            (Some(only), 0) => Ok(only),
            (last, before) => Err(CertificateError::Count {
                expected: "one certificate",
                found: before + usize::from(last.is_some()),
            }),
        }
    }

    /// SHA-256 of the DER form, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::new(Sha256::digest(&self.der).into())
    }

    /// The name by which this crate knows the certificate as a root of AMD.
    pub fn amd_root(&self) -> Option<&'static str> {
        let fingerprint = self.fingerprint().to_string();
        let known = AMD_ROOTS.iter().find(|(_, known)| *known == fingerprint);
        known.map(|(name, _)| *name)
    }

    /// The subject, as RFC 4514 writes it.
    pub fn subject(&self) -> String {
        self.certificate.tbs_certificate.subject.to_string()
    }

    fn issuer(&self) -> String {
        self.certificate.tbs_certificate.issuer.to_string()
    }

    /// Holds that this certificate's key made the report's signature.
    pub(super) fn signed(&self, report: &Report) -> Result<(), CertificateError> {
        let der = self.spki()?;
        let key = SubjectPublicKeyInfoRef::from_der(&der).map_err(CertificateError::Unreadable)?;
        Ok(PublicKey::try_from(key)?.verify(&report.signed, &report.signature)?)
    }

    fn spki(&self) -> Result<Vec<u8>, CertificateError> {
        let key = &self.certificate.tbs_certificate.subject_public_key_info;
        key.to_der().map_err(CertificateError::Unreadable)
    }

    /// Holds that `issuer` signed this certificate and may sign certificates.
    pub(super) fn signed_by(&self, issuer: &Self) -> Result<(), CertificateError> {
        if self.certificate.tbs_certificate.issuer != issuer.certificate.tbs_certificate.subject {
            return Err(CertificateError::Issuer {
                expected: issuer.subject(),
                found: self.issuer(),
            });
        }
        if !issuer.is_authority() {
            return Err(CertificateError::NotAuthority);
        }
        let verified = self.verify_signature(issuer);
        verified.ok_or_else(|| CertificateError::Signature {
            issuer: issuer.subject(),
        })
    }

    fn is_authority(&self) -> bool {
        let constraints = self.certificate.tbs_certificate.get::<BasicConstraints>();
        matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
    }

    fn verify_signature(&self, issuer: &Self) -> Option<()> {
        let certificate = &self.certificate;
        let algorithm = &certificate.signature_algorithm;
        if algorithm.oid != RSASSA_PSS || *algorithm != certificate.tbs_certificate.signature {
            return None;
        }
        let spki = issuer.spki().ok()?;
        let key = RsaPublicKey::try_from(SubjectPublicKeyInfoRef::from_der(&spki).ok()?).ok()?;
        let signature = PssSignature::try_from(certificate.signature.as_bytes()?).ok()?;
        let message = certificate.tbs_certificate.to_der().ok()?;
        // AMD salts with as many bytes as the digest has, which is this type's rule too.
        VerifyingKey::<Sha384>::new(key)
            .verify(&message, &signature)
            .ok()
    }

    /// The kind of key that the subject's common name tells of.
    pub(super) fn is_for(&self, key: &str) -> bool {
        self.subject()
            .split(',')
            .any(|part| part == format!("CN=SEV-{key}"))
    }

    /// The value of extension 1.3.6.1.4.1.3704.1.`suffix`.
    fn extension(&self, suffix: &[u32]) -> Option<&[u8]> {
        let mut id = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1");
        for &arc in suffix {
            id = id.push_arc(arc).ok()?;
        }
        let extensions = self.certificate.tbs_certificate.extensions.as_ref()?;
        let found = extensions.iter().find(|extension| extension.extn_id == id);
        found.map(|extension| extension.extn_value.as_bytes())
    }

    fn security_version(&self, suffix: u32) -> Option<u8> {
        u8::from_der(self.extension(&[3, suffix])?).ok()
    }

    /// The security version numbers that the key is derived from, as REPORTED_TCB holds them
    /// (SEV-SNP Firmware ABI, table TCB_VERSION). Turin, which alone has an FMC, has another
    /// order.
    pub(super) fn tcb(&self) -> Option<[u8; 8]> {
        let number = |suffix| self.security_version(suffix);
        let (boot_loader, tee, snp, microcode) = (number(1)?, number(2)?, number(3)?, number(8)?);
        Some(match number(9) {
            Some(fmc) => [fmc, boot_loader, tee, snp, 0, 0, 0, microcode],
            None => [boot_loader, tee, 0, 0, 0, 0, snp, microcode],
        })
    }

    /// The chip that the key belongs to, as CHIP_ID holds it; a VLEK belongs to none.
    pub(super) fn chip_id(&self) -> Option<[u8; 64]> {
        let found = self.extension(&[4])?;
        let mut chip_id = [0; 64];
        chip_id.get_mut(..found.len())?.copy_from_slice(found);
        Some(chip_id)
    }
}

impl Chain {
    /// The ASK and the ARK, in any order.
    ///
    /// # Errors
    /// Other certificates than these two.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, CertificateError> {
        let found = certificates.len();
        let [one, other] = <[_; 2]>::try_from(certificates).map_err(|_| {
            let expected = "the ASK and the ARK, two certificates";
            CertificateError::Count { expected, found }
        })?;
        let is_root = |it: &Certificate| it.subject() == it.issuer();
        match (is_root(&one), is_root(&other)) {
            (false, true) => Ok(Self {
                ask: one,
                ark: other,
            }),
            (true, false) => Ok(Self {
                ask: other,
                ark: one,
            }),
            _ => Err(CertificateError::NoRoot),
        }
    }
}
