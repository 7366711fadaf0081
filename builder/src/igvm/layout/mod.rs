//! From inputs to guest memory: where everything lies.

mod acpi_window;
mod aks;
mod error;
mod filler;
mod inputs;
mod kernel;
mod linux;
mod start_block;

pub use error::LayoutError;
pub use inputs::{Inputs, MemoryLayout, Part, Validated};

use super::memory::GuestMemory;

/// Lays out a guest's memory. Nothing is copied that can be borrowed.
///
/// # Errors
/// An input cannot be used, does not fit, or would lie where something else does.
pub fn lay_out<'a>(inputs: &Inputs<'a>) -> Result<GuestMemory<'a>, LayoutError> {
    match inputs.layout {
        MemoryLayout::Aks { validated } => aks::lay_out(inputs, validated),
        MemoryLayout::Linux { memory } => linux::lay_out(inputs, memory),
    }
}
