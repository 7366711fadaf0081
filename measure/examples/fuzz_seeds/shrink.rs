//! Makes a small IGVM file of a large one.

/// Page headers that are kept.
const PAGES: usize = 24;

const FIXED: usize = 24;
const PAGE: usize = 4096;
const PAGE_DATA: u32 = 0x302;
const VP_CONTEXT: u32 = 0x304;

/// The headers of `file`, which is of version 1, with its first pages, over one page of data that
/// they all share.
pub(crate) fn shrink(file: &[u8]) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    let end = FIXED + usize::try_from(number(0xC)).unwrap();
    let (mut at, mut pages, mut kept) = (FIXED, 0, Vec::new());
    while at < end {
        let kind = number(at);
        let length = usize::try_from(number(at + 4)).unwrap().next_multiple_of(8);
        pages += usize::from(kind == PAGE_DATA);
        if kind != PAGE_DATA || pages <= PAGES {
            kept.push((kind, file[at..at + 8 + length].to_vec()));
        }
        at += 8 + length;
    }

    let size: usize = kept.iter().map(|(_, header)| header.len()).sum();
    let data = FIXED + size;
    let as_u32 = |size: usize| u32::try_from(size).unwrap().to_le_bytes();
    let mut small = file[..FIXED].to_vec();
    small[0xC..0x10].copy_from_slice(&as_u32(size));
    small[0x10..0x14].copy_from_slice(&as_u32(data + PAGE));
    small[0x14..0x18].fill(0);
    for (kind, mut header) in kept {
        if [PAGE_DATA, VP_CONTEXT].contains(&kind) {
            // Both have the file offset behind address and mask.
            let file_offset = &mut header[8 + 12..][..4];
            if *file_offset != [0; 4] {
                file_offset.copy_from_slice(&as_u32(data));
            }
        }
        small.extend(header);
    }
    let checksum = crc32fast::hash(&small);
    small[0x14..0x18].copy_from_slice(&checksum.to_le_bytes());
    small.extend(&file[end..end + PAGE]);
    small
}
