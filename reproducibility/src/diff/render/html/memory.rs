//! A picture of guest memory: old and new side by side, a row for each region.

use std::fmt::Write;
use std::ops::Range;

use guestmark_measure::Gpa;

use super::{escaped, fitting};
use crate::diff::explanation::{RegionChange, Status};

const WIDTH: f64 = 1000.0;
/// Of one side; between them a band shows what became of each region.
const COLUMN: f64 = 445.0;
const HEAD: f64 = 24.0;
/// Of a row without regard to its size.
const ROW: f64 = 19.0;
const GAP: f64 = 2.0;

/// The picture as SVG.
pub(super) fn picture(regions: &[RegionChange]) -> String {
    let regions: Vec<_> = regions.iter().filter(|region| !is_gap(region)).collect();
    let heights: Vec<f64> = regions.iter().map(|region| height(region)).collect();
    let total: f64 = HEAD + heights.iter().map(|height| height + GAP).sum::<f64>();
    let right = WIDTH - COLUMN;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {total:.0}\" role=\"img\" aria-label=\"Regions of guest memory, \
         old and new\">\n<text class=\"head\" x=\"0\" y=\"14\">old</text>\n\
         <text class=\"head\" x=\"{right}\" y=\"14\">new</text>\n"
    );
    let mut top = HEAD;
    for (region, height) in regions.into_iter().zip(heights) {
        let status = region.status.name();
        let words = match &region.follows_from {
            Some(cause) => format!("{}: {status}, follows from {cause}", region.name),
            None => format!("{}: {status}", region.name),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<g class=\"{status}\"><title>{}</title>",
            escaped(&words)
        );
        for (side, x) in [(&region.old, 0.0), (&region.new, right)] {
            if let Some(range) = side {
                side_of(&mut svg, &region.name, range, (x, top, height));
            }
        }
        if region.old.is_some() && region.new.is_some() {
            let _ = writeln!(
                svg,
                "<rect class=\"link\" x=\"{COLUMN}\" y=\"{top:.1}\" width=\"{}\" \
                 height=\"{height:.1}\"/>",
                right - COLUMN
            );
        }
        if region.status != Status::Same {
            let _ = writeln!(
                svg,
                "<text class=\"name\" x=\"{}\" y=\"{:.1}\" text-anchor=\"middle\">{status}</text>",
                WIDTH / 2.0,
                top + height / 2.0 + 4.0
            );
        }
        svg.push_str("</g>\n");
        top += height + GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn side_of(svg: &mut String, name: &str, range: &Range<Gpa>, (x, y, height): (f64, f64, f64)) {
    const ADDRESSES: f64 = 215.0;
    let baseline = y + height / 2.0 + 4.0;
    let bytes = range.end.get() - range.start.get();
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{COLUMN}\" height=\"{height:.1}\" rx=\"3\"/>\n\
         <text class=\"name\" x=\"{:.0}\" y=\"{baseline:.1}\">{}</text>\n\
         <text x=\"{:.0}\" y=\"{baseline:.1}\" text-anchor=\"end\">{}, {}</text>",
        x + 8.0,
        fitting(name, COLUMN - ADDRESSES),
        x + COLUMN - 8.0,
        range.start,
        size(bytes),
    );
}

/// Whether a region is only the room between two tables.
fn is_gap(region: &RegionChange) -> bool {
    region.name == "ACPI window" && region.status == Status::Same
}

/// Of a region's row: each doubling of its size adds the same.
fn height(region: &RegionChange) -> f64 {
    let sides = region.old.iter().chain(&region.new);
    let bytes = sides.map(|range| range.end.get() - range.start.get()).max();
    let pages = bytes.unwrap_or(0) / 4096;
    ROW + 2.5 * f64::from(u64::BITS - pages.leading_zeros())
}

/// Bytes in the unit that people would take.
pub(super) fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift {
            let tenths = bytes.saturating_mul(10) >> shift;
            return match tenths % 10 {
                0 => format!("{} {unit}", tenths / 10),
                rest => format!("{}.{rest} {unit}", tenths / 10),
            };
        }
    }
    format!("{bytes} B")
}
