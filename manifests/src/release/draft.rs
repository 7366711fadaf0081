//! A release before it is signed: what there is to sign, and what becomes of the signatures.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use guestmark_measure::ecdsa::{PublicKey, Signature};
use guestmark_measure::id_block::{self, IdAuthPage, IdBlock, SignedIdBlock};
use guestmark_output::{OutputDirectory, OutputFile};

use super::endorser::{DraftCorim, DraftEndorsement, Endorser};
use super::{
    Content, MAX_SIGNED, MINISIGN_NAME, PROVENANCE_NAME, Place, ReleaseError, SIGNATURE_NAME,
    facts, sums,
};
use crate::dsse::Envelope;
use crate::endorsement::corim::launch_measurement;
use crate::folder::Folder;
use crate::manifest::{Artifact, Guest, MANIFEST_NAME, Manifest};
use crate::revocation::{self, Revocations};
use crate::signer::{Signer, verified};
use crate::statement::{self, Claim, Statement};
use crate::{FileProblem, endorsement, json, minisign};

/// Bytes to sign, under a name that people recognise.
#[derive(Debug, Clone)]
pub struct Message {
    /// A file name.
    pub name: String,
    /// What is signed: hashed with SHA-384 on the way.
    pub bytes: Vec<u8>,
}

/// Where signatures come from.
pub enum Signatures<'s> {
    /// From a signer, now.
    Signer(&'s dyn Signer),
    /// From a folder: for each message the file of its name with `.sig` after it.
    Folder(&'s Folder),
}

impl Signatures<'_> {
    /// The signature over a message, verified with `key`.
    fn over(&self, message: &Message, key: &PublicKey) -> Result<Signature, ReleaseError> {
        let (file, given) = match self {
            Self::Signer(signer) => (message.name.clone(), signer.sign(&message.bytes)?),
            Self::Folder(folder) => {
                let name = format!("{}.sig", message.name);
                let bytes = folder.read(&name, MAX_SIGNED)?;
                (name, bytes)
            }
        };
        verified(key, &message.bytes, &given).map_err(|error| {
            let expected = format!("one of the public key given over {}", message.name);
            FileProblem::new(file, "signature", expected, error).into()
        })
    }
}

/// A signature of minisign, or the key to make one with.
pub enum Minisign {
    /// A key without a password.
    Key(minisign::SecretKey),
    /// The text of a signature file and the key that must have made it.
    Signature(String, minisign::PublicKey),
}

/// One envelope to sign: a rebuilder's statement, or a list of revocations.
#[derive(Debug)]
pub struct DraftEnvelope {
    envelope: Envelope,
    name: &'static str,
}

impl DraftEnvelope {
    /// What somebody states who built the same from recipe and lock.
    ///
    /// # Errors
    /// None for a build that could be read.
    pub fn rebuild(content: &Content) -> Result<Self, ReleaseError> {
        let statement = Statement::rebuild(content.subjects(), &content.recipe);
        let payload = statement.to_bytes().map_err(ReleaseError::Number)?;
        Ok(Self {
            envelope: Envelope::new(statement::PAYLOAD_TYPE, payload),
            name: "rebuild.dsse",
        })
    }

    /// A list of revocations, read from `file`.
    ///
    /// # Errors
    /// The bytes are no such list.
    pub fn revocations(bytes: &[u8], file: &str) -> Result<Self, ReleaseError> {
        let list = Revocations::read(bytes, file)?;
        let payload = json::canonical(&list).map_err(ReleaseError::Number)?;
        Ok(Self {
            envelope: Envelope::new(revocation::PAYLOAD_TYPE, payload),
            name: "revocations.dsse",
        })
    }

    /// What there is to sign.
    pub fn message(&self) -> Message {
        message_of(self.name, &self.envelope)
    }

    /// Signs the envelope and writes it to a file.
    ///
    /// # Errors
    /// No signature that verifies, or a file that cannot be written.
    pub fn write(
        mut self,
        key: &PublicKey,
        signatures: &Signatures<'_>,
        output: &Path,
    ) -> Result<(), ReleaseError> {
        let signature = signatures.over(&self.message(), key)?;
        self.envelope.add(key, &signature);
        let file = OutputFile::begin(output)?;
        file.file().write_all(&self.envelope.to_bytes())?;
        Ok(file.commit()?)
    }
}

