//! What a build says about itself: `measurement.json` and `origins.json`. Both are functions of
//! the inputs alone: no time, no host, no path.

use std::io;

use guestmark_measure::{LaunchDigest, LoaderVerdict, Sha256Digest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::DiskImage;
use crate::erofs::Image;
use crate::lock::{Lock, LockedPackage};
use crate::recipe::{Agent, GuestPolicy, Id16, Recipe};
use crate::tree::{Origin, Tree, TreePath};
use crate::verity::{self, Salt};

/// `measurement.json`: the values by which a build is recognised.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    /// The form of this document.
    pub schema: String,
    /// The recipe's name.
    pub recipe: String,
    /// The SHA-256 of `recipe.toml`.
    pub recipe_sha256: Sha256Digest,
    /// The SHA-256 of `recipe.lock.json`.
    pub lock_sha256: Sha256Digest,
    /// FAMILY_ID of the ID block.
    pub family_id: Id16,
    /// IMAGE_ID of the ID block.
    pub image_id: Id16,
    /// GUEST_SVN of the ID block.
    pub guest_svn: u32,
    /// The SVN of the endorsement.
    pub uvm_svn: u64,
    /// The guest policy.
    pub policy: GuestPolicy,
    /// The agent that answers the host.
    pub agent: Agent,
    /// The disk image's file name.
    pub disk: String,
    /// The root file system's hash tree.
    pub verity: VerityRecord,
    /// The IGVM files.
    pub variants: Vec<Variant>,
    /// What the digests rest on.
    pub note: String,
}

impl Measurement {
    /// [`Measurement::schema`] of this form.
    pub const SCHEMA: &str = "guestmark/measurement/1";
    const NOTE: &str = "launch digests are predicted from the loaders' published behaviour; \
                        nothing was run on SEV-SNP hardware";

    /// # Errors
    /// Recipe or lock cannot be read again.
    pub(super) fn new(
        recipe: &Recipe,
        verity: VerityRecord,
        variants: Vec<Variant>,
    ) -> io::Result<Self> {
        let identity = &recipe.identity;
        let sha256 = |name: &str| -> io::Result<Sha256Digest> {
            let bytes = fs_err::read(recipe.folder.join(name))?;
            Ok(Sha256Digest::new(Sha256::digest(bytes).into()))
        };
        Ok(Self {
            schema: Self::SCHEMA.to_owned(),
            recipe: recipe.recipe.name.clone(),
            recipe_sha256: sha256(Recipe::FILE_NAME)?,
            lock_sha256: sha256(Lock::FILE_NAME)?,
            family_id: identity.family_id,
            image_id: identity.image_id,
            guest_svn: identity.guest_svn,
            uvm_svn: identity.uvm_svn,
            policy: identity.policy,
            agent: recipe.agent.clone(),
            disk: recipe.disk.file.as_str().to_owned(),
            verity,
            variants,
            note: Self::NOTE.to_owned(),
        })
    }
}

/// A hash tree's parameters, as a dm-verity table needs them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerityRecord {
    /// The root hash.
    pub root_hash: Sha256Digest,
    /// The salt in hexadecimal.
    pub salt: String,
    /// How many blocks are protected.
    pub data_blocks: u64,
    /// The hash partition's block at which the tree starts.
    pub hash_start_block: u64,
    /// Bytes in a data block and in a hash block.
    pub block_size: u64,
    /// The hash algorithm's name.
    pub algorithm: String,
}

impl VerityRecord {
    pub(super) fn new(disk: &DiskImage, salt: &Salt) -> Self {
        Self {
            root_hash: disk.tree.root_hash,
            salt: hex::encode(salt.as_bytes()),
            data_blocks: disk.tree.data_blocks,
            hash_start_block: disk.hash_start_block(),
            block_size: verity::BLOCK_SIZE,
            algorithm: "sha256".to_owned(),
        }
    }

    /// How many sectors are protected; device-mapper tables count in 512 bytes.
    pub(super) const fn data_sectors(&self) -> u64 {
        self.data_blocks.saturating_mul(self.block_size / 512)
    }
}

/// One IGVM file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Variant {
    /// `production` or `debug`.
    pub name: String,
    /// The IGVM file's name.
    pub file: String,
    /// The kernel command line.
    pub command_line: String,
    /// The digest in the ID block: that of the loader the layout is made for.
    pub launch_digest: LaunchDigest,
    /// The digest for each loader.
    pub loaders: Vec<LoaderVerdict>,
    /// The file name of the 96-byte ID block to sign.
    pub id_block: String,
}

/// `origins.json`: where every byte of the artifacts comes from.
#[derive(Debug, Serialize)]
pub(super) struct Origins<'a> {
    schema: &'static str,
    packages: &'a [LockedPackage],
    guest_memory: Vec<VariantMemory>,
    initrd: Vec<InitrdEntry<'a>>,
    rootfs: &'a Image,
}

/// The regions of one IGVM file.
#[derive(Debug, Serialize)]
pub(super) struct VariantMemory {
    pub(super) file: String,
    pub(super) memory: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct InitrdEntry<'a> {
    path: &'a TreePath,
    origin: &'a Origin,
}

impl<'a> Origins<'a> {
    const SCHEMA: &'static str = "guestmark/origins/1";

    pub(super) fn new(
        packages: &'a [LockedPackage],
        guest_memory: Vec<VariantMemory>,
        initrd: Option<&'a Tree>,
        rootfs: &'a Image,
    ) -> Self {
        let entries = initrd.into_iter().flat_map(Tree::iter);
        Self {
            schema: Self::SCHEMA,
            packages,
            guest_memory,
            initrd: entries
                .map(|(path, _, node)| InitrdEntry {
                    path,
                    origin: &node.origin,
                })
                .collect(),
            rootfs,
        }
    }
}
