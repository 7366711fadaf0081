//! The explanation as a value: every renderer reads it, and it serializes as what `--json` prints.

use std::fmt;
use std::ops::Range;

use guestmark_builder::tree::Origin;
use guestmark_measure::{Gpa, LaunchDigest, Loader, PAGE_SIZE, Sha256Digest};
use serde::{Serialize, Serializer};

/// Why two guests have, or do not have, the same launch digest.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The form of this document.
    pub schema: &'static str,
    /// The one side.
    pub old: Side,
    /// The other.
    pub new: Side,
    /// What is compared: launch digests, or root hashes where there is no IGVM file.
    pub subject: Subject,
    /// Whether it is the same on both sides.
    pub same: bool,
    /// The answer in one line.
    pub verdict: String,
    /// What was changed, as far as it changes the digest; what follows from it is not listed.
    pub causes: Vec<Cause>,
    /// The IGVM files.
    pub variants: Vec<VariantChange>,
    /// The root file system, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<RootfsChange>,
    /// Lines of the lock that differ.
    pub lock: Vec<LockChange>,
    /// What differs and does not change the digest.
    pub unmeasured: Vec<FieldChange>,
    /// What differs and is not explained, and what could not be compared.
    pub unexplained: Vec<String>,
}

impl Explanation {
    /// [`Explanation::schema`] of this form.
    pub const SCHEMA: &'static str = "guestmark/diff/1";
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What was given.
    pub path: String,
    /// What it is.
    pub kind: &'static str,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Launch digests of IGVM files.
    LaunchDigest,
    /// Root hashes of disk images, or file systems that have none.
    RootHash,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LaunchDigest => "launch digest",
            Self::RootHash => "root hash",
        })
    }
}

/// Something that somebody changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of thing it is.
    pub kind: CauseKind,
    /// Its name: of a package, a recipe file, a rule, a region or a table.
    pub name: String,
    /// What it was: a version, a value; nothing if it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it is; nothing if it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// What changed of it by name, where it has parts: words, fields, paths.
    pub parts: Vec<String>,
    /// How many files it changes.
    pub files: u64,
    /// Where it shows: `root file system`, `initrd`, or the name of a region.
    pub places: Vec<String>,
}

/// Kinds of causes, the commonest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A locked package.
    Package,
    /// A file beside the recipe.
    RecipeFile,
    /// A rule of the recipe.
    Rule,
    /// Files of whom nobody says where they come from.
    Files,
    /// The file system itself: its UUID, time or name.
    FileSystem,
    /// Words of the kernel command line.
    CommandLine,
    /// The kernel.
    Kernel,
    /// The initrd.
    Initrd,
    /// An ACPI table.
    Acpi,
    /// The initial state of a processor.
    Vmsa,
    /// Another part of guest memory.
    Memory,
}

/// A value on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// What it is the value of.
    pub name: String,
    /// What it was; nothing if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it is; nothing if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// What it follows from, if nobody changed it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows_from: Option<String>,
}

impl FieldChange {
    /// A change of one value.
    pub fn new(name: impl Into<String>, old: impl fmt::Display, new: impl fmt::Display) -> Self {
        Self::of(name, Some(old.to_string()), Some(new.to_string()))
    }

    /// A value that is there, or not, on either side.
    pub fn of(name: impl Into<String>, old: Option<String>, new: Option<String>) -> Self {
        Self {
            name: name.into(),
            old,
            new,
            follows_from: None,
        }
    }

    /// The same, as a consequence.
    #[must_use]
    pub fn from(self, cause: impl Into<String>) -> Self {
        Self {
            follows_from: Some(cause.into()),
            ..self
        }
    }
}

/// One IGVM file on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct VariantChange {
    /// `production`, `debug`, or `guest` for a bare file.
    pub name: String,
    /// The old file.
    pub old_file: String,
    /// The new file.
    pub new_file: String,
    /// What each loader makes of both.
    pub loaders: Vec<LoaderChange>,
    /// The loader whose pages are compared.
    pub loader: Loader,
    /// Whether a digest differs.
    pub changed: bool,
    /// Pages of both files that are not launched alike, in ascending order.
    pub pages: Vec<PageChange>,
    /// The regions of guest memory in ascending order, those that are the same among them.
    pub regions: Vec<RegionChange>,
}

/// What one loader makes of both files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoaderChange {
    /// The loader.
    pub loader: Loader,
    /// The old digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<LaunchDigest>,
    /// The new digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<LaunchDigest>,
    /// Whether both sides lead to different digests, or only one side to any.
    pub changed: bool,
    /// Why a side has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// How a page differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageDifference {
    /// Other contents.
    Contents,
    /// Another type.
    Type,
    /// Only the new file launches it.
    Added,
    /// Only the old file launches it.
    Removed,
}

