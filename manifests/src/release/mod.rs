//! A release: a build's output with its manifest, signatures and statements.

mod content;
mod draft;
mod endorser;
mod facts;
mod sums;
mod verify;

use std::io;

use guestmark_output::OutputError;

use crate::FileProblem;
use crate::folder::FolderError;
use crate::manifest::MANIFEST_NAME;
use crate::signer::SignerError;

pub use content::{Content, Place};
pub use draft::{
    Draft, DraftEnvelope, Message, Minisign, Release, Signatures, corim_name, signed_name,
};
pub use endorser::Endorser;
pub use verify::{Check, Request, Summary, Verdict, verify};

/// ECDSA signature on P-384 over the manifest, DER.
pub const SIGNATURE_NAME: &str = "manifest.json.sig";
/// Signature of minisign over the manifest.
pub const MINISIGN_NAME: &str = "manifest.json.minisig";
/// The endorsement that AKS verifiers read (V1), in base64.
pub const ENDORSEMENT_NAME: &str = "reference-info-base64";
/// The endorsement in its second form (V2), in base64.
pub const ENDORSEMENT_V2_NAME: &str = "reference-info-v2-base64";
/// The publishers' statement.
pub const PROVENANCE_NAME: &str = "provenance.dsse.json";

/// What stands around the name of a rebuilder in the name of its statement's file.
const REBUILD: (&str, &str) = ("rebuild-", ".dsse.json");

/// Bytes of the largest envelope, signature or certificate chain that is read.
const MAX_SIGNED: usize = 8 << 20;

/// A release that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Something that is wrong with it.
    #[error(transparent)]
    Problem(#[from] FileProblem),
    /// The system failed to read or write.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A value has no canonical form.
    #[error("{MANIFEST_NAME}: {0}")]
    Number(String),
}

impl From<FolderError> for ReleaseError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Problem(problem) => Self::Problem(problem),
            FolderError::Io { path, source } => {
                let message = format!("{}: {source}", path.display());
                Self::Io(io::Error::new(source.kind(), message))
            }
        }
    }
}
