//! The legacy frame format of LZ4, which kernels use: a magic number, then blocks, each after its
//! size as a little-endian u32 (lz4, doc/lz4_Frame_format.md, "Legacy frame").

use std::io::{self, BufRead, Cursor, ErrorKind, Read};

/// Bytes that a block unpacks to at most.
const BLOCK: usize = 8 << 20;
/// The most bytes that a block takes: what does not compress grows by 1/255 and 16 bytes.
const PACKED_LIMIT: u32 = (8 << 20) + (8 << 20) / 255 + 16;
const MAGIC_SIZE: u64 = 4;

/// Unpacks blocks up to the end of the data, or up to what cannot be a block: Linux appends the
/// unpacked size.
pub(super) struct LegacyDecoder<R> {
    packed: R,
    is_started: bool,
    block: Cursor<Vec<u8>>,
}

impl<R: BufRead> LegacyDecoder<R> {
    pub(super) fn new(packed: R) -> Self {
        Self {
            packed,
            is_started: false,
            block: Cursor::default(),
        }
    }

    /// Unpacks the next block; an empty one at the end.
    fn next_block(&mut self) -> io::Result<()> {
        if !self.is_started {
            io::copy(&mut self.packed.by_ref().take(MAGIC_SIZE), &mut io::sink())?;
            self.is_started = true;
        }
        let mut unpacked = std::mem::take(self.block.get_mut());
        unpacked.clear();
        let mut packed = Vec::new();
        if let Some(size) = self.next_size()? {
            self.packed
                .by_ref()
                .take(size.into())
                .read_to_end(&mut packed)?;
            if !packed.is_empty() {
                unpacked.resize(BLOCK, 0);
                let length = lz4_flex::block::decompress_into(&packed, &mut unpacked)
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                unpacked.truncate(length);
            }
        }
        self.block = Cursor::new(unpacked);
        Ok(())
    }

    fn next_size(&mut self) -> io::Result<Option<u32>> {
        let mut bytes = Vec::new();
        self.packed.by_ref().take(4).read_to_end(&mut bytes)?;
        let size = <[u8; 4]>::try_from(bytes).ok().map(u32::from_le_bytes);
        Ok(size.filter(|size| *size <= PACKED_LIMIT))
    }
}

impl<R: BufRead> Read for LegacyDecoder<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.block.read(bytes)? {
            0 if !bytes.is_empty() => {
                self.next_block()?;
                self.block.read(bytes)
            }
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(blocks: &[&[u8]]) -> Vec<u8> {
        let mut frame = vec![0x02, 0x21, 0x4c, 0x18];
        for block in blocks {
            let packed = lz4_flex::block::compress(block);
            frame.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            frame.extend(packed);
        }
        frame
    }

    fn unpack(frame: &[u8]) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        LegacyDecoder::new(frame).read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }

    #[test]
    fn blocks_are_unpacked_one_after_another() {
        let large = b"kernel ".repeat(BLOCK / 7);
        assert!(unpack(&frame(&[&large, b"end"])).unwrap() == [&large[..], b"end"].concat());
        assert!(unpack(&frame(&[])).unwrap().is_empty());
    }

    #[test]
    fn the_size_that_linux_appends_is_no_block() {
        let mut frame = frame(&[b"kernel"]);
        frame.extend(40_000_000_u32.to_le_bytes());
        assert_eq!(unpack(&frame).unwrap(), b"kernel");
    }

    #[test]
    fn blocks_that_are_damaged_or_too_large_are_errors() {
        let large = vec![0; BLOCK + 1];
        assert!(unpack(&frame(&[&large])).is_err());
        let damaged = [&frame(&[])[..], &[4, 0, 0, 0, 0x0f, 0xff, 0xff, 0xff]].concat();
        assert!(unpack(&damaged).is_err());
    }
}
