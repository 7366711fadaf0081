//! What is published about a guest: signed manifests, and their verification offline. Knows no
//! recipe and no builder.

mod certificate_chain;
mod did_x509;
pub mod dsse;
pub mod endorsement;
mod file_problem;
pub mod folder;
pub mod json;
pub mod manifest;
pub mod minisign;
pub mod policy;
mod problem;
pub mod release;
pub mod revocation;
pub mod signer;
mod signing_time;
pub mod state;
pub mod statement;

pub use certificate_chain::CertificateChain;
pub use did_x509::DidX509;
pub use file_problem::FileProblem;
pub use problem::Problem;
pub use signing_time::SigningTime;
