//! Some blocks of a file, mapped: hashing them in place saves copying them first.

use std::ops::Range;

use fs_err::File;
use guestmark_measure::lanes::Page;
use memmap2::Advice;
use mmap_guard::FileData;

/// A range of a file that is mapped for as long as this lives. If another program cuts the file
/// short meanwhile, the system ends this one (SIGBUS).
pub(super) struct Window {
    map: FileData,
    range: Range<usize>,
}

impl Window {
    /// Brings `blocks` blocks of `file`, from byte `offset` on, into memory. `None` if they cannot
    /// be mapped: the file is shorter, locked, or of a kind that is only read.
    pub(super) fn open(file: &File, offset: u64, blocks: usize) -> Option<Self> {
        let map = mmap_guard::map_file(file.path()).ok()?;
        let start = usize::try_from(offset).ok()?;
        let length = blocks.checked_mul(size_of::<Page>())?;
        let range = start..start.checked_add(length)?;
        map.get(range.clone())?;
        if let FileData::Mapped(map, _) = &map {
            // All at once: taking a fault for every few pages costs as much as copying them.
            map.advise_range(Advice::PopulateRead, start, length).ok()?;
        }
        Some(Self { map, range })
    }

    pub(super) fn blocks(&self) -> &[Page] {
        self.map[self.range.clone()].as_chunks().0
    }
}
