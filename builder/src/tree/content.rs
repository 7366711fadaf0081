//! What a file of a tree holds: a reference, read when an image is written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes of a regular file, by reference. Cloning copies no content.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory: small files that rules and recipes make.
    Bytes(Arc<[u8]>),
    /// A range of an open file, for instance one member of an unpacked archive.
    Range {
        /// The file, shared by all of its members.
        file: Arc<File>,
        /// Where the content starts, in bytes.
        offset: u64,
        /// The content's length in bytes.
        length: u64,
    },
    /// Ranges of an open file, one after another: a file that an image keeps in pieces.
    Ranges {
        /// The file, shared by all that it holds.
        file: Arc<File>,
        /// The pieces in the order of the content, as byte offsets.
        ranges: Arc<[Range<u64>]>,
    },
    /// A whole file on disk, opened only while it is read, so that trees of any size fit the
    /// limit on open files.
    Path {
        /// The file.
        path: PathBuf,
        /// Its length in bytes when the tree was read. A length that has changed since is an
        /// error when the content is read.
        length: u64,
    },
}

impl Content {
    /// Content held in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range { length, .. } | Self::Path { length, .. } => *length,
            Self::Ranges { ranges, .. } => ranges.iter().map(|range| range.end - range.start).sum(),
        }
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the content for reading from its start.
    ///
    /// # Errors
    /// A [`Content::Path`] that cannot be opened, or whose length differs from the one recorded.
    pub fn open(&self) -> io::Result<ContentReader> {
        self.open_at(0)
    }

    /// Opens the content for reading from the byte at `position`, without reading what lies
    /// before it. Past the end there is nothing to read.
    ///
    /// # Errors
    /// As [`Content::open`].
    pub fn open_at(&self, position: u64) -> io::Result<ContentReader> {
        let source = match self {
            Self::Bytes(bytes) => Source::Bytes(Arc::clone(bytes)),
            Self::Range { file, offset, .. } => Source::File {
                file: Arc::clone(file),
                start: *offset,
            },
            Self::Ranges { file, ranges } => Source::Pieces {
                file: Arc::clone(file),
                ranges: Arc::clone(ranges),
            },
            Self::Path { path, length } => {
                let file = fs_err::File::open(path)?;
                let found = file.metadata()?.len();
                if found != *length {
                    return Err(io::Error::other(format!(
                        "{}: the file changed while it was read: expected {length} bytes, found {found}",
                        path.display()
                    )));
                }
                Source::File {
                    file: Arc::new(file.into_file()),
                    start: 0,
                }
            }
        };
        let length = self.len();
        Ok(ContentReader {
            source,
            position: position.min(length),
            length,
        })
    }

    /// Reads everything into memory; for files that are small by nature (ELF headers, module
    /// metadata), not for the bulk of an image.
    ///
    /// # Errors
    /// As [`Content::open`], and any failure to read.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut self.open()?, &mut bytes)?;
        Ok(bytes)
    }
}

impl Content {
    /// Whether both hold the same bytes.
    ///
    /// # Errors
    /// As [`Content::open`], and any failure to read.
    pub fn has_bytes_of(&self, other: &Self) -> io::Result<bool> {
        if self.len() != other.len() {
            return Ok(false);
        }
        let mut one = BufReader::with_capacity(COMPARED, self.open()?);
        let mut two = BufReader::with_capacity(COMPARED, other.open()?);
        loop {
            let (left, right) = (one.fill_buf()?, two.fill_buf()?);
            let length = left.len().min(right.len());
            if left[..length] != right[..length] {
                return Ok(false);
            }
            if length == 0 {
                return Ok(left.is_empty() && right.is_empty());
            }
            one.consume(length);
            two.consume(length);
        }
    }
}

/// The bytes that are compared at a time.
const COMPARED: usize = 64 << 10;

#[derive(Debug)]
enum Source {
    Bytes(Arc<[u8]>),
    File {
        file: Arc<File>,
        start: u64,
    },
    Pieces {
        file: Arc<File>,
        ranges: Arc<[Range<u64>]>,
    },
}

/// Reads from the piece that holds `position`, and not past its end.
fn read_piece(
    file: &File,
    ranges: &[Range<u64>],
    position: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut skipped = position;
    for range in ranges {
        let length = range.end - range.start;
        if skipped < length {
            let left = usize::try_from(length - skipped).unwrap_or(usize::MAX);
            let wanted = buffer.len().min(left);
            return file.read_at(&mut buffer[..wanted], range.start + skipped);
        }
        skipped -= length;
    }
    Ok(0)
}

/// Reads one content from start to end. Readers of the same file do not disturb each other.
#[derive(Debug)]
pub struct ContentReader {
    source: Source,
    position: u64,
    length: u64,
}

impl io::Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..wanted];
        let read = match &self.source {
            Source::Bytes(bytes) => {
                let position = usize::try_from(self.position).map_err(io::Error::other)?;
                buffer.copy_from_slice(&bytes[position..position + wanted]);
                wanted
            }
            Source::File { file, start } => file.read_at(buffer, start + self.position)?,
            Source::Pieces { file, ranges } => read_piece(file, ranges, self.position, buffer)?,
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "content ends after {} of {} bytes",
                    self.position, self.length
                ),
            ));
        }
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_range_reads_exactly_its_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before|content|after").unwrap();
        let content = Content::Range {
            file: Arc::new(file),
            offset: 7,
            length: 7,
        };
        assert_eq!(content.to_vec().unwrap(), b"content");
    }

    #[test]
    fn pieces_read_as_one_content_from_any_position() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"tail....body-body").unwrap();
        let content = Content::Ranges {
            file: Arc::new(file),
            ranges: Arc::new([8..17, 0..4]),
        };
        assert_eq!(content.len(), 13);
        for (position, expected) in [
            (0, "body-bodytail"),
            (5, "bodytail"),
            (10, "ail"),
            (13, ""),
            (99, ""),
        ] {
            let mut read = String::new();
            io::Read::read_to_string(&mut content.open_at(position).unwrap(), &mut read).unwrap();
            assert_eq!(read, expected, "from {position}");
        }
    }

    #[test]
    fn a_file_that_grew_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, b"12345").unwrap();
        let content = Content::Path { path, length: 4 };
        let error = content.open().unwrap_err().to_string();
        assert!(
            error.ends_with("changed while it was read: expected 4 bytes, found 5"),
            "{error}"
        );
    }

    #[test]
    fn a_truncated_range_is_an_error_not_zeros() {
        let file = tempfile::tempfile().unwrap();
        let content = Content::Range {
            file: Arc::new(file),
            offset: 0,
            length: 3,
        };
        assert_eq!(
            content.to_vec().unwrap_err().to_string(),
            "content ends after 0 of 3 bytes"
        );
    }
}
