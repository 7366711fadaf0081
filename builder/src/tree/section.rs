//! A part of an open file, and decompression from one part into another file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Content;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// The .xz file format, version 1.2.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Codec {
    /// The codec that a file name's suffix stands for.
    pub(crate) fn of_suffix(suffix: &[u8]) -> Option<Self> {
        match suffix {
            b"" => Some(Self::Plain),
            b".gz" => Some(Self::Gzip),
            b".xz" => Some(Self::Xz),
            b".zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The codec whose magic number the data starts with.
    pub(crate) fn of_magic(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "uncompressed",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a stream could not be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The compressed data are damaged or end early.
    #[error("the {codec} data are damaged or cut short: {reason}")]
    Damaged {
        /// The compression.
        codec: &'static str,
        /// What the decoder says.
        reason: io::Error,
    },
    /// More comes out than may.
    #[error("unpacks to more than the {limit} bytes it may hold")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Something follows the end of the compressed data.
    #[error("{extra} bytes follow the end of the {codec} data")]
    Trailing {
        /// The compression.
        codec: &'static str,
        /// How many bytes.
        extra: u64,
    },
    /// The unpacked data cannot be kept.
    #[error("cannot write unpacked data to a file in {folder}: {reason}", folder = .folder.display())]
    Spool {
        /// Where the file was to be made.
        folder: PathBuf,
        /// Why it failed.
        reason: io::Error,
    },
}

/// A part of an open file.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    file: Arc<File>,
    offset: u64,
    length: u64,
}

impl Section {
    /// A whole file, as long as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            offset: 0,
            length,
        })
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// `length` bytes from `offset` on; `None` if the section does not hold them all.
    pub(crate) fn slice(&self, offset: u64, length: u64) -> Option<Self> {
        let end = offset.checked_add(length)?;
        (end <= self.length).then(|| Self {
            file: Arc::clone(&self.file),
            offset: self.offset + offset,
            length,
        })
    }

    /// Reads bytes from `offset` on. Panics on no input: past the end is an error.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.slice(offset, bytes.len() as u64)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(bytes, self.offset + offset)
    }

    /// The section as a file's content.
    pub(crate) fn content(&self) -> Content {
        Content::Range {
            file: Arc::clone(&self.file),
            offset: self.offset,
            length: self.length,
        }
    }

    /// Decompresses the section into an unlinked file in `folder`, at most `limit` bytes.
    /// Uncompressed data stay where they are.
    pub(crate) fn unpack(
        &self,
        codec: Codec,
        limit: u64,
        folder: &Path,
    ) -> Result<Self, UnpackError> {
        if codec == Codec::Plain {
            return match self.length > limit {
                true => Err(UnpackError::TooLarge { limit }),
                false => Ok(self.clone()),
            };
        }
        let spool = |reason| UnpackError::Spool {
            folder: folder.to_owned(),
            reason,
        };
        let mut file = tempfile::tempfile_in(folder).map_err(spool)?;
        decompress(&self.content(), codec, limit, |bytes| {
            file.write_all(bytes).map_err(spool)
        })?;
        Self::whole(file).map_err(spool)
    }
}

