//! Whether a release is what a relying party's policy accepts: offline, one check after the other.

mod endorsements;
mod guests;
mod history;
mod rebuilders;

use std::collections::BTreeSet;

use guestmark_measure::{LaunchDigest, Sha256Digest};
use serde::Serialize;

use super::draft::{check_artifact, production};
use super::endorser::corim_signature_name;
use super::{
    ENDORSEMENT_NAME, ENDORSEMENT_V2_NAME, MAX_SIGNED, MINISIGN_NAME, PROVENANCE_NAME,
    ReleaseError, SIGNATURE_NAME, corim_name, facts, signed_name, sums,
};
use crate::dsse::Envelope;
use crate::file_problem::expect;
use crate::folder::Folder;
use crate::manifest::{self, Artifact, MANIFEST_NAME, Manifest, name};
use crate::policy::{Feed, Policy, Role, TrustedKey};
use crate::revocation::Revocations;
use crate::signer::verified;
use crate::state::{Seen, State};
use crate::statement::{self, Claim, Statement};
use crate::{FileProblem, json};

/// A check that passed.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// What that proved.
    pub proved: String,
}

/// What a release turned out to be.
#[derive(Debug)]
pub struct Verdict {
    /// The checks that passed, in their order.
    pub checks: Vec<Check>,
    /// What was not checked.
    pub not_checked: Vec<String>,
    /// The first check that failed; none if the release is accepted.
    pub failure: Option<FileProblem>,
    /// The release, once its publishers' signatures verified.
    pub release: Option<Summary>,
    /// The number of the list of revocations; 0 without one.
    pub revocations: u64,
}

/// What a release is called, and what its guest launches to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The feed.
    pub feed: String,
    /// The number in the feed.
    pub sequence: u64,
    /// SHA-256 of the manifest.
    pub manifest_sha256: Sha256Digest,
    /// The digest in the production guest's ID block.
    pub launch_digest: LaunchDigest,
    /// The SVN of the endorsement.
    pub uvm_svn: u64,
}

/// What a release is held against.
#[derive(Debug)]
pub struct Request<'r> {
    /// Whom to trust.
    pub policy: &'r Policy,
    /// The signed list of revocations, if the policy names one: its name and bytes.
    pub revocations: Option<(&'r str, &'r [u8])>,
    /// What was seen before.
    pub state: Option<&'r State>,
    /// Manifests between the newest one seen and this one.
    pub previous: &'r [Vec<u8>],
}

/// Holds a release in `folder` against a policy. After a check that fails nothing more is checked.
///
/// # Errors
/// The system fails to read a file. What is wrong with the release is in the verdict.
pub fn verify(folder: &Folder, request: &Request<'_>) -> Result<Verdict, ReleaseError> {
    let mut verifier = Verifier {
        folder,
        request,
        revoked: None,
        verdict: Verdict {
            checks: Vec::new(),
            not_checked: Vec::new(),
            failure: None,
            release: None,
            revocations: 0,
        },
    };
    match verifier.run() {
        Ok(()) => {}
        Err(ReleaseError::Problem(problem)) => verifier.verdict.failure = Some(problem),
        Err(error) => return Err(error),
    }
    Ok(verifier.verdict)
}

impl Verdict {
    /// The state after a release was accepted.
    pub fn seen(&self, state: &State) -> State {
        let mut state = state.clone();
        if let Some(release) = &self.release {
            let seen = Seen {
                sequence: release.sequence,
                manifest: release.manifest_sha256,
            };
            state.feeds.insert(release.feed.clone(), seen);
        }
        state.revocations = state.revocations.max(self.revocations);
        state
    }
}

struct Verifier<'r> {
    folder: &'r Folder,
    request: &'r Request<'r>,
    revoked: Option<Revocations>,
    verdict: Verdict,
}

type Checked = Result<(), ReleaseError>;

