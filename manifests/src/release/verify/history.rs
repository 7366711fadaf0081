//! Whether a release is newer than what was seen, and follows from it.

use guestmark_measure::Sha256Digest;

use super::{Checked, Verifier};
use crate::FileProblem;
use crate::manifest::{self, MANIFEST_NAME, Manifest};

impl Verifier<'_> {
    pub(super) fn history(&mut self, manifest: &Manifest, digest: Sha256Digest) -> Checked {
        let Some(state) = self.request.state else {
            self.not_checked("rollback: without --state nothing is known of earlier releases");
            return Ok(());
        };
        let Some(seen) = state.feeds.get(&manifest.feed) else {
            let proved = format!("release {}, the first one seen", manifest.sequence);
            self.passed("sequence", proved);
            return Ok(());
        };
        if manifest.sequence < seen.sequence {
            let expected = format!("{} or more, as seen before", seen.sequence);
            return Err(
                FileProblem::new(MANIFEST_NAME, "sequence", expected, manifest.sequence).into(),
            );
        }
        if manifest.sequence == seen.sequence {
            let expected = format!("{}, as release {} had before", seen.manifest, seen.sequence);
            if digest != seen.manifest {
                return Err(FileProblem::new(MANIFEST_NAME, "SHA-256", expected, digest).into());
            }
            let proved = format!("release {}, the newest one seen", seen.sequence);
            self.passed("sequence", proved);
            return Ok(());
        }
        let mut newer = (manifest.sequence, manifest.previous);
        while newer.0 > seen.sequence + 1 {
            let mut earlier = self.request.previous.iter();
            let Some(bytes) = earlier.find(|it| newer.1 == Some(manifest::digest(it))) else {
                let between = newer.0 - seen.sequence - 1;
                self.not_checked(format!(
                    "chain: release {} was seen before, and {between} between it and release {} \
                     were not given with --previous",
                    seen.sequence, newer.0
                ));
                let proved = format!("release {}, after {}", manifest.sequence, seen.sequence);
                self.passed("sequence", proved);
                return Ok(());
            };
            let file = format!("manifest {}", newer.0 - 1);
            let earlier = Manifest::read(bytes, &file)?;
            crate::file_problem::expect(&file, "feed", &manifest.feed, &earlier.feed)?;
            crate::file_problem::expect(&file, "sequence", &(newer.0 - 1), &earlier.sequence)?;
            newer = (earlier.sequence, earlier.previous);
        }
        if newer.1 != Some(seen.manifest) {
            let expected = format!(
                "{}, the manifest of release {}",
                seen.manifest, seen.sequence
            );
            let found = newer
                .1
                .map_or_else(|| "none".to_owned(), |digest| digest.to_string());
            return Err(FileProblem::new(MANIFEST_NAME, "previous", expected, found).into());
        }
        let proved = format!(
            "release {}; its chain of previous manifests leads to release {}, seen before",
            manifest.sequence, seen.sequence
        );
        self.passed("sequence", proved);
        Ok(())
    }
}
