//! One IGVM file on both sides: from its digests to its pages and regions.

use std::ops::Range;

use guestmark_builder::build::VerityRecord;
use guestmark_builder::tree::Origin;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{Gpa, Loader, PAGE_SIZE};

use super::DiffError;
use super::digest::Digests;
use super::explanation::{FieldChange, RegionChange, Status, VariantChange};
use super::input::{Guest, Input};
use super::inside::initrd::{self, MemberChange};
use super::inside::{Surroundings, command_line};
use super::memory::GuestPages;
use super::regions::{self, Region};
use super::{pages, unmeasured};

/// The most bytes of a region that are looked into; larger ones are told apart all the same. Of a
/// kernel only the banner is told, which is not read from here.
fn inside_limit(name: &str) -> usize {
    match name {
        "initrd" => 1 << 30,
        "kernel" => 0,
        _ => 16 << 20,
    }
}

/// A variant compared, with what the list of causes needs besides.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) change: VariantChange,
    /// Members of the initrd that differ.
    pub(super) members: Vec<MemberChange>,
    /// What differs in the file and is not measured.
    pub(super) unmeasured: Vec<FieldChange>,
    /// What differs and is in no region that has changed, or could not be compared.
    pub(super) unexplained: Vec<String>,
}

/// A guest and the side that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) input: &'a Input,
    pub(super) guest: &'a Guest,
}

impl<'a> Of<'a> {
    fn file(&self) -> Result<Option<IgvmFile<'a>>, DiffError> {
        let bytes = self.guest.bytes.as_deref();
        bytes
            .map(IgvmFile::parse)
            .transpose()
            .map_err(|source| DiffError::Igvm {
                path: self.guest.path.clone(),
                source,
            })
    }

    fn verity(&self) -> Option<&'a VerityRecord> {
        let measurement = self.input.measurement.as_ref();
        measurement.map(|measurement| &measurement.verity)
    }

    /// The regions that the build says.
    fn regions(&self) -> Option<Vec<Region>> {
        let regions = self.input.origins.as_ref()?.memory_of(&self.guest.file)?;
        Some(regions::of_origins(regions))
    }
}

/// Compares the guests that both files start; `asked` is the loader that was asked about.
pub(super) fn compare(
    old: Of<'_>,
    new: Of<'_>,
    asked: Option<Loader>,
) -> Result<Compared, DiffError> {
    let (old_file, new_file) = (old.file()?, new.file()?);
    let digests = Digests::of(
        (old.guest, old_file.as_ref()),
        (new.guest, new_file.as_ref()),
    );
    let loader = digests.chosen(asked, old.guest, new.guest)?;
    let loaders = digests.changes(asked);
    let mut compared = Compared {
        change: VariantChange {
            name: new.guest.name.clone(),
            old_file: old.guest.file.clone(),
            new_file: new.guest.file.clone(),
            loader,
            changed: loaders.iter().any(|loader| loader.changed),
            loaders,
            pages: Vec::new(),
            regions: Vec::new(),
        },
        members: Vec::new(),
        unmeasured: Vec::new(),
        unexplained: Vec::new(),
    };
    match (&old_file, &new_file) {
        (Some(old_file), Some(new_file)) => {
            let refused = |_| DiffError::NoDigest {
                old: old.guest.file.clone(),
                new: new.guest.file.clone(),
                loader: Some(loader),
            };
            let old_pages = GuestPages::of(old_file, loader).map_err(refused)?;
            let new_pages = GuestPages::of(new_file, loader).map_err(refused)?;
            compare_pages(&mut compared, (old, &old_pages), (new, &new_pages));
            compared.unmeasured = unmeasured::of_files(old_file, new_file);
        }
        _ => compare_maps(&mut compared, old, new),
    }
    Ok(compared)
}

