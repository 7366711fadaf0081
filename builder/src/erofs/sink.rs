//! A buffer in front of an image's output that knows its position.

use std::io::{self, Read, Write};

use super::error::WriteError;

/// Bytes collected before they are written: few calls, and still in the processor's cache.
const CAPACITY: usize = 1 << 18;

/// Takes an image front to back and hands it on in large pieces.
#[derive(Debug)]
pub(super) struct Sink<'w, W> {
    out: &'w mut W,
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes handed on already.
    written: u64,
}

impl<'w, W: Write> Sink<'w, W> {
    pub(super) fn new(out: &'w mut W) -> Self {
        Self {
            out,
            buffer: vec![0; CAPACITY],
            filled: 0,
            written: 0,
        }
    }

    /// Appends bytes.
    pub(super) fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let length = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(length);
            room[..length].copy_from_slice(now);
            self.filled += length;
            bytes = later;
        }
        Ok(())
    }

    /// Appends zeros up to `position`, which must not lie before the end.
    pub(super) fn zeros_to(&mut self, position: u64) -> Result<(), WriteError> {
        let mut left = position - self.position();
        while left > 0 {
            let room = self.room()?;
            let length = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            room[..length].fill(0);
            self.filled += length;
            left -= length as u64;
        }
        Ok(())
    }

    /// Appends `length` bytes that `source` gives, straight into the buffer.
    ///
    /// The inner error is the source's.
    pub(super) fn read_from(
        &mut self,
        source: &mut impl Read,
        length: u64,
    ) -> Result<io::Result<()>, WriteError> {
        let mut left = length;
        while left > 0 {
            let room = self.room()?;
            let length = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match source.read(&mut room[..length]) {
                Ok(0) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => {
                    self.filled += read;
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self) -> Result<(), WriteError> {
        self.hand_on()?;
        self.out.flush().map_err(WriteError::Output)
    }

    fn position(&self) -> u64 {
        self.written + self.filled as u64
    }

    /// The free part of the buffer, never empty.
    fn room(&mut self) -> Result<&mut [u8], WriteError> {
        if self.filled == self.buffer.len() {
            self.hand_on()?;
        }
        Ok(&mut self.buffer[self.filled..])
    }

    fn hand_on(&mut self) -> Result<(), WriteError> {
        self.out
            .write_all(&self.buffer[..self.filled])
            .map_err(WriteError::Output)?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}
