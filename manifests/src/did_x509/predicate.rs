//! What a did:x509 demands of the leaf.

use guestmark_measure::certificate::Certificate;
use x509_cert::attr::AttributeValue;
use x509_cert::der::Tagged;
use x509_cert::der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

use super::syntax::decode;
use super::{DID, field};
use crate::Problem;

/// Names of attributes, as RFC 4514 (section 3) has them.
static LABELS: [(&str, &str); 7] = [
    ("CN", "2.5.4.3"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Predicate {
    /// The leaf has this extended key usage.
    Eku(ObjectIdentifier),
    /// The leaf's subject has these attributes, and perhaps others.
    Subject(Vec<(ObjectIdentifier, String)>),
    /// The leaf has this alternative name.
    San(NameKind, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    Email,
    Dns,
    Uri,
}

impl Predicate {
    /// The predicate written as `name:value`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let Some((name, value)) = text.split_once(':') else {
            return Err(Problem::new(
                field("policy"),
                "NAME:VALUE",
                format!("{text:?}"),
            ));
        };
        match name {
            "eku" => Ok(Self::Eku(object_identifier(name, value)?)),
            "subject" => subject(value),
            "san" => san(value),
            "fulcio-issuer" => {
                let expected = "eku, subject or san (fulcio-issuer is not supported)";
                Err(Problem::new(field("policy"), expected, format!("{name:?}")))
            }
            other => {
                let expected = "eku, subject or san";
                Err(Problem::new(
                    field("policy"),
                    expected,
                    format!("{other:?}"),
                ))
            }
        }
    }

    /// Holds that the leaf is as demanded.
    pub(super) fn check(&self, leaf: &Certificate) -> Result<(), Problem> {
        match self {
            Self::Eku(usage) => {
                let usages = leaf.fields().get::<ExtendedKeyUsage>();
                let usages = usages.ok().flatten().map(|(_, usages)| usages.0);
                let usages = usages.unwrap_or_default();
                if usages.contains(usage) {
                    return Ok(());
                }
                let expected = format!("{usage} in the leaf");
                Err(Problem::new(field("eku"), expected, list(&usages)))
            }
            Self::Subject(attributes) => attributes
                .iter()
                .try_for_each(|(kind, value)| check_subject(leaf, *kind, value)),
            Self::San(kind, value) => {
                let names = leaf.fields().get::<SubjectAltName>();
                let names = names.ok().flatten().map(|(_, names)| names.0);
                let names = names.unwrap_or_default();
                let same = |name: &GeneralName| match (kind, name) {
                    (NameKind::Email, GeneralName::Rfc822Name(name))
                    | (NameKind::Dns, GeneralName::DnsName(name))
                    | (NameKind::Uri, GeneralName::UniformResourceIdentifier(name)) => {
                        name.as_str() == value
                    }
                    _ => false,
                };
                if names.iter().any(same) {
                    return Ok(());
                }
                let expected = format!("{value:?} among the leaf's alternative names");
                let found = format!("{} others", names.len());
                Err(Problem::new(field("san"), expected, found))
            }
        }
    }
}

fn subject(value: &str) -> Result<Predicate, Problem> {
    let items: Vec<_> = value.split(':').collect();
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        let expected = "KEY:VALUE, repeated";
        return Err(Problem::new(
            field("subject"),
            expected,
            format!("{value:?}"),
        ));
    }
    let mut attributes: Vec<(ObjectIdentifier, String)> = Vec::new();
    for [key, value] in pairs {
        let label = LABELS.iter().find(|(label, _)| label == key);
        let kind = object_identifier("subject", label.map_or(*key, |(_, oid)| *oid))?;
        if attributes.iter().any(|(other, _)| *other == kind) {
            let found = format!("{key:?} twice");
            return Err(Problem::new(field("subject"), "each key once", found));
        }
        attributes.push((kind, decode("subject", value)?));
    }
    Ok(Predicate::Subject(attributes))
}

fn san(value: &str) -> Result<Predicate, Problem> {
    let (kind, name) = value.split_once(':').unwrap_or((value, ""));
    let kind = match kind {
        "email" => NameKind::Email,
        "dns" => NameKind::Dns,
        "uri" => NameKind::Uri,
        other => {
            let expected = "email:VALUE, dns:VALUE or uri:VALUE";
            return Err(Problem::new(field("san"), expected, format!("{other:?}")));
        }
    };
    Ok(Predicate::San(kind, decode("san", name)?))
}

/// The object identifier that `text` writes in the one way there is.
fn object_identifier(policy: &str, text: &str) -> Result<ObjectIdentifier, Problem> {
    let parsed = ObjectIdentifier::new(text).ok();
    let parsed = parsed.filter(|oid| oid.to_string() == text);
    parsed.ok_or_else(|| {
        let expected = "an object identifier, for example 1.3.6.1.4.1.99999.1.2";
        Problem::new(field(policy), expected, format!("{text:?}"))
    })
}

fn check_subject(leaf: &Certificate, kind: ObjectIdentifier, value: &str) -> Result<(), Problem> {
    let names = leaf.fields().subject.0.iter();
    let attributes = names.flat_map(|name| name.0.iter());
    let of_kind: Vec<_> = attributes
        .filter(|attribute| attribute.oid == kind)
        .collect();
    let found = match of_kind[..] {
        [] => "none".to_owned(),
        [only] => match text(&only.value) {
            Some(found) if found == value => return Ok(()),
            Some(found) => format!("{found:?}"),
            None => "a value that is no text".to_owned(),
        },
        _ => "several".to_owned(),
    };
    let label = LABELS.iter().find(|(_, oid)| *oid == kind.to_string());
    let label = label.map_or_else(|| kind.to_string(), |(label, _)| (*label).to_owned());
    let expected = format!("{label} {value:?} in the leaf's subject");
    Err(Problem::new(format!("{DID}, subject"), expected, found))
}

fn text(value: &AttributeValue) -> Option<String> {
    use x509_cert::der::Tag;
    match value.tag() {
        Tag::Utf8String => value
            .decode_as::<Utf8StringRef<'_>>()
            .ok()
            .map(|it| it.to_string()),
        Tag::PrintableString => {
            let text = value.decode_as::<PrintableStringRef<'_>>();
            text.ok().map(|it| it.to_string())
        }
        Tag::Ia5String => value
            .decode_as::<Ia5StringRef<'_>>()
            .ok()
            .map(|it| it.to_string()),
        _ => None,
    }
}

fn list(usages: &[ObjectIdentifier]) -> String {
    if usages.is_empty() {
        return "none".to_owned();
    }
    let usages: Vec<_> = usages.iter().map(ToString::to_string).collect();
    usages.join(", ")
}
