//! The entries of a directory as an image holds them.

use std::ops::Range;

use zerocopy::FromBytes;

use super::Reader;
use super::error::ReadError;
use super::inode::DiskInode;
use crate::erofs::format::{BLOCK_SIZE, Dirent, NAME_MAX};

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    pub(super) nid: u64,
    /// The type number that the entry says.
    pub(super) file_type: u8,
}

/// Reads the entries of a directory, `.` and `..` among them, and checks that their names are
/// names and sorted.
pub(super) fn read(reader: &Reader, directory: &DiskInode) -> Result<Vec<Listed>, ReadError> {
    let mut listed: Vec<Listed> = Vec::new();
    for block in blocks(&directory.data) {
        let length = usize::try_from(block.end - block.start).unwrap_or(usize::MAX);
        let bytes = reader
            .source
            .read(block.start, length, "a directory's entries")?;
        for entry in entries(&bytes, block.start)? {
            if listed.last().is_some_and(|last| last.name >= entry.name) {
                return Err(ReadError::Invalid {
                    offset: block.start,
                    field: "the place of an entry in its directory",
                    found: listed.len() as u64,
                    expected: "entries sorted by name, each name once",
                });
            }
            listed.push(entry);
        }
    }
    Ok(listed)
}

/// The blocks of a directory: each range starts at one.
fn blocks(data: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    data.iter().flat_map(|range| {
        let Range { start, end } = range.clone();
        (0..(end - start).div_ceil(BLOCK_SIZE)).map(move |index| {
            let start = start + index * BLOCK_SIZE;
            start..end.min(start + BLOCK_SIZE)
        })
    })
}

fn entries(block: &[u8], offset: u64) -> Result<Vec<Listed>, ReadError> {
    let invalid = |field, found: usize, expected| ReadError::Invalid {
        offset,
        field,
        found: found as u64,
        expected,
    };
    let Ok((first, _)) = Dirent::ref_from_prefix(block) else {
        return Err(invalid(
            "the length of the directory block",
            block.len(),
            "room for an entry",
        ));
    };
    let names = usize::from(first.name_offset.get());
    let table = block
        .get(..names)
        .and_then(|table| <[Dirent]>::ref_from_bytes(table).ok())
        .filter(|table| !table.is_empty())
        .ok_or_else(|| {
            invalid(
                "the offset of the first name",
                names,
                "a multiple of 12 inside of the directory block",
            )
        })?;

    let mut listed = Vec::with_capacity(table.len());
    for (index, dirent) in table.iter().enumerate() {
        let start = usize::from(dirent.name_offset.get());
        let name = match table.get(index + 1) {
            Some(next) => block.get(start..next.name_offset.get().into()),
            // The last name ends with the block or with a NUL.
            None => block
                .get(start..)
                .and_then(|rest| rest.split(|&byte| byte == 0).next()),
        };
        let is_name = |name: &&[u8]| {
            (1..=NAME_MAX).contains(&name.len()) && !name.contains(&b'/') && !name.contains(&0)
        };
        let name = name.filter(is_name).ok_or_else(|| {
            invalid(
                "the offset of a name",
                start,
                "a file name of 1 to 255 bytes",
            )
        })?;
        listed.push(Listed {
            name: name.to_vec(),
            nid: dirent.nid.get(),
            file_type: dirent.file_type,
        });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(block: &[u8]) -> String {
        entries(block, 8192).unwrap_err().to_string()
    }

    fn block(name_offsets: &[u16], names: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        for offset in name_offsets {
            block.extend([0; 8]);
            block.extend(offset.to_le_bytes());
            block.extend([1, 0]);
        }
        block.extend(names);
        block
    }

    #[test]
    fn the_last_name_ends_with_its_block_or_with_a_nul() {
        for names in [&b"abc"[..], b"abc\0\0\0"] {
            let listed = entries(&block(&[24, 25], names), 0).unwrap();
            assert_eq!(listed[0].name, b"a");
            assert_eq!(listed[1].name, b"bc");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let expected = "EROFS, byte 8192: the offset of a name is 12, expected a file name of 1 \
                        to 255 bytes; the image is damaged";
        assert_eq!(refusal(&block(&[12], b"a/b")), expected);
        assert_eq!(refusal(&block(&[12], b"")), expected);
        assert_eq!(refusal(&block(&[12], &[b'n'; 256])), expected);
    }

    #[test]
    fn offsets_outside_of_the_block_are_refused() {
        let expected = "a multiple of 12 inside of the directory block; the image is damaged";
        for offset in [0, 13, 24, 60000] {
            let message = refusal(&block(&[offset], b"abc"));
            assert!(message.ends_with(expected), "{offset}: {message}");
        }
        assert!(refusal(&block(&[24, 60000], b"ab")).contains("the offset of a name"));
        assert!(refusal(&block(&[24, 3], b"ab")).contains("the offset of a name"));
        assert!(refusal(b"short").contains("the length of the directory block is 5"));
    }
}
