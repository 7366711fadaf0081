//! Why two guests have different launch digests: from the digest to pages, to regions, into what
//! changed inside them, down to files, packages and lines of the lock.

mod causes;
mod digest;
mod disk;
mod error;
mod explanation;
mod files;
mod input;
mod inside;
mod lock;
mod memory;
mod pages;
mod regions;
pub mod render;
mod rootfs;
mod unmeasured;
mod variant;
mod verity;

use std::path::Path;

use guestmark_measure::Loader;
use rayon::prelude::*;

pub use error::DiffError;
pub use explanation::{
    BlockChanges, Cause, CauseKind, ComparedBy, Explanation, FieldChange, FileChange, LoaderChange,
    LockChange, PageChange, PageDifference, RegionChange, RootfsChange, Share, Side, Status,
    Subject, VariantChange,
};

use causes::{Causes, Sides};
use input::{Guest, Input};
use variant::Of;

/// Compares two guests: output directories, releases, manifests beside their files, bare IGVM
/// files or bare images. With `loader`, only the digest under that loader counts.
///
/// # Errors
/// A side cannot be read or is damaged, both have nothing in common, or no loader launches both.
pub fn explain(old: &Path, new: &Path, loader: Option<Loader>) -> Result<Explanation, DiffError> {
    let (old, new) = (Input::open(old)?, Input::open(new)?);
    let pairs = pairs(&old, &new);
    if pairs.is_empty() && (!has_rootfs(&old) || !has_rootfs(&new)) {
        return Err(DiffError::Kinds {
            old: old.path,
            old_kind: old.kind,
            new: new.path,
            new_kind: new.kind,
        });
    }
    let variants = pairs
        .into_par_iter()
        .map(|(one, two)| {
            let of = |input, guest| Of { input, guest };
            variant::compare(of(&old, one), of(&new, two), loader)
        })
        .collect::<Result<_, _>>()?;
    let rootfs = rootfs::compare(&old, &new)?;
    explanation(&old, &new, variants, rootfs)
}

fn has_rootfs(input: &Input) -> bool {
    input.disk.is_some() || input.measurement.is_some()
}

/// The files that belong together: those of one variant, or the only ones.
fn pairs<'a>(old: &'a Input, new: &'a Input) -> Vec<(&'a Guest, &'a Guest)> {
    if let ([one], [first, ..]) | ([first, ..], [one]) = (&old.guests[..], &new.guests[..])
        && one.name == "guest"
    {
        let bare_is_new = new.guests.len() == 1 && new.guests[0].name == "guest";
        let others = if bare_is_new {
            &old.guests
        } else {
            &new.guests
        };
        let like = others.iter().find(|other| other.file == one.file);
        let other = like.unwrap_or(if bare_is_new { &old.guests[0] } else { first });
        return match bare_is_new {
            true => vec![(other, &new.guests[0])],
            false => vec![(&old.guests[0], other)],
        };
    }
    let named = old.guests.iter().filter_map(|one| {
        let two = new.guests.iter().find(|two| two.name == one.name)?;
        Some((one, two))
    });
    named.collect()
}

/// Puts everything together.
fn explanation(
    old: &Input,
    new: &Input,
    variants: Vec<variant::Compared>,
    rootfs: Option<rootfs::Compared>,
) -> Result<Explanation, DiffError> {
    let subject = match variants.is_empty() {
        true => Subject::RootHash,
        false => Subject::LaunchDigest,
    };
    let rootfs_changed = rootfs.as_ref().is_some_and(|it| it.change.changed);
    let same = match subject {
        Subject::LaunchDigest => !variants.iter().any(|variant| variant.change.changed),
        Subject::RootHash => !rootfs_changed,
    };
    let sides = Sides { old, new };
    let measured = subject == Subject::RootHash || names_root_hash(old) || names_root_hash(new);

    let mut causes = Causes::default();
    let mut unmeasured = Vec::new();
    let mut unexplained = Vec::new();
    if let (Some(one), Some(two)) = (&old.measurement, &new.measurement) {
        unmeasured.extend(unmeasured::of_measurements(one, two));
    }
    for compared in &variants {
        causes.add_variant(sides, compared);
        unexplained.extend_from_slice(&compared.unexplained);
        for change in &compared.unmeasured {
            if !unmeasured.iter().any(|known| known.name == change.name) {
                unmeasured.push(change.clone());
            }
        }
    }
    if let Some(compared) = &rootfs {
        unexplained.extend_from_slice(&compared.unexplained);
        match measured {
            true => causes.add_rootfs(sides, &compared.change),
            false if rootfs_changed => unmeasured.push(FieldChange::of(
                "root hash, which no command line names",
                compared.change.old_root_hash.map(|hash| hash.to_string()),
                compared.change.new_root_hash.map(|hash| hash.to_string()),
            )),
            false => {}
        }
    }
    if let (Some(one), Some(two)) = (&old.disk, &new.disk) {
        unmeasured.extend(disk::compare(one, two, rootfs_changed)?);
    }
    let causes = match same {
        true => Vec::new(),
        false => causes.into_sorted(),
    };
    let lock = lock_changes(sides, &causes, &mut unmeasured);
    missing_variants(old, new, &mut unexplained);
    if !same && causes.is_empty() && unexplained.is_empty() {
        unexplained.push(format!(
            "the {subject} differs, and nothing that was compared does"
        ));
    }
    let variants: Vec<_> = variants
        .into_iter()
        .map(|compared| compared.change)
        .collect();
    let side = |input: &Input| Side {
        path: input.path.display().to_string(),
        kind: input.kind,
    };
    let mut explanation = Explanation {
        schema: Explanation::SCHEMA,
        old: side(old),
        new: side(new),
        subject,
        same,
        verdict: String::new(),
        causes,
        variants,
        rootfs: rootfs.map(|compared| compared.change),
        lock,
        unmeasured,
        unexplained,
    };
    explanation.verdict = verdict(&explanation);
    Ok(explanation)
}

