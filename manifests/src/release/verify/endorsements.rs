//! What verifiers of AKS guests are told.

use std::collections::BTreeSet;

use super::{Checked, ENDORSEMENT_NAME, ENDORSEMENT_V2_NAME, Verifier, production};
use crate::FileProblem;
use crate::endorsement::{self, Version};
use crate::manifest::Manifest;
use crate::release::MAX_SIGNED;

impl Verifier<'_> {
    pub(super) fn endorsements(
        &mut self,
        manifest: &Manifest,
        names: &BTreeSet<String>,
    ) -> Checked {
        let feed = self.request.policy.feeds.get(&manifest.feed);
        let Some((feed, issuer)) = feed.and_then(|feed| Some((feed, feed.issuer.clone()?))) else {
            self.not_checked("endorsement: the policy names no issuer for the feed");
            return Ok(());
        };
        let guest = production(manifest)?;
        let others = manifest
            .guests
            .iter()
            .filter(|other| other.variant != guest.variant);
        let policy = endorsement::Policy {
            issuer,
            feed: manifest.feed.clone(),
            minimum_svn: feed.minimum_svn,
            measurement: Some(guest.launch_digest),
            debug_measurements: others.map(|other| other.launch_digest).collect(),
        };
        for (version, name) in [
            (Version::V1, ENDORSEMENT_NAME),
            (Version::V2, ENDORSEMENT_V2_NAME),
        ] {
            // The first form is the one that is read today.
            if version == Version::V2 && !names.contains(name) {
                continue;
            }
            let bytes = self.folder.read(name, MAX_SIGNED)?;
            let verification = endorsement::verify(&bytes, &policy);
            if let Some(problem) = verification.failure {
                return Err(FileProblem::of(name, problem).into());
            }
            let Some(found) = verification.endorsement else {
                continue;
            };
            crate::file_problem::expect(name, "version", &version, &found.version)?;
            let (expected, svn) = (manifest.identity.uvm_svn, found.claims.svn);
            crate::file_problem::expect(name, "svn", &expected, &svn)?;
            let proved = format!(
                "{name}: {version}, the issuer's word for the production guest's launch digest, \
                 feed and SVN {svn}, said to be signed at {}",
                found.claims.signing_time
            );
            self.passed("endorsement", proved);
        }
        Ok(())
    }
}
