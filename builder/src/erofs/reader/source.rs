//! The bytes of an image.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::error::ReadError;
use crate::tree::Content;

/// A part of a file that an image lies in.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: Arc<File>,
    offset: u64,
    size: u64,
}

impl Source {
    /// `size` bytes of `file` from `offset`, or as many as offsets can count.
    pub(super) fn new(file: Arc<File>, offset: u64, size: u64) -> Self {
        Self {
            file,
            offset,
            size: size.min(u64::MAX - offset),
        }
    }

    /// The first `size` bytes.
    pub(super) fn truncated(self, size: u64) -> Result<Self, ReadError> {
        self.range("the image", 0, size)?;
        Ok(Self { size, ..self })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The range of `length` bytes from `start`, if the image has them.
    pub(super) fn range(
        &self,
        what: &'static str,
        start: u64,
        length: u64,
    ) -> Result<Range<u64>, ReadError> {
        match start.checked_add(length) {
            Some(end) if end <= self.size => Ok(start..end),
            _ => Err(ReadError::OutOfBounds {
                what,
                start,
                length,
                size: self.size,
            }),
        }
    }

    /// Fills `buffer` from `start`.
    fn read_into(
        &self,
        start: u64,
        buffer: &mut [u8],
        what: &'static str,
    ) -> Result<(), ReadError> {
        let range = self.range(what, start, buffer.len() as u64)?;
        self.file
            .read_exact_at(buffer, self.offset + range.start)
            .map_err(|source| ReadError::Io {
                what,
                offset: start,
                source,
            })
    }

    /// Reads `N` bytes from `start`.
    pub(super) fn array<const N: usize>(
        &self,
        start: u64,
        what: &'static str,
    ) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read_into(start, &mut bytes, what)?;
        Ok(bytes)
    }

    /// Reads `length` bytes from `start`: nothing is allocated that the image does not have.
    pub(super) fn read(
        &self,
        start: u64,
        length: usize,
        what: &'static str,
    ) -> Result<Vec<u8>, ReadError> {
        self.range(what, start, length as u64)?;
        let mut bytes = vec![0; length];
        self.read_into(start, &mut bytes, what)?;
        Ok(bytes)
    }

    /// Ranges of the image as the content of a file.
    pub(super) fn content(&self, ranges: &[Range<u64>]) -> Content {
        let in_file = |range: &Range<u64>| self.offset + range.start..self.offset + range.end;
        match ranges {
            [] => Content::bytes([]),
            [range] => Content::Range {
                file: Arc::clone(&self.file),
                offset: in_file(range).start,
                length: range.end - range.start,
            },
            several => Content::Ranges {
                file: Arc::clone(&self.file),
                ranges: several.iter().map(in_file).collect(),
            },
        }
    }
}
