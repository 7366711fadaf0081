//! Guest memory as a value, and the IGVM file that holds it.

pub mod bzimage;
mod layout;
mod memory;
pub(crate) mod structures;
mod write;

#[cfg(test)]
mod tests;

pub use layout::{Inputs, LayoutError, MemoryLayout, Part, Validated, lay_out};
pub use memory::{GuestMemory, MemoryError, Page, PageBytes, Pages, Region, RegionKind};
pub use write::{WriteError, write};

use crate::recipe::GuestPolicy;

/// A guest that cannot be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The inputs cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A guest's memory and the bytes of its IGVM file, for guests launched with `policy`.
///
/// # Errors
/// The inputs cannot be laid out, or the file would not fit into 4 GiB.
pub fn assemble<'a>(
    inputs: &Inputs<'a>,
    policy: GuestPolicy,
) -> Result<(GuestMemory<'a>, Vec<u8>), AssembleError> {
    let memory = lay_out(inputs)?;
    let mut file = Vec::new();
    write(&memory, policy, &mut file)?;
    Ok((memory, file))
}
