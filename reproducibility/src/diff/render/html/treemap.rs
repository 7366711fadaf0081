//! A picture of the root file system: areas by origin.
//!
//! Source of the layout: Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000).

use std::fmt::Write;

use super::memory::size;
use super::{escaped, fitting};
use crate::diff::explanation::Share;

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 380.0;
const HEAD: f64 = 24.0;
/// More areas than this are one.
const AREAS: usize = 60;

/// An area of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The picture of one side as SVG.
pub(super) fn picture(side: &str, shares: &[Share], bytes: fn(&Share) -> u64) -> String {
    let total: u64 = shares.iter().map(bytes).sum();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Root file system, {side}\">\n\
         <text class=\"head\" x=\"0\" y=\"14\">{side}, {}</text>\n",
        HEIGHT + HEAD,
        size(total)
    );
    let mut sorted: Vec<&Share> = shares.iter().filter(|share| bytes(share) > 0).collect();
    // One order for both sides: what changes little stays where it is.
    sorted.sort_by_key(|share| std::cmp::Reverse(share.old_bytes.max(share.new_bytes)));
    let rest = sorted.split_off(sorted.len().min(AREAS));
    let mut cells: Vec<(String, u64, bool)> = sorted
        .iter()
        .map(|share| (share.name.clone(), bytes(share), share.changed))
        .collect();
    if !rest.is_empty() {
        let name = format!("{} smaller", rest.len());
        let changed = rest.iter().any(|share| share.changed);
        cells.push((name, rest.iter().map(|share| bytes(share)).sum(), changed));
    }
    let sizes: Vec<f64> = cells.iter().map(|(_, bytes, _)| *bytes as f64).collect();
    let areas = squarified(
        &sizes,
        Area {
            x: 0.0,
            y: HEAD,
            width: WIDTH,
            height: HEIGHT,
        },
    );
    for ((name, bytes, changed), area) in cells.iter().zip(areas) {
        let class = if *changed { "changed" } else { "same" };
        let label = match area.height > 16.0 {
            true => fitting(name, area.width - 8.0),
            false => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<g class=\"{class}\"><title>{}: {}</title><rect x=\"{:.1}\" y=\"{:.1}\" \
             width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/><text x=\"{:.1}\" y=\"{:.1}\">{label}</text>\
             </g>",
            escaped(name),
            size(*bytes),
            area.x + 1.0,
            area.y + 1.0,
            (area.width - 2.0).max(0.5),
            (area.height - 2.0).max(0.5),
            area.x + 6.0,
            area.y + 15.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Areas of these sizes that fill `area`, as square as can be.
fn squarified(sizes: &[f64], mut area: Area) -> Vec<Area> {
    let total: f64 = sizes.iter().sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let scale = area.width * area.height / total;
    let mut left: Vec<f64> = sizes.iter().map(|size| size * scale).collect();
    let mut areas = Vec::with_capacity(sizes.len());
    while !left.is_empty() {
        let side = area.width.min(area.height).max(f64::MIN_POSITIVE);
        let mut count = 1;
        while count < left.len() && worst(&left[..=count], side) <= worst(&left[..count], side) {
            count += 1;
        }
        let row: Vec<f64> = left.drain(..count).collect();
        let sum: f64 = row.iter().sum();
        let thickness = sum / side;
        let wide = area.width >= area.height;
        let mut at = 0.0;
        for size in row {
            let length = size / thickness.max(f64::MIN_POSITIVE);
            areas.push(match wide {
                true => Area {
                    x: area.x,
                    y: area.y + at,
                    width: thickness,
                    height: length,
                },
                false => Area {
                    x: area.x + at,
                    y: area.y,
                    width: length,
                    height: thickness,
                },
            });
            at += length;
        }
        match wide {
            true => {
                area.x += thickness;
                area.width -= thickness;
            }
            false => {
                area.y += thickness;
                area.height -= thickness;
            }
        }
    }
    areas
}

/// The worst proportion in a row of these areas along a side.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let thickness = sum / side;
    let proportions = row.iter().map(|area| {
        let length = area / thickness;
        (length / thickness).max(thickness / length)
    });
    proportions.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_fill_the_picture_in_proportion() {
        let all = Area {
            x: 0.0,
            y: 0.0,
            width: 600.0,
            height: 400.0,
        };
        let areas = squarified(&[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], all);
        let size = |area: &Area| area.width * area.height;
        assert!((size(&areas[0]) - 60_000.0).abs() < 1.0);
        assert!((size(&areas[6]) - 10_000.0).abs() < 1.0);
        let total: f64 = areas.iter().map(size).sum();
        assert!((total - 240_000.0).abs() < 1.0);
        let inside = |area: &Area| area.x + area.width < 600.1 && area.y + area.height < 400.1;
        assert!(areas.iter().all(inside));
    }

    #[test]
    fn nothing_has_no_areas() {
        let all = Area {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        };
        assert_eq!(squarified(&[], all), []);
        assert_eq!(squarified(&[0.0], all), []);
    }
}
