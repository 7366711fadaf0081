//! What keeps rules from being applied.

use crate::recipe::CompanionError;
use crate::tree::merge::MergeError;
use crate::tree::{Origin, PathError, TreeError, TreePath};

/// A rule of the recipe that cannot be applied to its packages.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Packages bring maintainer scripts that the recipe says nothing about.
    #[error(
        "{table}: maintainer scripts never run here, and nothing stands in for those of \
         {packages}; read them and add a line for each package that says what does"
    )]
    UnknownScripts {
        /// The recipe's table.
        table: &'static str,
        /// The packages, each with its version and scripts.
        packages: String,
    },
    /// Packages bring scriptlets that no rule answers for.
    #[error(
        "rootfs.scriptlet: scriptlets never run here, and nothing stands in for these:{scriptlets}\n\
         read them; for each command that is not covered add [[rootfs.scriptlet]] with packages, \
         kinds, commands (globs, each may be left out) and because, or name the package in {table}"
    )]
    UnknownScriptlets {
        /// The recipe's table for whole packages.
        table: &'static str,
        /// The scriptlets: package, version, kind, interpreter, text, commands not covered.
        scriptlets: String,
    },
    /// A `[[rootfs.scriptlet]]` that says too little.
    #[error("rootfs.scriptlet: rule {number}: {reason}")]
    Scriptlet {
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line of `maintainer-scripts` that says nothing about any script.
    #[error("{table}: {package} {reason}")]
    Acknowledgement {
        /// The recipe's table.
        table: &'static str,
        /// The package.
        package: String,
        /// What is wrong with the line.
        reason: &'static str,
    },
    /// A file belongs to a user or group by name, and nothing says which number that is.
    #[error(
        "{package}: {path} belongs to {what} {name:?}, which {accounts} does not have; add it to \
         rootfs.{what}"
    )]
    Owner {
        /// The package and its version.
        package: String,
        /// The file.
        path: TreePath,
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        accounts: &'static str,
    },
    /// A file of accounts that a package brings cannot be read.
    #[error("{path} of the packages: {reason}")]
    AccountFile {
        /// The file.
        path: &'static str,
        /// Why.
        reason: std::io::Error,
    },
    /// The packages do not make a tree, or a rule destroyed a merged-/usr link.
    #[error(transparent)]
    Merge(Box<MergeError>),
    /// Text that is not a glob.
    #[error("{rule}: {pattern:?} is not a glob: {reason}")]
    Pattern {
        /// The rule.
        rule: &'static str,
        /// The glob as the recipe writes it.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A glob, or one alternative of its braces, that matches nothing.
    #[error("{rule}: {pattern:?} matches nothing; it is out of date: correct it or take it out")]
    Stale {
        /// The rule.
        rule: &'static str,
        /// The glob, braces expanded.
        pattern: String,
    },
    /// A path that cannot stand in a tree.
    #[error("{rule}: {reason}")]
    Path {
        /// The rule.
        rule: &'static str,
        /// Why.
        reason: PathError,
    },
    /// A path that cannot be placed.
    #[error("{rule}: {reason}")]
    Place {
        /// The rule.
        rule: &'static str,
        /// Why.
        reason: Box<TreeError>,
    },
    /// A path that a rule may not replace.
    #[error(
        "{rule}: {path} is already {kind} ({origin}); {rule} replaces only files and links of packages"
    )]
    Taken {
        /// The rule.
        rule: &'static str,
        /// The path.
        path: TreePath,
        /// What stands there.
        kind: &'static str,
        /// Where that comes from.
        origin: Box<Origin>,
    },
    /// A directory that would move into itself.
    #[error("rootfs.move: {from} cannot go to {to}, which is the same or below it")]
    MoveBelow {
        /// What is moved.
        from: TreePath,
        /// Where it should go.
        to: TreePath,
    },
    /// An added file without text, or with two.
    #[error("rootfs.file: {path}: give exactly one of source and content")]
    Source {
        /// The file's path as the recipe writes it.
        path: String,
    },
    /// A file beside the recipe that cannot be used.
    #[error(transparent)]
    Companion(#[from] CompanionError),
    /// Users or groups that do not fit each other.
    #[error("{rule}: {reason}")]
    Account {
        /// The rule.
        rule: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A program that a rule names and that is not as the rule needs it.
    #[error("{rule}: {path:?} {reason}")]
    Program {
        /// The rule.
        rule: &'static str,
        /// The path or name as the recipe writes it.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Certificates that cannot be read, or a bundle that would be empty.
    #[error("rootfs.ca-trust: {reason}")]
    CaTrust {
        /// The file and what is wrong.
        reason: String,
    },
    /// A unit that cannot be enabled, masked or started.
    #[error("rootfs.systemd: {unit}: {reason}")]
    Unit {
        /// The unit.
        unit: String,
        /// Why.
        reason: String,
    },
    /// `kernel.image` does not name one file.
    #[error(
        "kernel.image: {pattern:?} must match exactly one file of the kernel's packages; it matches {found}"
    )]
    KernelImage {
        /// The glob.
        pattern: String,
        /// What it matches.
        found: String,
    },
}

impl From<MergeError> for RuleError {
    fn from(error: MergeError) -> Self {
        Self::Merge(Box::new(error))
    }
}
