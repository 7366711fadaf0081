//! Why a build stopped.

use std::io;

use guestmark_measure::Loader;
use guestmark_measure::igvm::IgvmError;

use crate::acpi::PlatformError;
use crate::archive::MirrorError;
use crate::disk::DiskError;
use crate::fetch::FetchError;
use crate::igvm::AssembleError;
use crate::initrd::InitrdError;
use crate::lock::LockError;
use crate::output::OutputError;
use crate::package::{FormatError, PackageError};
use crate::recipe::{CompanionError, RecipeError};
use crate::rules::RuleError;
use crate::store::StoreError;

/// Why a build stopped. Each message is that of the part that refused.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant is named for the part that it comes from"
)]
pub enum BuildError {
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Companion(#[from] CompanionError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    #[error("the initrd: {0}")]
    InitrdWrite(#[from] crate::initrd::WriteError),
    #[error("the root file system: {0}")]
    Erofs(#[from] crate::erofs::WriteError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("[platform]: {0}")]
    Platform(#[from] PlatformError),
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    #[error("the IGVM file that was written does not read back: {0}")]
    ReadBack(#[from] IgvmError),
    /// The loader that the layout is made for cannot load what was built.
    #[error("no launch digest under {loader}, which igvm.layout is made for: {reason}")]
    NoDigest { loader: Loader, reason: String },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Io(#[from] io::Error),
}
