//! What the igvm crate makes of a file that may be too much for it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

use guestmark_measure::LaunchDigest;
use igvm::measurement::generate_snp_measurement;
use igvm::{IgvmDirectiveHeader, IgvmFile, IgvmPlatformHeader};
use igvm_defs::IgvmPlatformType;

/// Bytes of parameter areas that are measured. The crate takes time for what a file declares,
/// and hours are nothing to a file.
const MEASURED_AREAS: u64 = 4 << 20;

/// The crate panicked: its sums overflow, or its slices end past the file.
pub(crate) struct Panicked;

/// The digest of a file that the crate accepts.
pub(crate) enum Measured {
    /// The digest, or none for a file that is not for SEV-SNP or has no guest policy.
    Digest(Option<LaunchDigest>),
    /// More memory is declared than [`MEASURED_AREAS`]: not asked.
    TooLarge,
}

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the crate's panics quiet, and nobody else's.
pub(crate) fn silence_its_panics() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !ASKING.get() {
            default(info);
        }
    }));
}

fn asking<T>(ask: impl FnOnce() -> T) -> Result<T, Panicked> {
    ASKING.set(true);
    let answer = catch_unwind(AssertUnwindSafe(ask));
    ASKING.set(false);
    answer.map_err(|_| Panicked)
}

/// Reads a file.
pub(crate) fn parse(file: &[u8]) -> Result<Result<IgvmFile, igvm::Error>, Panicked> {
    asking(|| IgvmFile::new_from_binary(file, None))
}

/// Measures a file for SEV-SNP.
pub(crate) fn measure(file: &IgvmFile) -> Result<Measured, Panicked> {
    let areas = file.directives().iter().map(|directive| match directive {
        IgvmDirectiveHeader::ParameterArea {
            number_of_bytes, ..
        } => *number_of_bytes,
        _ => 0,
    });
    if areas.fold(0, u64::saturating_add) > MEASURED_AREAS {
        return Ok(Measured::TooLarge);
    }
    let mask = file.platforms().iter().find_map(|header| match header {
        IgvmPlatformHeader::SupportedPlatform(info) => {
            (info.platform_type == IgvmPlatformType::SEV_SNP).then_some(info.compatibility_mask)
        }
    });
    asking(|| {
        let digest = mask.and_then(|mask| {
            generate_snp_measurement(file.initializations(), file.directives(), mask).ok()
        });
        Measured::Digest(digest.map(LaunchDigest::new))
    })
}
