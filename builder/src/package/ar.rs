//! The ar archive that a .deb is (deb(5)): short names, decimal sizes, nothing else.

use std::io;

use crate::tree::section::Section;

const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Name 16, time 12, owner 6, group 6, mode 8, size 10 bytes, then `` `\n ``.
const HEADER: usize = 60;

/// Why a file is not an ar archive.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// It does not begin as one.
    #[error("not a .deb: it does not start with \"!<arch>\"")]
    Magic,
    /// A header that is not one.
    #[error("ar header at byte {offset}: {reason}")]
    Header {
        /// Where it starts in the file.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file ends within a member.
    #[error(
        "{member}: {size} bytes from byte {offset} on, but the file ends at byte {end}; it was cut short"
    )]
    Truncated {
        /// The member.
        member: String,
        /// Its length in bytes, as its header says.
        size: u64,
        /// Where its data start.
        offset: u64,
        /// The file's length in bytes.
        end: u64,
    },
}

/// A member of an ar archive.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) data: Section,
}

/// The members of an ar archive. A .deb has few: past 16 it is not one.
pub(super) fn members(file: &Section) -> Result<Vec<Member>, ArError> {
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if &magic == MAGIC => {}
        _ => return Err(ArError::Magic),
    }
    let mut members = Vec::new();
    let mut offset = MAGIC.len() as u64;
    while offset < file.len() {
        if members.len() == 16 {
            return Err(ArError::Header {
                offset,
                reason: "more than 16 members".to_owned(),
            });
        }
        let (name, size) = header(file, offset)?;
        offset += HEADER as u64;
        let data = file.slice(offset, size).ok_or_else(|| ArError::Truncated {
            member: name.clone(),
            size,
            offset,
            end: file.len(),
        })?;
        members.push(Member { name, data });
        // Members start at even offsets.
        offset += size + size % 2;
    }
    Ok(members)
}

fn header(file: &Section, offset: u64) -> Result<(String, u64), ArError> {
    let bad = |reason: String| ArError::Header { offset, reason };
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => bad("the file ends within it; it was cut short".into()),
            _ => bad(error.to_string()),
        })?;
    if &header[58..] != b"`\n" {
        return Err(bad("it does not end in \"`\\n\"".to_owned()));
    }
    let field = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let size = field(&header[48..58]);
    let size = size
        .parse()
        .map_err(|_| bad(format!("the size {size:?} is not a number")))?;
    // System V archives end names with a slash; dpkg accepts both.
    let name = field(&header[..16]);
    Ok((name.strip_suffix('/').unwrap_or(&name).to_owned(), size))
}