/// Whether the launch digest depends on the root file system.
fn names_root_hash(input: &Input) -> bool {
    input.measurement.as_ref().is_some_and(|measurement| {
        let root_hash = measurement.verity.root_hash.to_string();
        let mut variants = measurement.variants.iter();
        variants.any(|variant| variant.command_line.contains(&root_hash))
    })
}

/// The lock's changes; those that change nothing that is measured are listed with that, too.
fn lock_changes(
    sides: Sides<'_>,
    causes: &[Cause],
    unmeasured: &mut Vec<FieldChange>,
) -> Vec<LockChange> {
    let mut changes = lock::compare(sides.old, sides.new);
    for change in &mut changes {
        change.measured = causes
            .iter()
            .any(|cause| cause.kind == CauseKind::Package && cause.name == change.package);
        if !change.measured {
            let version = |input| lock::version(input, &change.package).map(str::to_owned);
            let name = format!("package {}", change.package);
            let versions = (version(sides.old), version(sides.new));
            unmeasured.push(match (versions.0 == versions.1, change.details.last()) {
                (true, Some(detail)) => FieldChange {
                    name: format!("{name}, {}", detail.name),
                    ..detail.clone()
                },
                _ => FieldChange::of(name, versions.0, versions.1),
            });
        }
    }
    changes
}

fn missing_variants(old: &Input, new: &Input, unexplained: &mut Vec<String>) {
    if old.guests.len() == 1 || new.guests.len() == 1 {
        return;
    }
    for (one, two, side) in [(old, new, "new"), (new, old, "old")] {
        for guest in &one.guests {
            if !two.guests.iter().any(|other| other.name == guest.name) {
                unexplained.push(format!("the {side} side has no variant {}", guest.name));
            }
        }
    }
}

/// The answer in one line.
fn verdict(explanation: &Explanation) -> String {
    let subject = match explanation.variants.iter().find(|variant| variant.changed) {
        Some(variant) => format!("launch digest under {}", variant.loader),
        None => match explanation.variants.first() {
            Some(variant) => format!("launch digest under {}", variant.loader),
            None => explanation.subject.to_string(),
        },
    };
    if explanation.same {
        return match explanation.unmeasured.is_empty() {
            true => format!("{subject} is the same"),
            false => format!("{subject} is the same, though not all else is"),
        };
    }
    let causes = &explanation.causes;
    let packages = causes
        .iter()
        .filter(|cause| cause.kind == CauseKind::Package);
    let (packages, others): (Vec<_>, Vec<_>) = (
        packages.map(causes::words).collect(),
        causes
            .iter()
            .filter(|cause| cause.kind != CauseKind::Package)
            .map(causes::words)
            .collect(),
    );
    let mut parts = Vec::new();
    match &packages[..] {
        [] => {}
        [only] => parts.push(format!("1 {only}")),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|words| words.trim_start_matches("package "))
                .collect();
            let shown = names.len().min(3);
            let more = match names.len() - shown {
                0 => String::new(),
                more => format!(", {more} more"),
            };
            let names = names[..shown].join(", ");
            parts.push(format!("{} packages: {names}{more}", several.len()));
        }
    }
    parts.extend(others);
    if !explanation.unexplained.is_empty() {
        parts.push("something unexplained".to_owned());
    }
    let causes = parts.join("; ").replacen("1 package ", "1 package: ", 1);
    format!("{subject} changed: {causes}")
}
