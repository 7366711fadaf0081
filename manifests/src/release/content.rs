//! A finished build, read and measured again.

use guestmark_measure::{LaunchDigest, Sha256Digest};
use serde::Deserialize;

use super::{ReleaseError, facts, sums};
use crate::folder::Folder;
use crate::manifest::{Artifact, Guest, Identity, Manifest, RecipeDigests, Verity, name};
use crate::statement::Subjects;
use crate::{FileProblem, file_problem, json};

/// The file by which a build says what it is.
const MEASUREMENT_NAME: &str = "measurement.json";

/// Where `measurement.json` says that its salted blocks are as everywhere else.
const BLOCK_SIZE: u64 = 4096;

/// A build's output, with what its artifacts were found to be.
#[derive(Debug)]
pub struct Content {
    pub(super) folder: Folder,
    /// What it was built from.
    pub recipe: RecipeDigests,
    identity: Identity,
    verity: Verity,
    guests: Vec<Guest>,
    pub(super) artifacts: Vec<Artifact>,
}

/// What is read of `measurement.json`. All that can be computed from the artifacts is.
#[derive(Deserialize)]
struct Measurement {
    recipe: String,
    recipe_sha256: Sha256Digest,
    lock_sha256: Sha256Digest,
    family_id: String,
    image_id: String,
    guest_svn: u32,
    uvm_svn: u64,
    policy: u64,
    disk: String,
    verity: MeasuredVerity,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct MeasuredVerity {
    root_hash: Sha256Digest,
    salt: String,
    data_blocks: u64,
    block_size: u64,
    algorithm: String,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    file: String,
    launch_digest: LaunchDigest,
    id_block: String,
}

/// Where a release stands among others.
#[derive(Debug, Clone)]
pub struct Place {
    /// The line of releases.
    pub feed: String,
    /// The manifest of the release before, as published; none for the first.
    pub previous: Option<Vec<u8>>,
}

impl Content {
    /// Reads the output of a build: every file is hashed, the root hash computed from the disk
    /// image, and launch digests from the IGVM files.
    ///
    /// # Errors
    /// No such output, one that was changed since, or one that does not say what it is.
    pub fn read(folder: Folder) -> Result<Self, ReleaseError> {
        let mut names = folder.names()?;
        if !names.contains(MEASUREMENT_NAME) {
            let expected = "the output of `guestmark build`";
            return Err(FileProblem::new(MEASUREMENT_NAME, "file", expected, "nothing").into());
        }
        names.remove(sums::SUMS_NAME);
        let artifacts = names.iter().map(|name| {
            if !name::is_plain(name) {
                let expected = "ASCII letters, digits, \".\", \"_\", \"+\" and \"-\"";
                return Err(
                    FileProblem::new(name.escape_debug(), "name", expected, "others").into(),
                );
            }
            folder.artifact(name)
        });
        let artifacts = artifacts.collect::<Result<Vec<_>, _>>()?;
        check_sums(&folder.read(sums::SUMS_NAME, sums::MAX_SUMS)?, &artifacts)?;

        let measurement = folder.read(MEASUREMENT_NAME, json::MAX_SIZE)?;
        let schema = "guestmark/measurement/1";
        let measurement: Measurement = json::read_schema(&measurement, MEASUREMENT_NAME, schema)?;
        let mut content = Self {
            folder,
            recipe: RecipeDigests {
                name: measurement.recipe,
                recipe_sha256: measurement.recipe_sha256,
                lock_sha256: measurement.lock_sha256,
            },
            identity: Identity {
                family_id: measurement.family_id,
                image_id: measurement.image_id,
                guest_svn: measurement.guest_svn,
                uvm_svn: measurement.uvm_svn,
                policy: format!("{:#x}", measurement.policy),
            },
            verity: verity(measurement.disk, measurement.verity)?,
            guests: Vec::new(),
            artifacts,
        };
        content.check_disk()?;
        for variant in measurement.variants {
            let guest = content.guest(variant)?;
            content.guests.push(guest);
        }
        Ok(content)
    }

