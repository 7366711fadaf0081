//! Guests built by the program and booted: what the whole way from a locked recipe to an answering
//! agent promises. Most tests look at debian-12; azurelinux-3-aks is built from stand-ins.
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
mod azurelinux;
mod console;
mod interruption;
mod machine;
mod memory;
mod program;
mod reproducibility;
mod tampering;
