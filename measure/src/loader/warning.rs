//! What is remarkable about a file under every loader.

use std::fmt;

use serde::Serialize;

use super::Change;
use super::caveat::as_hex;
use crate::Gpa;
use crate::igvm::{Directive, IgvmFile, Overlap, PlatformType};

/// Something about a file that its user should know before relying on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Warning {
    /// The policy lets the host read the guest's memory.
    DebugPolicy {
        /// The guest policy.
        #[serde(serialize_with = "as_hex")]
        policy: u64,
    },
    /// More than one ID block: a loader takes one at most.
    SecondIdBlock {
        /// How many there are.
        count: usize,
    },
    /// Two directives load the same memory, which a launched guest cannot have.
    LoadedTwice {
        /// The first address that both load.
        gpa: Gpa,
        /// The places of the two among the file's directives, from 0.
        directives: [usize; 2],
    },
    /// Loaders come to different digests.
    NotPortable {
        /// A change without which they cannot agree; each has a warning of its own.
        change: Change,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DebugPolicy { policy } => write!(
                f,
                "the guest policy {policy:#x} allows debugging (bit 19): the host can read the \
                 guest's memory"
            ),
            Self::SecondIdBlock { count } => write!(
                f,
                "the file has {count} ID blocks and loaders take one at most: strip the others"
            ),
            Self::LoadedTwice {
                gpa,
                directives: [first, second],
            } => write!(
                f,
                "directives {first} and {second} both load {gpa}: a digest counts both, but KVM \
                 and Cloud Hypervisor refuse a page that is there already"
            ),
            Self::NotPortable { change } => {
                write!(f, "the digest depends on the loader: {change}")
            }
        }
    }
}

/// DEBUG in the guest policy (SEV-SNP Firmware ABI, table "Guest Policy").
const DEBUG: u64 = 1 << 19;

/// What is remarkable about `file`, and about the `changes` it needs to be portable.
pub(super) fn warnings(file: &IgvmFile<'_>, changes: Vec<Change>) -> Vec<Warning> {
    let mut found = Vec::new();
    if let Some(platform) = file.platform(PlatformType::SevSnp) {
        if let Some(policy) = file.guest_policy(platform.mask)
            && policy & DEBUG != 0
        {
            found.push(Warning::DebugPolicy { policy });
        }
        let id_blocks = file.directives().iter().filter(|directive| {
            matches!(directive, Directive::SnpIdBlock(_)) && directive.applies_to(platform.mask)
        });
        let count = id_blocks.count();
        if count > 1 {
            found.push(Warning::SecondIdBlock { count });
        }
        if let Some(Overlap { gpa, directives }) = file.overlap(platform.mask) {
            found.push(Warning::LoadedTwice { gpa, directives });
        }
    }
    let not_portable = |change| Warning::NotPortable { change };
    found.extend(changes.into_iter().map(not_portable));
    found
}
