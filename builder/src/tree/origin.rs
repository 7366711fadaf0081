//! Where an entry of a tree, and so a byte of an artifact, comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The locked input or the rule that an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A file of a locked package.
    Package {
        /// The package's name.
        name: String,
        /// Its full version, epoch and revision included.
        version: String,
    },
    /// A file that stands beside the recipe.
    RecipeFile {
        /// The path relative to the recipe's folder.
        path: String,
    },
    /// Something that a rule of the recipe makes, named by its table in `recipe.toml`.
    Rule {
        /// The rule, for instance `rootfs.user`.
        name: String,
    },
    /// A file named on the command line (`pack`, `assemble`).
    Input {
        /// What the argument was, for instance `--kernel`.
        argument: String,
    },
    /// A structure that guestmark itself lays out, for instance `page tables`.
    Layout {
        /// The structure.
        name: String,
    },
}

impl Origin {
    /// An entry of package `name`, version `version`.
    pub fn package(name: &str, version: &str) -> Self {
        Self::Package {
            name: name.into(),
            version: version.into(),
        }
    }

    /// A file beside the recipe.
    pub fn recipe_file(path: &str) -> Self {
        Self::RecipeFile { path: path.into() }
    }

    /// The work of a rule of the recipe.
    pub fn rule(name: &str) -> Self {
        Self::Rule { name: name.into() }
    }

    /// A file named on the command line.
    pub fn input(argument: &str) -> Self {
        Self::Input {
            argument: argument.into(),
        }
    }

    /// A structure that guestmark lays out.
    pub fn layout(name: &str) -> Self {
        Self::Layout { name: name.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { name, version } => write!(f, "package {name} {version}"),
            Self::RecipeFile { path } => write!(f, "recipe file {path}"),
            Self::Rule { name } => write!(f, "rule {name}"),
            Self::Input { argument } => write!(f, "input {argument}"),
            Self::Layout { name } => write!(f, "layout: {name}"),
        }
    }
}
