//! Headers of an RPM package: tags with numbers and strings (rpm's file format, "Header
//! structure"). All numbers are big-endian.

use std::collections::BTreeMap;

use crate::tree::section::Section;

const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 1];
/// Magic, four reserved bytes, the number of tags, the length of their data.
const INTRO: usize = 16;
/// Tag, type, offset and count.
const ENTRY: usize = 16;

/// Why bytes are not a header, or lack what a package has.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file ends within a header.
    #[error("{header} at byte {offset}: the file ends within it; it was cut short")]
    Truncated {
        /// Which header.
        header: &'static str,
        /// Where it starts, in bytes of the file.
        offset: u64,
    },
    /// A header that is not one.
    #[error("{header} at byte {offset}: {reason}")]
    Invalid {
        /// Which header.
        header: &'static str,
        /// Where it starts, in bytes of the file.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A tag that cannot be read.
    #[error("{header}, tag {tag}: {reason}")]
    Tag {
        /// Which header.
        header: &'static str,
        /// The tag's number.
        tag: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A header.
#[derive(Debug)]
pub(super) struct Header {
    name: &'static str,
    /// All of it, from its magic number on: what is signed.
    pub(super) bytes: Vec<u8>,
    entries: BTreeMap<u32, Entry>,
    /// Where the data start in `bytes`.
    data: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

impl Header {
    /// Reads the header at `offset` of a package file; it may take at most `limit` bytes.
    pub(super) fn read(
        file: &Section,
        offset: u64,
        name: &'static str,
        limit: u64,
    ) -> Result<Self, HeaderError> {
        let truncated = || HeaderError::Truncated {
            header: name,
            offset,
        };
        let mut intro = [0; INTRO];
        file.read_exact_at(&mut intro, offset)
            .map_err(|_| truncated())?;
        let number = |at: usize| u64::from(word(&intro, at).unwrap_or_default());
        let (tags, data) = (number(8), number(12));
        let length = INTRO as u64 + tags * ENTRY as u64 + data;
        let invalid = |reason: String| HeaderError::Invalid {
            header: name,
            offset,
            reason,
        };
        if !intro.starts_with(&MAGIC) {
            return Err(invalid("it does not start with 8e ad e8 01".to_owned()));
        }
        if length > limit {
            return Err(invalid(format!("{length} bytes; the limit is {limit}")));
        }
        // Memory is taken only for what the file holds.
        let part = file.slice(offset, length).ok_or_else(truncated)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        part.read_exact_at(&mut bytes, 0).map_err(|_| truncated())?;
        Self::parse(bytes, name, usize::try_from(tags).unwrap_or(usize::MAX)).map_err(invalid)
    }

    fn parse(bytes: Vec<u8>, name: &'static str, tags: usize) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for at in (0..tags).map(|index| INTRO + index * ENTRY) {
            let field = |index: usize| word(&bytes, at + index * 4).unwrap_or_default();
            let found = Entry {
                kind: field(1),
                offset: field(2) as usize,
                count: field(3) as usize,
            };
            // What stands twice could be read in two ways.
            if entries.insert(field(0), found).is_some() {
                return Err(format!("tag {} stands twice", field(0)));
            }
        }
        Ok(Self {
            name,
            data: INTRO + tags * ENTRY,
            bytes,
            entries,
        })
    }

    /// Whether the header has this tag.
    pub(super) fn has(&self, tag: u32) -> bool {
        self.entries.contains_key(&tag)
    }

    /// Bytes; `None` without the tag.
    pub(super) fn binary(&self, tag: u32) -> Result<Option<&[u8]>, HeaderError> {
        let Some(entry) = self.entry(tag, &[7])? else {
            return Ok(None);
        };
        let bytes = self.tail(tag, entry)?.get(..entry.count);
        bytes.map(Some).ok_or_else(|| self.cut(tag))
    }

    /// Strings; none without the tag. A single string is a list of one.
    pub(super) fn strings(&self, tag: u32) -> Result<Vec<&[u8]>, HeaderError> {
        let Some(entry) = self.entry(tag, &[6, 8, 9])? else {
            return Ok(Vec::new());
        };
        let mut rest = self.tail(tag, entry)?;
        let mut strings = Vec::new();
        for _ in 0..entry.count {
            let end = rest.iter().position(|&byte| byte == 0);
            let end = end.ok_or_else(|| self.cut(tag))?;
            strings.push(&rest[..end]);
            rest = &rest[end + 1..];
        }
        Ok(strings)
    }

    /// A string as text; empty without the tag.
    pub(super) fn text(&self, tag: u32) -> Result<String, HeaderError> {
        let strings = self.strings(tag)?;
        let first = strings.first().copied().unwrap_or_default();
        Ok(String::from_utf8_lossy(first).into_owned())
    }

    /// Numbers of 16, 32 or 64 bits; none without the tag.
    pub(super) fn numbers(&self, tag: u32) -> Result<Vec<u64>, HeaderError> {
        let Some(entry) = self.entry(tag, &[3, 4, 5])? else {
            return Ok(Vec::new());
        };
        let width = 1 << (entry.kind - 2);
        let tail = self.tail(tag, entry)?;
        let length = entry.count.checked_mul(width);
        let numbers = length.and_then(|length| tail.get(..length));
        let numbers = numbers.ok_or_else(|| self.cut(tag))?.chunks(width);
        Ok(numbers
            .map(|bytes| {
                bytes
                    .iter()
                    .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
            })
            .collect())
    }

    fn entry(&self, tag: u32, kinds: &[u32]) -> Result<Option<Entry>, HeaderError> {
        match self.entries.get(&tag) {
            Some(entry) if !kinds.contains(&entry.kind) => Err(HeaderError::Tag {
                header: self.name,
                tag,
                reason: "is of another type than rpm gives it",
            }),
            found => Ok(found.copied()),
        }
    }

    fn tail(&self, tag: u32, entry: Entry) -> Result<&[u8], HeaderError> {
        let data = &self.bytes[self.data..];
        data.get(entry.offset..).ok_or_else(|| self.cut(tag))
    }

    fn cut(&self, tag: u32) -> HeaderError {
        HeaderError::Tag {
            header: self.name,
            tag,
            reason: "reaches past the end of the header",
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
