//! Debian archives: `dists/SUITE/InRelease`, `Packages` indexes, a pool of `.deb` files.

mod choice;
mod control;
mod packages;
mod relation;
mod release;
mod repository;
mod version;

pub(crate) use choice::Choice;
pub use control::ControlError;
pub(crate) use control::Paragraphs;
pub(crate) use packages::PackageIndex;
pub use release::ReleaseError;
pub(crate) use release::parse_date;
pub(crate) use repository::Repository;
pub use repository::RepositoryError;
