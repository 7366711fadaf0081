//! Published files beside rebuilt ones.

use std::collections::BTreeSet;

use guestmark_manifests::folder::Folder;
use guestmark_manifests::manifest::{MANIFEST_NAME, Manifest};
use guestmark_measure::Sha256Digest;
use guestmark_measure::id_block::strip;
use guestmark_output::SUMS_NAME;
use serde::Serialize;

use super::{AuditError, Class};

/// Bytes of the largest IGVM file from which a signature is stripped.
const MAX_IGVM: usize = 1 << 31;
/// Bytes of the largest manifest that is read.
const MAX_MANIFEST: usize = 16 << 20;

/// A file of the release and of the rebuilt directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedFile {
    /// Its name.
    pub name: String,
    /// How the two compare.
    pub status: FileStatus,
    /// SHA-256 of the published one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Sha256Digest>,
    /// SHA-256 of the rebuilt one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Sha256Digest>,
}

/// How a published file compares with the rebuilt one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileStatus {
    /// The same bytes.
    Same,
    /// The same bytes once the signed ID block is taken out.
    SignatureOnly,
    /// Other bytes.
    Differs,
    /// The release has it, the rebuilt directory does not.
    OnlyPublished,
    /// The rebuilt directory has it, the release does not.
    OnlyRebuilt,
}

impl FileStatus {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::SignatureOnly => "same without its signature",
            Self::Differs => "differs",
            Self::OnlyPublished => "only published",
            Self::OnlyRebuilt => "only rebuilt",
        }
    }
}

/// Compares what the release says it was built to, with what was built, by name.
pub(super) fn compare(release: &Folder, rebuilt: &Folder) -> Result<Vec<ComparedFile>, AuditError> {
    let published = built_names(release)?;
    let ours = built_names(rebuilt)?;
    published
        .union(&ours)
        .map(|name| {
            let digest = |folder: &Folder, names: &BTreeSet<String>| match names.contains(name) {
                true => folder.artifact(name).map(|artifact| Some(artifact.sha256)),
                false => Ok(None),
            };
            let one = digest(release, &published)?;
            let two = digest(rebuilt, &ours)?;
            let status = match (one, two) {
                (Some(_), None) => FileStatus::OnlyPublished,
                (None, _) => FileStatus::OnlyRebuilt,
                (one, two) if one == two => FileStatus::Same,
                _ if same_without_signature(release, rebuilt, name)? => FileStatus::SignatureOnly,
                _ => FileStatus::Differs,
            };
            Ok(ComparedFile {
                name: name.clone(),
                status,
                published: one,
                rebuilt: two,
            })
        })
        .collect()
}

/// The class that follows from the bytes of the files alone, if one does.
pub(super) fn class(files: &[ComparedFile]) -> Option<Class> {
    let all = |statuses: &[FileStatus]| files.iter().all(|file| statuses.contains(&file.status));
    if all(&[FileStatus::Same]) {
        return Some(Class::Identical);
    }
    all(&[FileStatus::Same, FileStatus::SignatureOnly]).then_some(Class::IdenticalUnsigned)
}

/// The files that a build wrote: of a release, those that its manifest lists.
fn built_names(folder: &Folder) -> Result<BTreeSet<String>, AuditError> {
    let mut names = folder.names()?;
    if names.contains(MANIFEST_NAME) {
        let manifest = folder.read(MANIFEST_NAME, MAX_MANIFEST)?;
        let manifest = Manifest::read(&manifest, MANIFEST_NAME)?;
        let artifacts = manifest.artifacts.into_iter();
        return Ok(artifacts.map(|artifact| artifact.name).collect());
    }
    names.remove(SUMS_NAME);
    Ok(names)
}

fn same_without_signature(
    release: &Folder,
    rebuilt: &Folder,
    name: &str,
) -> Result<bool, AuditError> {
    let stripped = |folder: &Folder| -> Result<_, AuditError> {
        let mut magic = [0; 4];
        let read = std::io::Read::read_exact(&mut folder.open_file(name)?, &mut magic);
        if read.is_err() || magic != *b"IGVM" {
            return Ok(None);
        }
        let bytes = folder.read(name, MAX_IGVM)?;
        Ok(Some(strip(&bytes).unwrap_or(bytes)))
    };
    let (one, two) = (stripped(release)?, stripped(rebuilt)?);
    Ok(one.is_some() && one == two)
}
