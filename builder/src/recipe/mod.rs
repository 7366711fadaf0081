//! `recipe.toml`: everything a guest is made of, declared. Strict: a key that is not known is an
//! error with its line and column.

mod companion;
mod identity;
mod platform;
mod rootfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use companion::CompanionError;
pub use guestmark_output::FileName;
pub use identity::{GuestPolicy, Id16, Identity, ParseIdError};
pub use platform::{Memory, ParseMemoryError, Platform};
pub use rootfs::{
    AddedDirectory, AddedFile, AddedLink, Alternative, CaTrust, Group, KeepOnly, Mode, Move,
    ParseModeError, Purpose, Rootfs, ScriptletRule, Systemd, TrustBundle, User,
};

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// There is no recipe.
    #[error("{path}: no recipe; give the folder that holds one", path = .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// The text is not a recipe: bad TOML, an unknown key, a value of the wrong form.
    #[error("{path}:{line}:{column}: {message}", path = .path.display())]
    Syntax {
        /// The recipe's file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The parts of the recipe do not fit each other.
    #[error("{path}: {message}", path = .path.display())]
    Meaning {
        /// The recipe's file.
        path: PathBuf,
        /// What does not fit, and what to change.
        message: String,
    },
}

/// A guest, declared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// What the recipe is called.
    pub recipe: About,
    /// Who the guest says it is: ID block and seeds of everything derived.
    pub identity: Identity,
    /// Where packages come from, by the name that package sets use.
    #[serde(rename = "archive")]
    pub archives: BTreeMap<String, Archive>,
    /// The kernel.
    pub kernel: Kernel,
    /// The initrd; absent for kernels that open dm-verity themselves.
    pub initrd: Option<Initrd>,
    /// The root file system.
    pub rootfs: Rootfs,
    /// The agent that answers the host.
    pub agent: Agent,
    /// The kernel command lines.
    pub command_line: CommandLine,
    /// The disk image.
    pub disk: Disk,
    /// The IGVM file.
    pub igvm: Igvm,
    /// What the ACPI tables describe.
    #[serde(default)]
    pub platform: Platform,
    /// The folder the recipe stands in; files that it names are relative to it.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What the recipe is called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    /// Short name: lower-case letters, digits, `.` and `-`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// The architecture, in the archive's own word (`amd64`).
    pub architecture: String,
}

/// A package archive, by kind and suite.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Archive {
    /// How the archive is laid out and signed.
    pub kind: ArchiveKind,
    /// The suite or release (`bookworm`); of an RPM repository, its folder on the mirror.
    pub suite: String,
    /// The components (`main`); an RPM repository has none.
    #[serde(default)]
    pub components: Vec<String>,
    /// Files of OpenPGP certificates, one of which must have signed the index; of an RPM
    /// repository, also each package.
    pub keys: Vec<PathBuf>,
    /// Where the archive is fetched from if nobody who runs the recipe says otherwise: for
    /// archives that have one host and no other source of it.
    pub mirror: Option<String>,
}

/// How an archive is laid out and signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveKind {
    /// A Debian archive: `dists/SUITE/InRelease`, `Packages` indexes, a pool of `.deb` files.
    Debian,
    /// An RPM repository: `SUITE/repodata/repomd.xml`, primary metadata, `.rpm` files.
    Rpm,
}

/// Packages to resolve together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageSet {
    /// The archive they come from.
    pub archive: String,
    /// The packages asked for; `lock` adds what they depend on.
    pub names: Vec<String>,
    /// Packages that dependencies may name and that the guest does not need: taken as present,
    /// never fetched.
    #[serde(default)]
    pub provided: Vec<String>,
    /// Packages whose files are wanted and nothing else: what they require is not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents_only: Vec<String>,
}

/// The kernel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kernel {
    /// The packages that hold it, and its modules.
    pub packages: PackageSet,
    /// A glob that names exactly one bzImage among the packages' files.
    pub image: String,
    /// What stands in for each maintainer script of these packages, by package.
    #[serde(default)]
    pub maintainer_scripts: BTreeMap<String, String>,
}

/// The initrd.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Initrd {
    /// The packages that its programs come from.
    pub packages: PackageSet,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Programs by their path in the packages; the shared libraries they need come along.
    pub programs: Vec<String>,
    /// Kernel modules by name; what they depend on comes along, in load order.
    pub modules: Vec<String>,
    /// The init script, a file beside the recipe.
    pub init: PathBuf,
    /// What stands in for each maintainer script of these packages, by package.
    #[serde(default)]
    pub maintainer_scripts: BTreeMap<String, String>,
}

/// How an initrd is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The agent that answers the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Agent {
    /// Which protocol it speaks.
    pub kind: AgentKind,
    /// Where it listens: the name of a virtio-serial port, or the number of a vsock port.
    pub port: String,
}

/// Which protocol an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// The QEMU guest agent: JSON over virtio-serial.
    QemuGuestAgent,
    /// The agent of Kata Containers: ttRPC over vsock.
    KataAgent,
}

/// The kernel command lines. `{data_blocks}`, `{data_sectors}` (of 512 bytes), `{root_hash}` and
/// `{salt}` stand for the values of the root file system's hash tree; every other byte is used as
/// written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandLine {
    /// For the IGVM file to deploy.
    pub production: String,
    /// For the IGVM file to debug with.
    pub debug: String,
}

/// The disk image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Disk {
    /// The image's file name.
    pub file: FileName,
    /// The disk's exact size; without it the disk is as large as its partitions need.
    pub size: Option<Memory>,
}

