//! Hashes one level of a tree after the other, many blocks at once.

use std::io;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_measure::Sha256Digest;
use guestmark_measure::lanes::{Page, sha256_salted_blocks};
use rayon::prelude::*;

use super::window::Window;
use super::{BLOCK_SIZE, HASHES_PER_BLOCK, Salt};

/// Blocks that one thread takes at once: 4 MiB, so that mapping them costs little. Their hashes
/// fill whole hash blocks, so that no two threads write to the same one.
pub(super) const BATCH: u64 = 8 * HASHES_PER_BLOCK;

/// Blocks that are read and hashed before the next are read: 64 KiB, which are still in the
/// second-level cache when they are hashed.
const PIECE: usize = 16;

/// Some blocks of a file: the data, or one level of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// The file.
    pub(super) file: &'a File,
    /// Where the first block starts, in bytes.
    pub(super) offset: u64,
    /// How many there are.
    pub(super) count: u64,
    /// Nobody writes to the file meanwhile: it may be mapped.
    pub(super) still: bool,
}

impl Blocks<'_> {
    /// The numbers of the batches that cover all blocks.
    pub(super) fn batches(&self) -> impl ParallelIterator<Item = u64> + use<> {
        (0..self.count.div_ceil(BATCH)).into_par_iter()
    }
}

/// Reads and hashes batches of blocks. One for each thread: its buffers are used again.
pub(super) struct Hasher<'a> {
    salt: &'a Salt,
    blocks: Vec<Page>,
    digests: Vec<Sha256Digest>,
    hash_blocks: Vec<u8>,
}

impl<'a> Hasher<'a> {
    pub(super) fn new(salt: &'a Salt) -> Self {
        Self {
            salt,
            blocks: vec![[0; size_of::<Page>()]; PIECE],
            digests: Vec::new(),
            hash_blocks: Vec::new(),
        }
    }

    /// The hashes of one batch of `source`, in order.
    pub(super) fn digests(
        &mut self,
        source: Blocks<'_>,
        batch: u64,
    ) -> io::Result<&[Sha256Digest]> {
        let first = batch * BATCH;
        let count = usize::try_from(BATCH.min(source.count - first)).unwrap_or(usize::MAX);
        self.digests.resize(count, Sha256Digest::new([0; 32]));
        let place = source.offset + first * BLOCK_SIZE;
        let window = source
            .still
            .then(|| Window::open(source.file, place, count))
            .flatten();
        match window {
            Some(window) => {
                sha256_salted_blocks(self.salt.as_bytes(), window.blocks(), &mut self.digests);
            }
            None => self.read_and_hash(source.file, place)?,
        }
        Ok(&self.digests)
    }

    fn read_and_hash(&mut self, file: &File, mut place: u64) -> io::Result<()> {
        for digests in self.digests.chunks_mut(PIECE) {
            let blocks = &mut self.blocks[..digests.len()];
            file.read_exact_at(blocks.as_flattened_mut(), place)?;
            sha256_salted_blocks(self.salt.as_bytes(), blocks, digests);
            place += size_of_val(blocks) as u64;
        }
        Ok(())
    }

    /// The hash blocks over one batch of `source`, the last one padded with zeros.
    fn hash_blocks(&mut self, source: Blocks<'_>, batch: u64) -> io::Result<&[u8]> {
        self.digests(source, batch)?;
        self.hash_blocks.clear();
        for digest in &self.digests {
            self.hash_blocks.extend_from_slice(digest.as_bytes());
        }
        let padded = self.hash_blocks.len().next_multiple_of(size_of::<Page>());
        self.hash_blocks.resize(padded, 0);
        Ok(&self.hash_blocks)
    }
}

/// Writes the hashes of `source`, the level below, to `target`.
pub(super) fn hash_level(source: Blocks<'_>, target: Blocks<'_>, salt: &Salt) -> io::Result<()> {
    source.batches().try_for_each_init(
        || Hasher::new(salt),
        |hasher, batch| {
            let place = target.offset + batch * BATCH / HASHES_PER_BLOCK * BLOCK_SIZE;
            target
                .file
                .write_all_at(hasher.hash_blocks(source, batch)?, place)
        },
    )
}

/// The hash of the first block of `source`.
pub(super) fn hash_block(source: Blocks<'_>, salt: &Salt) -> io::Result<Sha256Digest> {
    let first = Blocks { count: 1, ..source };
    Ok(Hasher::new(salt).digests(first, 0)?[0])
}
