//! Who gives verifiers of AKS guests a word, and what is drafted of it before it is signed.

use super::draft::production;
use super::{ENDORSEMENT_NAME, ENDORSEMENT_V2_NAME, Message, ReleaseError, corim_name};
use crate::endorsement::corim::CorimDraft;
use crate::endorsement::{self, Claims, Version};
use crate::manifest::Manifest;
use crate::signer::Algorithm;
use crate::{CertificateChain, DidX509, FileProblem, SigningTime, file_problem};

/// Who endorses the production guest, for verifiers that read endorsements.
#[derive(Debug)]
pub struct Endorser {
    /// The issuer.
    pub issuer: DidX509,
    /// The certificates of the signing key, leaf to root.
    pub chain: CertificateChain,
    /// When it is said to be signed.
    pub signing_time: SigningTime,
}

/// One form of the endorsement, before it is signed.
#[derive(Debug)]
pub(super) struct DraftEndorsement {
    /// The name of the published file.
    pub(super) name: &'static str,
    pub(super) draft: endorsement::Draft,
}

/// The signature over the CoRIM document, before and after it is there.
#[derive(Debug)]
pub(super) struct DraftCorim {
    /// The name of the published signature.
    name: String,
    draft: CorimDraft,
    signed: Option<Vec<u8>>,
}

impl Endorser {
    pub(super) fn endorsements(
        &self,
        manifest: &Manifest,
    ) -> Result<Vec<DraftEndorsement>, ReleaseError> {
        let forms = [
            (Version::V1, ENDORSEMENT_NAME),
            (Version::V2, ENDORSEMENT_V2_NAME),
        ];
        let drafts = forms.map(|(version, name)| {
            let draft = endorsement::Draft::new(version, self.claims(manifest)?, &self.chain);
            let draft = draft.map_err(|problem| FileProblem::of("--chain", problem))?;
            let (expected, found) = (Algorithm::Es384, draft.algorithm());
            file_problem::expect("--chain", "x5chain[0] key", &expected, &found)?;
            Ok(DraftEndorsement { name, draft })
        });
        drafts.into_iter().collect()
    }

    pub(super) fn corim(&self, manifest: &Manifest) -> Result<DraftCorim, ReleaseError> {
        let draft = CorimDraft::new(&self.claims(manifest)?, &self.chain);
        Ok(DraftCorim {
            name: corim_signature_name(&production(manifest)?.file),
            draft: draft.map_err(|problem| FileProblem::of("--corim-chain", problem))?,
            signed: None,
        })
    }

    fn claims(&self, manifest: &Manifest) -> Result<Claims, ReleaseError> {
        Ok(Claims {
            issuer: self.issuer.clone(),
            feed: manifest.feed.clone(),
            svn: manifest.identity.uvm_svn,
            launch_digest: production(manifest)?.launch_digest,
            signing_time: self.signing_time,
        })
    }
}

impl DraftEndorsement {
    pub(super) fn message(&self) -> Message {
        to_be_signed(self.name, self.draft.to_be_signed())
    }
}

impl DraftCorim {
    pub(super) fn message(&self) -> Message {
        to_be_signed(&self.name, self.draft.to_be_signed())
    }

    pub(super) fn sign(&mut self, signature: &[u8]) -> Result<(), ReleaseError> {
        let message = self.draft.assemble(signature);
        self.signed = Some(message.map_err(|problem| FileProblem::of(&self.name, problem))?);
        Ok(())
    }

    /// The published file, once it is signed.
    pub(super) fn signed(self) -> Option<(String, Vec<u8>)> {
        self.signed.map(|message| (self.name, message))
    }
}

fn to_be_signed(name: &str, bytes: Vec<u8>) -> Message {
    Message {
        name: format!("{name}.to-be-signed"),
        bytes,
    }
}

/// The detached signature over the CoRIM document of the IGVM file `file`.
pub(super) fn corim_signature_name(file: &str) -> String {
    format!("{}.cose", corim_name(file))
}
