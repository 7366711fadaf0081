//! A disk held against the measured command line, as lines.

use guestmark_builder::inspect::MeasuredDiskFacts;

use super::section;
use crate::findings;
use crate::output::{human_bytes, wrap};

pub(super) fn text(facts: &MeasuredDiskFacts) -> String {
    let title = format!("{} against the measured command line", facts.disk);
    let mut text = format!("\n{}\n", wrap("", &title));
    text.push_str(&findings::text(&facts.findings));
    let rows = facts.not_measured.iter().map(|range| {
        [
            range.offset.to_string(),
            human_bytes(range.bytes),
            range.what.clone(),
        ]
    });
    let header = ["Starts at", "Size", ""];
    let title = "Not measured: what of the disk the root hash does not cover";
    text + &section(title, header, rows.collect())
}
