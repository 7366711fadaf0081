//! An initrd: cpio archives one after another, compressed or not, as the kernel unpacks them
//! (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

mod cpio;
mod error;
mod input;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use serde::Serialize;

pub use error::InitrdError;

use super::listing::{Entry, Listing};
use input::Input;

/// The most bytes that an initrd may unpack to: a guest of 2 GiB could not hold more.
pub(super) const UNPACKED_LIMIT: u64 = 2 << 30;

/// An initrd.
#[derive(Debug, Clone, Serialize)]
pub struct InitrdFacts {
    /// Bytes in the file.
    pub bytes: u64,
    /// Its parts, in the order of the file.
    pub segments: Vec<Segment>,
    /// The entries of all parts. Where two have one name, the kernel keeps the later.
    pub entries: Vec<Entry>,
}

/// A part of an initrd that is compressed as a whole, or not compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes it takes in the file.
    pub bytes: u64,
    /// Bytes it unpacks to.
    pub unpacked_bytes: u64,
}

/// Compressions of an initrd that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// A plain cpio archive.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// What the first byte of a part stands for.
    const fn of_first_byte(byte: u8) -> Option<Self> {
        match byte {
            b'0' => Some(Self::None),
            0x1f => Some(Self::Gzip),
            0x28 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Whether a file may be an initrd, from its first bytes.
pub(super) fn is_initrd(start: &[u8]) -> bool {
    matches!(
        start,
        [b'0', b'7', b'0', b'7', b'0', b'1' | b'2', ..]
            | [0x1f, 0x8b, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
    )
}

impl InitrdFacts {
    /// Lists what the initrd in `file`, of `length` bytes, holds; `limit` is the most bytes it
    /// may unpack to. Unpacked data are not kept.
    pub(super) fn read(file: File, length: u64, limit: u64) -> Result<Self, InitrdError> {
        let mut input = Input::new(BufReader::with_capacity(256 << 10, file), u64::MAX);
        let mut listing = Listing::default();
        let mut segments = Vec::new();
        let mut unpacked = 0;
        while let Some(first) = input.skip_zeros()? {
            let offset = input.position();
            let compression = Compression::of_first_byte(first).ok_or(InitrdError::Start {
                offset,
                found: first,
            })?;
            let left = limit - unpacked;
            let unpacked_bytes = read_segment(&mut input, compression, left, &mut listing)
                .map_err(|error| match error {
                    InitrdError::TooLarge { .. } => InitrdError::TooLarge { limit },
                    other => other,
                })?;
            unpacked += unpacked_bytes;
            segments.push(Segment {
                offset,
                compression,
                bytes: input.position() - offset,
                unpacked_bytes,
            });
        }
        Ok(Self {
            bytes: length,
            segments,
            entries: listing.into_entries(),
        })
    }
}

/// Reads one part and gives the bytes it unpacks to, which may be `limit`.
fn read_segment(
    input: &mut Input<impl BufRead>,
    compression: Compression,
    limit: u64,
    listing: &mut Listing,
) -> Result<u64, InitrdError> {
    match compression {
        Compression::None => {
            let mut plain = Input::new(input, limit);
            cpio::read_archive(&mut plain, listing)?;
            Ok(plain.position())
        }
        Compression::Gzip => read_archives(flate2::bufread::GzDecoder::new(input), limit, listing),
        Compression::Zstd => {
            let decoder = zstd::Decoder::with_buffer(input)
                .map_err(|source| InitrdError::Read { offset: 0, source })?;
            read_archives(decoder.single_frame(), limit, listing)
        }
    }
}

/// Reads the archives of a compressed part, to its end.
fn read_archives(
    decoder: impl Read,
    limit: u64,
    listing: &mut Listing,
) -> Result<u64, InitrdError> {
    let mut unpacked = Input::new(BufReader::with_capacity(256 << 10, decoder), limit);
    while unpacked.skip_zeros()?.is_some() {
        cpio::read_archive(&mut unpacked, listing)?;
    }
    Ok(unpacked.position())
}
