//! The hardware and boot structures that a guest finds in its memory when it starts.

pub(crate) mod boot_params;
pub(super) mod cc_blob;
pub(super) mod cpuid_page;
pub(crate) mod e820;
pub(super) mod gdt;
pub(super) mod page_tables;
pub(super) mod vmsa;
