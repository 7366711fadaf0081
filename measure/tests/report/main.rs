//! Attestation reports: a real one, beside the crate `sev`; and made-up ones under certificates of
//! OpenSSL.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not what they call"
)]

mod made_up;
mod real;

use guestmark_measure::certificate::Certificate;
use guestmark_measure::report::{Chain, Expected, Findings, Report, check};
use guestmark_measure::{LaunchDigest, Loader};

/// What a report with this digest and policy should be, and the certificates for it.
fn expected(report: &Report, vcek: Certificate, chain: Option<Chain>) -> Expected<'static> {
    Expected {
        digests: vec![(
            Loader::QemuKvm,
            LaunchDigest::new(*report.measurement.as_bytes()),
        )],
        policy: Some(report.policy),
        id_block: None,
        vmpl: report.vmpl,
        agent_policy: None,
        vcek: Some(vcek),
        chain,
    }
}

/// The names of what is wrong.
fn bad(findings: &Findings) -> Vec<&'static str> {
    let bad = findings.checks.iter().filter(|check| !check.good);
    bad.map(|check| check.name).collect()
}

/// What was found where `name` was checked.
fn found<'f>(findings: &'f Findings, name: &str) -> &'f str {
    let check = findings.checks.iter().find(|check| check.name == name);
    &check
        .unwrap_or_else(|| panic!("{name}: {findings:?}"))
        .found
}

/// What a report that has these certificates comes to.
fn findings(report: &Report, vcek: &Certificate, chain: Chain) -> Findings {
    check(report, &expected(report, vcek.clone(), Some(chain)))
}
