//! Certificate chains as COSE carries them (RFC 9360, x5chain): leaf to root, nothing else, valid
//! when the leaf's key signed (RFC 5280, section 6.1, without name constraints and policies).

use guestmark_measure::certificate::{Certificate, CertificateError};
use x509_cert::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use crate::{Problem, SigningTime};

/// Extensions that are understood here, and may hence be critical.
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    BasicConstraints::OID,
    ExtendedKeyUsage::OID,
    KeyUsage::OID,
    SubjectAltName::OID,
];

/// A leaf, authorities above it and their root, read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain(Vec<Certificate>);

impl CertificateChain {
    /// The longest chain that is read.
    pub const LONGEST: usize = 8;

    /// The chain of certificates in DER, leaf first.
    ///
    /// # Errors
    /// One certificate alone, more than [`Self::LONGEST`], or bytes that are no certificate.
    pub fn from_der<'d>(each: impl IntoIterator<Item = &'d [u8]>) -> Result<Self, Problem> {
        let each = each.into_iter().enumerate().take(Self::LONGEST + 1);
        let read = each
            .map(|(index, der)| Certificate::from_der(der).map_err(|error| refused(index, &error)));
        Self::new(read.collect::<Result<_, _>>()?)
    }

    /// The chain in a file: PEM, leaf first.
    ///
    /// # Errors
    /// As [`Self::from_der`].
    pub fn from_pem(file: &[u8]) -> Result<Self, Problem> {
        let read = Certificate::read(file).map_err(|error| {
            let expected = "certificates in PEM, leaf to root";
            Problem::new("certificate chain", expected, error.to_string())
        })?;
        Self::new(read)
    }

    fn new(certificates: Vec<Certificate>) -> Result<Self, Problem> {
        let found = match certificates.len() {
            0 => "none".to_owned(),
            1 => "one alone, which a verifier in use cannot read".to_owned(),
            length if length > Self::LONGEST => "more".to_owned(),
            _ => return Ok(Self(certificates)),
        };
        let expected = format!("2 to {} certificates, leaf to root", Self::LONGEST);
        Err(Problem::new("x5chain", expected, found))
    }

    /// The certificates, leaf first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The certificate whose key signs.
    pub fn leaf(&self) -> &Certificate {
        &self.0[0]
    }

    /// The certificates above the leaf, and their places in the chain.
    pub fn authorities(&self) -> impl Iterator<Item = (usize, &Certificate)> {
        self.0.iter().enumerate().skip(1)
    }

    /// Holds that each certificate is signed by the next and the last by itself, that each may do
    /// what it does, and that all are valid at `time`. Which root is trusted is not asked here.
    ///
    /// # Errors
    /// The first certificate that is not as it must be.
    pub fn verify(&self, time: SigningTime) -> Result<(), Problem> {
        if self.leaf().is_authority() {
            let expected = "a leaf, which signs no certificates (the chain goes from leaf to root)";
            let found = format!("an authority (CA:TRUE), {:?}", self.leaf().subject());
            return Err(Problem::new(place(0), expected, found));
        }
        for (index, certificate) in self.0.iter().enumerate() {
            check_extensions(index, certificate)?;
            check_key_usage(index, certificate)?;
            check_validity(index, certificate, time)?;
        }
        for (index, pair) in self.0.windows(2).enumerate() {
            check_issuer(index, &pair[0], &pair[1])?;
        }
        for (index, authority) in self.authorities() {
            check_path_length(index, authority)?;
        }
        let last = self.0.len() - 1;
        let root = &self.0[last];
        root.signed_by(root).map_err(|error| match error {
            CertificateError::Issuer { found, .. } => {
                let found = format!("one issued by {found:?}, which is missing");
                Problem::new(place(last), "a root, which signs itself", found)
            }
            other => refused(last, &other),
        })
    }
}

/// A certificate's place in the chain, as fields are named.
fn place(index: usize) -> String {
    format!("x5chain[{index}]")
}

