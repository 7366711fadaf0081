//! Package archives: signed indexes, dependencies, mirrors.

mod apt;
pub mod debian;
mod location;
mod mirror;
mod openpgp;
mod resolve;
mod solver;
#[cfg(test)]
pub(crate) mod testing;
mod transport;

pub use location::{MirrorUrl, ParseMirrorUrlError};
pub use mirror::{
    Mirror, MirrorError, MirrorSettings, MirrorSource, Mirrors, NamedMirror, ParseNamedMirrorError,
};
pub use openpgp::{Keys, SignatureError};
pub use resolve::{ResolveError, resolve};
pub use solver::Unsatisfiable;
pub use transport::DownloadError;
pub(crate) use transport::Transport;
