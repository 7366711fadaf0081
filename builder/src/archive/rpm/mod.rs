//! RPM repositories: `repodata/repomd.xml` with a detached signature, primary metadata, a folder
//! of `.rpm` files.

mod choice;
mod evr;
mod primary;
mod relation;
mod repomd;
mod repository;
mod rich;

pub(crate) use choice::Choice;
pub(crate) use primary::Index;
pub use primary::PrimaryError;
pub(crate) use repomd::Repomd;
pub use repomd::RepomdError;
pub(crate) use repository::Repository;
pub use repository::RepositoryError;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;
