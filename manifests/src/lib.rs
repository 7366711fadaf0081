//! What is published about a guest: signed manifests, and their verification offline. Knows no
//! recipe and no builder.

pub mod signer;
