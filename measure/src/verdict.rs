//! What each loader makes of a file, in the form that is printed and published.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::igvm::IgvmFile;
use crate::{LaunchDigest, Loader, caveats, launch_digests};

/// What one loader makes of an IGVM file: a digest, or a reason why there is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoaderVerdict {
    /// The loader.
    pub loader: Loader,
    /// The digest it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_digest: Option<LaunchDigest>,
    /// Why it cannot load the file, or why no digest can be promised for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why a guest may launch with another digest all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

/// The verdict of every loader on `file`, in the order of [`Loader::ALL`]; `vcpus` as for
/// [`launch_digests`].
pub fn verdicts(file: &IgvmFile<'_>, vcpus: Option<NonZeroU32>) -> Vec<LoaderVerdict> {
    let digests = launch_digests(file, vcpus).into_iter();
    digests
        .map(|(loader, digest)| {
            let (launch_digest, refused) = match digest {
                Ok(digest) => (Some(digest), None),
                Err(refusal) => (None, Some(refusal.to_string())),
            };
            let caveats = match launch_digest {
                Some(_) => caveats(file, loader)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                None => Vec::new(),
            };
            LoaderVerdict {
                loader,
                launch_digest,
                refused,
                caveats,
            }
        })
        .collect()
}
