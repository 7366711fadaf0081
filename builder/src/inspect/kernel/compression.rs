//! How kernels are compressed.

use std::fmt;
use std::io::{self, BufRead, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use serde::{Serialize, Serializer};

use super::lz4::LegacyDecoder;

/// Decoders that need more memory are refused; kernels are made with dictionaries of at most
/// 128 MiB.
const DECODER_MEMORY: u64 = 192 << 20;

/// What a kernel is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelCompression {
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// The format that came before .xz.
    Lzma,
    /// The .xz file format.
    Xz,
    /// lzop.
    Lzo,
    /// The legacy frame format of LZ4.
    Lz4,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl KernelCompression {
    /// Bytes that tell compressions apart.
    pub(super) const MAGIC_SIZE: usize = 6;

    /// The compression of data that start like this (Linux, lib/decompress.c).
    pub(super) const fn of_magic(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0x5d, 0, 0, ..] => Self::Lzma,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x89, b'L', b'Z', b'O', ..] => Self::Lzo,
            [0x02, 0x21, 0x4c, 0x18, ..] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => return None,
        })
    }

    /// Decompresses `data`; bytes after the compressed data are not looked at. `None` for
    /// compressions that are not understood.
    pub(super) fn decoder<'a>(
        self,
        data: impl BufRead + 'a,
    ) -> io::Result<Option<Box<dyn Read + 'a>>> {
        Ok(Some(match self {
            Self::Bzip2 | Self::Lzo => return Ok(None),
            Self::Gzip => Box::new(flate2::bufread::GzDecoder::new(data)),
            Self::Lzma => Box::new(XzDecoder::new_stream(
                data,
                Stream::new_lzma_decoder(DECODER_MEMORY)?,
            )),
            Self::Xz => Box::new(XzDecoder::new_stream(
                data,
                Stream::new_stream_decoder(DECODER_MEMORY, 0)?,
            )),
            Self::Lz4 => Box::new(LegacyDecoder::new(data)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(data)?.single_frame()),
        }))
    }
}

impl fmt::Display for KernelCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Xz => "xz",
            Self::Lzo => "lzo",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

impl Serialize for KernelCompression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
