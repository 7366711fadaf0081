//! What tests of archives are made of: recipes, a web server on the loopback interface.

mod key;
mod repository;
mod rpm;
mod server;

use std::path::Path;

use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};

use crate::archive::{MirrorSettings, Mirrors, NamedMirror};
use crate::recipe::{ArchiveKind, Recipe};

pub(crate) use key::{Key, MADE, Signing, armored_message, may_sign};
pub(crate) use repository::Repository;
pub(crate) use rpm::{Factory, run};
pub(crate) use server::{Fault, Server};

/// A recipe in `folder` that asks for `names` from an archive called `debian`, suite `bookworm`,
/// signed by the key in `key.asc`.
pub(crate) fn recipe(folder: &Path, names: &[&str]) -> Recipe {
    let text = format!(
        r#"
        recipe = {{ name = "test", description = "A test.", architecture = "amd64" }}
        rootfs.packages = {{ archive = "debian", names = {names:?} }}
        agent = {{ kind = "qemu-guest-agent", port = "org.qemu.guest_agent.0" }}
        command-line = {{ production = "{{root_hash}}", debug = "{{root_hash}}" }}
        disk.file = "disk.img"

        [identity]
        family-id = "00000000000000000000000000000000"
        image-id = "00000000000000000000000000000000"
        guest-svn = 1
        uvm-svn = 1
        policy = 0x30000

        [archive.debian]
        kind = "debian"
        suite = "bookworm"
        components = ["main"]
        keys = ["key.asc"]

        [kernel]
        packages = {{ archive = "debian", names = [] }}
        image = "/boot/vmlinuz-*"

        [igvm]
        layout = "linux"
        memory = "512 MiB"
        file = "guest.igvm"
        debug-file = "guest-debug.igvm"
        "#
    );
    Recipe::parse(&text, &folder.join("recipe.toml")).unwrap()
}

/// As [`recipe`], from an RPM repository.
pub(crate) fn rpm_recipe(folder: &Path, names: &[&str]) -> Recipe {
    let mut recipe = recipe(folder, names);
    recipe.recipe.architecture = "x86_64".to_owned();
    if let Some(archive) = recipe.archives.get_mut("debian") {
        archive.kind = ArchiveKind::Rpm;
        archive.suite = "3.0/base/x86_64".to_owned();
        archive.components.clear();
    }
    recipe
}

/// The mirror at `url` for the archive `debian` of `recipe`.
pub(crate) fn mirrors(recipe: &Recipe, url: &str) -> Mirrors {
    let given = NamedMirror {
        archive: "debian".to_owned(),
        url: url.parse().unwrap(),
    };
    Mirrors::find(recipe, &[given], &MirrorSettings::default()).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::new(Sha256::digest(bytes).into())
}
