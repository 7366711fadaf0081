//! What a guest's memory is laid out from.

use crate::acpi::Table;
use crate::recipe::{self, Memory};
use crate::tree::Origin;

/// Bytes that go into guest memory unchanged, and where they come from.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they come from.
    pub origin: Origin,
}

impl<'a> Part<'a> {
    /// `bytes` from `origin`.
    pub const fn new(bytes: &'a [u8], origin: Origin) -> Self {
        Self { bytes, origin }
    }
}

/// How guest memory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLayout {
    /// The layout of AKS guests. The loader tells the guest what other RAM it has.
    Aks {
        /// How much of the memory is validated before the guest starts.
        validated: Validated,
    },
    /// For unmodified upstream kernels, on KVM loaders and OpenVMM.
    Linux {
        /// All the RAM that the guest has; every page of it is launched.
        memory: Memory,
    },
}

/// How much of an `aks` guest's memory is launched, and so validated before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validated {
    /// What holds something; the kernel validates the rest when it needs it.
    OnDemand,
    /// All the memory that the kernel is told of: the variant `accept-all`, for kernels that
    /// validate nothing themselves.
    All,
}

impl From<&recipe::Igvm> for MemoryLayout {
    fn from(igvm: &recipe::Igvm) -> Self {
        match igvm.memory {
            None => Self::Aks {
                validated: Validated::OnDemand,
            },
            Some(memory) => Self::Linux { memory },
        }
    }
}

/// What a guest's memory is laid out from.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The kernel, a bzImage.
    pub kernel: Part<'a>,
    /// The command line, byte for byte, without a final NUL.
    pub command_line: Part<'a>,
    /// The initrd.
    pub initrd: Option<Part<'a>>,
    /// The ACPI tables, each at its place.
    pub acpi: &'a [Table],
    /// How the memory is laid out.
    pub layout: MemoryLayout,
}
