//! A report held against what is expected of it, one line a check.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Chain, Report};
use crate::certificate::{Certificate, CertificateError};
use crate::id_block::{IdBlock, SignedIdBlock};
use crate::{LaunchDigest, Loader, Sha256Digest, Sha384Digest};

/// What a report is held against.
#[derive(Debug, Clone)]
pub struct Expected<'e> {
    /// Each loader that may have launched the guest, with the file's digest under it.
    pub digests: Vec<(Loader, LaunchDigest)>,
    /// The file's guest policy for SEV-SNP, if it says any.
    pub policy: Option<u64>,
    /// The file's ID block, if it has one.
    pub id_block: Option<SignedIdBlock>,
    /// The VMPL that should have asked.
    pub vmpl: u32,
    /// The agent's policy whose SHA-256 HOST_DATA should be.
    pub agent_policy: Option<&'e [u8]>,
    /// The certificate of the key that should have signed.
    pub vcek: Option<Certificate>,
    /// What vouches for that certificate.
    pub chain: Option<Chain>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found.
    pub found: String,
    /// What should have been found instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// One thing that was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotChecked {
    /// What was not checked.
    pub name: &'static str,
    /// Why not, or what to do about it.
    pub reason: String,
}

/// What came of holding a report against what is expected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What was checked.
    pub checks: Vec<Check>,
    /// What was not.
    pub not_checked: Vec<NotChecked>,
}

/// Holds a report against what is expected of it. Nothing stops at the first thing wrong.
pub fn check(report: &Report, expected: &Expected<'_>) -> Findings {
    let mut findings = Findings::default();
    findings.measurement(report, expected);
    match expected.policy {
        Some(policy) => findings.equal("POLICY", hex64(report.policy), hex64(policy)),
        None => findings.leave("POLICY", "the file has no guest policy header for SEV-SNP"),
    }
    let debug = |allowed| if allowed { "allowed" } else { "not allowed" }.to_owned();
    findings.equal("Debugging", debug(report.allows_debug()), debug(false));
    findings.equal("VMPL", report.vmpl.to_string(), expected.vmpl.to_string());
    match &expected.id_block {
        Some(signed) => findings.id_block(report, signed),
        None => {
            let reason = "the file has no ID block: what the report shows was chosen by whoever \
                          launched the guest";
            for name in [
                "ID_KEY_DIGEST",
                "AUTHOR_KEY_DIGEST",
                "FAMILY_ID",
                "IMAGE_ID",
                "GUEST_SVN",
            ] {
                findings.leave(name, reason);
            }
        }
    }
    match expected.agent_policy {
        Some(policy) => {
            let digest = Sha256Digest::new(Sha256::digest(policy).into());
            findings.equal(
                "HOST_DATA",
                report.host_data.to_string(),
                digest.to_string(),
            );
        }
        None => findings.leave("HOST_DATA", "no agent policy was given (--policy)"),
    }
    findings.signature(report, expected);
    findings.leave(
        "REPORT_DATA",
        "compare it with what the guest was asked to put there: without, the report may be old",
    );
    findings.leave(
        "REPORTED_TCB",
        "no minimum was given: old firmware has known weaknesses",
    );
    findings
}

impl Findings {
    /// Whether nothing that was checked is wrong.
    pub fn good(&self) -> bool {
        self.checks.iter().all(|check| check.good)
    }

    fn leave(&mut self, name: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        self.not_checked.push(NotChecked { name, reason });
    }

    fn equal(&mut self, name: &'static str, found: String, expected: String) {
        let good = found == expected;
        self.checks.push(Check {
            name,
            good,
            found,
            expected: (!good).then_some(expected),
        });
    }

    fn verified(
        &mut self,
        name: &'static str,
        result: Result<(), impl ToString>,
        good: impl Into<String>,
    ) {
        self.checks.push(match result {
            Ok(()) => Check {
                name,
                good: true,
                found: good.into(),
                expected: None,
            },
            Err(error) => Check {
                name,
                good: false,
                found: error.to_string(),
                expected: Some(good.into()),
            },
        });
    }

