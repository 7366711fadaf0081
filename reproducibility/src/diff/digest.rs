//! The launch digests of both sides, and which loader the explanation is about.

use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{Loader, LoaderVerdict, verdicts};

use super::DiffError;
use super::explanation::LoaderChange;
use super::input::Guest;

/// Loaders in the order in which one is chosen to explain with: those that layouts are made for
/// come first.
const PREFERRED: [Loader; 5] = [
    Loader::CloudHypervisorMshv,
    Loader::QemuKvm,
    Loader::CloudHypervisorKvm,
    Loader::OpenvmmMshv,
    Loader::Spec,
];

/// What every loader makes of both files. A digest is that of the file's bytes if they are there,
/// and the one that the build recorded if they are not.
#[derive(Debug)]
pub(super) struct Digests {
    old: Vec<LoaderVerdict>,
    new: Vec<LoaderVerdict>,
}

impl Digests {
    pub(super) fn of(
        old: (&Guest, Option<&IgvmFile<'_>>),
        new: (&Guest, Option<&IgvmFile<'_>>),
    ) -> Self {
        let side = |(guest, file): (&Guest, Option<&IgvmFile<'_>>)| match file {
            Some(file) => verdicts(file, None),
            None => guest.recorded.clone(),
        };
        let (old, new) = rayon::join(|| side(old), || side(new));
        Self { old, new }
    }

    /// The loaders side by side; `asked` alone, if a loader was asked about.
    pub(super) fn changes(&self, asked: Option<Loader>) -> Vec<LoaderChange> {
        let loaders = Loader::ALL.into_iter();
        loaders
            .filter(|loader| asked.is_none_or(|asked| asked == *loader))
            .filter_map(|loader| {
                let (old, new) = (of(&self.old, loader)?, of(&self.new, loader)?);
                Some(LoaderChange {
                    loader,
                    old: old.launch_digest,
                    new: new.launch_digest,
                    changed: old.launch_digest != new.launch_digest,
                    refused: old.refused.clone().or_else(|| new.refused.clone()),
                })
            })
            .collect()
    }

    /// The loader to explain with: one that launches both files, whose digest differs if any
    /// does, and of which there is the least to warn.
    pub(super) fn chosen(
        &self,
        asked: Option<Loader>,
        old: &Guest,
        new: &Guest,
    ) -> Result<Loader, DiffError> {
        let changes = self.changes(asked);
        let rank = |loader: Loader| {
            let change = changes.iter().find(|change| change.loader == loader)?;
            change.old.and(change.new)?;
            let caveats = [&self.old, &self.new].map(|side| caveats(side, loader));
            Some((!change.changed, caveats))
        };
        let ranked = PREFERRED
            .into_iter()
            .filter_map(|loader| Some((rank(loader)?, loader)));
        let best = ranked.min_by_key(|(rank, _)| *rank);
        best.map(|(_, loader)| loader)
            .ok_or_else(|| DiffError::NoDigest {
                old: old.file.clone(),
                new: new.file.clone(),
                loader: asked,
            })
    }
}

fn of(side: &[LoaderVerdict], loader: Loader) -> Option<&LoaderVerdict> {
    side.iter().find(|verdict| verdict.loader == loader)
}

fn caveats(side: &[LoaderVerdict], loader: Loader) -> usize {
    of(side, loader).map_or(usize::MAX, |verdict| verdict.caveats.len())
}
