//! What each loader makes of an IGVM file, and the launch digest that follows.

mod assessment;
mod caveat;
mod difference;
mod launch;
mod portability;
mod profile;
mod records;
mod refusal;
mod warning;

pub use assessment::{Assessment, LoaderAssessment, assess};
pub use caveat::{Caveat, caveats};
pub use difference::{Difference, Divergence};
pub use launch::Launch;
pub use portability::Change;
pub use records::PageRecords;
pub use refusal::Refusal;
pub use warning::Warning;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::igvm::{Directive, IgvmFile, VpState};
use crate::{DistinctPages, Gpa, LaunchDigest, PageId, fold_page_records};

/// Where KVM puts every VMSA (`KVM_VMSA_GPA` of QEMU; the last page of 48-bit memory).
pub(crate) const KVM_VMSA_GPA: Gpa = Gpa::new(0xFFFF_FFFF_F000);

/// A program that launches an IGVM file on SEV-SNP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loader {
    /// Directive order, as the igvm crate 0.5 measures.
    Spec,
    /// Cloud Hypervisor on the Microsoft hypervisor: what AKS runs.
    CloudHypervisorMshv,
    /// Cloud Hypervisor on KVM.
    CloudHypervisorKvm,
    /// QEMU on KVM.
    QemuKvm,
    /// OpenVMM on the Microsoft hypervisor.
    OpenvmmMshv,
}

impl Loader {
    /// All loaders.
    pub const ALL: [Self; 5] = [
        Self::Spec,
        Self::CloudHypervisorMshv,
        Self::CloudHypervisorKvm,
        Self::QemuKvm,
        Self::OpenvmmMshv,
    ];

    /// The loader's name, as [`FromStr`] takes it.
    pub const fn name(self) -> &'static str {
        self.profile().name
    }
}

impl Serialize for Loader {
    /// As its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Loader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no loader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no loader is called {found:?}, expected one of: {}", Loader::ALL.map(Loader::name).join(", "))]
pub struct ParseLoaderError {
    found: String,
}

impl FromStr for Loader {
    type Err = ParseLoaderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let loader = Self::ALL.into_iter().find(|loader| loader.name() == text);
        loader.ok_or_else(|| ParseLoaderError {
            found: text.to_owned(),
        })
    }
}

/// The pages of an IGVM file, from which each loader makes its records.
#[derive(Debug)]
pub struct LaunchPages<'f> {
    file: &'f IgvmFile<'f>,
    distinct: DistinctPages<'f>,
    /// The page that each directive carries; zeros for those that carry none.
    by_directive: Vec<PageId>,
}

impl<'f> LaunchPages<'f> {
    /// The pages that the directives of `file` carry.
    pub fn of(file: &'f IgvmFile<'f>) -> Self {
        let carried: Vec<_> = file
            .directives()
            .iter()
            .map(|directive| match directive {
                Directive::PageData(page) => page.data,
                Directive::VpContext(context) => match context.state {
                    // So that a state of zeros is the same page as one that a loader drops.
                    VpState::Vmsa(vmsa) => Some(vmsa).filter(|vmsa| **vmsa != [0; 4096]),
                    VpState::Other { .. } => None,
                },
                _ => None,
            })
            .collect();
        let (distinct, by_directive) = DistinctPages::collect(&carried);
        Self {
            file,
            distinct,
            by_directive,
        }
    }

    /// The pages that records name.
    pub fn distinct(&self) -> &DistinctPages<'f> {
        &self.distinct
    }

    /// What `loader` launches, with `vcpus` processors or as many as the file has contexts. Only
    /// loaders on KVM depend on the number of processors.
    ///
    /// # Errors
    /// The loader cannot load the file, or fills in what the file does not say.
    pub fn launch(&self, loader: Loader, vcpus: Option<NonZeroU32>) -> Result<Launch<'_>, Refusal> {
        Launch::new(self.file, &self.by_directive, *loader.profile(), vcpus)
    }

    /// What each loader launches, in the order of [`Loader::ALL`].
    fn launches(&self, vcpus: Option<NonZeroU32>) -> [Result<Launch<'_>, Refusal>; 5] {
        Loader::ALL.map(|loader| self.launch(loader, vcpus))
    }
}

/// The launch digest of `file` under one loader, with `vcpus` processors or as many as the file
/// has contexts. Only loaders on KVM depend on the number of processors.
///
/// A prediction from the loader's source, not run on SNP hardware; [`caveats`] tells what may
/// make it differ.
///
/// # Errors
/// The loader cannot load the file, or fills in what the file does not say.
pub fn launch_digest(
    file: &IgvmFile<'_>,
    loader: Loader,
    vcpus: Option<NonZeroU32>,
) -> Result<LaunchDigest, Refusal> {
    let pages = LaunchPages::of(file);
    let launch = pages.launch(loader, vcpus)?;
    Ok(fold_page_records(pages.distinct(), [launch.records()])[0])
}

/// [`launch_digest`] for every loader, in the order of [`Loader::ALL`]. Each page is hashed
/// once, and loaders that launch the same records share one chain.
pub fn launch_digests(
    file: &IgvmFile<'_>,
    vcpus: Option<NonZeroU32>,
) -> Vec<(Loader, Result<LaunchDigest, Refusal>)> {
    let pages = LaunchPages::of(file);
    let launches = pages.launches(vcpus);
    let digests = fold_launches(&pages, &launches);
    Loader::ALL.into_iter().zip(digests).collect()
}

/// The digest of each launch. Those with the same records share one chain.
fn fold_launches(
    pages: &LaunchPages<'_>,
    launches: &[Result<Launch<'_>, Refusal>],
) -> Vec<Result<LaunchDigest, Refusal>> {
    let mut different: Vec<&Launch<'_>> = Vec::new();
    let chain_of_launch: Vec<Result<usize, Refusal>> = launches
        .iter()
        .map(|launch| {
            let launch = launch.as_ref().map_err(Refusal::clone)?;
            let known = different
                .iter()
                .position(|known| known.records().eq(launch.records()));
            Ok(known.unwrap_or_else(|| {
                different.push(launch);
                different.len() - 1
            }))
        })
        .collect();
    let records = different.iter().map(|launch| launch.records());
    let digests = fold_page_records(pages.distinct(), records);
    let chains = chain_of_launch.into_iter();
    chains.map(|chain| chain.map(|it| digests[it])).collect()
}

#[cfg(test)]
mod tests;
