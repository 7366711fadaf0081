//! What is published about a guest: signed manifests, and their verification offline. Knows no
//! recipe and no builder.

mod certificate_chain;
mod did_x509;
pub mod endorsement;
mod problem;
pub mod signer;
mod signing_time;

pub use certificate_chain::CertificateChain;
pub use did_x509::DidX509;
pub use problem::Problem;
pub use signing_time::SigningTime;
