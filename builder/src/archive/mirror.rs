//! From an archive's name to a host that serves it. Whoever runs a recipe names it, or the recipe
//! itself where an archive has one host.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use etcetera::BaseStrategy;
use serde::Deserialize;

use super::apt;
use super::location::{MirrorUrl, ParseMirrorUrlError};
use crate::recipe::{Archive, ArchiveKind, Recipe};

/// A mirror that cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Nothing says where an archive can be reached.
    #[error(
        "no mirror is known for archive {archive:?} (suite {suite}); give one in one of {} ways:\n  \
         --mirror {archive}=URL\n  \
         the environment variable {variable}=URL\n  \
         {archive} = \"URL\" under [mirrors] in {configuration}{}",
        if *.apt { "four" } else { "three" },
        if *.apt { apt_sources(suite) } else { String::new() }
    )]
    Unknown {
        /// The archive's name in the recipe.
        archive: String,
        /// Its suite.
        suite: String,
        /// The environment variable that would name a mirror.
        variable: String,
        /// The user's configuration file.
        configuration: String,
        /// Whether apt's sources may name one.
        apt: bool,
    },
    /// `--mirror` names an archive that the recipe does not have.
    #[error("--mirror {name}=...: the recipe has no archive {name:?}; it has: {known}")]
    NoSuchArchive {
        /// The name given.
        name: String,
        /// The recipe's archives.
        known: String,
    },
    /// `--mirror` names one archive twice.
    #[error("--mirror {name}=... is given twice; give one")]
    Twice {
        /// The name given.
        name: String,
    },
    /// An address that is none.
    #[error("{source_name}: {problem}")]
    Address {
        /// Where the address stands.
        source_name: String,
        /// What is wrong with it.
        problem: ParseMirrorUrlError,
    },
    /// The user's configuration file cannot be read.
    #[error("{path}: {problem}")]
    Configuration {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn apt_sources(suite: &str) -> String {
    format!("\n  on Debian-like systems, the suite {suite} of a Debian archive in the apt sources")
}

/// A mirror given by name: `NAME=URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMirror {
    /// The archive's name in the recipe.
    pub archive: String,
    /// The address.
    pub url: MirrorUrl,
}

/// Text that is not `NAME=URL`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNamedMirrorError {
    /// There is no name.
    #[error("{0:?}: expected NAME=URL, for example debian=https://HOST/debian")]
    NoName(String),
    /// The address is none.
    #[error(transparent)]
    Url(#[from] ParseMirrorUrlError),
}

impl FromStr for NamedMirror {
    type Err = ParseNamedMirrorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((archive, url)) if !archive.is_empty() => Ok(Self {
                archive: archive.to_owned(),
                url: url.parse()?,
            }),
            _ => Err(ParseNamedMirrorError::NoName(text.to_owned())),
        }
    }
}

/// What this machine and its user say about mirrors.
#[derive(Debug, Clone, Default)]
pub struct MirrorSettings {
    /// Environment variables, by name.
    pub environment: BTreeMap<String, String>,
    /// The user's configuration file, whether or not it exists.
    pub configuration: Option<PathBuf>,
    /// apt's configuration directory, whether or not it exists.
    pub apt: Option<PathBuf>,
}

impl MirrorSettings {
    /// What the environment variables, the user's `guestmark/config.toml` (`XDG_CONFIG_HOME`) and
    /// `/etc/apt` say.
    pub fn of_this_machine() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self {
            environment: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
                .collect(),
            configuration: etcetera::choose_base_strategy()
                .ok()
                .map(|base| base.config_dir().join("guestmark/config.toml")),
            apt: Some(PathBuf::from("/etc/apt")),
        }
    }
}

const VARIABLE_PREFIX: &str = "GUESTMARK_MIRROR_";

/// Where a mirror was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorSource {
    /// By `--mirror`.
    Argument,
    /// By an environment variable.
    Environment(String),
    /// By the user's configuration file.
    Configuration(PathBuf),
    /// By a file of apt sources.
    Apt(PathBuf),
    /// By the recipe.
    Recipe,
}

impl fmt::Display for MirrorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("--mirror"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Configuration(path) | Self::Apt(path) => write!(f, "{}", path.display()),
            Self::Recipe => f.write_str("the recipe"),
        }
    }
}

/// A mirror of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Its address.
    pub url: MirrorUrl,
    /// Where it was named.
    pub source: MirrorSource,
}

