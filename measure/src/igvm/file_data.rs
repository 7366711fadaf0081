//! The data after the headers, which headers refer to by file offset.

use super::IgvmError;
use crate::lanes::Page;

/// An IGVM file with the place where its data starts.
#[derive(Clone, Copy)]
pub(super) struct FileData<'a> {
    file: &'a [u8],
    start: usize,
}

impl<'a> FileData<'a> {
    /// The data of `file` from `start`, the end of the variable headers, on.
    pub(super) fn new(file: &'a [u8], start: usize) -> Self {
        Self { file, start }
    }

    /// `length` bytes at `file_offset`, for the header at `offset`.
    pub(super) fn bytes(
        &self,
        offset: usize,
        file_offset: u32,
        length: u64,
    ) -> Result<&'a [u8], IgvmError> {
        let outside = IgvmError::DataOutside {
            offset,
            length,
            file_offset,
            start: self.start,
            end: self.file.len(),
        };
        let range = usize::try_from(file_offset)
            .ok()
            .zip(usize::try_from(length).ok());
        range
            .filter(|(from, _)| *from >= self.start)
            .and_then(|(from, length)| self.file.get(from..from.checked_add(length)?))
            .ok_or(outside)
    }

    /// The page at `file_offset`, for the header at `offset`. Pages need no alignment.
    pub(super) fn page(&self, offset: usize, file_offset: u32) -> Result<&'a Page, IgvmError> {
        let bytes = self.bytes(offset, file_offset, size_of::<Page>() as u64)?;
        let (page, _) = bytes.split_first_chunk().ok_or(IgvmError::DataOutside {
            offset,
            length: size_of::<Page>() as u64,
            file_offset,
            start: self.start,
            end: self.file.len(),
        })?;
        Ok(page)
    }
}
