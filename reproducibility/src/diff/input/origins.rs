//! `origins.json` as it is read back: where every byte of the artifacts comes from.

use std::fmt;
use std::path::Path;

use guestmark_builder::erofs::Image;
use guestmark_builder::lock::LockedPackage;
use guestmark_builder::tree::{Origin, TreePath};
use guestmark_measure::Gpa;
use serde::{Deserialize, Deserializer, de};

use crate::diff::DiffError;

/// A document of the form `guestmark/origins/1`.
#[derive(Debug, Deserialize)]
pub(in crate::diff) struct Origins {
    pub(super) schema: String,
    /// The pinned packages.
    pub(in crate::diff) packages: Vec<LockedPackage>,
    /// The regions of each IGVM file.
    pub(in crate::diff) guest_memory: Vec<FileMemory>,
    /// The entries of the initrd.
    pub(in crate::diff) initrd: Vec<InitrdOrigin>,
    /// What lies where in the root file system.
    pub(in crate::diff) rootfs: Image,
}

/// What lies where in the memory of one file's guest.
#[derive(Debug, Deserialize)]
pub(in crate::diff) struct FileMemory {
    pub(in crate::diff) file: String,
    pub(in crate::diff) memory: Vec<RegionOrigin>,
}

/// A named range of guest memory.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::diff) struct RegionOrigin {
    pub(in crate::diff) name: String,
    #[serde(deserialize_with = "gpa")]
    pub(in crate::diff) start: Gpa,
    #[serde(deserialize_with = "gpa")]
    pub(in crate::diff) end: Gpa,
    pub(in crate::diff) origin: Origin,
}

/// Where an entry of the initrd comes from.
#[derive(Debug, Deserialize)]
pub(in crate::diff) struct InitrdOrigin {
    pub(in crate::diff) path: TreePath,
    pub(in crate::diff) origin: Origin,
}

impl Origins {
    pub(super) const SCHEMA: &'static str = "guestmark/origins/1";

    /// Holds that extents are sorted and lie in the image.
    pub(super) fn check(&self, path: &Path) -> Result<(), DiffError> {
        let mut end = 0;
        for extent in &self.rootfs.extents {
            let after = extent.start.checked_add(extent.length);
            match after.filter(|after| extent.start >= end && *after <= self.rootfs.size) {
                Some(after) => end = after,
                None => {
                    return Err(DiffError::Value {
                        path: path.to_owned(),
                        field: "rootfs.extents",
                        found: format!("{} bytes from {}", extent.length, extent.start),
                        expected: "extents in the order of their places, inside of the image",
                    });
                }
            }
        }
        Ok(())
    }

    /// The regions of the guest that `file` starts.
    pub(in crate::diff) fn memory_of(&self, file: &str) -> Option<&[RegionOrigin]> {
        let found = self.guest_memory.iter().find(|memory| memory.file == file);
        found.map(|memory| &memory.memory[..])
    }

    /// Where an entry of the initrd comes from.
    pub(in crate::diff) fn initrd_entry(&self, path: &TreePath) -> Option<&Origin> {
        let found = self.initrd.iter().find(|entry| entry.path == *path);
        found.map(|entry| &entry.origin)
    }
}

/// An address as `0x` and hexadecimal digits.
fn gpa<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gpa, D::Error> {
    struct Hexadecimal;

    impl de::Visitor<'_> for Hexadecimal {
        type Value = Gpa;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address as 0x and hexadecimal digits")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Gpa, E> {
            let digits = text.strip_prefix("0x").unwrap_or_default();
            let address = u64::from_str_radix(digits, 16);
            address
                .map(Gpa::new)
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Hexadecimal)
}