fn refused(index: usize, error: &CertificateError) -> Problem {
    let (expected, found) = match error {
        CertificateError::Algorithm { expected, found } => {
            (format!("a signature with {expected}"), found.clone())
        }
        CertificateError::Signature { issuer, algorithm } => (
            format!("a signature of {issuer:?} ({algorithm})"),
            "one that does not verify".to_owned(),
        ),
        other => ("a certificate".to_owned(), other.to_string()),
    };
    Problem::new(place(index), expected, found)
}

fn check_extensions(index: usize, certificate: &Certificate) -> Result<(), Problem> {
    let fields = certificate.fields();
    if fields.version != Version::V3 {
        let found = format!("{:?}", fields.version);
        return Err(Problem::new(
            place(index),
            "a certificate of version 3",
            found,
        ));
    }
    let extensions = fields.extensions.as_deref().unwrap_or_default();
    for (at, extension) in extensions.iter().enumerate() {
        let id = extension.extn_id;
        if extensions[..at].iter().any(|other| other.extn_id == id) {
            let found = format!("extension {id} twice");
            return Err(Problem::new(place(index), "each extension once", found));
        }
        if extension.critical && !UNDERSTOOD.contains(&id) {
            let expected = "no critical extensions but basic constraints, key usage, extended key \
                            usage and alternative names";
            let found = format!("critical extension {id}");
            return Err(Problem::new(place(index), expected, found));
        }
    }
    Ok(())
}

fn check_key_usage(index: usize, certificate: &Certificate) -> Result<(), Problem> {
    let usage = certificate.fields().get::<KeyUsage>();
    let usage = usage.map_err(|error| {
        Problem::new(
            place(index),
            "a key usage that can be read",
            error.to_string(),
        )
    })?;
    // Without the extension a key may be used for everything.
    let Some((_, usage)) = usage else {
        return Ok(());
    };
    let (expected, good) = match index {
        0 => ("key usage digitalSignature", usage.digital_signature()),
        _ => ("key usage keyCertSign", usage.key_cert_sign()),
    };
    match good {
        true => Ok(()),
        false => Err(Problem::new(place(index), expected, "other uses only")),
    }
}

fn check_validity(
    index: usize,
    certificate: &Certificate,
    time: SigningTime,
) -> Result<(), Problem> {
    let validity = certificate.fields().validity;
    let (from, to) = (validity.not_before, validity.not_after);
    let seconds = time.unix();
    if (from.to_unix_duration().as_secs()..=to.to_unix_duration().as_secs()).contains(&seconds) {
        return Ok(());
    }
    let expected = format!("a certificate that is valid at the signing time, {time}");
    let found = format!(
        "one valid from {} to {}",
        from.to_date_time(),
        to.to_date_time()
    );
    Err(Problem::new(place(index), expected, found))
}

fn check_issuer(index: usize, lower: &Certificate, upper: &Certificate) -> Result<(), Problem> {
    let above = index + 1;
    if lower.fields().subject == lower.fields().issuer {
        let expected = format!(
            "nothing after {}, which names itself as issuer",
            place(index)
        );
        return Err(Problem::new(
            place(above),
            expected,
            format!("{:?}", upper.subject()),
        ));
    }
    lower.signed_by(upper).map_err(|error| match error {
        CertificateError::Issuer { expected, found } => {
            let issuer = format!("the issuer of {}, {found:?}", place(index));
            Problem::new(place(above), issuer, format!("{expected:?}"))
        }
        CertificateError::NotAuthority => {
            Problem::new(place(above), "an authority (CA:TRUE)", "CA:FALSE")
        }
        other => refused(index, &other),
    })
}

/// An authority at `index` has `index - 1` authorities below it (RFC 5280, section 4.2.1.9).
fn check_path_length(index: usize, authority: &Certificate) -> Result<(), Problem> {
    let constraints = authority.fields().get::<BasicConstraints>();
    let most = constraints.ok().flatten();
    let most = most.and_then(|(_, constraints)| constraints.path_len_constraint);
    match most {
        Some(most) if usize::from(most) < index - 1 => {
            let expected = format!("at most {most} authorities below it (pathlen)");
            Err(Problem::new(
                place(index),
                expected,
                (index - 1).to_string(),
            ))
        }
        _ => Ok(()),
    }
}
