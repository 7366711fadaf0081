//! How many blocks each level of a hash tree has.

use std::ops::Range;

use super::{BLOCK_SIZE, HASHES_PER_BLOCK};

/// The levels of the hash tree over some number of data blocks. A single data block has no
/// levels: its own hash is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeShape {
    /// Hash blocks in each level, bottom first. Each level hashes the one before it, until one
    /// block is left.
    blocks: Vec<u64>,
}

impl TreeShape {
    /// The shape of the tree over `data_blocks` blocks.
    pub fn new(data_blocks: u64) -> Self {
        let above = |below: &u64| (*below > 1).then(|| below.div_ceil(HASHES_PER_BLOCK));
        Self {
            blocks: std::iter::successors(Some(data_blocks), above)
                .skip(1)
                .collect(),
        }
    }

    /// The tree's size in bytes, without a superblock.
    pub fn size(&self) -> u64 {
        self.blocks.iter().sum::<u64>() * BLOCK_SIZE
    }

    /// The block numbers of each level within the tree: top first, as they lie on disk.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = Range<u64>> {
        let mut start = 0;
        let ranges: Vec<_> = self
            .blocks
            .iter()
            .rev()
            .map(|count| {
                let range = start..start + count;
                start = range.end;
                range
            })
            .collect();
        ranges.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_added_for_every_factor_of_128() {
        for (data_blocks, ends) in [
            (1, vec![]),
            (2, vec![1]),
            (128, vec![1]),
            (129, vec![1, 3]),
            (128 * 128, vec![1, 129]),
            (128 * 128 + 1, vec![1, 3, 132]),
        ] {
            let levels: Vec<_> = TreeShape::new(data_blocks).levels().collect();
            let starts = [0].into_iter().chain(ends.iter().copied());
            let expected: Vec<_> = starts.zip(&ends).map(|(start, end)| start..*end).collect();
            assert_eq!(levels, expected, "{data_blocks} data blocks");
        }
    }

    #[test]
    fn a_gibibyte_has_a_tree_of_eight_mebibytes_and_65_blocks() {
        let blocks = (1 << 30) / BLOCK_SIZE;
        assert_eq!(TreeShape::new(blocks).size(), (2048 + 16 + 1) * BLOCK_SIZE);
    }
}
