//! What a command prints: a table for people, or one JSON document.

use std::io::{self, BufWriter, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::progress::TerminalProgress;

/// The columns that text for people fits in, but for digests and names of files.
const COLUMNS: usize = 80;

/// Standard output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
struct StdoutError(io::Error);

/// How a command ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or the verdict is good: exit status 0.
    Good,
    /// The verdict is bad: exit status 1.
    Bad,
}

/// Where and in which form a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Progress for long work.
    pub(crate) fn progress(&self) -> TerminalProgress {
        TerminalProgress::new(self.quiet)
    }

    /// Prints `report` as JSON, or as `text` makes of it.
    pub(crate) fn print<R: Serialize>(
        &self,
        report: &R,
        text: impl FnOnce(&R) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            return self.print_json(report);
        }
        self.write(text(report).as_bytes())
    }

    /// Prints `report` as JSON, or writes it as `text` does. Neither is held in memory as a whole.
    pub(crate) fn stream<R: Serialize>(
        &self,
        report: &R,
        text: impl FnOnce(&R, &mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        if self.json {
            return self.print_json(report);
        }
        let mut stdout = BufWriter::new(anstream::stdout().lock());
        let written = text(report, &mut stdout).and_then(|()| stdout.flush());
        Ok(written.map_err(StdoutError)?)
    }

    fn print_json<R: Serialize>(&self, report: &R) -> anyhow::Result<()> {
        let mut stdout = BufWriter::new(anstream::stdout().lock());
        let written = serde_json::to_writer_pretty(&mut stdout, report).map_err(io::Error::from);
        let written = written
            .and_then(|()| writeln!(stdout))
            .and_then(|()| stdout.flush());
        Ok(written.map_err(StdoutError)?)
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        Ok(written.map_err(StdoutError)?)
    }

    /// Whether the console of a guest is shown, on standard error.
    pub(crate) fn shows_console(&self) -> bool {
        !self.quiet
    }

    /// A note for people on standard error.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            say(message);
        }
    }
}

/// A line on standard error. One that cannot be written is lost: there is nowhere to say so.
pub(crate) fn say(message: &str) {
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// A table without lines, columns aligned, a header where `header` is not empty.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if header.iter().any(|name| !name.is_empty()) {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `text` in lines of at most 80 columns where its words allow: the first line begins with
/// `first`, the others with as many spaces.
pub(crate) fn wrap(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let mut wrapped = String::new();
    let mut line = first.to_owned();
    let mut begun = false;
    for word in text.split_whitespace() {
        if begun && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            wrapped.push_str(&line);
            wrapped.push('\n');
            line.clone_from(&indent);
            begun = false;
        }
        if begun {
            line.push(' ');
        }
        line.push_str(word);
        begun = true;
    }
    wrapped.push_str(&line);
    wrapped.push('\n');
    wrapped
}

/// An amount of bytes for people: three digits and a binary unit.
pub(crate) fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// An error with its causes on one line, each said once.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// Whether the reader of standard output went away, as `head` does.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<StdoutError>()
        .is_some_and(|StdoutError(error)| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_80_columns_and_its_other_lines_are_indented() {
        let word = "x".repeat(38);
        assert_eq!(
            wrap("  - ", &format!("{word} {word} {word}")),
            format!("  - {word}\n    {word}\n    {word}\n")
        );
        let word = "x".repeat(37);
        let line = wrap("  - ", &format!("{word} {word}x"));
        assert_eq!(line, format!("  - {word} {word}x\n"));
        assert_eq!(line.trim_end().len(), COLUMNS);
    }

    #[test]
    fn a_word_longer_than_a_line_stands_whole() {
        let word = "x".repeat(96);
        assert_eq!(wrap("  ", &format!("a {word}")), format!("  a\n  {word}\n"));
        assert_eq!(wrap("  ", &word), format!("  {word}\n"));
    }
}
