//! Package archives: signed indexes, dependencies, mirrors.

mod apt;
pub mod debian;
mod location;
mod mirror;
mod openpgp;
mod resolve;
pub mod rpm;
mod solver;
mod source;
#[cfg(test)]
pub(crate) mod testing;
mod transport;

pub use location::{MirrorUrl, ParseMirrorUrlError};
pub use mirror::{
    Mirror, MirrorError, MirrorSettings, MirrorSource, Mirrors, NamedMirror, ParseNamedMirrorError,
};
pub(crate) use openpgp::Certificates;
pub use openpgp::{Keys, SignatureError};
pub(crate) use resolve::World;
pub use resolve::{ResolveError, Versions, resolve};
pub use solver::Unsatisfiable;
pub use source::IndexError;
pub use transport::DownloadError;
pub(crate) use transport::Transport;
