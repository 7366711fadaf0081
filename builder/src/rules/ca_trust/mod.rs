//! Bundles of trusted certificates: what update-ca-trust(8) extracts from the folders of p11-kit,
//! in an order that depends on nothing but the certificates.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode, Encode, pem};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};

use super::RuleError;
use super::place::{parse_path, put};
use crate::recipe::{CaTrust, Purpose};
use crate::tree::{Content, Metadata, Node, NodeKind, Origin, Tree};
use source::{Object, Trust};

const RULE: &str = "rootfs.ca-trust";
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

impl Purpose {
    /// Its key purpose (RFC 5280, 4.2.1.12).
    fn key_purpose(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::ServerAuth => "1.3.6.1.5.5.7.3.1",
            Self::ClientAuth => "1.3.6.1.5.5.7.3.2",
            Self::CodeSigning => "1.3.6.1.5.5.7.3.3",
            Self::Email => "1.3.6.1.5.5.7.3.4",
        })
    }
}

/// Writes each bundle (mode 0444). Its certificates are sorted by the SHA-256 of their DER form,
/// each after a comment with its subject.
pub(super) fn apply(tree: &mut Tree, rule: &CaTrust) -> Result<(), RuleError> {
    let mut store = Store::default();
    for source in &rule.sources {
        for (file, objects) in source::read(tree, source)? {
            for object in objects {
                store
                    .add(object)
                    .map_err(|reason| fail(format!("{file}: {reason}")))?;
            }
        }
    }
    for bundle in &rule.bundles {
        let text = store
            .bundle(bundle.purpose)
            .map_err(|reason| fail(format!("{}: {reason}", bundle.path)))?;
        if text.is_empty() {
            return Err(fail(format!(
                "{}: no certificate of {} is trusted for this purpose",
                bundle.path,
                rule.sources.join(", ")
            )));
        }
        let node = Node {
            kind: NodeKind::File(Content::bytes(text.into_bytes())),
            metadata: Metadata::root_owned(0o444),
            origin: Origin::rule(RULE),
        };
        put(tree, RULE, parse_path(RULE, &bundle.path)?, node)?;
    }
    Ok(())
}

/// What the sources say.
#[derive(Default)]
struct Store {
    /// Trusted certificates by the SHA-256 of their DER form.
    anchors: BTreeMap<[u8; 32], Certificate>,
    /// Extensions that stand beside certificates, by public key.
    attached: BTreeMap<Vec<u8>, Vec<Extension>>,
    /// Issuer and serial number, in DER, of what is not trusted.
    blocked: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Public keys of what is not trusted.
    blocked_keys: BTreeSet<Vec<u8>>,
}

impl Store {
    fn add(&mut self, object: Object) -> Result<(), String> {
        match object {
            Object::Certificate { der, trust } => {
                let certificate = Certificate::from_der(&der)
                    .map_err(|error| format!("a certificate is not valid: {error}"))?;
                match trust {
                    Trust::Anchor => {
                        self.anchors
                            .insert(Sha256::digest(&der).into(), certificate);
                    }
                    Trust::Blocked => {
                        self.blocked.insert(issued(&certificate)?);
                        self.blocked_keys.insert(public_key(&certificate)?);
                    }
                    Trust::Neither => {}
                }
            }
            Object::Extension { public_key, value } => {
                let extension = Extension::from_der(&value)
                    .map_err(|error| format!("an attached extension is not valid: {error}"))?;
                self.attached.entry(public_key).or_default().push(extension);
            }
            Object::Blocked { issuer, serial } => {
                self.blocked.insert((issuer, serial));
            }
        }
        Ok(())
    }

    fn bundle(&self, purpose: Purpose) -> Result<String, String> {
        let mut text = String::new();
        for certificate in self.anchors.values() {
            let subject = certificate.tbs_certificate.subject.to_string();
            let key = public_key(certificate)?;
            let blocked =
                self.blocked.contains(&issued(certificate)?) || self.blocked_keys.contains(&key);
            let fits = |reason: x509_cert::der::Error| format!("{subject}: {reason}");
            if blocked
                || !self.is_authority(certificate, &key).map_err(fits)?
                || !self.serves(certificate, &key, purpose).map_err(fits)?
            {
                continue;
            }
            let comment: String = subject.chars().filter(|c| !c.is_control()).collect();
            let der = certificate.to_der().map_err(fits)?;
            let armoured = pem::encode_string("CERTIFICATE", LineEnding::LF, &der)
                .map_err(|error| format!("{subject}: {error}"))?;
            let _ = write!(text, "# {comment}\n{armoured}");
        }
        Ok(text)
    }

    /// An extension of the certificate; one that stands beside it goes before its own.
    fn extension<'a>(
        &'a self,
        certificate: &'a Certificate,
        key: &[u8],
        id: ObjectIdentifier,
    ) -> Option<&'a Extension> {
        let attached = self.attached.get(key).into_iter().flatten();
        let own = certificate.tbs_certificate.extensions.iter().flatten();
        attached
            .chain(own)
            .find(|extension| extension.extn_id == id)
    }

    /// Whether the certificate may issue others, as p11-kit decides for its category: by its basic
    /// constraints, or as a self-issued certificate of X.509 version 1.
    fn is_authority(
        &self,
        certificate: &Certificate,
        key: &[u8],
    ) -> Result<bool, x509_cert::der::Error> {
        let body = &certificate.tbs_certificate;
        match self.extension(certificate, key, BASIC_CONSTRAINTS) {
            Some(found) => Ok(BasicConstraints::from_der(found.extn_value.as_bytes())?.ca),
            None => Ok(body.version == x509_cert::Version::V1 && body.issuer == body.subject),
        }
    }

    /// Whether the certificate serves this purpose; one without key purposes serves all.
    fn serves(
        &self,
        certificate: &Certificate,
        key: &[u8],
        purpose: Purpose,
    ) -> Result<bool, x509_cert::der::Error> {
        match self.extension(certificate, key, EXTENDED_KEY_USAGE) {
            None => Ok(true),
            Some(found) => {
                let usage = ExtendedKeyUsage::from_der(found.extn_value.as_bytes())?;
                Ok(usage.0.contains(&purpose.key_purpose()))
            }
        }
    }
}

/// Issuer and serial number, in DER.
fn issued(certificate: &Certificate) -> Result<(Vec<u8>, Vec<u8>), String> {
    let body = &certificate.tbs_certificate;
    Ok((der(&body.issuer)?, der(&body.serial_number)?))
}

fn public_key(certificate: &Certificate) -> Result<Vec<u8>, String> {
    der(&certificate.tbs_certificate.subject_public_key_info)
}

fn der(value: &impl Encode) -> Result<Vec<u8>, String> {
    value.to_der().map_err(|error| error.to_string())
}

fn fail(reason: String) -> RuleError {
    RuleError::CaTrust { reason }
}

#[cfg(test)]
mod tests;
