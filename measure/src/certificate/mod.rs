//! X.509 certificates (RFC 5280): read, and held against the one above. What certificates mean is
//! for those who use them.

mod signature;

use sha2::{Digest, Sha256};
use x509_cert::TbsCertificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::Sha256Digest;
use crate::ecdsa::EcdsaError;

/// A certificate, read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    certificate: x509_cert::Certificate,
    der: Vec<u8>,
    key: Vec<u8>,
}

/// Certificates that cannot be read, or do not vouch for each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No certificate.
    #[error("expected certificates in PEM, or one in DER: {0}")]
    Unreadable(x509_cert::der::Error),
    /// Bytes that a signature does not cover as they stand.
    #[error("the certificate is not in DER: its fields encode to other bytes")]
    NotDer,
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
    /// A way of signing that is broken or not known here.
    #[error("signed with {found}, expected {expected}")]
    Algorithm {
        /// What may be there.
        expected: &'static str,
        /// The algorithm, by name or object identifier.
        found: String,
    },
    /// The signature is wrong.
    #[error("the signature of {issuer} ({algorithm}) does not verify")]
    Signature {
        /// Subject of the certificate above.
        issuer: String,
        /// How it is signed.
        algorithm: String,
    },
}

impl Certificate {
    /// The certificates of a file: PEM, one after the other, or one in DER.
    ///
    /// # Errors
    /// Anything else.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if !bytes.starts_with(b"-----") {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let certificates =
            x509_cert::Certificate::load_pem_chain(bytes).map_err(CertificateError::Unreadable)?;
        let each = certificates.into_iter().map(|certificate| {
            let der = certificate.to_der().map_err(CertificateError::Unreadable)?;
            Self::new(certificate, der)
        });
        each.collect()
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

    /// The certificate of these bytes and no others.
    ///
    /// # Errors
    /// The bytes are no certificate, or one that is not encoded as DER demands.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate =
            x509_cert::Certificate::from_der(der).map_err(CertificateError::Unreadable)?;
        let encoded = certificate.to_der().map_err(CertificateError::Unreadable)?;
        if encoded != der {
            return Err(CertificateError::NotDer);
        }
        Self::new(certificate, encoded)
    }

    fn new(certificate: x509_cert::Certificate, der: Vec<u8>) -> Result<Self, CertificateError> {
        let key = &certificate.tbs_certificate.subject_public_key_info;
        let key = key.to_der().map_err(CertificateError::Unreadable)?;
        Ok(Self {
            certificate,
            der,
            key,
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What the certificate says.
    pub fn fields(&self) -> &TbsCertificate {
        &self.certificate.tbs_certificate
    }

    /// SHA-256 of the DER form, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::new(Sha256::digest(&self.der).into())
    }

    /// The subject, as RFC 4514 writes it.
    pub fn subject(&self) -> String {
        self.fields().subject.to_string()
    }

    /// The issuer, as RFC 4514 writes it.
    pub fn issuer(&self) -> String {
        self.fields().issuer.to_string()
    }

    /// The public key in DER (SubjectPublicKeyInfo).
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    /// The public key.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn key(&self) -> Result<SubjectPublicKeyInfoRef<'_>, CertificateError> {
        SubjectPublicKeyInfoRef::from_der(&self.key).map_err(CertificateError::Unreadable)
    }

    /// Whether the certificate is marked as one that signs others.
    pub fn is_authority(&self) -> bool {
        let constraints = self.fields().get::<BasicConstraints>();
        matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
    }

    /// How the certificate is signed, for example "ECDSA with SHA-384".
    ///
    /// # Errors
    /// In a way that proves nothing.
    pub fn signature_scheme(&self) -> Result<String, CertificateError> {
        signature::scheme(&self.certificate)
    }

    /// Holds that `issuer` signed this certificate and may sign certificates.
    ///
    /// # Errors
    /// It did not or may not, or signed in a way that proves nothing.
    pub fn signed_by(&self, issuer: &Self) -> Result<(), CertificateError> {
        if self.fields().issuer != issuer.fields().subject {
            return Err(CertificateError::Issuer {
                expected: issuer.subject(),
                found: self.issuer(),
            });
        }
        if !issuer.is_authority() {
            return Err(CertificateError::NotAuthority);
        }
        signature::verify(&self.certificate, issuer)
    }
}