/// The mirrors of a recipe's archives. An archive without one is an error only when it is needed.
#[derive(Debug, Clone)]
pub struct Mirrors {
    found: BTreeMap<String, Result<Mirror, MirrorError>>,
}

impl Mirrors {
    /// Looks for a mirror of each archive of `recipe`: in `given` (`--mirror`), then in the
    /// environment, the configuration file and the apt sources of `settings`, then in the recipe.
    /// The first one wins.
    ///
    /// # Errors
    /// `given` names an archive twice, or one that the recipe does not have.
    pub fn find(
        recipe: &Recipe,
        given: &[NamedMirror],
        settings: &MirrorSettings,
    ) -> Result<Self, MirrorError> {
        for (index, mirror) in given.iter().enumerate() {
            let name = mirror.archive.clone();
            if !recipe.archives.contains_key(&name) {
                let known: Vec<_> = recipe.archives.keys().map(String::as_str).collect();
                let known = known.join(", ");
                return Err(MirrorError::NoSuchArchive { name, known });
            }
            if given[..index].iter().any(|earlier| earlier.archive == name) {
                return Err(MirrorError::Twice { name });
            }
        }
        let found = recipe
            .archives
            .iter()
            .map(|(name, archive)| (name.clone(), find_one(name, archive, given, settings)))
            .collect();
        Ok(Self { found })
    }

    /// The mirror of the archive that the recipe calls `archive`.
    ///
    /// # Errors
    /// None was found, or where it should be named there is something else.
    pub fn get(&self, archive: &str) -> Result<&Mirror, MirrorError> {
        match self.found.get(archive) {
            Some(found) => found.as_ref().map_err(Clone::clone),
            None => Err(MirrorError::NoSuchArchive {
                name: archive.to_owned(),
                known: self.found.keys().cloned().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

fn find_one(
    name: &str,
    archive: &Archive,
    given: &[NamedMirror],
    settings: &MirrorSettings,
) -> Result<Mirror, MirrorError> {
    if let Some(mirror) = given.iter().find(|mirror| mirror.archive == name) {
        return Ok(Mirror {
            url: mirror.url.clone(),
            source: MirrorSource::Argument,
        });
    }
    let variable = variable(name);
    if let Some(text) = settings.environment.get(&variable) {
        return Ok(Mirror {
            url: address(text, &variable)?,
            source: MirrorSource::Environment(variable),
        });
    }
    if let Some(path) = &settings.configuration
        && let Some(text) = configured(path)?.remove(name)
    {
        return Ok(Mirror {
            url: address(&text, &path.display().to_string())?,
            source: MirrorSource::Configuration(path.clone()),
        });
    }
    let apt = match archive.kind {
        ArchiveKind::Debian => settings
            .apt
            .as_deref()
            .and_then(|apt| apt::find(apt, archive)),
        ArchiveKind::Rpm => None,
    };
    if apt.is_none()
        && let Some(text) = &archive.mirror
    {
        return Ok(Mirror {
            url: address(text, &format!("archive.{name}.mirror of the recipe"))?,
            source: MirrorSource::Recipe,
        });
    }
    apt.ok_or_else(|| MirrorError::Unknown {
        archive: name.to_owned(),
        suite: archive.suite.clone(),
        variable,
        configuration: settings.configuration.as_ref().map_or_else(
            || "guestmark/config.toml of the user's configuration directory".to_owned(),
            |path| path.display().to_string(),
        ),
        apt: archive.kind == ArchiveKind::Debian,
    })
}

/// `debian-security` is looked for in `GUESTMARK_MIRROR_DEBIAN_SECURITY`.
fn variable(archive: &str) -> String {
    let name = archive.to_ascii_uppercase().replace('-', "_");
    format!("{VARIABLE_PREFIX}{name}")
}

fn address(text: &str, source_name: &str) -> Result<MirrorUrl, MirrorError> {
    text.parse().map_err(|problem| MirrorError::Address {
        source_name: source_name.to_owned(),
        problem,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(default)]
    mirrors: BTreeMap<String, String>,
}

fn configured(path: &Path) -> Result<BTreeMap<String, String>, MirrorError> {
    let refused = |problem: String| MirrorError::Configuration {
        path: path.display().to_string(),
        problem,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(refused(error.to_string())),
    };
    let configuration: Configuration =
        toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
    Ok(configuration.mirrors)
}

#[cfg(test)]
mod tests;