fn compare_pages(
    compared: &mut Compared,
    (old, old_pages): (Of<'_>, &GuestPages<'_>),
    (new, new_pages): (Of<'_>, &GuestPages<'_>),
) {
    let (old_bytes, new_bytes) = (
        old.guest.bytes.as_deref().unwrap_or_default(),
        new.guest.bytes.as_deref().unwrap_or_default(),
    );
    compared.change.pages = pages::compare(old_pages, new_pages);
    let (old_regions, new_regions) = match (old.regions(), new.regions()) {
        (Some(one), Some(two)) => (one, two),
        _ => (
            regions::of_file(old_bytes, old_pages),
            regions::of_file(new_bytes, new_pages),
        ),
    };
    let mut regions = regions::pair(old_regions, new_regions);
    for region in &mut regions {
        if let (Some(was), Some(is)) = (&region.old, &region.new) {
            let same = size(was) == size(is) && old_pages.same(was, new_pages, is);
            region.status = match (same, was.start == is.start) {
                (true, true) => Status::Same,
                (true, false) => Status::Moved,
                (false, _) => Status::Changed,
            };
        }
    }
    let surroundings = Surroundings {
        regions: &regions,
        verity: old.verity().zip(new.verity()),
        files: (old_bytes, new_bytes),
    };
    let mut details = Vec::new();
    for region in &regions {
        let mut found = Vec::new();
        if region.status == Status::Changed
            && let (Some(was), Some(is)) = (&region.old, &region.new)
        {
            if !(old_pages.is_zero(was) && new_pages.is_zero(is)) {
                let limit = inside_limit(&region.name);
                let (one, two) = (old_pages.bytes(was, limit), new_pages.bytes(is, limit));
                match &region.name[..] {
                    "initrd" => look_into_initrd(compared, &one, &two, &mut found),
                    name => found = surroundings.compare(name, &one, &two),
                }
            }
            found.splice(0..0, regions::size_change(region));
        }
        details.push(found);
    }
    for (region, details) in regions.iter_mut().zip(details) {
        region.details = details;
    }
    regions::follow(&mut regions);
    compared.change.regions = regions;
    check(compared, old_pages, new_pages);
}

fn look_into_initrd(
    compared: &mut Compared,
    old: &[u8],
    new: &[u8],
    details: &mut Vec<FieldChange>,
) {
    match initrd::compare(old, new) {
        Ok((members, other)) => {
            details.extend(other.map(|what| FieldChange::of(what, None, None)));
            details.extend(members.iter().map(MemberChange::summary));
            compared.members = members;
        }
        Err(reason) => compared.unexplained.push(reason),
    }
}

/// Looks for pages that differ outside of all regions that do.
fn check(compared: &mut Compared, old: &GuestPages<'_>, new: &GuestPages<'_>) {
    let change = &compared.change;
    let touched: Vec<&Range<Gpa>> = change
        .regions
        .iter()
        .filter(|region| region.status != Status::Same)
        .flat_map(|region| region.old.iter().chain(&region.new))
        .collect();
    for page in &change.pages {
        let mut at = page.start;
        while at < page.end() {
            let end = at.checked_add(PAGE_SIZE).unwrap_or(Gpa::new(u64::MAX));
            let explained = touched
                .iter()
                .find(|range| range.start < end && at < range.end);
            match explained {
                // The rest of the region explains what follows in it.
                Some(range) => at = end.max(Gpa::new(range.end.get() / PAGE_SIZE * PAGE_SIZE)),
                None => {
                    compared.unexplained.push(format!(
                        "{}: {} of the pages from {} on ({}) differ outside of every region that \
                         has changed",
                        change.new_file,
                        page.pages,
                        at,
                        page.difference.name()
                    ));
                    break;
                }
            }
        }
    }
    if change.changed && change.pages.is_empty() {
        compared.unexplained.push(match old.order == new.order {
            true => format!(
                "{}: {} launches the same pages of both files, in one order; another loader's \
                 digest differs: ask about it with --loader",
                change.new_file, change.loader
            ),
            false => format!(
                "{}: both files launch the same pages in different orders",
                change.new_file
            ),
        });
    }
}

/// What can be said without the files.
fn compare_maps(compared: &mut Compared, old: Of<'_>, new: Of<'_>) {
    let mut regions = match (old.regions(), new.regions()) {
        (Some(one), Some(two)) => regions::pair(one, two),
        _ => Vec::new(),
    };
    let lines = old
        .guest
        .command_line
        .as_ref()
        .zip(new.guest.command_line.as_ref());
    for region in &mut regions {
        if region.name == "command line"
            && let Some((was, is)) = lines
        {
            let verity = old.verity().zip(new.verity());
            region.details = command_line::compare(was.as_bytes(), is.as_bytes(), verity);
            region.status = match was == is {
                true if region.old == region.new => Status::Same,
                true => Status::Moved,
                false => Status::Changed,
            };
        } else if regions::size_change(region).is_some()
            || is_package(&region.old_origin) && region.old_origin != region.new_origin
        {
            region.details = regions::size_change(region).into_iter().collect();
            region.status = Status::Changed;
        }
    }
    regions::follow(&mut regions);
    compared.change.regions = regions;
    if compared.change.changed {
        compared.unexplained.push(format!(
            "{} is not there on both sides: digests are those that the builds recorded, and what \
             lies in guest memory was not compared",
            compared.change.new_file
        ));
    }
}

fn is_package(origin: &Option<Origin>) -> bool {
    matches!(origin, Some(Origin::Package { .. }))
}

fn size(range: &Range<Gpa>) -> u64 {
    range.end.get() - range.start.get()
}

/// Whether nobody changed a region by itself.
pub(super) fn is_consequence(region: &RegionChange) -> bool {
    region.follows_from.is_some() || matches!(region.status, Status::Same | Status::Unknown)
}
