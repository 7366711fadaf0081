//! The payload of an RPM package: a cpio archive in the form `newc` (cpio(5)), or in rpm's own form
//! without names and sizes. It only tells where the contents of files are; everything else the
//! header says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::tree::section::Section;
use crate::tree::{PathError, TreePath};

const MAGIC: usize = 6;
const HEADER: u64 = 110;
/// The magic number and the number of a file.
const STRIPPED_HEADER: u64 = 14;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Linux limits a path to 4096 bytes (`PATH_MAX`).
const LONGEST_NAME: u64 = 4096;

/// Why bytes are not a payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The archive ends early.
    #[error("payload ends at byte {end}, within the entry at byte {offset}; it was cut short")]
    Truncated {
        /// Where the entry starts, in bytes of the unpacked payload.
        offset: u64,
        /// The payload's length in bytes.
        end: u64,
    },
    /// An entry that is not one.
    #[error("payload entry at byte {offset}: {reason}")]
    Entry {
        /// Where it starts, in bytes of the unpacked payload.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry whose path cannot stand in a tree.
    #[error("payload entry at byte {offset}: {reason}")]
    Path {
        /// Where it starts, in bytes of the unpacked payload.
        offset: u64,
        /// Why.
        reason: PathError,
    },
}

/// The data of each entry of `payload`, by path. Of packages with files of 4 GiB and more an entry
/// is only a number: that of a file of `listed`, the header's files with their bytes in the payload.
pub(super) fn contents(
    payload: &Section,
    listed: &[(TreePath, u64)],
) -> Result<BTreeMap<TreePath, Section>, PayloadError> {
    let mut contents = BTreeMap::new();
    let mut offset = 0;
    loop {
        let truncated = || PayloadError::Truncated {
            offset,
            end: payload.len(),
        };
        let bad = |reason: String| PayloadError::Entry { offset, reason };
        let mut magic = [0; MAGIC];
        payload
            .read_exact_at(&mut magic, offset)
            .map_err(|_| truncated())?;
        let (path, start, size) = match &magic {
            b"070701" => match named(payload, offset)? {
                Some(entry) => entry,
                None => return Ok(contents),
            },
            b"07070X" => {
                let number = number(payload, offset, 0)?;
                let file = usize::try_from(number).ok();
                let file = file.and_then(|number| listed.get(number));
                let (path, size) = file
                    .ok_or_else(|| bad(format!("file {number}, which the header does not have")))?;
                (path.clone(), offset + STRIPPED_HEADER, *size)
            }
            other => {
                return Err(bad(format!(
                    "expected 070701 or 07070X, found {:?}",
                    String::from_utf8_lossy(other)
                )));
            }
        };
        // Headers, names and data are padded to four bytes.
        let start = start.next_multiple_of(4);
        let data = payload.slice(start, size).ok_or_else(truncated)?;
        match contents.entry(path) {
            Entry::Vacant(vacant) => vacant.insert(data),
            Entry::Occupied(found) => return Err(bad(format!("{} stands twice", found.key()))),
        };
        offset = (start + size).next_multiple_of(4);
    }
}

/// An entry with a name: its path, where its data start before padding, their length. `None` at the
/// end of the archive.
fn named(payload: &Section, offset: u64) -> Result<Option<(TreePath, u64, u64)>, PayloadError> {
    let truncated = || PayloadError::Truncated {
        offset,
        end: payload.len(),
    };
    let bad = |reason: String| PayloadError::Entry { offset, reason };
    let size = number(payload, offset, 6)?;
    let name_size = number(payload, offset, 11)?;
    if !(1..=LONGEST_NAME).contains(&name_size) {
        return Err(bad(format!("a name of {name_size} bytes")));
    }
    let mut name = vec![0; usize::try_from(name_size).unwrap_or(usize::MAX)];
    payload
        .read_exact_at(&mut name, offset + HEADER)
        .map_err(|_| truncated())?;
    if name.pop() != Some(0) {
        return Err(bad("its name does not end in NUL".to_owned()));
    }
    if name == TRAILER {
        return Ok(None);
    }
    let path = TreePath::parse(&name).map_err(|reason| PayloadError::Path { offset, reason })?;
    Ok(Some((path, offset + HEADER + name_size, size)))
}

/// A field of an entry's header: eight hexadecimal digits.
fn number(payload: &Section, offset: u64, index: u64) -> Result<u64, PayloadError> {
    let mut digits = [0; 8];
    payload
        .read_exact_at(&mut digits, offset + MAGIC as u64 + index * 8)
        .map_err(|_| PayloadError::Truncated {
            offset,
            end: payload.len(),
        })?;
    let text = std::str::from_utf8(&digits).ok();
    let number = text.and_then(|text| u64::from_str_radix(text, 16).ok());
    number.ok_or_else(|| PayloadError::Entry {
        offset,
        reason: format!("field {index} is not hexadecimal"),
    })
}
