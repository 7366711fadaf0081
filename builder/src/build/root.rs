//! The root file system in its disk image.

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
    let disk = DiskWriter::new(output.create(recipe.disk.file.as_str())?, recipe.disk.size)?;
    let options = Options {
        uuid: volume_uuid(recipe),
        timestamp: recipe.rootfs.timestamp,
        volume_name: VolumeName::default(),
    };
    let image = erofs::write(tree, &options, &mut disk.root())?;
    let parameters = Parameters {
        salt: Salt::from(recipe.derive("dm-verity salt")),
        uuid: None,
    };
    let disk = disk.finish(image.size, &parameters)?;
    let record = VerityRecord::new(&disk, &parameters.salt);
    Ok(Root { image, record })
}

/// The volume's UUID: version 8 (RFC 9562), from the guest's identity.
fn volume_uuid(recipe: &Recipe) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&recipe.derive("volume UUID")[..16]);
    Uuid::new_v8(bytes)
}
