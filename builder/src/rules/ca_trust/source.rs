//! Where certificates come from: folders laid out as p11-kit reads them, files of PEM or DER
//! certificates, and p11-kit's own format (p11-kit manual, "Storing Trust Policy").

use x509_cert::der::pem;

use super::{RULE, RuleError, fail};
use crate::initrd::resolve;
use crate::rules::place::parse_path;
use crate::tree::{NodeKind, Tree, TreePath};

/// Mozilla's list takes about one megabyte.
const LONGEST: u64 = 1 << 24;
const HEADER: &str = "[p11-kit-object-v1]";
const BEGIN: &str = "-----BEGIN ";

/// What a source says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Anchor,
    Blocked,
    Neither,
}

/// What a source holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// An X.509 certificate.
    Certificate { der: Vec<u8>, trust: Trust },
    /// An extension that counts for certificates with this public key (both in DER).
    Extension { public_key: Vec<u8>, value: Vec<u8> },
    /// What is not trusted though it is not there, by issuer and serial number (both in DER).
    Blocked { issuer: Vec<u8>, serial: Vec<u8> },
}

/// The objects of each file of `source`: a file of anchors, or a folder with `anchors` and
/// `blocklist` (before p11-kit 0.23.21: `blacklist`). Files right in the folder say themselves
/// what is trusted.
pub(super) fn read(tree: &Tree, source: &str) -> Result<Vec<(TreePath, Vec<Object>)>, RuleError> {
    let path = parse_path(RULE, source)?;
    let folder = resolve(tree, path.as_bytes()).map(|resolved| resolved.path);
    let Some((folder, node)) = folder.and_then(|path| Some((path.clone(), tree.get(&path)?)))
    else {
        return Err(fail(format!(
            "there is no {path} in the tree; list the folders that are in sources"
        )));
    };
    if !matches!(node.kind, NodeKind::Directory) {
        return Ok(vec![(
            folder.clone(),
            objects(tree, &folder, Some(Trust::Anchor))?,
        )]);
    }
    let places: [(&[u8], _); 4] = [
        (b"", None),
        (b"anchors", Some(Trust::Anchor)),
        (b"blocklist", Some(Trust::Blocked)),
        (b"blacklist", Some(Trust::Blocked)),
    ];
    let mut files = Vec::new();
    for (name, trust) in places {
        let Ok(place) = folder.join(name) else {
            continue;
        };
        let here = |path: &&TreePath| path.parent().as_ref() == Some(&place);
        for path in tree.iter().map(|(path, ..)| path).filter(here) {
            let Some(file) = resolve(tree, path.as_bytes()).map(|resolved| resolved.path) else {
                return Err(fail(format!("{path} is a link to nothing")));
            };
            if let Some(NodeKind::File(_)) = tree.get(&file).map(|node| &node.kind) {
                files.push((path.clone(), objects(tree, &file, trust)?));
            }
        }
    }
    Ok(files)
}

/// What a file holds. `trust` is what its folder says of all certificates in it.
fn objects(tree: &Tree, path: &TreePath, trust: Option<Trust>) -> Result<Vec<Object>, RuleError> {
    let wrong = |reason: &str| fail(format!("{path}: {reason}"));
    let content = match tree.get(path).map(|node| &node.kind) {
        Some(NodeKind::File(content)) if content.len() <= LONGEST => content,
        _ => return Err(wrong("is no file of certificates")),
    };
    let bytes = content
        .to_vec()
        .map_err(|error| wrong(&error.to_string()))?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![Object::Certificate {
            der: bytes,
            trust: trust.unwrap_or(Trust::Neither),
        }]);
    }
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains(BEGIN) && !text.contains(HEADER) {
        let comments = |line: &str| line.trim().is_empty() || line.starts_with('#');
        return match path.name().starts_with(b"README") || text.lines().all(comments) {
            true => Ok(Vec::new()),
            false => Err(wrong(
                "holds no certificates in PEM, DER or p11-kit's format; take it out with \
                 rootfs.remove",
            )),
        };
    }
    parse(&text, trust).map_err(|reason| wrong(&reason))
}

/// The fields of one object of p11-kit's format that count here.
#[derive(Default)]
struct Fields {
    class: String,
    values: Vec<(String, String)>,
    certificate: Option<Vec<u8>>,
    public_key: Option<Vec<u8>>,
}

