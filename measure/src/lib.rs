//! From an IGVM file to the launch digest that SEV-SNP hardware will report for it, for each
//! loader; and from a firmware image to the launch digest under SEV, SEV-ES and SEV-SNP. Knows no
//! recipe and no rootfs.
//!
//! Nothing in this crate was run on SNP hardware: a digest is a prediction from the loaders'
//! published behaviour.

pub mod certificate;
mod chain;
mod digest;
mod distinct_pages;
pub mod ecdsa;
mod gpa;
pub mod id_block;
pub mod igvm;
pub mod lanes;
mod loader;
mod other_platforms;
pub mod ovmf;
mod page_range;
mod page_record;
pub mod report;
mod verdict;

#[cfg(test)]
mod sample;

pub use chain::fold_page_records;
pub use digest::{LaunchDigest, ParseDigestError, Sha256Digest, Sha384Digest};
pub use distinct_pages::{DistinctPages, PageId};
pub use gpa::{Gpa, PAGE_SIZE};
pub use loader::{
    Assessment, Caveat, Change, Difference, Divergence, Launch, LaunchPages, Loader,
    LoaderAssessment, PageRecords, ParseLoaderError, Refusal, Warning, assess, caveats,
    launch_digest, launch_digests,
};
pub use other_platforms::{PlatformDigest, PlatformRefusal, other_platforms};
pub use page_range::{PageListing, PageRange, PageRanges};
pub use page_record::{PageRecord, PageType, UnreadPage};
pub use verdict::{LoaderVerdict, verdicts};
