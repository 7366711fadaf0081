//! Directories: sorted entries in blocks of their own.

use zerocopy::IntoBytes;

use super::format::{BLOCK, BLOCK_SIZE, Dirent, FileType};

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) name: &'t [u8],
    /// The number of the inode it names.
    pub(super) inode: u32,
}

impl Entry<'_> {
    fn size(&self) -> usize {
        size_of::<Dirent>() + self.name.len()
    }
}

/// Splits sorted entries into those of each block: as many as fit.
pub(super) fn blocks<'a, 't>(entries: &'a [Entry<'t>]) -> impl Iterator<Item = &'a [Entry<'t>]> {
    let mut left = entries;
    std::iter::from_fn(move || {
        let mut used = 0;
        let fitting = left
            .iter()
            .take_while(|entry| {
                used += entry.size();
                used <= BLOCK
            })
            .count();
        let (block, rest) = left.split_at(fitting);
        left = rest;
        (!block.is_empty()).then_some(block)
    })
}

/// The size of a directory in bytes: all of its blocks whole except the last.
pub(super) fn size(entries: &[Entry<'_>]) -> u64 {
    let (count, last) = blocks(entries).fold((0, 0), |(count, _), block| {
        (count + 1, block.iter().map(Entry::size).sum::<usize>())
    });
    match count {
        0 => 0,
        _ => (count - 1) * BLOCK_SIZE + last as u64,
    }
}

/// Appends the entries of one block, each with its inode's nid and type.
#[expect(
    clippy::cast_possible_truncation,
    reason = "offsets inside a block are at most 4096"
)]
pub(super) fn encode(
    block: &[Entry<'_>],
    target: impl Fn(u32) -> (u64, FileType),
    out: &mut Vec<u8>,
) {
    let mut name_offset = block.len() * size_of::<Dirent>();
    for entry in block {
        let (nid, file_type) = target(entry.inode);
        let dirent = Dirent {
            nid: nid.into(),
            name_offset: (name_offset as u16).into(),
            file_type: file_type as u8,
            reserved: 0,
        };
        out.extend_from_slice(dirent.as_bytes());
        name_offset += entry.name.len();
    }
    for entry in block {
        out.extend_from_slice(entry.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_does_not_fit_starts_the_next_block() {
        let long = [b'n'; 255];
        let entries: Vec<Entry<'_>> = (0..16).map(|inode| Entry { name: &long, inode }).collect();
        // 15 entries of 267 bytes fill 4005 bytes of a block.
        let counts: Vec<usize> = blocks(&entries).map(<[_]>::len).collect();
        assert_eq!(counts, [15, 1]);
        assert_eq!(size(&entries), 4096 + 267);
        assert_eq!(size(&entries[..15]), 4005);
    }

    #[test]
    fn names_stand_behind_the_entries_of_their_block() {
        let entries =
            [(&b"."[..], 0), (b"..", 0), (b"etc", 7)].map(|(name, inode)| Entry { name, inode });
        let mut block = Vec::new();
        encode(
            &entries,
            |inode| (u64::from(inode) + 36, FileType::Directory),
            &mut block,
        );
        assert_eq!(block.len() as u64, size(&entries));
        assert_eq!(&block[24..36], [43, 0, 0, 0, 0, 0, 0, 0, 39, 0, 2, 0]);
        assert_eq!(&block[36..], b"...etc");
    }
}
