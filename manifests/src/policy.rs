//! `trust.toml`: whom a relying party trusts for what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use guestmark_measure::ecdsa::PublicKey;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::DidX509;
use crate::dsse::Envelope;
use crate::minisign;
use crate::signer::KeyId;

/// Whom a relying party trusts for what. Read by [`Policy::read`].
#[derive(Debug, Clone)]
pub struct Policy {
    /// Who publishes.
    pub publisher: Role,
    /// Who rebuilds what the publisher publishes, and compares.
    pub rebuilder: Option<Role>,
    /// Who takes keys and releases back, and the list that was signed by them.
    pub revoker: Option<(Role, PathBuf)>,
    /// Keys of minisign, one of which must have signed the manifest; none, if empty.
    pub minisign: Vec<minisign::PublicKey>,
    /// The feeds that are accepted.
    pub feeds: BTreeMap<String, Feed>,
}

/// Keys, and how many of them must have signed.
#[derive(Debug, Clone)]
pub struct Role {
    /// The role's name.
    pub name: &'static str,
    /// How many keys must have signed.
    pub threshold: usize,
    /// The keys, no two of them the same.
    pub keys: Vec<TrustedKey>,
}

/// A key that somebody is trusted with.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// What the policy calls it.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// What tells it apart.
    pub id: KeyId,
}

/// What is accepted of one feed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Feed {
    /// The lowest SVN of the endorsement (`uvm_svn`).
    pub minimum_svn: u64,
    /// The lowest GUEST_SVN of the ID block.
    #[serde(default)]
    pub minimum_guest_svn: u32,
    /// The issuer of endorsements, a did:x509; without one, endorsements are not checked.
    #[serde(default, deserialize_with = "issuer")]
    pub issuer: Option<DidX509>,
    /// The issuer of signed CoRIM documents, a did:x509; without one, their signature is not
    /// checked.
    #[serde(default, deserialize_with = "issuer")]
    pub corim_issuer: Option<DidX509>,
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file, or one that it names, cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is not what a policy is.
    #[error("{file}: {message}")]
    Meaning {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    publisher: WirePublisher,
    rebuilder: Option<WireRole>,
    revoker: Option<WireRevoker>,
    feed: BTreeMap<String, Feed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRole {
    threshold: usize,
    keys: BTreeMap<String, PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePublisher {
    threshold: usize,
    keys: BTreeMap<String, PathBuf>,
    #[serde(default)]
    minisign: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRevoker {
    threshold: usize,
    keys: BTreeMap<String, PathBuf>,
    list: PathBuf,
}

fn issuer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DidX509>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

impl Policy {
    /// The version of the form that is read.
    pub const VERSION: u32 = 1;

    /// Reads a policy. Files that it names are relative to its folder.
    ///
    /// # Errors
    /// A file that cannot be read; a threshold that is 0 or larger than the number of keys; a key
    /// that stands twice, in one role or in two.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let file = path.display().to_string();
        let wrong = |message: String| PolicyError::Meaning {
            file: file.clone(),
            message,
        };
        let text = fs_err::read_to_string(path)?;
        let wire: Wire = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if wire.version != Self::VERSION {
            let found = wire.version;
            return Err(wrong(format!(
                "version: expected {}, found {found}",
                Self::VERSION
            )));
        }
        if wire.feed.is_empty() {
            return Err(wrong(
                "feed: expected at least one table [feed.NAME], found none".into(),
            ));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let role = |name, wire: WireRole| {
            let role = Role::read(name, wire, folder)?;
            role.check().map_err(&wrong)?;
            Ok::<_, PolicyError>(role)
        };
        let WirePublisher {
            threshold,
            keys,
            minisign,
        } = wire.publisher;
        let publisher = role("publisher", WireRole { threshold, keys })?;
        let rebuilder = wire
            .rebuilder
            .map(|wire| role("rebuilder", wire))
            .transpose()?;
        let revoker = wire.revoker.map(
            |WireRevoker {
                 threshold,
                 keys,
                 list,
             }| {
                Ok::<_, PolicyError>((
                    role("revoker", WireRole { threshold, keys })?,
                    folder.join(list),
                ))
            },
        );
        let minisign = minisign.into_iter().map(|name| {
            let path = folder.join(name);
            let text = fs_err::read_to_string(&path)?;
            text.parse()
                .map_err(|error: minisign::MinisignError| PolicyError::Meaning {
                    file: path.display().to_string(),
                    message: error.to_string(),
                })
        });
        let policy = Self {
            publisher,
            rebuilder,
            revoker: revoker.transpose()?,
            minisign: minisign.collect::<Result<_, PolicyError>>()?,
            feeds: wire.feed,
        };
        policy.check().map_err(wrong)?;
        Ok(policy)
    }

    /// Nobody vouches for itself.
    fn check(&self) -> Result<(), String> {
        for key in self.rebuilder.iter().flat_map(|role| &role.keys) {
            if let Some(same) = self.publisher.key(key.id) {
                return Err(format!(
                    "rebuilder.keys.{}: expected a key that is independent of the publisher, \
                     found publisher.keys.{}",
                    key.name, same.name
                ));
            }
        }
        Ok(())
    }
}

impl Role {
    fn read(name: &'static str, wire: WireRole, folder: &Path) -> Result<Self, PolicyError> {
        let keys = wire.keys.into_iter().map(|(name, path)| {
            let path = folder.join(path);
            let key = PublicKey::from_file(&fs_err::read(&path)?);
            let key = key.map_err(|error| PolicyError::Meaning {
                file: path.display().to_string(),
                message: error.to_string(),
            })?;
            let id = KeyId::of(&key);
            Ok(TrustedKey { name, key, id })
        });
        Ok(Self {
            name,
            threshold: wire.threshold,
            keys: keys.collect::<Result<_, PolicyError>>()?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            name,
            threshold,
            keys,
        } = self;
        for (index, key) in keys.iter().enumerate() {
            if let Some(same) = keys[..index].iter().find(|other| other.id == key.id) {
                return Err(format!(
                    "{name}.keys.{}: expected distinct keys, found the key of {name}.keys.{}",
                    key.name, same.name
                ));
            }
        }
        if *threshold == 0 || *threshold > keys.len() {
            return Err(format!(
                "{name}.threshold: expected 1 to {}, the number of keys, found {threshold}",
                keys.len()
            ));
        }
        Ok(())
    }

    fn key(&self, id: KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The keys that signed an envelope, each once however often it signed.
    pub fn signers(&self, envelope: &Envelope) -> Vec<&TrustedKey> {
        let signed = |key: &&TrustedKey| envelope.is_signed_by(&key.key);
        self.keys.iter().filter(signed).collect()
    }
}
