//! `measure --report`: an attestation report held against the file.

use std::path::Path;

use anyhow::Context;
use fs_err as fs;
use guestmark_measure::certificate::Certificate;
use guestmark_measure::id_block::SignedIdBlock;
use guestmark_measure::igvm::PlatformType;
use guestmark_measure::launch_digests;
use guestmark_measure::report::{Chain, Expected, Findings, Report, check};
use serde::Serialize;

use super::Request;
use crate::args::ReportArgs;
use crate::findings;
use crate::output::{Outcome, Output, wrap};

/// What came of holding a report against a file.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    file: String,
    report: String,
    good: bool,
    #[serde(flatten)]
    findings: Findings,
}

impl Request<'_> {
    /// Holds the report at `path` against the file.
    pub(super) fn hold_against(
        &self,
        path: &Path,
        args: &ReportArgs,
        output: &Output,
    ) -> anyhow::Result<Outcome> {
        let report = parsed(path, Report::parse)?;
        let agent_policy = args.policy.as_ref().map(fs::read).transpose()?;
        let snp = self.file.platform(PlatformType::SevSnp);
        let snp = snp.with_context(|| format!("{}: no SEV-SNP platform header", self.name))?;
        let (vcek, chain) = certificates(args)?;
        let digests = launch_digests(self.file, self.vcpus).into_iter();
        let digests = digests.filter(|(loader, _)| self.loader.is_none_or(|only| only == *loader));
        let expected = Expected {
            digests: digests
                .filter_map(|(loader, digest)| Some((loader, digest.ok()?)))
                .collect(),
            policy: self.file.guest_policy(snp.mask),
            id_block: SignedIdBlock::of(self.file).with_context(|| self.name.clone())?,
            vmpl: args.vmpl,
            agent_policy: agent_policy.as_deref(),
            vcek,
            chain,
        };
        let findings = check(&report, &expected);
        let good = findings.good();
        let document = Document {
            schema: "guestmark/measure-report/1",
            file: self.name.clone(),
            report: path.display().to_string(),
            good,
            findings,
        };
        output.print(&document, Document::text)?;
        Ok(if good { Outcome::Good } else { Outcome::Bad })
    }
}

fn certificates(args: &ReportArgs) -> anyhow::Result<(Option<Certificate>, Option<Chain>)> {
    let Some(vcek) = &args.vcek else {
        return Ok((None, None));
    };
    let vcek = parsed(vcek, Certificate::read_one)?;
    let mut certificates = Vec::new();
    for path in &args.chain {
        certificates.extend(parsed(path, Certificate::read)?);
    }
    if args.chain.is_empty() {
        return Ok((Some(vcek), None));
    }
    let chain = Chain::new(certificates).context("--chain")?;
    Ok((Some(vcek), Some(chain)))
}

fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> anyhow::Result<T> {
    parse(&fs::read(path)?).with_context(|| path.display().to_string())
}

impl Document {
    fn text(&self) -> String {
        let mut text = wrap("", &format!("{} against {}", self.report, self.file));
        text.push('\n');
        text.push_str(&findings::text(&self.findings));
        text
    }
}
