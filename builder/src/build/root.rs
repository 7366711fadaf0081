//! The root file system in its disk image.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::BuildError;
use super::records::VerityRecord;
use crate::disk::DiskWriter;
use crate::erofs::{self, Image, Options, VolumeName};
use crate::output::OutputDirectory;
use crate::recipe::Recipe;
use crate::tree::Tree;
use crate::verity::{Parameters, Salt};

/// The root file system, written.
#[derive(Debug)]
pub(super) struct Root {
    /// What lies where in it.
    pub(super) image: Image,
    /// Its hash tree.
    pub(super) record: VerityRecord,
}

/// Writes `tree` and its hash tree as a disk image.
pub(super) fn write(
    recipe: &Recipe,
    tree: &Tree,
    output: &OutputDirectory,
) -> Result<Root, BuildError> {
    let identity = recipe.identity_bytes();
    let disk = DiskWriter::new(output.create(recipe.disk.file.as_str())?, recipe.disk.size)?;
    let options = Options {
        uuid: derive_uuid(&identity),
        timestamp: recipe.rootfs.timestamp,
        volume_name: VolumeName::default(),
    };
    let image = erofs::write(tree, &options, &mut disk.root())?;
    let parameters = Parameters {
        salt: Salt::derive(&identity),
        uuid: None,
    };
    let disk = disk.finish(image.size, &parameters)?;
    let record = VerityRecord::new(&disk, &parameters.salt);
    Ok(Root { image, record })
}

/// The volume's UUID: version 8 (RFC 9562), from the guest's identity.
fn derive_uuid(identity: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new_with_prefix("guestmark volume UUID\0");
    for part in identity {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}
