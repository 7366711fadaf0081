//! Debian archives.

mod control;

pub use control::ControlError;
pub(crate) use control::Paragraphs;
