//! Debian archives.

mod control;
mod relation;
mod release;
mod version;

pub use control::ControlError;
pub(crate) use control::Paragraphs;
