//! The guest that all tests share, and what its artifacts hold.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use guestmark_builder::build::{MEASUREMENT_NAME, Measurement, Variant};
use guestmark_builder::recipe::Recipe;
use guestmark_measure::id_block::IdBlock;
use guestmark_measure::igvm::{IgvmFile, PlatformType};
use guestmark_measure::{Loader, launch_digests};

use crate::program::{GUESTMARK, command, recipe, run};

/// A finished build.
pub(crate) struct Artifacts {
    /// The output directory.
    pub(crate) directory: PathBuf,
    /// The store that it was built from.
    pub(crate) store: PathBuf,
    /// What it says about itself.
    pub(crate) measurement: Measurement,
}

/// The guest, built once for all tests. An earlier run's is replaced.
pub(crate) fn artifacts() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let [store, directory] = ["debian-12.store", "debian-12"].map(|name| target.join(name));
        // As open as can be, to tell files of the umask's mode from files of a fixed one.
        let mut build = command(&["sh", "-c", "umask 000 && exec \"$@\"", "sh", GUESTMARK]);
        build
            .arg("build")
            .arg(recipe())
            .arg("--store")
            .arg(&store)
            .arg("--output")
            .arg(&directory)
            .current_dir("/")
            .envs([
                ("TZ", "UTC+11"),
                ("LC_ALL", "C"),
                ("RAYON_NUM_THREADS", "7"),
            ]);
        run(&mut build, "dash");
        let measurement = fs_err::read(directory.join(MEASUREMENT_NAME)).unwrap();
        Artifacts {
            measurement: serde_json::from_slice(&measurement).unwrap(),
            directory,
            store,
        }
    })
}

impl Artifacts {
    /// The production IGVM file.
    pub(crate) fn igvm(&self) -> PathBuf {
        self.directory.join(&self.variant("production").file)
    }

    /// The disk image.
    pub(crate) fn disk(&self) -> PathBuf {
        self.directory.join(&self.measurement.disk)
    }

    /// What is said of one of the IGVM files.
    pub(crate) fn variant(&self, name: &str) -> &Variant {
        let variants = &mut self.measurement.variants.iter();
        variants.find(|variant| variant.name == name).unwrap()
    }
}

#[test]
fn all_loaders_launch_the_igvm_files_to_the_digest_that_is_published() {
    let guest = artifacts();
    for name in ["production", "debug"] {
        let variant = guest.variant(name);
        let path = guest.directory.join(&variant.file);
        let bytes = fs_err::read(&path).unwrap();
        let file = IgvmFile::parse(&bytes).unwrap();
        for (loader, digest) in launch_digests(&file, None) {
            assert_eq!(digest, Ok(variant.launch_digest), "{name}, {loader}");
        }
        let measure = [GUESTMARK, "measure", "--bare", "--loader", "qemu-kvm"];
        let printed = run(command(&measure).arg(&path), "");
        assert_eq!(printed.trim_end(), variant.launch_digest.to_string());
    }
    let digests = ["production", "debug"].map(|name| guest.variant(name).launch_digest);
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn the_id_block_is_of_the_digest_on_qemu_and_the_recipes_identity() {
    let guest = artifacts();
    let identity = Recipe::read(&recipe()).unwrap().identity;
    for name in ["production", "debug"] {
        let variant = guest.variant(name);
        let bytes = fs_err::read(guest.directory.join(&variant.id_block)).unwrap();
        let igvm = fs_err::read(guest.directory.join(&variant.file)).unwrap();
        let file = IgvmFile::parse(&igvm).unwrap();
        let on_qemu = guestmark_measure::launch_digest(&file, Loader::QemuKvm, None).unwrap();
        let expected = IdBlock {
            launch_digest: on_qemu,
            family_id: *identity.family_id.as_bytes(),
            image_id: *identity.image_id.as_bytes(),
            guest_svn: identity.guest_svn,
            policy: identity.policy.bits(),
        };
        assert_eq!(bytes.len(), 96);
        assert_eq!(IdBlock::from_bytes(&bytes), Ok(expected));
        // The file itself asks for the same policy, and is not signed.
        let platform = file.platform(PlatformType::SevSnp).unwrap();
        assert_eq!(
            file.guest_policy(platform.mask),
            Some(identity.policy.bits())
        );
        let headers = file.directives().iter();
        assert!(
            !headers
                .map(|header| header.name())
                .any(|name| name == "SNP ID block")
        );
    }
}
