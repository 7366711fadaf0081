//! A stream that knows how far it was read, and that ends in an error where it may not go on.

use std::io::{self, BufRead, ErrorKind, Read};

use super::InitrdError;

/// A stream with its position and the most bytes that may be read from it.
pub(super) struct Input<R> {
    inner: R,
    position: u64,
    limit: u64,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            position: 0,
            limit,
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Reads zeros up to another byte, which is not taken but returned; `None` at the end.
    pub(super) fn skip_zeros(&mut self) -> Result<Option<u8>, InitrdError> {
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let zeros = chunk.iter().take_while(|&&byte| byte == 0).count();
            let next = chunk.get(zeros).copied();
            self.advance(zeros)?;
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], InitrdError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads `length` bytes; the caller bounds them.
    pub(super) fn bytes(&mut self, length: usize) -> Result<Vec<u8>, InitrdError> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads `length` bytes and drops them.
    pub(super) fn skip(&mut self, mut length: u64) -> Result<(), InitrdError> {
        while length > 0 {
            let available = self.chunk()?.len();
            if available == 0 {
                return Err(self.failed(ErrorKind::UnexpectedEof.into()));
            }
            let taken = usize::try_from(length).map_or(available, |left| left.min(available));
            self.advance(taken)?;
            length -= taken as u64;
        }
        Ok(())
    }

    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), InitrdError> {
        while !bytes.is_empty() {
            let chunk = self.chunk()?;
            let taken = chunk.len().min(bytes.len());
            if taken == 0 {
                return Err(self.failed(ErrorKind::UnexpectedEof.into()));
            }
            let (filled, rest) = bytes.split_at_mut(taken);
            filled.copy_from_slice(&chunk[..taken]);
            bytes = rest;
            self.advance(taken)?;
        }
        Ok(())
    }

    fn chunk(&mut self) -> Result<&[u8], InitrdError> {
        let offset = self.position;
        self.inner
            .fill_buf()
            .map_err(|source| InitrdError::Read { offset, source })
    }

    fn advance(&mut self, bytes: usize) -> Result<(), InitrdError> {
        self.inner.consume(bytes);
        self.position += bytes as u64;
        match self.position > self.limit {
            true => Err(InitrdError::TooLarge { limit: self.limit }),
            false => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> InitrdError {
        InitrdError::Read {
            offset: self.position,
            source,
        }
    }
}

impl<R: BufRead> Read for Input<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// For decoders, which must not take more than belongs to them. The limit is on what they make
/// of it.
impl<R: BufRead> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.inner.consume(bytes);
        self.position += bytes as u64;
    }
}
