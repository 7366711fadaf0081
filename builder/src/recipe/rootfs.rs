//! The root file system, declared: packages, then rules in a fixed order.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PackageSet;

/// Text that is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mode; write octal digits such as \"0644\" or \"4755\"")]
pub struct ParseModeError(String);

/// Permission bits with set-user-ID, set-group-ID and sticky, written in octal.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u16);

impl Mode {
    /// The low 12 bits of `st_mode`.
    pub const fn bits(self) -> u16 {
        self.0
    }

    fn file_default() -> Self {
        Self(0o644)
    }

    fn directory_default() -> Self {
        Self(0o755)
    }
}

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        u16::from_str_radix(text, 8)
            .ok()
            .filter(|_| octal)
            .map(Self)
            .ok_or_else(|| ParseModeError(text.to_owned()))
    }
}

impl TryFrom<String> for Mode {
    type Error = ParseModeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The root file system. Its rules run in the order of these fields: merged-/usr links first,
/// then packages, then `move`, so that the next rules can take what is left of the folders that
/// something moved out of: `keep-only`, `remove`, `remove-if-present`. What is added follows:
/// `directory`, `file`, `link`, `alternative`, users and groups with their shadow files, `shells`,
/// `ca-trust`, and systemd last.
///
/// Paths and globs are those of the guest, with or without a leading slash. In a glob `*` and `?`
/// stop at slashes, `**` does not, and `{a,b}` stands for one glob each. A rule may replace a
/// file or link that a package brings, never what another rule made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rootfs {
    /// The packages.
    pub packages: PackageSet,
    /// Links in the root directory that stand before any package is unpacked, from link to
    /// target (`bin = "usr/bin"`): a package that brings a directory of that name is unpacked
    /// through the link. The kernel's and the initrd's packages are unpacked the same way.
    #[serde(default)]
    pub merged_usr: BTreeMap<String, String>,
    /// What stands in for each package's maintainer scripts. A package that has scripts and is
    /// not named here stops the build, unless `scriptlet` answers for all of them.
    #[serde(default)]
    pub maintainer_scripts: BTreeMap<String, String>,
    /// What stands in for the scriptlets of RPM packages, those of the kernel and of the initrd
    /// as well.
    #[serde(default)]
    pub scriptlet: Vec<ScriptletRule>,
    /// Files and directories of packages that go to another place.
    #[serde(default, rename = "move")]
    pub moves: Vec<Move>,
    /// Directories of which only some files are kept.
    #[serde(default)]
    pub keep_only: Vec<KeepOnly>,
    /// Globs of what is removed; a directory goes with what it holds. A glob that matches nothing
    /// is an error: it is out of date.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Globs of what is removed where it is there. One that matches nothing is no error.
    #[serde(default)]
    pub remove_if_present: Vec<String>,
    /// Directories added.
    #[serde(default)]
    pub directory: Vec<AddedDirectory>,
    /// Files added, or replaced where a package brings one.
    #[serde(default)]
    pub file: Vec<AddedFile>,
    /// Symbolic links added.
    #[serde(default)]
    pub link: Vec<AddedLink>,
    /// What update-alternatives(1) would have chosen.
    #[serde(default)]
    pub alternative: Vec<Alternative>,
    /// The lines of `/etc/passwd`.
    #[serde(default)]
    pub user: Vec<User>,
    /// The lines of `/etc/group`.
    #[serde(default)]
    pub group: Vec<Group>,
    /// Whether `/etc/shadow` and `/etc/gshadow` are written (mode 0000, every account locked, no
    /// date), and `/etc/passwd` and `/etc/group` point to them.
    #[serde(default)]
    pub shadow: bool,
    /// The lines of `/etc/shells`: programs of the tree.
    #[serde(default)]
    pub shells: Vec<String>,
    /// Bundles of trusted certificates, as update-ca-trust(8) makes them.
    pub ca_trust: Option<CaTrust>,
    /// What systemd starts.
    pub systemd: Option<Systemd>,
    /// Seconds since 1970-01-01T00:00:00Z that every file of the image carries as its time.
    #[serde(default)]
    pub timestamp: u64,
}

