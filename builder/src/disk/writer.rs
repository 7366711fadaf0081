//! Writes into one partition of a disk image.

use std::io::{self, Seek, SeekFrom, Write};

use fs_err::File;
use fs_err::os::unix::fs::FileExt;

/// Writes into the disk image from the start of a partition on; position 0 is the partition's
/// first byte. Does not buffer, and does not use the file's own position.
#[derive(Debug)]
pub struct PartitionWriter<'a> {
    file: &'a File,
    start: u64,
    position: u64,
}

impl<'a> PartitionWriter<'a> {
    pub(super) const fn new(file: &'a File, start: u64) -> Self {
        Self {
            file,
            start,
            position: 0,
        }
    }
}

impl Write for PartitionWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let place = self.start.checked_add(self.position).ok_or_else(too_far)?;
        let written = self.file.write_at(bytes, place)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for PartitionWriter<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, distance) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(distance) => (self.position, distance),
            SeekFrom::End(distance) => {
                let length = self.file.metadata()?.len();
                (length.saturating_sub(self.start), distance)
            }
        };
        self.position = base.checked_add_signed(distance).ok_or_else(too_far)?;
        Ok(self.position)
    }
}

fn too_far() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "position outside what a partition can hold",
    )
}
