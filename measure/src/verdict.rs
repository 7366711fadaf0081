//! What each loader makes of a file, in the form that is published with a build.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::igvm::IgvmFile;
use crate::loader::{LoaderAssessment, assess};
use crate::{LaunchDigest, Loader};

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
    /// Why a guest may launch with another digest or state all the same, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

impl From<LoaderAssessment> for LoaderVerdict {
    fn from(assessed: LoaderAssessment) -> Self {
        Self {
            loader: assessed.loader,
            launch_digest: assessed.launch_digest,
            refused: assessed.refused.map(|refusal| refusal.to_string()),
            caveats: assessed.caveats.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The verdict of every loader on `file`, in the order of [`Loader::ALL`]; `vcpus` as for
/// [`crate::launch_digests`].
pub fn verdicts(file: &IgvmFile<'_>, vcpus: Option<NonZeroU32>) -> Vec<LoaderVerdict> {
    let assessed = assess(file, vcpus).loaders;
    assessed.into_iter().map(LoaderVerdict::from).collect()
}
