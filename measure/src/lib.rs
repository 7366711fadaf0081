//! From an IGVM file to the launch digest that SEV-SNP hardware will report for it, for each
//! loader. Knows no recipe and no rootfs.
//!
//! Nothing in this crate was run on SNP hardware: a digest is a prediction from the loaders'
//! published behaviour.

mod digest;
mod gpa;
pub mod igvm;
pub mod lanes;

#[cfg(test)]
mod sample;

pub use digest::{LaunchDigest, ParseDigestError, Sha256Digest, Sha384Digest};
pub use gpa::{Gpa, PAGE_SIZE};
