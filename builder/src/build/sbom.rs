//! `sbom.spdx.json`: what a guest is made of, for tools that read SPDX 2.3.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::lock::{Lock, LockedPackage};
use crate::recipe::{ArchiveKind, Recipe};

const GUEST: &str = "SPDXRef-Guest";
const UNKNOWN: &str = "NOASSERTION";

/// An SPDX document. Field names are the specification's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sbom {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: String,
    creators: [&'static str; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

impl Sbom {
    /// The packages of `lock`, contained in the guest that `recipe` declares. The time of creation,
    /// which SPDX asks for, is the one that the guest's files carry.
    pub(super) fn new(recipe: &Recipe, lock: &Lock) -> Self {
        let mut packages = vec![Package::new(GUEST.to_owned(), &recipe.recipe.name)];
        let mut relationships = vec![Relationship::new("SPDXRef-DOCUMENT", "DESCRIBES", GUEST)];
        for (number, locked) in lock.packages.iter().enumerate() {
            let id = format!("SPDXRef-Package-{number}");
            relationships.push(Relationship::new(GUEST, "CONTAINS", &id));
            packages.push(Package::locked(id, recipe, locked));
        }
        let created = i64::try_from(recipe.rootfs.timestamp)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or_default();
        Self {
            spdx_version: "SPDX-2.3",
            data_license: "CC0-1.0",
            id: "SPDXRef-DOCUMENT",
            name: recipe.recipe.name.clone(),
            document_namespace: format!("https://spdx.org/spdxdocs/{}", namespace(recipe, lock)),
            creation_info: CreationInfo {
                created: created.to_string(),
                creators: ["Tool: guestmark"],
            },
            packages,
            relationships,
        }
    }
}

impl Package {
    fn new(id: String, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            version_info: None,
            download_location: UNKNOWN,
            files_analyzed: false,
            license_concluded: UNKNOWN,
            license_declared: UNKNOWN,
            copyright_text: UNKNOWN,
            checksums: Vec::new(),
            external_refs: Vec::new(),
        }
    }

    fn locked(id: String, recipe: &Recipe, locked: &LockedPackage) -> Self {
        let kind = recipe.archives.get(&locked.archive).map(|it| it.kind);
        let url = kind.map(|kind| package_url(kind, locked));
        Self {
            version_info: Some(locked.version.clone()),
            checksums: vec![Checksum {
                algorithm: "SHA256",
                checksum_value: locked.sha256.to_string(),
            }],
            external_refs: Vec::from_iter(url.map(|url| ExternalRef {
                reference_category: "PACKAGE-MANAGER",
                reference_type: "purl",
                reference_locator: url,
            })),
            ..Self::new(id, &locked.name)
        }
    }
}

impl Relationship {
    fn new(element: &str, kind: &'static str, related: &str) -> Self {
        Self {
            spdx_element_id: element.to_owned(),
            relationship_type: kind,
            related_spdx_element: related.to_owned(),
        }
    }
}

/// A name that no other document has: the recipe's, and a UUID (version 8, RFC 9562) of the
/// identity and the locked packages.
fn namespace(recipe: &Recipe, lock: &Lock) -> String {
    let mut hash = Sha256::new_with_prefix(recipe.derive("SPDX document"));
    hash.update(lock.to_text());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    format!("{}-{}", recipe.recipe.name, Uuid::new_v8(bytes))
}

/// The package's URL (package-url specification, types `deb` and `rpm`). Its namespace, which
/// names the distribution, is the archive's name in the recipe.
fn package_url(kind: ArchiveKind, locked: &LockedPackage) -> String {
    let kind_name = match kind {
        ArchiveKind::Debian => "deb",
        ArchiveKind::Rpm => "rpm",
    };
    let (version, epoch) = match (kind, locked.version.split_once(':')) {
        (ArchiveKind::Rpm, Some((epoch, version))) => (version, format!("&epoch={epoch}")),
        _ => (locked.version.as_str(), String::new()),
    };
    format!(
        "pkg:{kind_name}/{}/{}@{}?arch={}{epoch}",
        encode(&locked.archive),
        encode(&locked.name),
        encode(version),
        encode(&locked.architecture)
    )
}

/// All but unreserved characters (RFC 3986) as percent and two hexadecimal digits.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(kind: ArchiveKind, name: &str, version: &str) -> String {
        let text = serde_json::json!({
            "name": name,
            "version": version,
            "architecture": "x86_64",
            "archive": "azurelinux",
            "path": "a",
            "size": 1,
            "sha256": "0".repeat(64),
            "sets": [],
        });
        package_url(kind, &serde_json::from_value(text).unwrap())
    }

    #[test]
    fn package_urls_keep_epochs_where_their_type_has_them() {
        assert_eq!(
            url(ArchiveKind::Rpm, "zlib", "1.3.1-1.azl3"),
            "pkg:rpm/azurelinux/zlib@1.3.1-1.azl3?arch=x86_64"
        );
        assert_eq!(
            url(ArchiveKind::Rpm, "libstdc++", "2:1~rc1-1"),
            "pkg:rpm/azurelinux/libstdc%2B%2B@1~rc1-1?arch=x86_64&epoch=2"
        );
        assert_eq!(
            url(ArchiveKind::Debian, "busybox", "1:1.35.0-4+b1"),
            "pkg:deb/azurelinux/busybox@1%3A1.35.0-4%2Bb1?arch=x86_64"
        );
    }
}
