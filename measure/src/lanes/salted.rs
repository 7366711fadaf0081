//! How a salt and a block are cut into the 64-byte chunks that SHA-256 takes.

use super::Page;

/// Bytes in a chunk.
const CHUNK: usize = 64;

/// Bytes that the length takes at the end of the last chunk.
const LENGTH: usize = 8;

/// The salt's part of messages that are the salt, a block, and the padding.
pub(super) struct SaltedMessage<'s> {
    /// Chunks that are salt alone.
    whole: &'s [[u8; CHUNK]],
    /// Salt at the start of the chunk in which the block starts.
    rest: &'s [u8],
    /// Bits in salt and block.
    bits: u64,
}

impl<'s> SaltedMessage<'s> {
    pub(super) fn new(salt: &'s [u8]) -> Self {
        let (whole, rest) = salt.as_chunks();
        let bits = (salt.len() + size_of::<Page>()) as u64 * 8;
        Self { whole, rest, bits }
    }

    /// The chunks that are salt alone, the same for every block.
    pub(super) fn whole_salt(&self) -> &'s [[u8; CHUNK]] {
        self.whole
    }

    /// The chunk of each block that starts with salt, if there is one.
    pub(super) fn first<const LANES: usize>(
        &self,
        blocks: &[&Page; LANES],
    ) -> Option<[[u8; CHUNK]; LANES]> {
        if self.rest.is_empty() {
            return None;
        }
        Some(blocks.map(|block| {
            let mut chunk = [0; CHUNK];
            let (salt, data) = chunk.split_at_mut(self.rest.len());
            salt.copy_from_slice(self.rest);
            data.copy_from_slice(&block[..data.len()]);
            chunk
        }))
    }

    /// Where in a block its first chunk without salt starts.
    fn start(&self) -> usize {
        self.rest.len().next_multiple_of(CHUNK) - self.rest.len()
    }

    /// Number of chunks that are the block's alone.
    pub(super) fn inner_chunks(&self) -> usize {
        (size_of::<Page>() - self.start()) / CHUNK
    }

    /// One of the chunks that are the block's alone, of each block.
    pub(super) fn inner<'b, const LANES: usize>(
        &self,
        blocks: &[&'b Page; LANES],
        chunk: usize,
    ) -> [&'b [u8; CHUNK]; LANES] {
        let start = self.start();
        blocks.map(|block| &block[start..].as_chunks().0[chunk])
    }

    /// The one or two chunks with what is left of each block, and the padding.
    pub(super) fn last<const LANES: usize>(
        &self,
        blocks: &[&Page; LANES],
    ) -> impl Iterator<Item = [[u8; CHUNK]; LANES]> {
        let left = self.rest.len();
        let chunks = if left + 1 + LENGTH <= CHUNK { 1 } else { 2 };
        let padded = blocks.map(|block| {
            let mut padded = [[0; CHUNK]; 2];
            padded[0][..left].copy_from_slice(&block[size_of::<Page>() - left..]);
            padded[0][left] = 0x80;
            padded[chunks - 1][CHUNK - LENGTH..].copy_from_slice(&self.bits.to_be_bytes());
            padded
        });
        (0..chunks).map(move |chunk| padded.map(|padded| padded[chunk]))
    }
}