/// Decompresses into memory; for what is small by nature.
pub(crate) fn unpack_to_vec(
    content: &Content,
    codec: Codec,
    limit: u64,
) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    decompress(content, codec, limit, |bytes| {
        unpacked.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(unpacked)
}

/// Below this many compressed bytes a second thread costs more than it brings.
const WORTH_THREADS: u64 = 4 << 20;
/// A decoder that would need more memory is refused; `xz -9` takes 65 MiB.
const XZ_MEMORY: u64 = 192 << 20;
const BUFFER: usize = 256 << 10;

fn decompress(
    content: &Content,
    codec: Codec,
    limit: u64,
    mut sink: impl FnMut(&[u8]) -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let damaged = |reason| UnpackError::Damaged {
        codec: codec.name(),
        reason,
    };
    let reader = content.open().map_err(damaged)?;
    let mut input = BufReader::with_capacity(BUFFER, reader);
    let mut decoder = decoder(codec, &mut input, content.len()).map_err(damaged)?;
    let mut buffer = vec![0; BUFFER];
    let mut unpacked = 0;
    loop {
        let read = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        unpacked += read as u64;
        if unpacked > limit {
            return Err(UnpackError::TooLarge { limit });
        }
        sink(&buffer[..read])?;
    }
    drop(decoder);
    match io::copy(&mut input, &mut io::sink()).map_err(damaged)? {
        0 => Ok(()),
        extra => Err(UnpackError::Trailing {
            codec: codec.name(),
            extra,
        }),
    }
}

fn decoder<'a>(
    codec: Codec,
    input: &'a mut impl BufRead,
    compressed: u64,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match codec {
        Codec::Plain => Box::new(input),
        Codec::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
        Codec::Zstd => Box::new(zstd::Decoder::with_buffer(input)?.single_frame()),
        Codec::Xz => {
            // The number of threads decides only how fast the same bytes come out.
            let threads = match compressed >= WORTH_THREADS {
                true => std::thread::available_parallelism().map_or(1, usize::from),
                false => 1,
            };
            let stream = liblzma::stream::MtStreamBuilder::new()
                .threads(u32::try_from(threads).unwrap_or(1))
                .memlimit_threading(XZ_MEMORY)
                .memlimit_stop(XZ_MEMORY)
                .decoder()?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        liblzma::read::XzEncoder::new(bytes, 6)
            .read_to_end(&mut packed)
            .unwrap();
        packed
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
            .read_to_end(&mut packed)
            .unwrap();
        packed
    }

    fn unpack(packed: Vec<u8>, codec: Codec, limit: u64) -> Result<Vec<u8>, String> {
        unpack_to_vec(&Content::bytes(packed), codec, limit).map_err(|error| error.to_string())
    }

    #[test]
    fn every_codec_is_known_by_its_magic_and_gives_the_bytes_back() {
        let plain = b"a line that repeats\n".repeat(50_000);
        let zstd = zstd::encode_all(&plain[..], 3).unwrap();
        for (packed, codec) in [
            (gzip(&plain), Codec::Gzip),
            (xz(&plain), Codec::Xz),
            (zstd, Codec::Zstd),
            (plain.clone(), Codec::Plain),
        ] {
            assert_eq!(Codec::of_magic(&packed), codec);
            assert!(unpack(packed, codec, 1_000_000).unwrap() == plain);
        }
    }

    #[test]
    fn several_xz_blocks_decoded_by_threads_give_the_same_bytes() {
        let mut plain = vec![0; 24 << 20];
        let mut state = 1_u32;
        for byte in &mut plain {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = state.to_be_bytes()[0] & 0x3f;
        }
        let stream = liblzma::stream::MtStreamBuilder::new()
            .threads(2)
            .preset(0)
            .block_size(4 << 20)
            .check(liblzma::stream::Check::Crc64)
            .encoder()
            .unwrap();
        let mut packed = Vec::new();
        liblzma::read::XzEncoder::new_stream(&plain[..], stream)
            .read_to_end(&mut packed)
            .unwrap();
        assert!(packed.len() as u64 > WORTH_THREADS);
        assert!(unpack(packed, Codec::Xz, 24 << 20).unwrap() == plain);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        for (packed, codec) in [(xz(&zeros), Codec::Xz), (gzip(&zeros), Codec::Gzip)] {
            assert_eq!(
                unpack(packed, codec, 1000).unwrap_err(),
                "unpacks to more than the 1000 bytes it may hold"
            );
        }
    }

    #[test]
    fn data_cut_short_are_an_error_for_every_codec() {
        let plain = b"some text, some text, some text".repeat(10);
        let zstd = zstd::encode_all(&plain[..], 3).unwrap();
        for (packed, codec) in [
            (gzip(&plain), Codec::Gzip),
            (xz(&plain), Codec::Xz),
            (zstd, Codec::Zstd),
        ] {
            let error = unpack(packed[..packed.len() - 3].to_vec(), codec, 1000).unwrap_err();
            let expected = format!("the {} data are damaged or cut short: ", codec.name());
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let mut packed = xz(b"text");
        packed.extend_from_slice(b"more");
        assert_eq!(
            unpack(packed, Codec::Xz, 1000).unwrap_err(),
            "4 bytes follow the end of the xz data"
        );
    }
}
