//! Opens package files: what they hold and what scripts they bring.

mod ar;
mod control;
mod deb;
mod format;
pub mod rpm;

use std::fmt;

use crate::tree::merge::Part;
use crate::tree::tarball::Entry;
use crate::tree::tarball::TarError;
use crate::tree::{Origin, UnpackError};

pub use ar::ArError;
pub use control::ControlError;
pub use format::{Format, FormatError, open};

/// An opened package. Cloning copies no content.
#[derive(Debug, Clone)]
pub struct OpenedPackage {
    /// The package's name.
    pub name: String,
    /// Its full version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The maintainer scripts that it brings and that nothing here runs.
    pub scripts: Vec<MaintainerScript>,
    /// What it unpacks to, in its order.
    pub entries: Vec<Entry>,
    /// Whose entries are that belong to a name instead of a number; an RPM package has no numbers.
    pub owners: Vec<NamedOwner>,
    /// Whether another package may bring an equal file to the same path, as rpm allows.
    pub shares_equal_files: bool,
}

/// An entry that belongs to a user and a group by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedOwner {
    /// The entry, by its place in [`OpenedPackage::entries`].
    pub entry: usize,
    /// The user.
    pub user: String,
    /// The group.
    pub group: String,
}

impl OpenedPackage {
    /// What entries of this package come from.
    pub fn origin(&self) -> Origin {
        Origin::package(&self.name, &self.version)
    }

    /// The package as an archive to be merged.
    pub fn into_part(self) -> Part {
        Part {
            origin: self.origin(),
            entries: self.entries,
            shares_equal_files: self.shares_equal_files,
        }
    }
}

/// A program of a package that dpkg or debconf would run (Debian Policy, chapter 6), or rpm.
///
/// A Debian package's `triggers` file is none: a trigger runs the `postinst` of a package that is
/// interested in it, which is a script of that package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaintainerScript {
    /// Asks questions before anything is unpacked.
    Config,
    /// Runs before unpacking.
    Preinst,
    /// Runs after unpacking.
    Postinst,
    /// Runs before removal.
    Prerm,
    /// Runs after removal.
    Postrm,
    /// A scriptlet or trigger of an RPM package.
    Scriptlet {
        /// When it runs: `post`, `triggerin on bash`.
        kind: String,
        /// What runs it, with its arguments: `/bin/sh`, `<lua>`.
        interpreter: String,
        /// What that reads; empty where the interpreter alone does the work.
        text: String,
    },
}

impl MaintainerScript {
    const DEBIAN: [Self; 5] = [
        Self::Config,
        Self::Preinst,
        Self::Postinst,
        Self::Prerm,
        Self::Postrm,
    ];

    /// Its name in a Debian package's control archive, or when it runs.
    pub fn name(&self) -> &str {
        match self {
            Self::Config => "config",
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
            Self::Scriptlet { kind, .. } => kind,
        }
    }
}

impl fmt::Display for MaintainerScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Scriptlet { interpreter, .. } if !interpreter.is_empty() => {
                write!(f, " by {interpreter}")
            }
            _ => Ok(()),
        }
    }
}

/// A package file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("package {name} {version} ({file}): {problem}")]
pub struct PackageError {
    /// The package's name in the lock.
    pub name: String,
    /// Its version in the lock.
    pub version: String,
    /// The package's file.
    pub file: String,
    /// What is wrong with it.
    pub problem: Box<PackageProblem>,
}

/// What is wrong with a package file.
#[derive(Debug, thiserror::Error)]
pub enum PackageProblem {
    /// The file cannot be read.
    #[error("{0}")]
    Read(std::io::Error),
    /// The file is not an RPM package that can be used.
    #[error("{0}")]
    Rpm(rpm::RpmError),
    /// The file is not an ar archive.
    #[error("{0}")]
    Ar(ArError),
    /// A member is missing or stands in another place.
    #[error("{found} where the member {expected} should be (deb(5))")]
    MemberOrder {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A package format that is not 2.x.
    #[error("debian-binary: format {found:?}; guestmark reads format 2.0")]
    Format {
        /// The text of `debian-binary`.
        found: String,
    },
    /// A compression that deb(5) has and we do not, or neither.
    #[error("{member}: unknown compression; guestmark reads none, .gz, .xz and .zst")]
    Compression {
        /// The member.
        member: String,
    },
    /// A member that does not decompress.
    #[error("{member}: {problem}")]
    Unpack {
        /// The member.
        member: String,
        /// Why.
        problem: UnpackError,
    },
    /// A member that is not a tar archive that a tree can hold.
    #[error("{member}: {problem}")]
    Tar {
        /// The member.
        member: String,
        /// Why.
        problem: TarError,
    },
    /// A control file that does not say what the lock says.
    #[error("{member}: {problem}")]
    Control {
        /// The member.
        member: String,
        /// Why.
        problem: ControlError,
    },
}
