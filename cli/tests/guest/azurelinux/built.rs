//! The guest, locked and built from the stand-ins once for all tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use guestmark_builder::build::{MEASUREMENT_NAME, Measurement, Variant};
use serde_json::Value;

use super::edits::{Edit, KEY, edited};
use super::repository::{SNAPSHOT, repository};
use crate::program::{GUESTMARK, command, folder, run};

/// A finished build.
pub(super) struct Built {
    folder: tempfile::TempDir,
    /// What it says about itself.
    pub(super) measurement: Measurement,
}

/// The guest, with nothing changed in the recipe but the key.
pub(super) fn guest() -> &'static Built {
    static GUEST: OnceLock<Built> = OnceLock::new();
    GUEST.get_or_init(|| Built::new(&[KEY]))
}

impl Built {
    /// The recipe, edited, locked as its README says, and built.
    pub(super) fn new(edits: &[Edit]) -> Self {
        let folder = folder();
        edited(folder.path(), edits);
        guestmark(folder.path(), &["lock", "--snapshot", SNAPSHOT]);
        guestmark(
            folder.path(),
            &["build", "--output", "out/azurelinux-3-aks"],
        );
        let measurement = fs_err::read(
            folder
                .path()
                .join("out/azurelinux-3-aks")
                .join(MEASUREMENT_NAME),
        );
        Self {
            measurement: serde_json::from_slice(&measurement.unwrap()).unwrap(),
            folder,
        }
    }

    /// The recipe's folder.
    pub(super) fn recipe(&self) -> PathBuf {
        self.folder.path().join("azurelinux-3-aks")
    }

    /// The store with its packages.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The output directory.
    pub(super) fn directory(&self) -> PathBuf {
        self.folder.path().join("out/azurelinux-3-aks")
    }

    /// One of its files.
    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        fs_err::read(self.directory().join(name)).unwrap()
    }

    /// What is said of one of the IGVM files.
    pub(super) fn variant(&self, name: &str) -> &Variant {
        let variants = &mut self.measurement.variants.iter();
        variants.find(|variant| variant.name == name).unwrap()
    }

    /// Where each path of the root file system comes from: `package NAME` or `rule NAME`.
    pub(super) fn origins(&self) -> Value {
        serde_json::from_slice(&self.file("origins.json")).unwrap()
    }
}

/// Runs the program on the recipe in `folder`, with the repository of stand-ins.
pub(super) fn guestmark(folder: &Path, arguments: &[&str]) -> String {
    let mirror = format!("azurelinux=file://{}", repository().mirror.display());
    let mut line = command(&[GUESTMARK]);
    line.args(arguments)
        .args(["azurelinux-3-aks", "--store", "store", "--mirror", &mirror]);
    fs_err::create_dir_all(folder.join("out")).unwrap();
    run(line.current_dir(folder), "")
}
