//! What an audit found.

use std::path::Path;

use guestmark_manifests::release::{self, Check};
use serde::Serialize;

use super::ComparedFile;
use crate::diff::Explanation;

/// What an audit found.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// The form of this document.
    pub schema: &'static str,
    /// The release.
    pub release: String,
    /// The verdict.
    pub class: Class,
    /// Why: the first check that failed, why it cannot be rebuilt, or what differs.
    pub reason: String,
    /// What verifying the release found.
    pub signatures: Signatures,
    /// The files of the release and of the rebuilt directory, sorted by name; none if it was not
    /// rebuilt.
    pub files: Vec<ComparedFile>,
    /// Why the two differ, if files do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// Verdicts, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Every file is the same.
    Identical,
    /// Every file is the same once signed ID blocks are taken out.
    IdenticalUnsigned,
    /// Launch digests and root hash are the same; files around what is measured are not.
    MeasuredPartsEqual,
    /// Something measured differs, and all of it is accounted for.
    DiffersExplained,
    /// Something measured differs, and not all of it is accounted for.
    DiffersUnexplained,
    /// The policy refuses the release; it was not rebuilt.
    DoesNotVerify,
    /// The recipe that was published cannot be built.
    CannotBeRebuilt,
}

impl Class {
    /// Whether the release is what its recipe and lock give.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Identical | Self::IdenticalUnsigned)
    }

    /// The verdict in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Identical => "Identical: the recipe and its lock give every published file.",
            Self::IdenticalUnsigned => {
                "Identical once signatures are stripped: the recipe and its lock give every \
                 published file but for its signed ID block."
            }
            Self::MeasuredPartsEqual => {
                "What is measured is equal, and the container differs: the launch digests are \
                 those of the recipe, some files are not."
            }
            Self::DiffersExplained => {
                "Differs, explained: the recipe and its lock give other measured bytes, and all \
                 of the difference is accounted for."
            }
            Self::DiffersUnexplained => {
                "Differs, unexplained: the recipe and its lock give other measured bytes, and not \
                 all of the difference is accounted for."
            }
            Self::DoesNotVerify => "Does not verify: nothing was rebuilt.",
            Self::CannotBeRebuilt => "Cannot be rebuilt from what was published.",
        }
    }
}

/// What verifying a release found.
#[derive(Debug, Default, Serialize)]
pub struct Signatures {
    /// Whether the release was held against a policy.
    pub checked: bool,
    /// The checks that passed.
    pub checks: Vec<Check>,
    /// What was not checked.
    pub not_checked: Vec<String>,
}

impl Signatures {
    pub(super) fn of(verified: &release::Verdict) -> Self {
        Self {
            checked: true,
            checks: verified.checks.clone(),
            not_checked: verified.not_checked.clone(),
        }
    }
}

impl Audit {
    /// [`Audit::schema`] of this form.
    pub const SCHEMA: &'static str = "guestmark/audit/1";

    pub(super) fn begin(release: &Path) -> Self {
        Self {
            schema: Self::SCHEMA,
            release: release.display().to_string(),
            class: Class::DiffersUnexplained,
            reason: String::new(),
            signatures: Signatures::default(),
            files: Vec::new(),
            explanation: None,
        }
    }

    pub(super) fn end(mut self, class: Class, reason: String) -> Self {
        self.class = class;
        self.reason = reason;
        self
    }
}
