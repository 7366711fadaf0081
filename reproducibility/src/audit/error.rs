//! Why a release could not be audited.

use std::io;

use guestmark_builder::build::BuildError;
use guestmark_manifests::FileProblem;
use guestmark_manifests::folder::FolderError;
use guestmark_manifests::release::ReleaseError;

use crate::diff::DiffError;

/// Why a release could not be audited.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant is named for the part that it comes from"
)]
pub enum AuditError {
    #[error(transparent)]
    Problem(#[from] FileProblem),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("the rebuild: {0}")]
    Build(Box<BuildError>),
    #[error(transparent)]
    Diff(Box<DiffError>),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<DiffError> for AuditError {
    fn from(error: DiffError) -> Self {
        Self::Diff(Box::new(error))
    }
}

impl From<FolderError> for AuditError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Problem(problem) => Self::Problem(problem),
            FolderError::Io { .. } => Self::Release(error.into()),
        }
    }
}
