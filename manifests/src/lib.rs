//! What is published about a guest: signed manifests, and their verification offline. Knows no
//! recipe and no builder.

pub mod dsse;
mod file_problem;
pub mod folder;
pub mod json;
pub mod manifest;
pub mod minisign;
pub mod policy;
pub mod release;
pub mod revocation;
pub mod signer;
pub mod state;
pub mod statement;

pub use file_problem::FileProblem;