    fn measurement(&mut self, report: &Report, expected: &Expected<'_>) {
        let matching = expected.digests.iter();
        let matching = matching.filter(|(_, digest)| *digest == report.measurement);
        let loaders: Vec<_> = matching.map(|(loader, _)| loader.name()).collect();
        let mut digests: Vec<_> = expected.digests.iter().map(|(_, digest)| digest).collect();
        digests.sort_unstable();
        digests.dedup();
        let good = !loaders.is_empty();
        let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
        self.checks.push(Check {
            name: "MEASUREMENT",
            good,
            found: match good {
                true => format!("that of the file under {}", loaders.join(", ")),
                false => report.measurement.to_string(),
            },
            expected: (!good).then(|| match digests.is_empty() {
                true => "a digest, but no loader that was asked about can load the file".into(),
                false => digests.join(" or "),
            }),
        });
    }

    fn id_block(&mut self, report: &Report, signed: &SignedIdBlock) {
        let SignedIdBlock { block, auth } = signed;
        let IdBlock {
            family_id,
            image_id,
            guest_svn,
            ..
        } = block;
        self.verified(
            "ID block in the file",
            signed.verify(),
            "its signatures verify",
        );
        self.equal(
            "ID block's digest",
            block.launch_digest.to_string(),
            report.measurement.to_string(),
        );
        let (id, author) = (
            auth.id_key.digest(),
            auth.author.map(|author| author.key.digest()),
        );
        self.equal(
            "ID_KEY_DIGEST",
            report.id_key_digest.to_string(),
            id.to_string(),
        );
        // Whatever a report shows beside a clear flag is not a key that was in use.
        let shown = report
            .author_key_enabled
            .then_some(report.author_key_digest);
        let words = |key: Option<Sha384Digest>| {
            key.map_or_else(|| "no author key".to_owned(), |digest| digest.to_string())
        };
        self.equal("AUTHOR_KEY_DIGEST", words(shown), words(author));
        self.equal(
            "FAMILY_ID",
            hex::encode(report.family_id),
            hex::encode(family_id),
        );
        self.equal(
            "IMAGE_ID",
            hex::encode(report.image_id),
            hex::encode(image_id),
        );
        self.equal(
            "GUEST_SVN",
            report.guest_svn.to_string(),
            guest_svn.to_string(),
        );
    }

    fn signature(&mut self, report: &Report, expected: &Expected<'_>) {
        let Some(vcek) = &expected.vcek else {
            let reason = "no certificate was given (--vcek, --chain): anybody may have written \
                          this report";
            return self.leave("Signature", reason);
        };
        let key = report.signing_key.name();
        self.verified(
            "Signature",
            vcek.signed(report),
            format!("by the {key} given"),
        );
        let subject = vcek.subject();
        let wanted = format!("CN=SEV-{key}");
        let kind = if vcek.is_for(key) {
            wanted.clone()
        } else {
            subject
        };
        self.equal("Signing key", kind, wanted);
        let versions = |tcb: Option<[u8; 8]>| tcb.map_or("none".to_owned(), hex::encode);
        self.equal(
            "REPORTED_TCB and certificate",
            versions(Some(report.reported_tcb)),
            versions(vcek.tcb()),
        );
        match vcek.chip_id() {
            Some(_) if report.chip_id == [0; 64] => self.leave("CHIP_ID", "the host masks it"),
            Some(chip) => self.equal("CHIP_ID", hex::encode(report.chip_id), hex::encode(chip)),
            None => self.leave("CHIP_ID", "the certificate names no chip"),
        }
        match &expected.chain {
            Some(chain) => self.chain(vcek, chain),
            None => self.leave(
                "Certificates",
                "no chain was given (--chain): is the key AMD's?",
            ),
        }
        let reason = "neither revocation lists nor validity dates: nothing here reads a clock";
        self.leave("Certificate status", reason);
    }

    fn chain(&mut self, vcek: &Certificate, chain: &Chain) {
        let Chain { ask, ark } = chain;
        let mut by = |name, result: Result<(), CertificateError>, issuer: &Certificate| {
            self.verified(name, result, format!("signed by {}", issuer.subject()));
        };
        by("Certificate of the key", vcek.signed_as_amd_does(ask), ask);
        by("ASK", ask.signed_as_amd_does(ark), ark);
        by("ARK", ark.signed_as_amd_does(ark), ark);
        let fingerprint = ark.fingerprint();
        match ark.amd_root() {
            Some(name) => self.verified("Root", Ok::<_, String>(()), format!("AMD's {name}")),
            None => self.checks.push(Check {
                name: "Root",
                good: false,
                found: format!("unknown, SHA-256 {fingerprint}"),
                expected: Some("AMD's root for Milan, Genoa or Turin".to_owned()),
            }),
        }
    }
}

fn hex64(bits: u64) -> String {
    format!("{bits:#x}")
}
