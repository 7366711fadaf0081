//! The explanation as text.

use std::fmt::Write;

use super::{
    UNMEASURED, block_words, cause_row, change_words, changed_regions, counted, digest_rows,
    file_row, files_words, hash, lock_row, region_places,
};
use crate::diff::explanation::{Explanation, PageChange, RootfsChange, VariantChange};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The verdict and its causes.
    Short,
    /// Everything, as far as people read it.
    Full,
}

/// The explanation as text, a line at most as wide as its longest name.
pub fn text(explanation: &Explanation, detail: Detail) -> String {
    let mut text = format!("{}\n", explanation.verdict);
    let causes = explanation.causes.iter().map(cause_row);
    section(
        &mut text,
        "Causes",
        &["What", "Old", "New", "Where"],
        causes,
    );
    if let Some(words) = files_words(explanation) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nRoot file system: {words}");
    }
    if detail == Detail::Full {
        for variant in &explanation.variants {
            add_variant(&mut text, variant);
        }
        if let Some(rootfs) = &explanation.rootfs {
            add_rootfs(&mut text, rootfs);
        }
        add_lock(&mut text, explanation);
    }
    let unmeasured = explanation.unmeasured.iter();
    let unmeasured =
        unmeasured.filter(|change| detail == Detail::Full || change.follows_from.is_none());
    let mut unmeasured: Vec<_> = unmeasured.map(change_words).collect();
    const SHOWN: usize = 8;
    if detail == Detail::Short && unmeasured.len() > SHOWN {
        let more = unmeasured.len() - SHOWN;
        unmeasured.truncate(SHOWN);
        unmeasured.push(format!("{more} more, with -v"));
    }
    list(&mut text, UNMEASURED, unmeasured.into_iter());
    list(
        &mut text,
        "Unexplained",
        explanation.unexplained.iter().cloned(),
    );
    if detail == Detail::Short && !explanation.same {
        text.push_str("\nDetails: -v, --json, --html\n");
    }
    text
}

fn add_variant(text: &mut String, variant: &VariantChange) {
    let title = format!("Launch digests of {} ({})", variant.new_file, variant.name);
    let lines = digest_rows(variant).into_iter();
    let lines = lines.flat_map(|[loaders, old, new]| {
        [loaders, format!("  old  {old}"), format!("  new  {new}")]
    });
    list(text, &title, lines);
    if !variant.pages.is_empty() {
        const SHOWN: usize = 24;
        let title = format!("Pages under {}", variant.loader);
        let mut rows: Vec<_> = variant.pages.iter().take(SHOWN).map(page_row).collect();
        if variant.pages.len() > SHOWN {
            let more = format!("{} more ranges", variant.pages.len() - SHOWN);
            rows.push([more, String::new(), String::new()]);
        }
        section(text, &title, &["From", "Pages", "Difference"], rows);
    }
    let rows = changed_regions(variant).map(|region| {
        let [old, new] = region_places(region);
        let follows = region.follows_from.as_deref().unwrap_or("");
        let status = region.status.name().to_owned();
        [region.name.clone(), status, old, new, follows.to_owned()]
    });
    let header = ["Region", "Status", "Old", "New", "Follows from"];
    section(text, "Regions", &header, rows);
    for region in changed_regions(variant).filter(|region| !region.details.is_empty()) {
        let title = format!("In {}", region.name);
        list(text, &title, region.details.iter().map(change_words));
    }
}

fn page_row(page: &PageChange) -> [String; 3] {
    [
        page.start.to_string(),
        page.pages.to_string(),
        page.difference.name().to_owned(),
    ]
}

fn add_rootfs(text: &mut String, rootfs: &RootfsChange) {
    if !rootfs.changed {
        return;
    }
    let rows = [
        ["old".to_owned(), hash(rootfs.old_root_hash)],
        ["new".to_owned(), hash(rootfs.new_root_hash)],
    ];
    section(text, "Root hash", &["", ""], rows);
    if let Some(blocks) = &rootfs.blocks {
        let _ = writeln!(
            text,
            "\nData blocks that differ: {}",
            block_words(&blocks.ranges)
        );
    }
    let superblock = rootfs.superblock.iter().map(change_words);
    list(text, "File system", superblock);
    let rows = rootfs.files.iter().map(file_row);
    section(
        text,
        "Files",
        &["Path", "Status", "From", "What", "Blocks"],
        rows,
    );
}

fn add_lock(text: &mut String, explanation: &Explanation) {
    let rows = explanation.lock.iter().map(lock_row);
    let count = counted(explanation.lock.len() as u64, "line");
    section(text, &format!("Lock ({count})"), &["", "", ""], rows);
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

/// A heading and a table, or nothing where there are no rows.
fn section<const N: usize>(
    text: &mut String,
    title: &str,
    header: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    if rows.is_empty() {
        return;
    }
    let header = header.map(str::to_owned);
    let has_header = header.iter().any(|name| !name.is_empty());
    let all: Vec<&[String; N]> = has_header
        .then_some(&header)
        .into_iter()
        .chain(&rows)
        .collect();
    let width = |column: usize| {
        let cells = all.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let _ = writeln!(text, "\n{title}");
    for row in all {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            let _ = write!(line, " {cell:width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
