//! The certificates behind a report's signature: VCEK or VLEK, signed by the ASK, signed by the
//! ARK, AMD's root (AMD publication 57230, "VCEK Certificate and KDS Interface Specification").

use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;

use super::Report;
use crate::certificate::{Certificate, CertificateError};
use crate::ecdsa::PublicKey;

/// How AMD signs certificates.
const AMD_SCHEME: &str = "RSASSA-PSS with SHA-384";

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

/// The two certificates of AMD above a VCEK or VLEK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Signs the VCEK or VLEK.
    pub ask: Certificate,
    /// The root.
    pub ark: Certificate,
}

impl Certificate {
    /// The name by which this crate knows the certificate as a root of AMD.
    pub fn amd_root(&self) -> Option<&'static str> {
        let fingerprint = self.fingerprint().to_string();
        let known = AMD_ROOTS.iter().find(|(_, known)| *known == fingerprint);
        known.map(|(name, _)| *name)
    }

    /// Holds that this certificate's key made the report's signature.
    pub(super) fn signed(&self, report: &Report) -> Result<(), CertificateError> {
        Ok(PublicKey::try_from(self.key()?)?.verify(&report.signed, &report.signature)?)
    }

    /// Holds that `issuer` signed this certificate in the one way that AMD signs.
    pub(super) fn signed_as_amd_does(&self, issuer: &Self) -> Result<(), CertificateError> {
        self.signed_by(issuer)?;
        match self.signature_scheme()? {
            scheme if scheme == AMD_SCHEME => Ok(()),
            found => Err(CertificateError::Algorithm {
                expected: AMD_SCHEME,
                found,
            }),
        }
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
        let extensions = self.fields().extensions.as_ref()?;
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