/// The IGVM file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Igvm {
    /// How guest memory is laid out.
    pub layout: Layout,
    /// RAM, for the layout that launches all of it.
    pub memory: Option<Memory>,
    /// The production variant's file name.
    pub file: FileName,
    /// The debug variant's file name.
    pub debug_file: FileName,
    /// The file of the production variant's reference values, as AKS publishes them: SVN and
    /// launch digest in JSON. Not written unless named.
    pub measurement_file: Option<FileName>,
    /// The same of the debug variant.
    pub debug_measurement_file: Option<FileName>,
}

/// How guest memory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The layout of AKS guests.
    Aks,
    /// For unmodified upstream kernels, on KVM loaders and OpenVMM.
    Linux,
}

impl Recipe {
    /// The recipe's name in its folder.
    pub const FILE_NAME: &str = "recipe.toml";

    /// Reads `recipe.toml` of `folder`.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has a key or value that is not known, or has parts
    /// that do not fit each other.
    pub fn read(folder: &Path) -> Result<Self, RecipeError> {
        let path = folder.join(Self::FILE_NAME);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecipeError::Missing(path));
            }
            Err(error) => return Err(error.into()),
        };
        Self::parse(&text, &path)
    }

    /// Reads a recipe's text; `path` is its place, for messages and for files it names.
    ///
    /// # Errors
    /// As [`Recipe::read`], but for reading the file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let mut recipe: Self = toml::from_str(text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start)];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            RecipeError::Syntax {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message: error.message().to_owned(),
            }
        })?;
        recipe.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        recipe.check().map_err(|message| RecipeError::Meaning {
            path: path.to_owned(),
            message,
        })?;
        Ok(recipe)
    }

    /// The package sets by their name in the lock: `kernel`, `initrd` (if any), `rootfs`.
    pub fn package_sets(&self) -> Vec<(&'static str, &PackageSet)> {
        let mut sets = vec![("kernel", &self.kernel.packages)];
        sets.extend(
            self.initrd
                .as_ref()
                .map(|initrd| ("initrd", &initrd.packages)),
        );
        sets.push(("rootfs", &self.rootfs.packages));
        sets
    }

    /// 32 bytes for one `purpose`, such as a salt, that belong to the guest's identity: the
    /// SHA-256 of `guestmark`, a space, the purpose and a NUL, then of family id, image id and the
    /// recipe's name, each after its length (u64, little-endian).
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(format!("guestmark {purpose}\0"));
        for part in [
            self.identity.family_id.as_bytes(),
            self.identity.image_id.as_bytes(),
            self.recipe.name.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        let name = &self.recipe.name;
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "recipe.name {name:?} may hold only lower-case letters, digits, \".\" and \"-\""
            ));
        }
        for (name, archive) in &self.archives {
            match (archive.kind, archive.components.is_empty()) {
                (ArchiveKind::Debian, true) => {
                    return Err(format!(
                        "archive.{name} has no components, such as \"main\""
                    ));
                }
                (ArchiveKind::Rpm, false) => {
                    return Err(format!(
                        "archive.{name}.components: an RPM repository has none; name its folder in \
                         suite"
                    ));
                }
                _ => {}
            }
        }
        for (set, packages) in self.package_sets() {
            if !self.archives.contains_key(&packages.archive) {
                return Err(format!(
                    "{set}.packages.archive names {:?}; add a table [archive.{}] or use one of: {}",
                    packages.archive,
                    packages.archive,
                    self.archives
                        .keys()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", "),
                ));
            }
        }
        let lines = &self.command_line;
        for (name, line) in [("production", &lines.production), ("debug", &lines.debug)] {
            if !line.contains("{root_hash}") {
                return Err(format!(
                    "command-line.{name} has no {{root_hash}}; without it the launch digest does \
                     not cover the root file system"
                ));
            }
        }
        match (self.igvm.layout, self.igvm.memory) {
            (Layout::Linux, None) => {
                return Err(
                    "igvm.memory is missing; layout \"linux\" launches all RAM, so say how much"
                        .to_owned(),
                );
            }
            (Layout::Aks, Some(_)) => {
                return Err(
                    "igvm.memory is for layout \"linux\"; an AKS loader tells its guest".to_owned(),
                );
            }
            _ => {}
        }
        let igvm = &self.igvm;
        let required = [&self.disk.file, &igvm.file, &igvm.debug_file];
        let names: Vec<_> = (required.into_iter())
            .chain(&igvm.measurement_file)
            .chain(&igvm.debug_measurement_file)
            .collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(format!("two output files are named {:?}", name.as_str()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod aks_tests;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MADE_UP_RECIPE;

    fn parse(text: &str) -> Result<Recipe, RecipeError> {
        Recipe::parse(text, Path::new("recipe.toml"))
    }

    #[test]
    fn what_is_derived_depends_on_the_purpose_and_on_the_identity() {
        let recipe = parse(MADE_UP_RECIPE).unwrap();
        let salt = recipe.derive("dm-verity salt");
        assert_eq!(salt, recipe.derive("dm-verity salt"));
        assert_ne!(salt, recipe.derive("volume UUID"));
        let mut other = parse(MADE_UP_RECIPE).unwrap();
        other.recipe.name.push('x');
        assert_ne!(salt, other.derive("dm-verity salt"));
    }

    #[test]
    fn a_command_line_that_does_not_cover_the_root_file_system_is_refused() {
        let text = MADE_UP_RECIPE.replace("debug = \"{root_hash}\"", "debug = \"quiet\"");
        let error = parse(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "recipe.toml: command-line.debug has no {root_hash}; without it the launch digest \
             does not cover the root file system"
        );
    }
}
