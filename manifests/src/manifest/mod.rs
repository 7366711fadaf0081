//! `manifest.json`: what a release holds and what it is, in one canonical form.

pub mod name;

use guestmark_measure::{LaunchDigest, Loader, Sha256Digest, Sha384Digest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{FileProblem, json};

/// The manifest's file name.
pub const MANIFEST_NAME: &str = "manifest.json";

/// What a release holds and what it is. It says no time and no host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`Manifest::SCHEMA`].
    pub schema: String,
    /// The line of releases that this one belongs to; endorsements carry it too.
    pub feed: String,
    /// 1 for the first release of the feed, then one more each.
    pub sequence: u64,
    /// The SHA-256 of the manifest before this one; none in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Sha256Digest>,
    /// What the guest was built from.
    pub recipe: RecipeDigests,
    /// What SEV-SNP reports call the guest.
    pub identity: Identity,
    /// The root file system's hash tree.
    pub verity: Verity,
    /// The guests that are launched, by variant.
    pub guests: Vec<Guest>,
    /// Every file of the build, sorted by name.
    pub artifacts: Vec<Artifact>,
}

/// What a guest was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeDigests {
    /// The recipe's name.
    pub name: String,
    /// The SHA-256 of `recipe.toml`.
    pub recipe_sha256: Sha256Digest,
    /// The SHA-256 of `recipe.lock.json`.
    pub lock_sha256: Sha256Digest,
}

/// What SEV-SNP reports call a guest, and its security versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// FAMILY_ID of the ID block, 32 hexadecimal digits.
    pub family_id: String,
    /// IMAGE_ID of the ID block, 32 hexadecimal digits.
    pub image_id: String,
    /// GUEST_SVN of the ID block.
    pub guest_svn: u32,
    /// The SVN of the endorsement: another number than `guest_svn`.
    pub uvm_svn: u64,
    /// The 64-bit guest policy: `0x` and hexadecimal digits.
    pub policy: String,
}

/// A dm-verity hash tree (hash type 1, SHA-256, blocks of 4096 bytes, no superblock).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verity {
    /// The disk image's name.
    pub disk: String,
    /// The root hash.
    pub root_hash: Sha256Digest,
    /// The salt in hexadecimal.
    pub salt: String,
    /// Blocks of 4096 bytes under the tree, from the disk's first mebibyte.
    pub data_blocks: u64,
}

/// A guest that is launched from an IGVM file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// `production` or `debug`.
    pub variant: String,
    /// The IGVM file's name.
    pub file: String,
    /// The name of its ID block.
    pub id_block: String,
    /// The digest in the ID block.
    pub launch_digest: LaunchDigest,
    /// The digest under each loader that has one.
    pub loaders: Vec<LoaderDigest>,
}

/// The launch digest under one loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderDigest {
    /// The loader.
    pub loader: Loader,
    /// The digest.
    pub launch_digest: LaunchDigest,
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
    /// Its SHA-384.
    pub sha384: Sha384Digest,
}

impl Manifest {
    /// [`Manifest::schema`] of this form.
    pub const SCHEMA: &str = "guestmark/manifest/1";

    /// Reads a manifest from `file`.
    ///
    /// # Errors
    /// Another schema, JSON that is not canonical, or fields that do not fit each other.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self, FileProblem> {
        let manifest: Self = json::read_schema(bytes, file, Self::SCHEMA)?;
        let canonical = manifest.to_bytes().map_err(|found| {
            FileProblem::new(file, "numbers", "integers from 0 to 2^53 - 1", found)
        })?;
        if canonical != bytes {
            let expected = "canonical JSON (RFC 8785)";
            return Err(FileProblem::new(
                file,
                "form",
                expected,
                "the same values in another form",
            ));
        }
        manifest.check(file)?;
        Ok(manifest)
    }

    /// The manifest's bytes, the same for equal manifests.
    ///
    /// # Errors
    /// A number of more than 2^53 - 1, which not every reader of JSON takes as it is.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        json::canonical(self)
    }

    /// The guest of this variant.
    pub fn guest(&self, variant: &str) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.variant == variant)
    }

    /// The file of this name.
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == name)
    }

    fn check(&self, file: &str) -> Result<(), FileProblem> {
        let names = || self.artifacts.iter().map(|artifact| artifact.name.as_str());
        if let Some(found) = names().find(|name| !name::is_plain(name)) {
            let expected = "letters, digits, \".\", \"_\", \"+\", \"-\" of ASCII, not beginning with \
                            \".\" or \"-\"";
            return Err(FileProblem::new(
                file,
                "artifacts.name",
                expected,
                format!("{found:?}"),
            ));
        }
        if let Some(found) = name::repeated(names()) {
            let expected = "names that differ by more than case";
            return Err(FileProblem::new(
                file,
                "artifacts.name",
                expected,
                format!("{found:?} again"),
            ));
        }
        if !self.artifacts.is_sorted_by_key(|artifact| &artifact.name) {
            let found = "another order";
            return Err(FileProblem::new(file, "artifacts", "names in order", found));
        }
        let disk = ("verity.disk", self.verity.disk.as_str());
        let guests = self.guests.iter().flat_map(|guest| {
            [
                ("guests.file", guest.file.as_str()),
                ("guests.id_block", guest.id_block.as_str()),
            ]
        });
        for (field, name) in guests.chain([disk]) {
            if self.artifact(name).is_none() {
                let expected = "a name that stands in artifacts";
                return Err(FileProblem::new(file, field, expected, format!("{name:?}")));
            }
        }
        let variants = || self.guests.iter().map(|guest| guest.variant.as_str());
        if let Some(found) = name::repeated(variants()) {
            let found = format!("{found:?} twice");
            return Err(FileProblem::new(
                file,
                "guests.variant",
                "one guest a variant",
                found,
            ));
        }
        if self.guest("production").is_none() {
            let found: Vec<_> = variants().collect();
            let found = format!("{found:?}");
            return Err(FileProblem::new(
                file,
                "guests.variant",
                "a \"production\" guest",
                found,
            ));
        }
        match (self.sequence, self.previous) {
            (1, None) | (2.., Some(_)) => {}
            (1, Some(_)) => {
                let found = "a digest";
                return Err(FileProblem::new(
                    file,
                    "previous",
                    "none in release 1",
                    found,
                ));
            }
            (0, _) => return Err(FileProblem::new(file, "sequence", "1 or more", 0)),
            (sequence, None) => {
                let expected = format!("the digest of manifest {}", sequence - 1);
                return Err(FileProblem::new(file, "previous", expected, "none"));
            }
        }
        policy_bits(&self.identity.policy)
            .map(|_| ())
            .ok_or_else(|| {
                let expected = "0x and hexadecimal digits";
                FileProblem::new(file, "identity.policy", expected, &self.identity.policy)
            })
    }
}

/// The SHA-256 by which the next manifest of a feed names this one.
pub fn digest(manifest: &[u8]) -> Sha256Digest {
    Sha256Digest::new(Sha256::digest(manifest).into())
}

/// The guest policy in its one form, `0x3001f`.
pub fn policy_bits(text: &str) -> Option<u64> {
    let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (format!("{bits:#x}") == text).then_some(bits)
}

#[cfg(test)]
mod tests;