/// A release before it is signed, or before somebody else signs it too.
#[derive(Debug)]
pub struct Draft {
    folder: Folder,
    /// What is taken over from the folder as it is.
    copied: Vec<Artifact>,
    manifest: Manifest,
    bytes: Vec<u8>,
    envelope: Envelope,
    /// The production guest's ID block, unless it is signed already.
    id_block: Option<IdBlock>,
    endorsements: Vec<DraftEndorsement>,
    corim: Option<DraftCorim>,
}

/// A signed release, in memory but for the artifacts.
#[derive(Debug)]
pub struct Release {
    folder: Folder,
    copied: Vec<Artifact>,
    files: BTreeMap<String, Vec<u8>>,
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's bytes.
    pub bytes: Vec<u8>,
    /// How many signatures the publishers' statement has.
    pub signatures: usize,
}

impl Draft {
    /// The first signature over a build.
    ///
    /// # Errors
    /// As [`Content::manifest`], and numbers or names that a manifest cannot have.
    pub fn of_build(content: Content, place: &Place) -> Result<Self, ReleaseError> {
        let manifest = content.manifest(place)?;
        let bytes = manifest.to_bytes().map_err(ReleaseError::Number)?;
        // A release that nobody could read is not begun.
        Manifest::read(&bytes, MANIFEST_NAME)?;
        let statement = Statement::provenance(&manifest, &bytes);
        let payload = statement.to_bytes().map_err(ReleaseError::Number)?;
        let block = content
            .folder
            .read(&production(&manifest)?.id_block, 4096)?;
        let block = IdBlock::from_bytes(&block);
        let Content {
            folder, artifacts, ..
        } = content;
        Ok(Self {
            folder,
            copied: artifacts,
            manifest,
            bytes,
            envelope: Envelope::new(statement::PAYLOAD_TYPE, payload),
            id_block: block.ok(),
            endorsements: Vec::new(),
            corim: None,
        })
    }

    /// One more signature over a release, whose artifacts must be as its manifest says.
    ///
    /// # Errors
    /// A release that is damaged.
    pub fn of_release(folder: Folder) -> Result<Self, ReleaseError> {
        let bytes = folder.read(MANIFEST_NAME, json::MAX_SIZE)?;
        let manifest = Manifest::read(&bytes, MANIFEST_NAME)?;
        let envelope = folder.read(PROVENANCE_NAME, MAX_SIGNED)?;
        let envelope = Envelope::read(&envelope, PROVENANCE_NAME, statement::PAYLOAD_TYPE)?;
        let statement = Statement::read(&envelope.payload, PROVENANCE_NAME, Claim::Provenance)?;
        statement.covers_release(PROVENANCE_NAME, &manifest, &bytes)?;
        let mut names = folder.names()?;
        for written in [MANIFEST_NAME, PROVENANCE_NAME, sums::SUMS_NAME] {
            names.remove(written);
        }
        let copied = names.iter().map(|name| folder.artifact(name));
        let copied = copied.collect::<Result<Vec<_>, _>>()?;
        for artifact in &manifest.artifacts {
            let found = copied.iter().find(|found| found.name == artifact.name);
            check_artifact(artifact, found)?;
        }
        Ok(Self {
            folder,
            copied,
            manifest,
            bytes,
            envelope,
            id_block: None,
            endorsements: Vec::new(),
            corim: None,
        })
    }

    /// Has the production guest endorsed too, under the manifest's feed and SVN.
    ///
    /// # Errors
    /// Certificates that do not hold together, are not for ECDSA on P-384, or not the issuer's.
    pub fn endorse(&mut self, endorser: &Endorser) -> Result<(), ReleaseError> {
        self.endorsements = endorser.endorsements(&self.manifest)?;
        Ok(())
    }

    /// Has the CoRIM document signed too, under the manifest's feed.
    ///
    /// # Errors
    /// Certificates that do not hold together, are not for RSA, or not the issuer's.
    pub fn endorse_corim(&mut self, endorser: &Endorser) -> Result<(), ReleaseError> {
        self.corim = Some(endorser.corim(&self.manifest)?);
        Ok(())
    }

