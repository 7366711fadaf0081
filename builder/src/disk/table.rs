//! The partition table.

use std::collections::BTreeMap;

use fs_err::File;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{LINUX_ROOT_X64, OperatingSystem, Type};
use gpt::{GptConfig, GptError};
use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::layout::SECTOR;
use super::{DiskImage, Extent};

/// `SD_GPT_ROOT_X86_64_VERITY` of the Discoverable Partitions Specification.
const LINUX_ROOT_X64_VERITY: Type = Type {
    guid: Uuid::from_u128(0x2c73_57ed_ebd2_46d9_aec1_23d4_37ec_2bf5),
    os: OperatingSystem::Linux,
};

/// `SD_GPT_FLAG_READ_ONLY`: bit 60 of a partition's attributes.
const READ_ONLY: u64 = 1 << 60;

/// The GUID of the disk that carries a root hash.
pub(super) fn disk_guid(root_hash: Sha256Digest) -> Uuid {
    let hash = Sha256::new_with_prefix("guestmark disk GUID\0")
        .chain_update(root_hash.as_bytes())
        .finalize();
    Uuid::new_v8(first_16(&hash))
}

/// The 128 bits of a root hash from byte `at` on, as a UUID in the order of its text.
pub(super) fn half(root_hash: Sha256Digest, at: usize) -> Uuid {
    Uuid::from_bytes(first_16(&root_hash.as_bytes()[at..]))
}

fn first_16(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|index| bytes[index])
}

/// Writes protective MBR, table and backup table into a file that already has its size.
pub(super) fn write(mut file: &File, image: &DiskImage) -> Result<(), GptError> {
    // A disk past 2 TiB does not fit the field; the largest value then stands for "all of it".
    let sectors = u32::try_from(image.layout.size / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors)
        .overwrite_lba0(&mut file)
        .map_err(std::io::Error::other)?;

    let partition = |name: &str, part_type_guid, part_guid, extent: Extent| Partition {
        part_type_guid,
        part_guid,
        first_lba: extent.offset / SECTOR,
        last_lba: extent.end() / SECTOR - 1,
        flags: READ_ONLY,
        // The names that systemd-repart gives when it is told none.
        name: name.to_owned(),
    };
    let layout = image.layout;
    let mut disk = GptConfig::new()
        .writable(true)
        .create_from_device(file, Some(image.guid))?;
    disk.update_partitions(BTreeMap::from([
        (
            1,
            partition("root-x86-64", LINUX_ROOT_X64, image.root_uuid, layout.root),
        ),
        (
            2,
            partition(
                "root-x86-64-verity",
                LINUX_ROOT_X64_VERITY,
                image.hash_uuid,
                layout.hash,
            ),
        ),
    ]))?;
    disk.write()?;
    Ok(())
}