impl Verifier<'_> {
    fn run(&mut self) -> Checked {
        self.revocations()?;
        let bytes = self.folder.read(MANIFEST_NAME, json::MAX_SIZE)?;
        let manifest = Manifest::read(&bytes, MANIFEST_NAME)?;
        self.passed("manifest", format!("canonical, {}", Manifest::SCHEMA));
        self.publishers(&manifest, &bytes)?;
        self.detached(&bytes)?;
        self.minisign(&bytes)?;
        let digest = manifest::digest(&bytes);
        if self
            .revoked
            .as_ref()
            .is_some_and(|list| list.has_manifest(digest))
        {
            let found = format!("its SHA-256 {digest} in the list of revocations");
            return Err(FileProblem::new(MANIFEST_NAME, "revocation", "none", found).into());
        }
        self.verdict.release = Some(Summary {
            feed: manifest.feed.clone(),
            sequence: manifest.sequence,
            manifest_sha256: digest,
            launch_digest: production(&manifest)?.launch_digest,
            uvm_svn: manifest.identity.uvm_svn,
        });
        self.feed(&manifest)?;
        self.history(&manifest, digest)?;
        let names = self.exact_set(&manifest)?;
        self.artifacts(&manifest, &names)?;
        self.root_file_system(&manifest)?;
        self.guests(&manifest)?;
        self.signed_guest(&manifest)?;
        self.corim(&manifest, &names)?;
        self.endorsements(&manifest, &names)?;
        self.rebuilders(&manifest, &names)
    }

    fn passed(&mut self, name: &'static str, proved: impl Into<String>) {
        let proved = proved.into();
        self.verdict.checks.push(Check { name, proved });
    }

    fn not_checked(&mut self, what: impl Into<String>) {
        self.verdict.not_checked.push(what.into());
    }

    fn revocations(&mut self) -> Checked {
        let Some(((role, _), (file, bytes))) = self
            .request
            .policy
            .revoker
            .as_ref()
            .zip(self.request.revocations)
        else {
            self.not_checked("revocation: the policy names no [revoker]");
            return Ok(());
        };
        let list = Revocations::read_signed(bytes, file, role)?;
        let seen = self.request.state.map_or(0, |state| state.revocations);
        if list.sequence < seen {
            let expected = format!("{seen} or more, as seen before");
            return Err(FileProblem::new(file, "sequence", expected, list.sequence).into());
        }
        let threshold = role.threshold;
        let proved = format!(
            "list {}, signed by {threshold} or more revokers",
            list.sequence
        );
        self.passed("revocations", proved);
        self.verdict.revocations = list.sequence;
        self.revoked = Some(list);
        Ok(())
    }

    fn is_revoked(&self, key: &TrustedKey) -> bool {
        self.revoked
            .as_ref()
            .is_some_and(|list| list.has_key(key.id))
    }

    /// The names of keys of `role` that signed, those that count and those that are revoked.
    fn signers<'p>(&self, role: &'p Role, envelope: &Envelope) -> (Vec<&'p str>, Vec<&'p str>) {
        let (revoked, good): (Vec<_>, Vec<_>) = role
            .signers(envelope)
            .into_iter()
            .partition(|key| self.is_revoked(key));
        let names = |keys: Vec<&'p TrustedKey>| keys.into_iter().map(|key| &*key.name).collect();
        (names(good), names(revoked))
    }

    fn publishers(&mut self, manifest: &Manifest, bytes: &[u8]) -> Checked {
        let file = PROVENANCE_NAME;
        let role = &self.request.policy.publisher;
        let envelope = self.folder.read(file, MAX_SIGNED)?;
        let envelope = Envelope::read(&envelope, file, statement::PAYLOAD_TYPE)?;
        let (good, revoked) = self.signers(role, &envelope);
        if good.len() < role.threshold {
            let expected = format!("{} of the policy's publishers", role.threshold);
            let mut found = format!("{} among {} signatures", good.len(), envelope.signatures());
            if !revoked.is_empty() {
                found.push_str(&format!("; revoked: {}", revoked.join(", ")));
            }
            return Err(FileProblem::new(file, "signatures", expected, found).into());
        }
        let statement = Statement::read(&envelope.payload, file, Claim::Provenance)?;
        statement.covers_release(file, manifest, bytes)?;
        let proved = format!(
            "{} of {} publishers signed, threshold {}: {}",
            good.len(),
            role.keys.len(),
            role.threshold,
            good.join(", ")
        );
        self.passed("publishers", proved);
        self.passed(
            "provenance",
            "the statement is about this manifest, each file and each launch digest",
        );
        Ok(())
    }

    fn detached(&mut self, bytes: &[u8]) -> Checked {
        let signature = self.folder.read(SIGNATURE_NAME, MAX_SIGNED)?;
        let keys = self.request.policy.publisher.keys.iter();
        let mut keys = keys.filter(|key| !self.is_revoked(key));
        let signer = keys.find(|key| verified(&key.key, bytes, &signature).is_ok());
        let name = signer.map(|key| key.name.clone()).ok_or_else(|| {
            let expected = "one of a publisher over manifest.json";
            FileProblem::new(SIGNATURE_NAME, "signature", expected, "another, or none")
        })?;
        self.passed(
            "detached signature",
            format!("{name} signed the manifest's bytes"),
        );
        Ok(())
    }

    fn minisign(&mut self, bytes: &[u8]) -> Checked {
        let keys = &self.request.policy.minisign;
        if keys.is_empty() {
            self.not_checked("minisign: the policy names no key of it");
            return Ok(());
        }
        let text = self.folder.read(MINISIGN_NAME, MAX_SIGNED)?;
        let text = String::from_utf8_lossy(&text);
        let mut found = String::new();
        for key in keys {
            match key.verify(bytes, &text) {
                Ok(comment) => {
                    let proved = format!("signed the manifest's bytes and \"{comment}\"");
                    self.passed("minisign", proved);
                    return Ok(());
                }
                Err(error) => found = error.to_string(),
            }
        }
        let expected = "one of a key of the policy over manifest.json";
        Err(FileProblem::new(MINISIGN_NAME, "signature", expected, found).into())
    }

    fn feed(&mut self, manifest: &Manifest) -> Checked {
        let feeds = &self.request.policy.feeds;
        let Some(feed) = feeds.get(&manifest.feed) else {
            let names: Vec<_> = feeds.keys().map(String::as_str).collect();
            let expected = format!("a feed of the policy ({})", names.join(", "));
            return Err(FileProblem::new(MANIFEST_NAME, "feed", expected, &manifest.feed).into());
        };
        let Feed {
            minimum_svn,
            minimum_guest_svn,
            ..
        } = *feed;
        let identity = &manifest.identity;
        for (field, minimum, found) in [
            ("identity.uvm_svn", minimum_svn, identity.uvm_svn),
            (
                "identity.guest_svn",
                minimum_guest_svn.into(),
                identity.guest_svn.into(),
            ),
        ] {
            if found < minimum {
                let expected = format!("{minimum} or more");
                return Err(FileProblem::new(MANIFEST_NAME, field, expected, found).into());
            }
        }
        let proved = format!(
            "feed {}, UVM SVN {} (minimum {minimum_svn}), guest SVN {} (minimum {minimum_guest_svn})",
            manifest.feed, identity.uvm_svn, identity.guest_svn
        );
        self.passed("security version", proved);
        Ok(())
    }

    /// Nothing missing and nothing extra.
    fn exact_set(&mut self, manifest: &Manifest) -> Result<BTreeSet<String>, ReleaseError> {
        let names = self.folder.names()?;
        if let Some(found) = name::repeated(names.iter().map(String::as_str)) {
            let expected = "names that differ by more than case";
            return Err(
                FileProblem::new(found, "name", expected, "the same in another case").into(),
            );
        }
        let mut required: BTreeSet<String> = manifest
            .artifacts
            .iter()
            .map(|it| it.name.clone())
            .collect();
        let ours = [
            MANIFEST_NAME,
            SIGNATURE_NAME,
            PROVENANCE_NAME,
            sums::SUMS_NAME,
        ];
        required.extend(ours.map(str::to_owned));
        let file = &production(manifest)?.file;
        required.extend([signed_name(file), corim_name(file)]);
        if let Some(missing) = required.difference(&names).next() {
            return Err(FileProblem::new(missing, "file", "a file", "nothing").into());
        }
        let corim_signature = corim_signature_name(file);
        let optional = |name: &str| {
            let known = [
                MINISIGN_NAME,
                ENDORSEMENT_NAME,
                ENDORSEMENT_V2_NAME,
                &corim_signature,
            ];
            known.contains(&name) || rebuilders::of(name).is_some()
        };
        if let Some(extra) = names.difference(&required).find(|name| !optional(name)) {
            let extra = extra.escape_debug();
            return Err(FileProblem::new(extra, "file", "nothing of this name", "a file").into());
        }
        let proved = format!("{} files, none missing and none extra", names.len());
        self.passed("file names", proved);
        Ok(names)
    }

    fn artifacts(&mut self, manifest: &Manifest, names: &BTreeSet<String>) -> Checked {
        let mut found: Vec<Artifact> = Vec::new();
        for name in names.iter().filter(|name| *name != sums::SUMS_NAME) {
            let artifact = self.folder.artifact(name)?;
            if let Some(expected) = manifest.artifact(name) {
                check_artifact(expected, Some(&artifact))?;
            }
            found.push(artifact);
        }
        let bytes: u64 = manifest
            .artifacts
            .iter()
            .map(|artifact| artifact.size)
            .sum();
        let proved = format!(
            "{} files, {bytes} bytes: size, SHA-256 and SHA-384 as in the manifest",
            manifest.artifacts.len()
        );
        self.passed("artifacts", proved);

        let list = self.folder.read(sums::SUMS_NAME, sums::MAX_SUMS)?;
        let mut list = sums::read(&list)?;
        for artifact in &found {
            match list.remove(artifact.name.as_str()) {
                Some(sha256) => expect(sums::SUMS_NAME, &artifact.name, &artifact.sha256, &sha256)?,
                // A rebuilder's word may come after the release.
                None if rebuilders::of(&artifact.name).is_some() => {}
                None => {
                    let expected = artifact.sha256;
                    let problem =
                        FileProblem::new(sums::SUMS_NAME, &artifact.name, expected, "nothing");
                    return Err(problem.into());
                }
            }
        }
        if let Some((name, sha256)) = list.pop_first() {
            return Err(FileProblem::new(sums::SUMS_NAME, name, "nothing", sha256).into());
        }
        self.passed("SHA256SUMS", "lists the same files with the same digests");
        Ok(())
    }
}
