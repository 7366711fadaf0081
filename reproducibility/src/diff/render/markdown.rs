//! The explanation as Markdown in GitHub's dialect, for a comment on a pull request.

use std::fmt::Write;

use super::{
    UNMEASURED, cause_row, change_words, digest_rows, file_row, files_words, html_escaped,
    region_rows,
};
use crate::diff::explanation::{Explanation, VariantChange};

/// Files that are listed; a comment holds 65,536 characters.
const FILES: usize = 100;

/// The explanation as Markdown.
pub fn markdown(explanation: &Explanation) -> String {
    let mark = match explanation.same {
        true => ":white_check_mark:",
        false => ":warning:",
    };
    let mut text = format!("### {mark} {}\n", escaped(&explanation.verdict));
    let causes = explanation.causes.iter().map(cause_row);
    table(&mut text, ["What", "Old", "New", "Where"], causes);
    if let Some(words) = files_words(explanation) {
        let _ = writeln!(text, "\nRoot file system: {}", escaped(&words));
    }
    for variant in explanation
        .variants
        .iter()
        .filter(|variant| variant.changed)
    {
        add_variant(&mut text, variant);
    }
    add_files(&mut text, explanation);
    let unmeasured = explanation.unmeasured.iter().map(change_words);
    list(&mut text, UNMEASURED, unmeasured);
    list(
        &mut text,
        "Unexplained",
        explanation.unexplained.iter().cloned(),
    );
    text
}

fn add_variant(text: &mut String, variant: &VariantChange) {
    begin(
        text,
        &format!("Guest memory of {} ({})", variant.new_file, variant.name),
    );
    let rows = digest_rows(variant).into_iter();
    table(text, ["Loaders", "Old digest", "New digest"], rows);
    let header = ["Region", "Status", "Old", "New", "Inside"];
    table(text, header, region_rows(variant));
    end(text);
}

fn add_files(text: &mut String, explanation: &Explanation) {
    let Some(rootfs) = explanation
        .rootfs
        .as_ref()
        .filter(|it| !it.files.is_empty())
    else {
        return;
    };
    begin(text, &format!("Files ({})", rootfs.files.len()));
    let rows = rootfs.files.iter().take(FILES).map(file_row);
    table(text, ["Path", "Status", "From", "What", "Blocks"], rows);
    if rootfs.files.len() > FILES {
        let _ = writeln!(text, "\n{} more files", rootfs.files.len() - FILES);
    }
    end(text);
}

fn begin(text: &mut String, title: &str) {
    let _ = writeln!(
        text,
        "\n<details><summary>{}</summary>",
        html_escaped(title)
    );
}

fn end(text: &mut String) {
    text.push_str("\n</details>\n");
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n**{title}**\n");
    for line in lines {
        let _ = writeln!(text, "- {}", escaped(&line));
    }
}

fn table<const N: usize>(
    text: &mut String,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n| {} |\n|{}", header.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells = row.map(|cell| escaped(&cell));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Text whose characters mean nothing to Markdown, HTML and GitHub: a backslash takes the meaning
/// of punctuation (GitHub Flavored Markdown, section 6.1), and a character reference that of `@`,
/// which GitHub looks for afterwards.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_cell() {
        assert_eq!(
            escaped("a|b <img> `x` @me *c*\n#1"),
            "a\\|b &lt;img&gt; \\`x\\` &#64;me \\*c\\* &#35;1"
        );
    }
}
