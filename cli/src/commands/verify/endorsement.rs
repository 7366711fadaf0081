//! `verify endorsement`: a UVM endorsement held against what its reader trusts.

use guestmark_manifests::Problem;
use guestmark_manifests::endorsement::{Check, Claims, Policy, Verification, Version, verify};
use guestmark_measure::report::NotChecked;
use serde::Serialize;

use crate::args::VerifyEndorsement;
use crate::input;
use crate::output::{Outcome, Output, wrap};

/// What came of holding an endorsement against a policy.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    file: String,
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsement: Option<Endorsed>,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Problem>,
    not_checked: Vec<NotChecked>,
}

/// What an endorsement says, whether or not it verifies.
#[derive(Debug, Serialize)]
struct Endorsed {
    version: Version,
    algorithm: String,
    #[serde(flatten)]
    claims: Claims,
}

pub(super) fn run(args: &VerifyEndorsement, output: &Output) -> anyhow::Result<Outcome> {
    let bytes = input::bytes(&args.file)?;
    let policy = Policy {
        issuer: args.issuer.clone(),
        feed: args.feed.clone(),
        minimum_svn: args.min_svn,
        measurement: args.measurement,
        debug_measurements: args.debug_measurement.clone(),
    };
    let verification = verify(&bytes, &policy);
    let good = verification.good();
    let file = args.file.display().to_string();
    output.print(&Document::new(file, verification), Document::text)?;
    Ok(if good { Outcome::Good } else { Outcome::Bad })
}

impl Document {
    fn new(file: String, verification: Verification) -> Self {
        let good = verification.good();
        let endorsement = verification.endorsement.map(|endorsement| Endorsed {
            version: endorsement.version,
            algorithm: endorsement.algorithm.to_string(),
            claims: endorsement.claims,
        });
        Self {
            schema: "guestmark/verify-endorsement/1",
            file,
            good,
            endorsement,
            checks: verification.checks,
            failure: verification.failure,
            not_checked: verification.not_checked,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            text.push_str(&wrap(
                "  good  ",
                &format!("{}: {}", check.name, check.proved),
            ));
        }
        if let Some(failure) = &self.failure {
            text.push_str(&wrap(
                "  BAD   ",
                &format!("{}: {}", failure.field, failure.found),
            ));
            text.push_str(&wrap("        expected ", &failure.expected));
        }
        text.push_str("\nNot checked\n\n");
        for left in &self.not_checked {
            text.push_str(&wrap("  - ", &format!("{}: {}", left.name, left.reason)));
        }
        let verdict = match self.good {
            true => "verifies",
            false => "does not verify: do not use what it endorses",
        };
        text.push('\n');
        text.push_str(&wrap("", &format!("{} {verdict}", self.file)));
        text
    }
}
