//! Whether the files are the guests that the manifest says.

use std::collections::BTreeSet;

use guestmark_measure::id_block::{SignedIdBlock, strip};
use guestmark_measure::igvm::IgvmFile;

use super::{Checked, MAX_SIGNED, Verifier, corim_name, facts, production, signed_name};
use crate::FileProblem;
use crate::endorsement::corim::{self, launch_measurement};
use crate::file_problem::expect;
use crate::manifest::{self, Manifest};
use crate::release::ReleaseError;
use crate::release::endorser::corim_signature_name;

impl Verifier<'_> {
    pub(super) fn root_file_system(&mut self, manifest: &Manifest) -> Checked {
        let verity = &manifest.verity;
        let disk = self.folder.open_file(&verity.disk)?;
        let size = manifest.artifact(&verity.disk).map_or(0, |disk| disk.size);
        let found = facts::root_hash(&disk, size, verity)?;
        expect(
            &verity.disk,
            "dm-verity root hash",
            &verity.root_hash,
            &found,
        )?;
        self.passed("root file system", format!("its blocks hash to {found}"));
        Ok(())
    }

    pub(super) fn guests(&mut self, manifest: &Manifest) -> Checked {
        let mut digests = BTreeSet::new();
        for guest in &manifest.guests {
            let file = guest.file.as_str();
            let bytes = self.folder.read(file, facts::MAX_IGVM)?;
            let found = facts::launched(file, &bytes)?;
            let text = |digests: &[manifest::LoaderDigest]| {
                let texts = digests
                    .iter()
                    .map(|it| format!("{} {}", it.loader, it.launch_digest));
                texts.collect::<Vec<_>>().join(", ")
            };
            expect(file, "launch digests", &text(&guest.loaders), &text(&found))?;
            facts::holds_root_hash(file, &bytes, manifest.verity.root_hash)?;
            let block = self.folder.read(&guest.id_block, 4096)?;
            let identity = &manifest.identity;
            facts::check_id_block(&guest.id_block, &block, file, &bytes, guest, identity)?;
            if !digests.insert(guest.launch_digest) {
                let expected = "another digest than the other variant's";
                let found = guest.launch_digest;
                return Err(FileProblem::new(file, "launch digest", expected, found).into());
            }
            let loaders = guest.loaders.len();
            let proved = format!(
                "{} ({file}): launches to {} under its loader; {loaders} loaders measured; holds \
                 the root hash; its ID block is for this digest, identity and policy, which forbids \
                 debugging",
                guest.variant, guest.launch_digest
            );
            self.passed("guest", proved);
        }
        Ok(())
    }

    pub(super) fn signed_guest(&mut self, manifest: &Manifest) -> Checked {
        let guest = production(manifest)?;
        let name = signed_name(&guest.file);
        let signed = self.folder.read(&name, facts::MAX_IGVM)?;
        let wrong = |field, expected: &str, found: String| {
            ReleaseError::from(FileProblem::new(&name, field, expected, found))
        };
        let body = strip(&signed)
            .map_err(|error| wrong("ID block", "one that can be taken out", error.to_string()))?;
        if body != self.folder.read(&guest.file, facts::MAX_IGVM)? {
            let expected = format!("the bytes of {} without its ID block", guest.file);
            return Err(wrong("content", &expected, "other bytes".to_owned()));
        }
        let file = IgvmFile::parse(&signed)
            .map_err(|error| wrong("content", "an IGVM file", error.to_string()))?;
        let block = SignedIdBlock::of(&file);
        let block = block.map_err(|error| wrong("ID block", "a signed one", error.to_string()))?;
        let block = block.ok_or_else(|| wrong("ID block", "one for SEV-SNP", "none".to_owned()))?;
        block
            .verify()
            .map_err(|error| wrong("ID block", "signatures that verify", error.to_string()))?;
        let published = self.folder.read(&guest.id_block, 4096)?;
        if block.block.to_bytes()[..] != published[..] {
            let expected = format!("that of {}", guest.id_block);
            return Err(wrong("ID block", &expected, "another".to_owned()));
        }
        let key = self.request.policy.publisher.keys.iter();
        let mut key = key.filter(|key| !self.is_revoked(key));
        let key = key
            .find(|key| key.key == block.auth.id_key)
            .map(|key| key.name.clone());
        let key = key.ok_or_else(|| {
            let found = format!("the key with digest {}", block.auth.id_key.digest());
            wrong("ID key", "a publisher's key", found)
        })?;
        let proved = format!("{name}: {} with its ID block, signed by {key}", guest.file);
        self.passed("signed ID block", proved);
        Ok(())
    }

    pub(super) fn corim(&mut self, manifest: &Manifest, names: &BTreeSet<String>) -> Checked {
        let guest = production(manifest)?;
        let name = corim_name(&guest.file);
        let svn = manifest.identity.uvm_svn;
        let document = self.folder.read(&name, MAX_SIGNED)?;
        if document != launch_measurement(guest.launch_digest, svn) {
            let expected = "the document for this launch digest and SVN";
            return Err(FileProblem::new(name, "content", expected, "other bytes").into());
        }
        self.passed(
            "CoRIM",
            format!("{name}: gives the launch digest and SVN {svn}"),
        );

        let signature = corim_signature_name(&guest.file);
        let feed = self.request.policy.feeds.get(&manifest.feed);
        match feed.and_then(|feed| feed.corim_issuer.as_ref()) {
            Some(issuer) => {
                let message = self.folder.read(&signature, MAX_SIGNED)?;
                let time = corim::verify(&message, &document, issuer, &manifest.feed)
                    .map_err(|problem| FileProblem::of(&signature, problem))?;
                let proved = format!(
                    "{signature}: the issuer signed {name} for the feed, said to be at {time}"
                );
                self.passed("signed CoRIM", proved);
            }
            None if names.contains(&signature) => {
                self.not_checked(format!(
                    "{signature}: the policy names no corim-issuer for the feed"
                ));
            }
            None => self.not_checked(format!("signed CoRIM: there is no {signature}")),
        }
        Ok(())
    }
}