impl PageDifference {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contents => "contents",
            Self::Type => "type",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// Pages that follow each other and differ in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageChange {
    /// The first page.
    pub start: Gpa,
    /// How many.
    pub pages: u64,
    /// How they differ.
    pub difference: PageDifference,
}

impl PageChange {
    /// The byte after the last.
    pub fn end(&self) -> Gpa {
        let bytes = self.pages.saturating_mul(PAGE_SIZE);
        self.start.checked_add(bytes).unwrap_or(Gpa::new(u64::MAX))
    }
}

impl Serialize for PageChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            start: Gpa,
            pages: u64,
            difference: PageDifference,
        }
        let Self {
            start,
            pages,
            difference,
        } = *self;
        Fields {
            start,
            pages,
            difference,
        }
        .serialize(serializer)
    }
}

/// What became of something that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The same, in the same place.
    Same,
    /// The same, in another place.
    Moved,
    /// Something else.
    Changed,
    /// Only on the new side.
    Added,
    /// Only on the old side.
    Removed,
    /// One side is not there to be compared.
    Unknown,
}

impl Status {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moved => "moved",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Unknown => "unknown",
        }
    }
}

/// A region of guest memory on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct RegionChange {
    /// What it is called.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// Where it was.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "region")]
    pub old: Option<Range<Gpa>>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "region")]
    pub new: Option<Range<Gpa>>,
    /// Where its old contents come from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_origin: Option<Origin>,
    /// Where its new contents come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_origin: Option<Origin>,
    /// What changed inside it, by name.
    pub details: Vec<FieldChange>,
    /// What its change follows from, if nobody changed it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows_from: Option<String>,
}

fn region<S: Serializer>(range: &Option<Range<Gpa>>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Place {
        start: Gpa,
        end: Gpa,
    }
    let place = range.as_ref().map(|range| Place {
        start: range.start,
        end: range.end,
    });
    place.serialize(serializer)
}

/// The root file system on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct RootfsChange {
    /// Whether its root hash, or without one any file, differs.
    pub changed: bool,
    /// The old root hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_root_hash: Option<Sha256Digest>,
    /// The new root hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_root_hash: Option<Sha256Digest>,
    /// What the hash trees say, if both are there and comparable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<BlockChanges>,
    /// Whether files were compared by their bytes, or by their place and their blocks' hashes.
    pub compared_by: ComparedBy,
    /// Files that differ, sorted by path.
    pub files: Vec<FileChange>,
    /// Files that are the same in another place.
    pub moved_files: u64,
    /// The file system's own fields that differ.
    pub superblock: Vec<FieldChange>,
    /// Bytes of the root file system by where they come from, sorted by name.
    pub shares: Vec<Share>,
}

/// How files were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparedBy {
    /// Equal root hashes left nothing to compare.
    RootHash,
    /// By their metadata and bytes.
    Data,
    /// By the hash trees and the maps of `origins.json`.
    HashTrees,
    /// By the maps of `origins.json` alone.
    Maps,
    /// Not at all.
    Nothing,
}

/// Data blocks whose hashes differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockChanges {
    /// Blocks under the old tree.
    pub old_blocks: u64,
    /// Blocks under the new tree.
    pub new_blocks: u64,
    /// Hash blocks that were read of both trees together.
    pub hash_blocks_read: u64,
    /// Data blocks, in both images or in one, that differ.
    pub different: u64,
    /// The same as ranges: first block, number of blocks.
    pub ranges: Vec<(u64, u64)>,
}

/// A file that differs.
#[derive(Debug, Clone, Serialize)]
pub struct FileChange {
    /// Its path, with what does not print as `\xNN`.
    pub path: String,
    /// What became of it.
    pub status: Status,
    /// What differs: `content`, `mode`, `owner`, `target`, `xattr NAME`, ...
    pub details: Vec<FieldChange>,
    /// Where the old one comes from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_origin: Option<Origin>,
    /// Where the new one comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_origin: Option<Origin>,
    /// Differing data blocks of the new image that hold its content: first block, number.
    pub blocks: Vec<(u64, u64)>,
}

/// What one origin takes of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The package's name, or the origin in words.
    pub name: String,
    /// Bytes in the old image.
    pub old_bytes: u64,
    /// Bytes in the new image.
    pub new_bytes: u64,
    /// Whether a file of it differs.
    pub changed: bool,
}

/// A line of the lock that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockChange {
    /// The package's name.
    pub package: String,
    /// What became of it.
    pub status: Status,
    /// The fields that differ.
    pub details: Vec<FieldChange>,
    /// Whether anything that is measured differs with it.
    pub measured: bool,
}
