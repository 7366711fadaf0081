//! The explanation as one page that needs nothing else: no scripts, no fonts, no pictures from
//! elsewhere.

mod memory;
mod treemap;

use std::fmt::Write;

use super::{
    UNMEASURED, cause_row, change_words, counted, digest_rows, file_row, files_words, hash,
    html_escaped as escaped, lock_row, region_rows,
};
use crate::diff::explanation::{Explanation, RootfsChange, Status, VariantChange};

/// A cell with at most as many characters stays on one line.
const SHORT: usize = 24;

const STYLE: &str = include_str!("style.css");

/// The explanation as a page of HTML.
pub fn html(explanation: &Explanation) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<div class=\"verdict{1}\">\n\
         <p class=\"soft\">guestmark diff</p>\n<h1>{0}</h1>\n\
         <p class=\"soft\">old: <code>{2}</code> &nbsp; new: <code>{3}</code></p>\n</div>\n",
        escaped(&explanation.verdict),
        if explanation.same { " same" } else { "" },
        escaped(&explanation.old.path),
        escaped(&explanation.new.path),
    );
    if !explanation.causes.is_empty() {
        heading(&mut page, "Causes");
        let rows = explanation.causes.iter().map(cause_row);
        table(&mut page, ["What", "Old", "New", "Where"], rows);
    }
    if !explanation.unexplained.is_empty() {
        heading(&mut page, "Unexplained");
        for line in &explanation.unexplained {
            let _ = writeln!(page, "<p class=\"note\">{}</p>", escaped(line));
        }
    }
    if !explanation.variants.is_empty() {
        heading(&mut page, "Guest memory");
        legend(&mut page);
    }
    for (index, variant) in explanation.variants.iter().enumerate() {
        add_variant(&mut page, variant, index == 0);
    }
    if let Some(rootfs) = &explanation.rootfs {
        add_rootfs(&mut page, explanation, rootfs);
    }
    add_lists(&mut page, explanation);
    page.push_str("</body>\n</html>\n");
    page
}

fn heading(page: &mut String, title: &str) {
    let _ = writeln!(page, "<h2>{}</h2>", escaped(title));
}

fn legend(page: &mut String) {
    page.push_str("<p class=\"legend\">");
    for status in [
        Status::Same,
        Status::Moved,
        Status::Changed,
        Status::Added,
        Status::Removed,
    ] {
        let name = status.name();
        let _ = write!(page, "<span class=\"chip {name}\">{name}</span>");
    }
    page.push_str("</p>\n");
}

fn add_variant(page: &mut String, variant: &VariantChange, open: bool) {
    let open = if open && variant.changed { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details{open}><summary>{}: {}, digest {}</summary>",
        escaped(&variant.name),
        escaped(&variant.new_file),
        if variant.changed {
            "changed"
        } else {
            "the same"
        }
    );
    let pages: u64 = variant.pages.iter().map(|change| change.pages).sum();
    let _ = writeln!(
        page,
        "<p class=\"soft\">{} under {}. Addresses grow downwards, heights with the logarithm of \
         sizes; gaps between ACPI tables are left out.</p>",
        match pages {
            1 => "1 page differs".to_owned(),
            pages => format!("{pages} pages differ"),
        },
        variant.loader
    );
    page.push_str(&memory::picture(&variant.regions));
    let header = ["Region", "Status", "Old", "New", "Inside"];
    table(page, header, region_rows(variant));
    page.push_str("<h3>Launch digests</h3>\n");
    let rows = digest_rows(variant).into_iter();
    table(page, ["Loaders", "Old", "New"], rows);
    page.push_str("</details>\n");
}

fn add_rootfs(page: &mut String, explanation: &Explanation, rootfs: &RootfsChange) {
    heading(page, "Root file system");
    let words = files_words(explanation).unwrap_or_else(|| "the same".to_owned());
    let _ = writeln!(page, "<p>{}</p>", escaped(&words));
    if !rootfs.shares.is_empty() {
        page.push_str(
            "<p class=\"soft\">Bytes by where they come from; what holds a file that differs is \
             marked.</p>\n<div class=\"pair\">\n",
        );
        page.push_str(&treemap::picture("old", &rootfs.shares, |share| {
            share.old_bytes
        }));
        page.push_str(&treemap::picture("new", &rootfs.shares, |share| {
            share.new_bytes
        }));
        page.push_str("</div>\n");
    }
    if !rootfs.changed {
        return;
    }
    page.push_str("<h3>Root hash</h3>\n");
    let hashes = [hash(rootfs.old_root_hash), hash(rootfs.new_root_hash)];
    table(page, ["Old", "New"], [hashes].into_iter());
    if rootfs.files.is_empty() {
        return;
    }
    let count = counted(rootfs.files.len() as u64, "file");
    let open = if rootfs.files.len() <= 40 {
        " open"
    } else {
        ""
    };
    let _ = writeln!(page, "<details{open}><summary>{count}</summary>");
    let rows = rootfs.files.iter().map(file_row);
    table(page, ["Path", "Status", "From", "What", "Blocks"], rows);
    page.push_str("</details>\n");
}

fn add_lists(page: &mut String, explanation: &Explanation) {
    if !explanation.lock.is_empty() {
        let count = counted(explanation.lock.len() as u64, "line");
        heading(page, &format!("Lock: {count}"));
        let rows = explanation.lock.iter().map(lock_row);
        table(page, ["Package", "Status", "Fields"], rows);
    }
    if !explanation.unmeasured.is_empty() {
        heading(page, UNMEASURED);
        page.push_str("<ul>\n");
        for change in &explanation.unmeasured {
            let _ = writeln!(page, "<li>{}</li>", escaped(&change_words(change)));
        }
        page.push_str("</ul>\n");
    }
}

fn table<const N: usize>(
    page: &mut String,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    page.push_str("<table>\n<tr>");
    for name in header {
        let _ = write!(page, "<th>{name}</th>");
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for (cell, name) in row.iter().zip(header) {
            let text = escaped(cell);
            let _ = match name {
                "Status" => write!(page, "<td><span class=\"chip {text}\">{text}</span></td>"),
                _ if cell.chars().count() <= SHORT => write!(page, "<td class=\"n\">{text}</td>"),
                _ => write!(page, "<td>{text}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// Text that fits a width in pixels, at 12 pixels a line; nothing if little would be left.
fn fitting(text: &str, width: f64) -> String {
    const CHARACTER: f64 = 6.8;
    let count = text.chars().count();
    let room = (0..=count)
        .rev()
        .find(|room| *room as f64 * CHARACTER <= width);
    match room.unwrap_or(0) {
        room if room == count => escaped(text),
        0..4 => String::new(),
        room => {
            let cut: String = text.chars().take(room - 1).collect();
            format!("{}\u{2026}", escaped(&cut))
        }
    }
}
