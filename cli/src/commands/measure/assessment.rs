//! `measure`: what every loader makes of a file.

use guestmark_measure::{
    Assessment, PlatformDigest, PlatformRefusal, Warning, assess, other_platforms,
};
use serde::Serialize;

use super::Request;
use crate::output::{Outcome, Output, wrap};
use crate::verdicts::{self, NOTE};

/// What every loader makes of a file.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    #[serde(flatten)]
    assessment: Assessment,
    other_platforms: Vec<OtherPlatform>,
    unknown_headers: Vec<UnknownHeader>,
    note: &'static str,
}

/// What another platform than SEV-SNP reports.
#[derive(Debug, Serialize)]
struct OtherPlatform {
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    computed_by: &'static str,
}

impl OtherPlatform {
    fn new(platform: &'static str, result: Result<PlatformDigest, PlatformRefusal>) -> Self {
        let (digest, refused) = match result {
            Ok(PlatformDigest::Tdx(digest)) => (Some(digest.to_string()), None),
            Ok(PlatformDigest::Vbs(digest)) => (Some(digest.to_string()), None),
            Err(refusal) => (None, Some(refusal.to_string())),
        };
        Self {
            platform,
            digest,
            refused,
            computed_by: "igvm crate",
        }
    }
}

/// A header that was skipped.
#[derive(Debug, Serialize)]
struct UnknownHeader {
    header_type: String,
    offset: usize,
    bytes: usize,
}

impl Request<'_> {
    /// The digests of all loaders, or of the one asked about.
    pub(super) fn assessment(&self, output: &Output) -> anyhow::Result<Outcome> {
        let mut assessment = assess(self.file, self.vcpus);
        if let Some(only) = self.loader {
            assessment.loaders.retain(|it| it.loader == only);
        }
        let loads = assessment
            .loaders
            .iter()
            .any(|it| it.launch_digest.is_some());
        let unknown = self.file.unknown_optional().iter();
        let report = Report {
            schema: "guestmark/measure/1",
            file: self.name.clone(),
            assessment,
            other_platforms: other_platforms(self.file, self.bytes)
                .into_iter()
                .map(|(platform, result)| OtherPlatform::new(platform, result))
                .collect(),
            unknown_headers: unknown
                .map(|header| UnknownHeader {
                    header_type: format!("{:#x}", header.kind),
                    offset: header.offset,
                    bytes: header.length,
                })
                .collect(),
            note: NOTE,
        };
        output.print(&report, text)?;
        Ok(if loads { Outcome::Good } else { Outcome::Bad })
    }
}

fn text(report: &Report) -> String {
    let assessment = &report.assessment;
    let mut text = format!("Launch digests of {}\n\n", report.file);
    text.push_str(&verdicts::text(&assessment.loaders, assessment.portable));
    let mut changes = Vec::new();
    let mut others = Vec::new();
    for warning in &assessment.warnings {
        match warning {
            Warning::NotPortable { change } => changes.push(change.to_string()),
            warning => others.push(warning.to_string()),
        }
    }
    text.push_str(&list("To make the digest portable", changes));
    text.push_str(&list("Mind", others));
    let platforms = report.other_platforms.iter().map(|it| {
        let (digest, refused) = (it.digest.as_deref(), it.refused.as_deref());
        let said = digest.or(refused).unwrap_or_default();
        format!("{}: {said}", it.platform)
    });
    text.push_str(&list("Other platforms, by the igvm crate", platforms));
    let unknown = report.unknown_headers.iter().map(|header| {
        let UnknownHeader {
            header_type,
            offset,
            bytes,
        } = header;
        format!("offset {offset:#x}: type {header_type}, {bytes} bytes")
    });
    let title = "Skipped: headers of unknown type, marked optional";
    text.push_str(&list(title, unknown));
    format!("{text}\n{}", wrap("", report.note))
}

/// A list under a title, if there is anything to list.
fn list(title: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items
        .into_iter()
        .map(|item| wrap("    - ", &item))
        .collect();
    match items.as_str() {
        "" => items,
        _ => format!("\n  {title}:\n{items}"),
    }
}
