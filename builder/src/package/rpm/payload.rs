//! The payload of an RPM package: a cpio archive in the form `newc` (cpio(5)), whose names and
//! sizes only tell where the contents of files are; everything else the header says.

use std::collections::BTreeMap;

use crate::tree::section::Section;
use crate::tree::{PathError, TreePath};

const HEADER: usize = 110;
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

/// The data of each entry of `payload`, by path.
pub(super) fn contents(payload: &Section) -> Result<BTreeMap<TreePath, Section>, PayloadError> {
    let mut contents = BTreeMap::new();
    let mut offset = 0;
    loop {
        let truncated = || PayloadError::Truncated {
            offset,
            end: payload.len(),
        };
        let bad = |reason: String| PayloadError::Entry { offset, reason };
        let mut header = [0; HEADER];
        payload
            .read_exact_at(&mut header, offset)
            .map_err(|_| truncated())?;
        match &header[..6] {
            b"070701" => {}
            b"07070X" => {
                return Err(bad(
                    "the form for packages with files of 4 GiB and more is not supported"
                        .to_owned(),
                ));
            }
            other => {
                return Err(bad(format!(
                    "expected 070701, found {:?}",
                    String::from_utf8_lossy(other)
                )));
            }
        }
        let field = |index: usize| {
            let digits = &header[6 + index * 8..14 + index * 8];
            let text = std::str::from_utf8(digits).ok();
            let number = text.and_then(|text| u64::from_str_radix(text, 16).ok());
            number.ok_or_else(|| bad(format!("field {index} is not hexadecimal")))
        };
        let (size, name_size) = (field(6)?, field(11)?);
        if !(1..=LONGEST_NAME).contains(&name_size) {
            return Err(bad(format!("a name of {name_size} bytes")));
        }
        let mut name = vec![0; usize::try_from(name_size).unwrap_or(usize::MAX)];
        payload
            .read_exact_at(&mut name, offset + HEADER as u64)
            .map_err(|_| truncated())?;
        if name.pop() != Some(0) {
            return Err(bad("its name does not end in NUL".to_owned()));
        }
        if name == TRAILER {
            return Ok(contents);
        }
        // Names and data are padded to four bytes.
        let start = (offset + HEADER as u64 + name_size).next_multiple_of(4);
        let data = payload.slice(start, size).ok_or_else(truncated)?;
        let path =
            TreePath::parse(&name).map_err(|reason| PayloadError::Path { offset, reason })?;
        if contents.insert(path, data).is_some() {
            let name = String::from_utf8_lossy(&name);
            return Err(bad(format!("{name:?} stands twice")));
        }
        offset = (start + size).next_multiple_of(4);
    }
}
