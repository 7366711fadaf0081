//! The explanation for people: as text, as Markdown and as a page.

mod html;
mod markdown;
mod text;

pub use html::html;
pub use markdown::markdown;
pub use text::{Detail, text};

use std::ops::Range;

use guestmark_builder::tree::Origin;
use guestmark_measure::{Gpa, LaunchDigest, Sha256Digest};

use super::causes;
use super::explanation::{
    Cause, CauseKind, Explanation, FieldChange, FileChange, LockChange, RegionChange, Status,
    VariantChange,
};

/// The heading of what is not part of the digest.
const UNMEASURED: &str = "Does not change the digest";

/// The columns of a cause: what, was, is, where.
fn cause_row(cause: &Cause) -> [String; 4] {
    let what = match (&cause.old, &cause.new) {
        (None, None) => causes::words(cause),
        _ => match cause.kind {
            CauseKind::Package => format!("package {}", cause.name),
            CauseKind::CommandLine => format!("command line {}", cause.name),
            CauseKind::FileSystem => format!("file system {}", cause.name),
            _ => cause.name.clone(),
        },
    };
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let sides = match (&cause.old, &cause.new) {
        (None, None) => [String::new(), String::new()],
        (old, new) => [side(old), side(new)],
    };
    let [old, new] = sides;
    let files = match cause.files {
        0 => String::new(),
        1 => ": 1 file".to_owned(),
        files => format!(": {files} files"),
    };
    [
        what,
        old,
        new,
        format!("{}{files}", cause.places.join(", ")),
    ]
}

/// A change of one value in words.
fn change_words(change: &FieldChange) -> String {
    let FieldChange {
        name,
        old,
        new,
        follows_from,
    } = change;
    let mut text = match (old, new) {
        (Some(old), Some(new)) => format!("{name}: {old} -> {new}"),
        (Some(old), None) => format!("{name}: {old}, now gone"),
        (None, Some(new)) => format!("{name}: {new}, new"),
        (None, None) => name.clone(),
    };
    if let Some(cause) = follows_from {
        text.push_str(&format!(" (follows from {cause})"));
    }
    text
}

/// Where a region is, or was and is.
fn region_places(region: &RegionChange) -> [String; 2] {
    let place = |range: &Option<Range<Gpa>>| match range {
        Some(range) => format!("{}-{}", range.start, range.end),
        None => "-".to_owned(),
    };
    [place(&region.old), place(&region.new)]
}

/// The regions that are not as before.
fn changed_regions(variant: &VariantChange) -> impl Iterator<Item = &RegionChange> {
    let regions = variant.regions.iter();
    regions.filter(|region| !matches!(region.status, Status::Same | Status::Unknown))
}

/// What a file comes from.
fn file_origin(file: &FileChange) -> String {
    let text = |origin: &Option<Origin>| origin.as_ref().map(ToString::to_string);
    match (text(&file.old_origin), text(&file.new_origin)) {
        (Some(old), Some(new)) if old == new => new,
        (Some(old), Some(new)) => format!("{old} -> {new}"),
        (old, new) => new.or(old).unwrap_or_default(),
    }
}

/// Blocks as ranges.
fn block_words(ranges: &[(u64, u64)]) -> String {
    const SHOWN: usize = 8;
    let words = ranges.iter().take(SHOWN).map(|(first, count)| match count {
        1 => first.to_string(),
        count => format!("{first}-{}", first + count - 1),
    });
    let mut text = words.collect::<Vec<_>>().join(", ");
    if ranges.len() > SHOWN {
        text.push_str(&format!(", {} more ranges", ranges.len() - SHOWN));
    }
    text
}

/// One number with its noun.
fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// The files that differ in one line.
fn files_words(explanation: &Explanation) -> Option<String> {
    let rootfs = explanation.rootfs.as_ref().filter(|it| it.changed)?;
    let mut words = Vec::new();
    if let Some(blocks) = &rootfs.blocks {
        words.push(format!(
            "{} of {} data blocks differ ({} hash blocks read)",
            blocks.different,
            blocks.old_blocks.max(blocks.new_blocks),
            blocks.hash_blocks_read
        ));
    }
    for (status, word) in [
        (Status::Changed, "changed"),
        (Status::Added, "added"),
        (Status::Removed, "removed"),
        (Status::Unknown, "perhaps changed"),
    ] {
        let files = rootfs.files.iter().filter(|file| file.status == status);
        let paths: Vec<_> = files.map(|file| file.path.as_str()).collect();
        let count = counted(paths.len() as u64, "file");
        match paths.len() {
            0 => {}
            1..=3 => words.push(format!("{count} {word} ({})", paths.join(", "))),
            _ => words.push(format!("{count} {word}")),
        }
    }
    if rootfs.moved_files > 0 {
        words.push(format!(
            "{} only moved",
            counted(rootfs.moved_files, "file")
        ));
    }
    Some(words.join(", "))
}

/// The digests of both sides and the loaders that they are of: most loaders agree.
fn digest_rows(variant: &VariantChange) -> Vec<[String; 3]> {
    let digest = |digest: Option<LaunchDigest>| {
        digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string())
    };
    let mut rows: Vec<[String; 3]> = Vec::new();
    for loader in &variant.loaders {
        let (old, new) = (digest(loader.old), digest(loader.new));
        let new = if loader.changed {
            new
        } else {
            "the same".to_owned()
        };
        match rows.iter_mut().find(|row| row[1] == old && row[2] == new) {
            Some([names, ..]) => names.push_str(&format!(", {}", loader.loader)),
            None => rows.push([loader.loader.to_string(), old, new]),
        }
    }
    rows
}

/// What is told of each region that is not as before, and of what is inside.
fn region_rows(variant: &VariantChange) -> impl Iterator<Item = [String; 5]> {
    changed_regions(variant).map(|region| {
        let [old, new] = region_places(region);
        let mut inside: Vec<_> = region.details.iter().map(change_words).collect();
        let said = region
            .details
            .iter()
            .any(|detail| detail.follows_from.is_some());
        let follows = region.follows_from.iter().filter(|_| !said);
        inside.extend(follows.map(|cause| format!("follows from {cause}")));
        let status = region.status.name().to_owned();
        [region.name.clone(), status, old, new, inside.join("; ")]
    })
}

/// What is told of each file that differs.
fn file_row(file: &FileChange) -> [String; 5] {
    [
        file.path.clone(),
        file.status.name().to_owned(),
        file_origin(file),
        joined(&file.details),
        block_words(&file.blocks),
    ]
}

/// What is told of each line of the lock that differs.
fn lock_row(change: &LockChange) -> [String; 3] {
    [
        change.package.clone(),
        change.status.name().to_owned(),
        joined(&change.details),
    ]
}

fn joined(changes: &[FieldChange]) -> String {
    changes
        .iter()
        .map(change_words)
        .collect::<Vec<_>>()
        .join("; ")
}

/// A root hash, if there is one.
fn hash(hash: Option<Sha256Digest>) -> String {
    hash.map_or_else(|| "-".to_owned(), |hash| hash.to_string())
}

/// Text that means nothing in HTML but itself.
fn html_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
