//! Whether a release is what its recipe and lock give: verified, rebuilt from what was published
//! alone, compared file by file, with a verdict.

mod comparison;
mod error;
mod recipe;
mod verdict;

use std::path::Path;

use guestmark_builder::archive::{DownloadError, NamedMirror};
use guestmark_builder::build::{self, BuildError, Online};
use guestmark_builder::fetch::FetchError;
use guestmark_builder::progress::Progress;
use guestmark_manifests::folder::Folder;
use guestmark_manifests::release;

pub use comparison::{ComparedFile, FileStatus};
pub use error::AuditError;
pub use verdict::{Audit, Class, Signatures};

use crate::diff;
use recipe::UnpackedRecipe;

/// What to audit, and how.
#[derive(Debug)]
pub struct Request<'a> {
    /// The release, or the output of a build.
    pub release: &'a Path,
    /// Whom to trust; without it, signatures are not checked.
    pub trust: Option<&'a release::Request<'a>>,
    /// Where the rebuilt files go; nothing is there yet.
    pub rebuilt: &'a Path,
    /// The store's folder; without one, the user's.
    pub store: Option<&'a Path>,
    /// Where archives are fetched from, before anywhere else.
    pub mirrors: &'a [NamedMirror],
    /// What may be asked of the network; without it, nothing is fetched.
    pub online: Option<Online<'a>>,
}

/// Verifies a release, builds its recipe again, and compares.
///
/// # Errors
/// The release cannot be read, or this machine cannot fetch, build or write. What is wrong with
/// the release is in the verdict.
pub fn audit(request: &Request<'_>, progress: &dyn Progress) -> Result<Audit, AuditError> {
    let folder = Folder::open(request.release)?;
    let mut audit = Audit::begin(request.release);
    if let Some(trust) = request.trust {
        progress.step("Verifying the release");
        let verified = release::verify(&folder, trust)?;
        audit.signatures = Signatures::of(&verified);
        if let Some(failure) = verified.failure {
            return Ok(audit.end(Class::DoesNotVerify, failure.to_string()));
        }
    }
    let recipe = match UnpackedRecipe::of(&folder) {
        Ok(recipe) => recipe,
        Err(AuditError::Problem(problem)) => {
            return Ok(audit.end(Class::CannotBeRebuilt, problem.to_string()));
        }
        Err(error) => return Err(error),
    };
    let built = build::build(
        &build::Request {
            recipe: recipe.path(),
            output: Some(request.rebuilt),
            store: request.store,
            mirrors: request.mirrors,
            online: request.online,
        },
        progress,
    );
    match built {
        Ok(_) => {}
        Err(error) if is_of_this_machine(&error) => return Err(AuditError::Build(Box::new(error))),
        Err(error) => return Ok(audit.end(Class::CannotBeRebuilt, error.to_string())),
    }
    progress.step("Comparing");
    audit.files = comparison::compare(&folder, &Folder::open(request.rebuilt)?)?;
    if let Some(class) = comparison::class(&audit.files) {
        let files = audit.files.len();
        return Ok(audit.end(class, format!("{files} files compared")));
    }
    let explanation = diff::explain(request.release, request.rebuilt, None)?;
    let class = match (explanation.same, explanation.unexplained.is_empty()) {
        (true, _) => Class::MeasuredPartsEqual,
        (false, true) => Class::DiffersExplained,
        (false, false) => Class::DiffersUnexplained,
    };
    let reason = explanation.verdict.clone();
    audit.explanation = Some(explanation);
    Ok(audit.end(class, reason))
}

/// Whether a build failed for what this machine has or may do, not for what was published.
fn is_of_this_machine(error: &BuildError) -> bool {
    match error {
        BuildError::Mirror(_)
        | BuildError::Store(_)
        | BuildError::Output(_)
        | BuildError::Io(_) => true,
        BuildError::Fetch(FetchError::Gone(_)) => false,
        BuildError::Fetch(FetchError::Download { source, .. }) => {
            !matches!(source, DownloadError::Mismatch { .. })
        }
        BuildError::Fetch(_) => true,
        _ => false,
    }
}
