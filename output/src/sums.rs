//! `SHA256SUMS`: what `sha256sum --check` reads.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use fs_err::File;
use guestmark_measure::Sha256Digest;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The name of the list in an output directory.
pub const SUMS_NAME: &str = "SHA256SUMS";

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// A file of an output directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// The file's name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

/// The files `names` of a folder, with their digests, sorted by name.
pub(super) fn artifacts(folder: &Path, names: &BTreeSet<String>) -> io::Result<Vec<Artifact>> {
    names
        .par_iter()
        .map(|name| {
            let mut file = File::open(folder.join(name))?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; BUFFER];
            let mut size = 0;
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            Ok(Artifact {
                name: name.clone(),
                size,
                sha256: Sha256Digest::new(hash.finalize().into()),
            })
        })
        .collect()
}

/// The list's text.
pub(super) fn text(artifacts: &[Artifact]) -> String {
    artifacts
        .iter()
        .map(|artifact| format!("{}  {}\n", artifact.sha256, artifact.name))
        .collect()
}

/// The names in a list's text; `None` if it is not such a list.
pub(super) fn names(text: &str) -> Option<BTreeSet<&str>> {
    text.lines()
        .map(|line| {
            let (digest, name) = line.split_once("  ")?;
            digest.parse::<Sha256Digest>().ok().map(|_| name)
        })
        .collect()
}
