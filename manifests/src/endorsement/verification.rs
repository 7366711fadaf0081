//! An endorsement held against what its reader trusts, one line a check.

use guestmark_measure::LaunchDigest;
use guestmark_measure::report::NotChecked;
use serde::Serialize;

use super::Endorsement;
use super::header::to_be_signed;
use super::leaf_key::LeafKey;
use crate::{DidX509, Problem};

/// What a reader trusts and expects. All trust comes from `issuer` and `feed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who must have signed.
    pub issuer: DidX509,
    /// What it must be for.
    pub feed: String,
    /// The lowest security version number to accept.
    pub minimum_svn: u64,
    /// The launch digest that must be endorsed.
    pub measurement: Option<LaunchDigest>,
    /// Launch digests of debug guests, none of which may be endorsed under this feed.
    pub debug_measurements: Vec<LaunchDigest>,
}

/// One thing that was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// What is now known.
    pub proved: String,
}

/// What came of holding an endorsement against a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// The endorsement, if it could be read. Nothing it says counts unless all is [good].
    ///
    /// [good]: Self::good
    pub endorsement: Option<Endorsement>,
    /// What was proved, up to the first failure.
    pub checks: Vec<Check>,
    /// The first thing that is not as it must be. Nothing was checked after it.
    pub failure: Option<Problem>,
    /// What was not checked at all.
    pub not_checked: Vec<NotChecked>,
}

/// Holds the endorsement in `file` (as [`Endorsement::from_file`] takes it) against `policy`.
pub fn verify(file: &[u8], policy: &Policy) -> Verification {
    let mut verification = Verification::default();
    verification.failure = match Endorsement::from_file(file) {
        Err(problem) => Some(problem),
        Ok(endorsement) => {
            let failure = verification.hold(&endorsement, policy).err();
            verification.leave(Some(&endorsement), policy);
            verification.endorsement = Some(endorsement);
            failure
        }
    };
    if verification.endorsement.is_none() {
        verification.leave(None, policy);
    }
    verification
}

impl Verification {
    /// Whether the endorsement is what the policy demands.
    pub fn good(&self) -> bool {
        self.failure.is_none()
    }

    fn prove(&mut self, name: &'static str, proved: String) {
        self.checks.push(Check { name, proved });
    }

    fn hold(&mut self, endorsement: &Endorsement, policy: &Policy) -> Result<(), Problem> {
        let claims = &endorsement.claims;
        let form = format!(
            "a COSE_Sign1 message of form {}, {}",
            endorsement.version, endorsement.algorithm
        );
        self.prove("Form", form);

        endorsement.chain.verify(claims.signing_time)?;
        let chain = format!(
            "{} certificates, each signed by the next and the last by itself, all valid at {}",
            endorsement.chain.certificates().len(),
            claims.signing_time
        );
        self.prove("Certificate chain", chain);

        endorsement.check_signature()?;
        let leaf = endorsement.chain.leaf().subject();
        let signature = format!("the key of the leaf, {leaf:?}, signed header and payload");
        self.prove("Signature", signature);

        let authority = claims.issuer.resolve(&endorsement.chain)?;
        let (found, trusted) = (claims.issuer.to_string(), policy.issuer.to_string());
        if found != trusted {
            return Err(Problem::new("issuer", trusted, found));
        }
        let issuer = format!(
            "the one trusted; x5chain[{authority}], {:?}, is its authority, and the leaf is as it \
             demands",
            endorsement.chain.certificates()[authority].subject()
        );
        self.prove("Issuer", issuer);
        self.hold_claims(endorsement, policy)
    }

    fn hold_claims(&mut self, endorsement: &Endorsement, policy: &Policy) -> Result<(), Problem> {
        let claims = &endorsement.claims;
        if claims.feed != policy.feed {
            let (expected, found) = (&policy.feed, &claims.feed);
            return Err(Problem::new(
                "feed",
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        self.prove("Feed", format!("{:?}", claims.feed));
        let (svn, minimum) = (claims.svn, policy.minimum_svn);
        if svn < minimum {
            return Err(Problem::new(
                "SVN",
                format!("{minimum} or more"),
                svn.to_string(),
            ));
        }
        self.prove("SVN", format!("{svn}, which is {minimum} or more"));
        let digest = claims.launch_digest;
        if let Some(expected) = policy.measurement {
            if digest != expected {
                let (expected, found) = (expected.to_string(), digest.to_string());
                return Err(Problem::new("launch digest", expected, found));
            }
            self.prove("Launch digest", format!("{digest}, the one expected"));
        }
        if policy.debug_measurements.contains(&digest) {
            let expected = format!("no debug guest under feed {:?}", claims.feed);
            let found = format!("the debug guest {digest}");
            return Err(Problem::new("launch digest", expected, found));
        }
        if !policy.debug_measurements.is_empty() {
            let known = policy.debug_measurements.len();
            self.prove("Debug guests", format!("it is none of the {known} given"));
        }
        Ok(())
    }

    fn leave(&mut self, endorsement: Option<&Endorsement>, policy: &Policy) {
        let mut leave = |name, reason: &str| {
            let reason = reason.to_owned();
            self.not_checked.push(NotChecked { name, reason });
        };
        if policy.measurement.is_none() {
            leave(
                "Launch digest",
                "none was given: compare the one endorsed with that of an attestation report",
            );
        }
        if policy.debug_measurements.is_empty() {
            leave(
                "Debug guests",
                "no launch digests of debug guests were given, and nothing in an endorsement tells \
                 them apart",
            );
        }
        leave(
            "Revocation",
            "no certificate was looked up: a key that was stolen and revoked still verifies",
        );
        leave(
            "Clock",
            "the time of signing is the signer's word; certificates are held against it and not \
             against this machine's clock",
        );
        if let Some(labels) = endorsement.map(|it| it.unsigned_labels)
            && labels > 0
        {
            let reason = format!("{labels} labels that nobody signed were not read");
            leave("Unprotected header", &reason);
        }
    }
}

impl Endorsement {
    /// Holds that the leaf's key made the signature, in the scheme that the header says.
    fn check_signature(&self) -> Result<(), Problem> {
        let key = LeafKey::of_message(&self.chain, self.leaf_fingerprint, self.algorithm)?;
        let message = to_be_signed(&self.protected, &self.payload);
        key.verify(&message, &self.signature)
    }
}