/// Reads p11-kit's format, or PEM as an object of its own for each certificate.
fn parse(text: &str, trust: Option<Trust>) -> Result<Vec<Object>, String> {
    let own_format = text.contains(HEADER);
    let mut objects = Vec::new();
    let mut fields: Option<Fields> = None;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let at = |reason: String| format!("line {}: {reason}", number + 1);
        let line = line.trim();
        if line == HEADER {
            if let Some(done) = fields.replace(Fields::default()) {
                objects.extend(done.object(trust)?);
            }
        } else if let Some(rest) = line.strip_prefix(BEGIN) {
            let label = rest.trim_end_matches('-');
            let end = format!("-----END {label}-----");
            let mut block = format!("{line}\n");
            loop {
                let (_, line) = lines
                    .next()
                    .ok_or_else(|| at(format!("there is no {end} after it")))?;
                block.push_str(line.trim());
                block.push('\n');
                if line.trim() == end {
                    break;
                }
            }
            let (_, der) = pem::decode_vec(block.as_bytes())
                .map_err(|error| at(format!("is not PEM: {error}")))?;
            match (label, &mut fields) {
                ("CERTIFICATE", Some(fields)) => fields.certificate = Some(der),
                ("PUBLIC KEY", Some(fields)) => fields.public_key = Some(der),
                ("CERTIFICATE", None) => objects.push(Object::Certificate {
                    der,
                    trust: trust.unwrap_or(Trust::Neither),
                }),
                _ => return Err(at(format!("{label} is not read here, only CERTIFICATE"))),
            }
        } else if own_format && !line.is_empty() && !line.starts_with('#') {
            let (Some(fields), Some((key, value))) = (&mut fields, line.split_once(':')) else {
                return Err(at(format!("{line:?} is not \"key: value\" of an object")));
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "class" => fields.class = value.to_owned(),
                _ => fields.values.push((key.to_owned(), value.to_owned())),
            }
        }
    }
    if let Some(done) = fields {
        objects.extend(done.object(trust)?);
    }
    Ok(objects)
}

impl Fields {
    fn object(self, trust: Option<Trust>) -> Result<Option<Object>, String> {
        let is = |key| self.text(key) == Some("true");
        let said = match (is("x-distrusted"), is("trusted")) {
            (true, _) => Trust::Blocked,
            (false, true) => Trust::Anchor,
            (false, false) => Trust::Neither,
        };
        let trust = trust.unwrap_or(said);
        if self.class == "x-certificate-extension" {
            let public_key = match &self.public_key {
                Some(key) => Some(key.clone()),
                None => self.bytes("public-key-info")?,
            };
            return match (public_key, self.bytes("value")?) {
                (Some(public_key), Some(value)) => {
                    Ok(Some(Object::Extension { public_key, value }))
                }
                _ => Err("an extension has no public key or no value".to_owned()),
            };
        }
        let der = match &self.certificate {
            Some(der) => Some(der.clone()),
            None => self.bytes("value")?,
        };
        if let Some(der) = der {
            return Ok(Some(Object::Certificate { der, trust }));
        }
        match (self.bytes("issuer")?, self.bytes("serial-number")?) {
            (Some(issuer), Some(serial)) if trust == Trust::Blocked => {
                Ok(Some(Object::Blocked { issuer, serial }))
            }
            // Whatever else p11-kit stores says nothing of a certificate that is here.
            _ if trust != Trust::Blocked => Ok(None),
            _ => Err("what is not trusted has neither a certificate nor issuer and serial".into()),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        let found = self.values.iter().find(|(name, _)| name == key)?;
        Some(&found.1)
    }

    /// A quoted value: bytes, some as `%` and two hexadecimal digits.
    fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        let wrong = || format!("{key}: {value} is not a quoted value with %xx for bytes");
        let quoted = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let mut rest = quoted.ok_or_else(wrong)?.as_bytes();
        let mut bytes = Vec::new();
        while let Some((&first, after)) = rest.split_first() {
            if first != b'%' {
                bytes.push(first);
                rest = after;
                continue;
            }
            let digits = after.get(..2).ok_or_else(wrong)?;
            bytes.extend(hex::decode(digits).map_err(|_| wrong())?);
            rest = &after[2..];
        }
        Ok(Some(bytes))
    }
}