/// What answers for scriptlets or triggers of RPM packages, none of which runs. A scriptlet is
/// answered for when each of its commands is covered by a rule for its package and its kind.
///
/// In these globs `*` and `?` match any character, slashes and newlines too.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScriptletRule {
    /// Globs over the names of packages; any package unless given.
    pub packages: Option<Vec<String>>,
    /// Globs over when it runs (`post`, `triggerin on *`); any kind unless given.
    pub kinds: Option<Vec<String>>,
    /// Globs over single commands of the text; whatever it does unless given.
    pub commands: Option<Vec<String>>,
    /// Why the guest does without, or which rule stands in. Not empty.
    pub because: String,
}

/// A file, link or directory of a package that goes to another place, with all it holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Move {
    /// Where the package puts it.
    pub from: String,
    /// Where it goes; parents that are missing are made with mode 0755.
    pub to: String,
}

/// A directory of which only some files are kept, at any depth below it. A directory that a glob
/// matches is kept with what it holds; other directories that hold nothing kept go as well.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeepOnly {
    /// The directory.
    pub directory: String,
    /// Globs relative to it. One that matches nothing is an error.
    pub files: Vec<String>,
}

/// A directory added by the recipe. One that exists gets this mode and owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddedDirectory {
    /// Where; parents that are missing are made with mode 0755.
    pub path: String,
    /// Its mode, 0755 unless given.
    #[serde(default = "Mode::directory_default")]
    pub mode: Mode,
    /// The owning user's id.
    #[serde(default)]
    pub uid: u32,
    /// The owning group's id.
    #[serde(default)]
    pub gid: u32,
}

/// A file added by the recipe, from a file beside it or from text in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddedFile {
    /// Where; parents that are missing are made with mode 0755.
    pub path: String,
    /// The file beside the recipe. Exactly one of `source` and `content` is given.
    pub source: Option<PathBuf>,
    /// The file's text.
    pub content: Option<String>,
    /// Its mode, 0644 unless given.
    #[serde(default = "Mode::file_default")]
    pub mode: Mode,
    /// The owning user's id.
    #[serde(default)]
    pub uid: u32,
    /// The owning group's id.
    #[serde(default)]
    pub gid: u32,
}

/// A symbolic link added by the recipe, or put in place of a package's file or link.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddedLink {
    /// Where; parents that are missing are made with mode 0755.
    pub path: String,
    /// What it points to, unchanged.
    pub target: String,
}

/// The two links of update-alternatives(1): `link` to `/etc/alternatives/NAME`, and that to `path`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Alternative {
    /// The name in `/etc/alternatives`.
    pub name: String,
    /// The generic path (`/usr/sbin/iptables`).
    pub link: String,
    /// What it stands for, which must exist.
    pub path: String,
}

/// A line of `/etc/passwd`, which is sorted by id. Nobody has a password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user's id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// A line of `/etc/group`, which is sorted by id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// Users in the group besides those whose primary group it is.
    #[serde(default)]
    pub members: Vec<String>,
}

/// Bundles of trusted certificates, as update-ca-trust(8) makes them, but sorted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaTrust {
    /// Folders or files of certificates, the folders of p11-kit unless given. Each folder may have
    /// `anchors` and `blocklist`.
    #[serde(default = "CaTrust::default_sources")]
    pub sources: Vec<String>,
    /// What is written; the bundle for TLS servers unless given.
    #[serde(default = "CaTrust::default_bundles")]
    pub bundles: Vec<TrustBundle>,
}

impl CaTrust {
    fn default_sources() -> Vec<String> {
        ["/usr/share/pki/ca-trust-source", "/etc/pki/ca-trust/source"]
            .map(str::to_owned)
            .to_vec()
    }

    fn default_bundles() -> Vec<TrustBundle> {
        vec![TrustBundle {
            purpose: Purpose::ServerAuth,
            path: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem".to_owned(),
        }]
    }
}

/// A PEM file of the certificates that are trusted for one purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrustBundle {
    /// What the certificates are trusted for.
    pub purpose: Purpose,
    /// Where; parents that are missing are made with mode 0755.
    pub path: String,
}

/// What a certificate authority is trusted for, in the words of trust(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// TLS servers.
    ServerAuth,
    /// TLS clients.
    ClientAuth,
    /// Mail.
    Email,
    /// Code.
    CodeSigning,
}

/// What systemd starts: the links that `systemctl enable` would have made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Systemd {
    /// The unit that `default.target` names.
    pub default_target: String,
    /// Units enabled as their `[Install]` sections say, `Also=` included. A unit without
    /// anything to install is an error.
    #[serde(default)]
    pub enable: Vec<String>,
    /// Units linked to `/dev/null`; each must exist.
    #[serde(default)]
    pub mask: Vec<String>,
}