    fn check_disk(&self) -> Result<(), ReleaseError> {
        let disk = self.folder.open_file(&self.verity.disk)?;
        let found = facts::root_hash(&disk, self.size(&self.verity.disk), &self.verity)?;
        let expected = self.verity.root_hash;
        Ok(file_problem::expect(
            MEASUREMENT_NAME,
            "verity.root_hash",
            &found,
            &expected,
        )?)
    }

    fn size(&self, name: &str) -> u64 {
        let mut artifacts = self.artifacts.iter();
        artifacts.find(|it| it.name == name).map_or(0, |it| it.size)
    }

    fn guest(&self, variant: Variant) -> Result<Guest, ReleaseError> {
        let Variant {
            name,
            file,
            launch_digest,
            id_block,
        } = variant;
        let bytes = self.folder.read(&file, facts::MAX_IGVM)?;
        facts::holds_root_hash(&file, &bytes, self.verity.root_hash)?;
        let guest = Guest {
            variant: name,
            loaders: facts::launched(&file, &bytes)?,
            file,
            id_block,
            launch_digest,
        };
        let block = self.folder.read(&guest.id_block, 4096)?;
        let Guest { id_block, file, .. } = &guest;
        facts::check_id_block(id_block, &block, file, &bytes, &guest, &self.identity)?;
        Ok(guest)
    }

    /// What statements about the build are about.
    pub fn subjects(&self) -> Subjects<'_> {
        Subjects {
            artifacts: &self.artifacts,
            guests: &self.guests,
        }
    }

    /// The manifest of a release of this build.
    ///
    /// # Errors
    /// A previous manifest that is none, is of another feed, or has higher security versions.
    pub fn manifest(&self, place: &Place) -> Result<Manifest, ReleaseError> {
        let mut sequence = 1;
        let mut digest = None;
        if let Some(bytes) = &place.previous {
            let file = "the previous manifest";
            let previous = Manifest::read(bytes, file)?;
            file_problem::expect(file, "feed", &place.feed, &previous.feed)?;
            let (old, new) = (&previous.identity, &self.identity);
            for (field, old, new) in [
                ("uvm_svn", old.uvm_svn, new.uvm_svn),
                ("guest_svn", old.guest_svn.into(), new.guest_svn.into()),
            ] {
                if old > new {
                    let expected = format!("{old} or more, as the release before");
                    return Err(FileProblem::new(MEASUREMENT_NAME, field, expected, new).into());
                }
            }
            sequence += previous.sequence;
            digest = Some(crate::manifest::digest(bytes));
        }
        Ok(Manifest {
            schema: Manifest::SCHEMA.to_owned(),
            feed: place.feed.clone(),
            sequence,
            previous: digest,
            recipe: self.recipe.clone(),
            identity: self.identity.clone(),
            verity: self.verity.clone(),
            guests: self.guests.clone(),
            artifacts: self.artifacts.clone(),
        })
    }
}

fn verity(disk: String, measured: MeasuredVerity) -> Result<Verity, FileProblem> {
    let expect = |field, expected: &str, found: &str| {
        file_problem::expect(MEASUREMENT_NAME, field, &expected, &found)
    };
    expect("verity.algorithm", "sha256", &measured.algorithm)?;
    let found = measured.block_size;
    file_problem::expect(MEASUREMENT_NAME, "verity.block_size", &BLOCK_SIZE, &found)?;
    Ok(Verity {
        disk,
        root_hash: measured.root_hash,
        salt: measured.salt,
        data_blocks: measured.data_blocks,
    })
}

/// Holds that the build is as it was written.
fn check_sums(bytes: &[u8], artifacts: &[Artifact]) -> Result<(), FileProblem> {
    let mut listed = sums::read(bytes)?;
    for artifact in artifacts {
        match listed.remove(artifact.name.as_str()) {
            Some(digest) => {
                file_problem::expect(&artifact.name, "SHA-256", &digest, &artifact.sha256)?
            }
            None => {
                let found = "a file that it does not list";
                return Err(FileProblem::new(
                    sums::SUMS_NAME,
                    &artifact.name,
                    "every file",
                    found,
                ));
            }
        }
    }
    match listed.pop_first() {
        Some((name, _)) => Err(FileProblem::new(
            name,
            "file",
            "a file, as SHA256SUMS lists it",
            "nothing",
        )),
        None => Ok(()),
    }
}
