//! Why a loader cannot load a file, or its digest cannot be promised.

use crate::Gpa;

/// A reason to give no digest for a loader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The file is not for SEV-SNP.
    #[error("the file has no platform header for SEV-SNP (platform type 2)")]
    NotForSevSnp,

    /// The igvm crate measures no file without a guest policy.
    #[error("the file has no guest policy header (type 0x101) for SEV-SNP: add one")]
    NoGuestPolicy,

    /// A header that the loader does not handle.
    #[error("the loader stops at a {header} header: remove it")]
    UnsupportedHeader {
        /// What the header is.
        header: &'static str,
    },

    /// A page type that the loader does not handle.
    #[error("{gpa}: the loader stops at a page of type CPUID_XF: remove it")]
    CpuidExtendedState {
        /// The page's address.
        gpa: Gpa,
    },

    /// More than one ID block.
    #[error("the loader refuses a second SNP ID block: strip one")]
    SecondIdBlock,

    /// More processors than the file has contexts for.
    #[error(
        "the file has no VP context for processor {vp_index} of {vcpus}: the loader makes up its \
         VMSA, so the digest cannot be told; add a context or ask for fewer processors"
    )]
    NoVpContext {
        /// The first processor without a context.
        vp_index: u32,
        /// Processors asked for.
        vcpus: u32,
    },

    /// Two contexts for one processor.
    #[error("the file has two VP contexts for processor {vp_index}: remove one")]
    DuplicateVpContext {
        /// The processor.
        vp_index: u16,
    },
}
