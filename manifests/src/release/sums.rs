//! `SHA256SUMS` of a release.

use std::collections::BTreeMap;

use guestmark_measure::Sha256Digest;

use crate::FileProblem;
use crate::manifest::name;

/// The list of digests, as `sha256sum` reads it.
pub(super) const SUMS_NAME: &str = guestmark_output::SUMS_NAME;

/// Bytes of the longest list.
pub(super) const MAX_SUMS: usize = 1 << 20;

/// The digests in a list, by name. Only plain lines are taken: digest, two spaces, name.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<&str, Sha256Digest>, FileProblem> {
    let wrong =
        |found: String| FileProblem::new(SUMS_NAME, "line", "a SHA-256, two spaces, a name", found);
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let parts = line
            .split_once("  ")
            .filter(|(_, name)| name::is_plain(name));
        let parts = parts.and_then(|(digest, name)| Some((name, digest.parse().ok()?)));
        let (name, digest) = parts.ok_or_else(|| wrong(format!("{line:?}")))?;
        if sums.insert(name, digest).is_some() {
            return Err(FileProblem::new(SUMS_NAME, name, "once", "twice"));
        }
    }
    Ok(sums)
}