    /// What there is to sign for the CoRIM document, if it is to be signed: RSASSA-PSS with
    /// SHA-384, MGF1 with SHA-384, a salt of 48 bytes.
    pub fn corim_message(&self) -> Option<Message> {
        self.corim.as_ref().map(DraftCorim::message)
    }

    /// Takes the signature over [`Self::corim_message`], and verifies it.
    ///
    /// # Errors
    /// It is another key's, or over other bytes.
    pub fn sign_corim(&mut self, signature: &[u8]) -> Result<(), ReleaseError> {
        match &mut self.corim {
            Some(corim) => corim.sign(signature),
            None => Ok(()),
        }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What there is to sign.
    pub fn messages(&self) -> Vec<Message> {
        let mut messages = vec![message_of(PROVENANCE, &self.envelope)];
        if let Some(block) = &self.id_block {
            messages.push(Message {
                name: MANIFEST_NAME.to_owned(),
                bytes: self.bytes.clone(),
            });
            messages.push(id_block_message(&self.manifest, block));
        }
        messages.extend(self.endorsements.iter().map(DraftEndorsement::message));
        messages.extend(self.corim_message());
        messages
    }

    /// Signs the release. Every signature is verified; nothing is written.
    ///
    /// # Errors
    /// No signature that verifies, and a key that signed already.
    pub fn sign(
        mut self,
        key: &PublicKey,
        signatures: &Signatures<'_>,
        minisign: Option<&Minisign>,
    ) -> Result<Release, ReleaseError> {
        if self.envelope.is_signed_by(key) {
            let expected = "a key that has not signed yet";
            let found = "a signature of the same key";
            return Err(FileProblem::new(PROVENANCE_NAME, "signatures", expected, found).into());
        }
        let mut files = BTreeMap::new();
        let signature = signatures.over(&message_of(PROVENANCE, &self.envelope), key)?;
        self.envelope.add(key, &signature);
        files.insert(PROVENANCE_NAME.to_owned(), self.envelope.to_bytes());
        if let Some(block) = self.id_block {
            let message = Message {
                name: MANIFEST_NAME.to_owned(),
                bytes: self.bytes.clone(),
            };
            let signature = signatures.over(&message, key)?;
            files.insert(SIGNATURE_NAME.to_owned(), signature.to_der());
            let corim = launch_measurement(block.launch_digest, self.manifest.identity.uvm_svn);
            files.insert(corim_name(&production(&self.manifest)?.file), corim);
            let (name, igvm) = self.signed_igvm(block, key, signatures)?;
            files.insert(name, igvm);
        }
        for endorsement in &self.endorsements {
            let signature = signatures.over(&endorsement.message(), key)?;
            let message = endorsement.draft.assemble(&signature.to_raw());
            let message = message.map_err(|problem| FileProblem::of(endorsement.name, problem))?;
            let text = endorsement::reference_info_base64(&message);
            files.insert(endorsement.name.to_owned(), text.into_bytes());
        }
        if let Some((name, message)) = self.corim.take().and_then(DraftCorim::signed) {
            files.insert(name, message);
        }
        if let Some(minisign) = minisign {
            let text = self.minisign(minisign)?;
            self.copied
                .retain(|artifact| artifact.name != MINISIGN_NAME);
            files.insert(MINISIGN_NAME.to_owned(), text.into_bytes());
        }
        files.insert(MANIFEST_NAME.to_owned(), self.bytes.clone());
        Ok(Release {
            folder: self.folder,
            copied: self.copied,
            files,
            manifest: self.manifest,
            bytes: self.bytes,
            signatures: self.envelope.signatures(),
        })
    }

    fn minisign(&self, minisign: &Minisign) -> Result<String, ReleaseError> {
        let (text, key) = match minisign {
            Minisign::Key(key) => {
                let Manifest { feed, sequence, .. } = &self.manifest;
                let comment = format!("{MANIFEST_NAME} of {feed}, release {sequence}");
                (key.sign(&self.bytes, &comment), key.public_key())
            }
            Minisign::Signature(text, key) => (text.clone(), *key),
        };
        key.verify(&self.bytes, &text).map_err(|error| {
            FileProblem::new(MINISIGN_NAME, "signature", "one over manifest.json", error)
        })?;
        Ok(text)
    }

    /// The production guest with its signed ID block, as another file.
    fn signed_igvm(
        &self,
        block: IdBlock,
        key: &PublicKey,
        signatures: &Signatures<'_>,
    ) -> Result<(String, Vec<u8>), ReleaseError> {
        let guest = production(&self.manifest)?;
        let loader = guest.loaders.iter();
        let mut loader = loader.filter(|it| it.launch_digest == block.launch_digest);
        let loader = loader.next().ok_or_else(|| {
            let expected = "the digest under some loader";
            FileProblem::new(
                &guest.id_block,
                "launch digest",
                expected,
                block.launch_digest,
            )
        })?;
        let auth = IdAuthPage {
            id_signature: signatures.over(&id_block_message(&self.manifest, &block), key)?,
            id_key: *key,
            author: None,
        };
        let bytes = self.folder.read(&guest.file, facts::MAX_IGVM)?;
        let signed = SignedIdBlock { block, auth };
        let attached = id_block::attach(&bytes, &signed, loader.loader, None);
        let attached = attached.map_err(|error| {
            FileProblem::new(&guest.file, "ID block", "one that can be attached", error)
        })?;
        Ok((signed_name(&guest.file), attached))
    }
}

impl Release {
    /// Writes the release. It appears whole or not at all; an earlier release is replaced.
    ///
    /// # Errors
    /// Something else in its place, an artifact that changed meanwhile, and failures to write.
    pub fn write(&self, output: &Path) -> Result<(), ReleaseError> {
        let directory = OutputDirectory::begin(output, MANIFEST_NAME)?;
        for artifact in &self.copied {
            let mut from = self.folder.open_file(&artifact.name)?;
            let mut to = directory.create(&artifact.name)?;
            io::copy(&mut from, to.file_mut())?;
        }
        let written = directory.artifacts()?;
        for artifact in &self.copied {
            let found = written.iter().find(|it| it.name == artifact.name);
            if found.is_none_or(|found| found.sha256 != artifact.sha256) {
                let found = "a file that changed while it was copied";
                let problem = FileProblem::new(&artifact.name, "SHA-256", artifact.sha256, found);
                return Err(problem.into());
            }
        }
        for (name, bytes) in &self.files {
            directory.create(name)?.write_all(bytes)?;
        }
        directory.commit()?;
        Ok(())
    }
}

/// The name of the publishers' statement among what is signed.
const PROVENANCE: &str = "provenance.dsse";

/// Holds that a file is as the manifest says.
pub(super) fn check_artifact(
    expected: &Artifact,
    found: Option<&Artifact>,
) -> Result<(), FileProblem> {
    let file = expected.name.as_str();
    let found =
        found.ok_or_else(|| FileProblem::new(file, "file", "a file of the manifest", "nothing"))?;
    crate::file_problem::expect(file, "size", &expected.size, &found.size)?;
    crate::file_problem::expect(file, "SHA-256", &expected.sha256, &found.sha256)?;
    crate::file_problem::expect(file, "SHA-384", &expected.sha384, &found.sha384)
}

fn message_of(name: &str, envelope: &Envelope) -> Message {
    Message {
        name: name.to_owned(),
        bytes: envelope.to_be_signed(),
    }
}

fn id_block_message(manifest: &Manifest, block: &IdBlock) -> Message {
    let guest = manifest.guest("production");
    Message {
        name: guest
            .map(|guest| guest.id_block.clone())
            .unwrap_or_default(),
        bytes: block.to_bytes().to_vec(),
    }
}

pub(super) fn production(manifest: &Manifest) -> Result<&Guest, FileProblem> {
    let expected = "a \"production\" guest";
    let guest = manifest.guest("production");
    guest.ok_or_else(|| FileProblem::new(MANIFEST_NAME, "guests.variant", expected, "none"))
}

/// The name of an IGVM file with its signed ID block: `guest.igvm` is `guest.signed.igvm`.
pub fn signed_name(file: &str) -> String {
    match file.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.signed.{extension}"),
        None => format!("{file}.signed"),
    }
}

/// The name of the CoRIM document of an IGVM file: `guest.igvm` has `guest.corim`.
pub fn corim_name(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("{stem}.corim")
}
