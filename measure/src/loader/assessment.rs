//! What is to be said of a file: the digest of each loader, where they part, and what speaks
//! against relying on them.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Serialize, Serializer};

use super::difference::compare;
use super::warning::warnings;
use super::{
    Caveat, Change, Divergence, Launch, LaunchPages, Loader, Refusal, Warning, caveats,
    fold_launches,
};
use crate::LaunchDigest;
use crate::igvm::IgvmFile;

/// What every loader makes of a file.
#[derive(Debug, Clone, Serialize)]
pub struct Assessment {
    /// The loaders, in the order of [`Loader::ALL`].
    pub loaders: Vec<LoaderAssessment>,
    /// Whether all loaders that can load the file come to one digest. `None` unless two can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portable: Option<bool>,
    /// What holds under every loader.
    #[serde(serialize_with = "all_with_text")]
    pub warnings: Vec<Warning>,
}

/// What one loader makes of a file.
#[derive(Debug, Clone, Serialize)]
pub struct LoaderAssessment {
    /// The loader.
    pub loader: Loader,
    /// The digest it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_digest: Option<LaunchDigest>,
    /// Why it cannot load the file, or why no digest can be promised for it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub refused: Option<Refusal>,
    /// Where it parts from the first loader that loads the file.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "with_text")]
    pub differs: Option<Divergence>,
    /// Why a guest may launch with another digest or state all the same, or not at all.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "all_with_text"
    )]
    pub caveats: Vec<Caveat>,
}

/// What every loader makes of `file`; `vcpus` as for [`super::launch_digests`].
pub fn assess(file: &IgvmFile<'_>, vcpus: Option<NonZeroU32>) -> Assessment {
    let pages = LaunchPages::of(file);
    let launches = pages.launches(vcpus);
    let digests = fold_launches(&pages, &launches);
    let mut loading = Loader::ALL
        .into_iter()
        .zip(&launches)
        .filter_map(|(loader, launch)| Some((loader, launch.as_ref().ok()?)));
    let first = loading.next();
    let others = loading.count();

    let mut changes: Vec<Change> = Vec::new();
    let mut compared = |launch: &Launch<'_>| {
        let comparison = compare(first?, launch)?;
        changes.extend(comparison.changes);
        Some(comparison.divergence)
    };
    let results = Loader::ALL.into_iter().zip(launches.iter().zip(digests));
    let loaders: Vec<LoaderAssessment> = results
        .map(|(loader, (launch, digest))| LoaderAssessment {
            loader,
            differs: launch.as_ref().ok().and_then(&mut compared),
            caveats: match &digest {
                Ok(digest) => caveats(file, loader, *digest),
                Err(_) => Vec::new(),
            },
            launch_digest: digest.as_ref().ok().copied(),
            refused: digest.err(),
        })
        .collect();
    changes.sort();
    changes.dedup();
    let agree = loaders.iter().all(|loader| loader.differs.is_none());
    Assessment {
        loaders,
        portable: (others > 0).then_some(agree),
        warnings: warnings(file, changes),
    }
}

/// A fact with the sentence that says it.
#[derive(Serialize)]
struct WithText<'t, T: Serialize> {
    #[serde(flatten)]
    fact: &'t T,
    text: String,
}

impl<'t, T: Serialize + fmt::Display> WithText<'t, T> {
    fn new(fact: &'t T) -> Self {
        let text = fact.to_string();
        Self { fact, text }
    }
}

fn with_text<T, S>(fact: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + fmt::Display,
    S: Serializer,
{
    fact.as_ref().map(WithText::new).serialize(serializer)
}

fn all_with_text<T, S>(facts: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + fmt::Display,
    S: Serializer,
{
    serializer.collect_seq(facts.iter().map(WithText::new))
}

fn as_text<S: Serializer>(refusal: &Option<Refusal>, serializer: S) -> Result<S::Ok, S::Error> {
    refusal
        .as_ref()
        .map(ToString::to_string)
        .serialize(serializer)
}
