//! What is published about a guest: signed manifests, and their verification offline. Knows no
//! recipe and no builder.

pub mod dsse;
pub mod folder;
pub mod json;
pub mod manifest;
pub mod minisign;
pub mod policy;
mod problem;
pub mod release;
pub mod revocation;
pub mod signer;
pub mod state;
pub mod statement;

pub use problem::Problem;
