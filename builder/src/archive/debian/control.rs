//! Control files: paragraphs of fields (Debian Policy, section 5.1; deb822(5)), read one by one.

use std::io::{self, BufRead};

/// The longest line and the longest paragraph that are read, in bytes. The longest of Debian's
/// own are far below.
const LIMIT: usize = 4 << 20;

/// A control file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The file cannot be read or decompressed.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line is not one of a control file.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
}

/// Fields that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paragraph {
    /// The line it begins at, from 1.
    pub(crate) line: u64,
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// A field's value. Names do not differ by case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Takes a field's value.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.fields
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| std::mem::take(value))
    }
}

/// Reads paragraphs one by one; holds one at a time.
#[derive(Debug)]
pub(crate) struct Paragraphs<R> {
    reader: R,
    wanted: Option<&'static [&'static str]>,
    line: u64,
    ended: bool,
}

impl<R: BufRead> Paragraphs<R> {
    /// Reads every field.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            wanted: None,
            line: 0,
            ended: false,
        }
    }

    /// Reads only the fields of these names; the others may hold any bytes.
    pub(crate) fn only(reader: R, wanted: &'static [&'static str]) -> Self {
        Self {
            wanted: Some(wanted),
            ..Self::new(reader)
        }
    }

    fn read(&mut self) -> Result<Option<Paragraph>, ControlError> {
        let mut paragraph: Option<Paragraph> = None;
        let mut kept = false;
        let mut length = 0;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read =
                io::Read::take(&mut self.reader, LIMIT as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(paragraph);
            }
            self.line += 1;
            length += read;
            if length > LIMIT {
                return Err(self.problem(format!("a paragraph is longer than {LIMIT} bytes")));
            }
            let line = bytes.trim_ascii_end();
            if line.is_empty() {
                if paragraph.is_some() {
                    return Ok(paragraph);
                }
                length = 0;
            } else if line[0] == b'#' {
            } else if line[0] == b' ' || line[0] == b'\t' {
                let Some(paragraph) = &mut paragraph else {
                    return Err(self.problem("a continuation line before any field".to_owned()));
                };
                if kept {
                    let text = self.text(line)?;
                    if let Some((_, value)) = paragraph.fields.last_mut() {
                        value.push('\n');
                        value.push_str(text);
                    }
                }
            } else {
                let Some(colon) = line
                    .iter()
                    .position(|&byte| byte == b':')
                    .filter(|&at| at > 0)
                else {
                    return Err(self.problem("expected \"Field: value\"".to_owned()));
                };
                let paragraph = paragraph.get_or_insert_with(|| Paragraph {
                    line: self.line,
                    fields: Vec::new(),
                });
                let name = self.text(&line[..colon])?;
                kept = self
                    .wanted
                    .is_none_or(|wanted| wanted.iter().any(|one| one.eq_ignore_ascii_case(name)));
                if kept {
                    if paragraph.get(name).is_some() {
                        return Err(self.problem(format!("field {name} stands twice")));
                    }
                    let value = self.text(&line[colon + 1..])?;
                    paragraph.fields.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }

    fn text<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, ControlError> {
        std::str::from_utf8(bytes)
            .map(str::trim)
            .map_err(|_| self.problem("not UTF-8".to_owned()))
    }

    fn problem(&self, problem: String) -> ControlError {
        ControlError::Line {
            line: self.line,
            problem,
        }
    }
}

impl<R: BufRead> Iterator for Paragraphs<R> {
    type Item = Result<Paragraph, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &[u8]) -> String {
        Paragraphs::new(text)
            .find_map(Result::err)
            .unwrap()
            .to_string()
    }

    #[test]
    fn paragraphs_fields_and_continuations_are_read() {
        let text = "\n# comment\nPackage: a\nDepends: b,\n# between\n c\n\n \nPackage:d\n";
        let read: Vec<_> = Paragraphs::new(text.as_bytes())
            .map(Result::unwrap)
            .collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].line, 3);
        assert_eq!(read[0].get("package"), Some("a"));
        assert_eq!(read[0].get("Depends"), Some("b,\nc"));
        assert_eq!(read[1].get("Package"), Some("d"));
    }

    #[test]
    fn fields_that_are_not_wanted_may_hold_any_bytes() {
        let text = b"Package: a\nMaintainer: J\xf6rg\n \xff\nVersion: 1\n";
        let mut read = Paragraphs::only(&text[..], &["Package", "Version"]);
        let paragraph = read.next().unwrap().unwrap();
        assert_eq!(paragraph.get("Version"), Some("1"));
        assert_eq!(paragraph.get("Maintainer"), None);
        assert!(read.next().is_none());
    }

    #[test]
    fn broken_lines_are_named() {
        assert_eq!(
            problem(b"A: 1\nno field\n"),
            "line 2: expected \"Field: value\""
        );
        assert_eq!(
            problem(b" x\n"),
            "line 1: a continuation line before any field"
        );
        assert_eq!(problem(b"A: 1\na: 2\n"), "line 2: field a stands twice");
        assert_eq!(problem(b"A: \xff\n"), "line 1: not UTF-8");
        let endless = [&b"A: "[..], &vec![b'x'; LIMIT]].concat();
        assert_eq!(
            problem(&endless),
            "line 1: a paragraph is longer than 4194304 bytes"
        );
    }
}
