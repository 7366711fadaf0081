//! Checks data against its hash tree, as the kernel does on every read.

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_measure::Sha256Digest;
use rayon::prelude::*;

use super::hasher::{self, Blocks, Hasher};
use super::{BLOCK_SIZE, Data, Salt, TreeShape, VerityError};

/// A block that does not have the hash that the tree, or the root hash, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// A block of the data, counted from 0.
    #[error("data block {} does not match the hash tree", .0.block)]
    Data(Mismatch),
    /// A block of the tree, counted from 0 at the tree's first block.
    #[error("block {} of the hash tree does not match the root hash", .0.block)]
    Tree(Mismatch),
    /// The only block of the data, which has no tree above it, or the tree's first block.
    #[error("the root hash is {found}, expected {expected}")]
    Root {
        /// The hash that was expected.
        expected: Sha256Digest,
        /// The hash that data or tree have.
        found: Sha256Digest,
    },
}

/// A block with another hash than the tree above it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The block's number.
    pub block: u64,
    /// The hash that stands in the tree.
    pub expected: Sha256Digest,
    /// The hash that the block has.
    pub found: Sha256Digest,
}

/// Compares `data` with the tree whose first block stands `tree_offset` bytes into `tree`: the
/// tree against `root_hash`, from the top, then the data against the tree. The first block that
/// differs is returned; `None` if there is none.
///
/// # Errors
/// Data or tree that cannot be read, or are cut short.
pub fn check(
    data: Data<'_>,
    tree: &File,
    tree_offset: u64,
    salt: &Salt,
    root_hash: Sha256Digest,
) -> Result<Option<Corruption>, VerityError> {
    let shape = TreeShape::new(data.blocks());
    super::end_of(tree, tree_offset, shape.size())?;
    let levels: Vec<_> = shape.levels().collect();
    let blocks_of = |depth: usize| match levels.get(depth) {
        Some(level) => Blocks {
            file: tree,
            offset: tree_offset + level.start * BLOCK_SIZE,
            count: level.end - level.start,
            still: true,
        },
        None => Blocks {
            file: data.file,
            offset: data.offset,
            count: data.blocks,
            still: true,
        },
    };

    let found = hasher::hash_block(blocks_of(0), salt)?;
    if found != root_hash {
        return Ok(Some(Corruption::Root {
            expected: root_hash,
            found,
        }));
    }
    for depth in 0..levels.len() {
        if let Some(first) = first_difference(blocks_of(depth), blocks_of(depth + 1), salt)? {
            return Ok(Some(match levels.get(depth + 1) {
                Some(level) => Corruption::Tree(Mismatch {
                    block: level.start + first.block,
                    ..first
                }),
                None => Corruption::Data(first),
            }));
        }
    }
    Ok(None)
}

/// The first block of `below` whose hash is not the one in `hashes`.
fn first_difference(
    hashes: Blocks<'_>,
    below: Blocks<'_>,
    salt: &Salt,
) -> Result<Option<Mismatch>, VerityError> {
    let found = below
        .batches()
        .map_init(
            || Hasher::new(salt),
            |hasher, batch| {
                let digests = hasher.digests(below, batch)?;
                let first = batch * hasher::BATCH;
                let mut expected = vec![[0; Sha256Digest::SIZE]; digests.len()];
                let place = hashes.offset + first * Sha256Digest::SIZE as u64;
                hashes
                    .file
                    .read_exact_at(expected.as_flattened_mut(), place)?;
                let differs = digests
                    .iter()
                    .zip(expected.into_iter().map(Sha256Digest::new))
                    .zip(first..)
                    .find(|((found, expected), _)| *found != expected);
                Ok(differs.map(|((found, expected), block)| Mismatch {
                    block,
                    expected,
                    found: *found,
                }))
            },
        )
        .find_map_first(Result::transpose);
    found.transpose()
}
