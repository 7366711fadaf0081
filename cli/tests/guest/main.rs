//! The debian-12 guest, built by the program and booted: what the whole way from a locked recipe
//! to an answering agent promises.
//!
//! The packages come from the mirror that this machine offers, once: later runs find them in the
//! store under Cargo's target folder.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test, in its helpers too"
)]

mod acpi;
mod agent;
mod artifacts;
mod console;
mod interruption;
mod machine;
mod memory;
mod program;
mod reproducibility;
mod tampering;
