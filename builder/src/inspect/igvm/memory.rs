//! Guest memory as the pages of a file make it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use guestmark_measure::igvm::{CompatibilityMask, Directive, IgvmFile};
use guestmark_measure::lanes::Page;
use guestmark_measure::{Gpa, PAGE_SIZE};

static ZEROS: Page = [0; size_of::<Page>()];

/// The memory that a guest finds on one platform, as far as the file says: what a loader fills in
/// is not there.
pub(super) struct LaunchedMemory<'a> {
    /// By page number.
    pages: BTreeMap<u64, &'a Page>,
}

impl<'a> LaunchedMemory<'a> {
    pub(super) fn new(file: &IgvmFile<'a>, platform: CompatibilityMask) -> Self {
        let mut pages = BTreeMap::new();
        for directive in file.directives() {
            let Directive::PageData(page) = directive else {
                continue;
            };
            if !page.mask.intersects(platform) {
                continue;
            }
            // A page of 2 MiB has data for its first 4 KiB at most.
            let first = page.gpa.get() / PAGE_SIZE;
            pages.insert(first, page.data.unwrap_or(&ZEROS));
            for number in first + 1..first + page.size() / PAGE_SIZE {
                pages.insert(number, &ZEROS);
            }
        }
        Self { pages }
    }

    /// Reads `length` bytes from `start` on; what is not in the file ends the data early.
    pub(super) fn read_from(&self, start: Gpa, length: u64) -> MemoryReader<'_> {
        MemoryReader {
            memory: self,
            position: start.get(),
            left: length.min(u64::MAX - start.get()),
        }
    }

    /// `N` bytes from `start` on, if the file has them all.
    pub(super) fn array<const N: usize>(&self, start: Gpa) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.read_from(start, N as u64)
            .read_exact(&mut bytes)
            .ok()?;
        Some(bytes)
    }
}

/// Reads guest memory, page by page.
pub(super) struct MemoryReader<'a> {
    memory: &'a LaunchedMemory<'a>,
    position: u64,
    left: u64,
}

impl BufRead for MemoryReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(page) = self.memory.pages.get(&(self.position / PAGE_SIZE)) else {
            return Ok(&[]);
        };
        let start = usize::try_from(self.position % PAGE_SIZE).unwrap_or_default();
        let rest = &page[start..];
        let length = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        Ok(&rest[..length])
    }

    fn consume(&mut self, bytes: usize) {
        self.position += bytes as u64;
        self.left -= bytes as u64;
    }
}

impl Read for MemoryReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let length = chunk.len().min(bytes.len());
        bytes[..length].copy_from_slice(&chunk[..length]);
        self.consume(length);
        Ok(length)
    }
}
