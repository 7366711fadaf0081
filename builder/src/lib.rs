//! From a locked recipe to the artifacts of a confidential guest: package files become a tree, a
//! tree becomes an initrd and a dm-verity root file system, and both become an IGVM file whose
//! launch digest is known.
//!
//! No byte of an artifact comes from the host: everything is a locked input or the work of a rule.

pub mod acpi;
pub mod archive;
pub mod boot;
pub mod build;
pub mod disk;
pub mod erofs;
pub mod fetch;
pub mod igvm;
pub mod initrd;
pub mod inspect;
pub mod lock;
pub mod package;
pub mod progress;
pub mod recipe;
pub mod rules;
pub mod store;
pub mod tree;
pub mod verity;

pub use guestmark_output as output;
