//! Two hash trees compared from the top: only subtrees that differ are read, so that a change
//! costs some blocks and not the image.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use guestmark_builder::verity::{BLOCK_SIZE, TreeShape};
use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};

use super::explanation::BlockChanges;
use super::input::HashTree;

/// Bytes of a hash.
const HASH: u64 = Sha256Digest::SIZE as u64;
/// Hashes in a block.
const HASHES: u64 = BLOCK_SIZE / HASH;

type Block = [u8; 4096];

const _: () = assert!(size_of::<Block>() as u64 == BLOCK_SIZE);

/// What two trees say of the data below them.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) blocks: BlockChanges,
    /// What is wrong with the trees themselves.
    pub(super) damage: Vec<String>,
}

impl Comparison {
    /// Whether any of these blocks differs.
    pub(super) fn touches(&self, blocks: &Range<u64>) -> bool {
        self.within(blocks).next().is_some()
    }

    /// The differing blocks among these, as first block and number.
    pub(super) fn within(&self, blocks: &Range<u64>) -> impl Iterator<Item = (u64, u64)> {
        let ranges = &self.blocks.ranges;
        let first = ranges.partition_point(|(start, count)| start + count <= blocks.start);
        let (start, end) = (blocks.start, blocks.end);
        ranges[first..]
            .iter()
            .take_while(move |(first, _)| *first < end)
            .map(move |(first, count)| {
                let low = start.max(*first);
                (low, end.min(first + count) - low)
            })
    }
}

/// Whether hashes of both trees can be compared: with another salt, every hash is another.
pub(super) fn comparable(old: &HashTree, new: &HashTree) -> bool {
    old.salt.is_none() || new.salt.is_none() || old.salt == new.salt
}

/// Compares two trees.
pub(super) fn compare(old: &HashTree, new: &HashTree) -> io::Result<Comparison> {
    let mut walk = Walk {
        old,
        new,
        levels: TreeShape::new(old.data_blocks).levels().collect(),
        read: 0,
        different: Vec::new(),
        damage: Vec::new(),
    };
    if old.data_blocks != new.data_blocks {
        walk.leaves()?;
    } else if walk.levels.is_empty() {
        if old.root_hash != new.root_hash {
            push(&mut walk.different, 0..old.data_blocks);
        }
    } else {
        let roots = (old.root_hash, new.root_hash);
        walk.descend(0, 0, roots)?;
    }
    Ok(Comparison {
        blocks: BlockChanges {
            old_blocks: old.data_blocks,
            new_blocks: new.data_blocks,
            hash_blocks_read: walk.read,
            different: walk.different.iter().map(|(_, count)| count).sum(),
            ranges: walk.different,
        },
        damage: walk.damage,
    })
}

struct Walk<'a> {
    old: &'a HashTree,
    new: &'a HashTree,
    /// Block numbers of each level, top first; of both trees if they have one shape.
    levels: Vec<Range<u64>>,
    read: u64,
    different: Vec<(u64, u64)>,
    damage: Vec<String>,
}

impl Walk<'_> {
    /// Compares block `index` of a level in both trees, and what hangs from it.
    fn descend(
        &mut self,
        level: usize,
        index: u64,
        expected: (Option<Sha256Digest>, Option<Sha256Digest>),
    ) -> io::Result<()> {
        let place = self.levels[level].start + index;
        let old = self.block(self.old, place, expected.0, "old")?;
        let new = self.block(self.new, place, expected.1, "new")?;
        let below = match self.levels.get(level + 1) {
            Some(level) => level.end - level.start,
            None => self.old.data_blocks,
        };
        let first = index * HASHES;
        let pairs = old.chunks_exact(32).zip(new.chunks_exact(32));
        for (child, (one, two)) in (first..below).zip(pairs) {
            if one == two {
                continue;
            }
            match level + 1 < self.levels.len() {
                true => self.descend(level + 1, child, (digest(one), digest(two)))?,
                false => push(&mut self.different, child..child + 1),
            }
        }
        Ok(())
    }

    /// A block of a tree, checked against the hash that leads to it.
    fn block(
        &mut self,
        tree: &HashTree,
        place: u64,
        expected: Option<Sha256Digest>,
        side: &str,
    ) -> io::Result<Block> {
        let mut block: Block = [0; _];
        tree.file
            .read_exact_at(&mut block, tree.offset + place * BLOCK_SIZE)?;
        self.read += 1;
        if let (Some(salt), Some(expected)) = (&tree.salt, expected) {
            let found = Sha256::new_with_prefix(salt).chain_update(block).finalize();
            if found[..] != expected.as_bytes()[..] {
                self.damage.push(format!(
                    "block {place} of the {side} hash tree does not have the hash that leads to \
                     it: the tree is not the one of its root hash"
                ));
            }
        }
        Ok(block)
    }

    /// Compares all leaves of trees that have different shapes.
    fn leaves(&mut self) -> io::Result<()> {
        let (old, new) = (self.old.data_blocks, self.new.data_blocks);
        let common = old.min(new);
        let mut first = 0;
        while first < common {
            let count = HASHES.min(common - first);
            let one = leaf_hashes(self.old, first..first + count)?;
            let two = leaf_hashes(self.new, first..first + count)?;
            self.read += 2;
            let pairs = one.chunks_exact(32).zip(two.chunks_exact(32));
            for (block, (one, two)) in (first..).zip(pairs) {
                if one != two {
                    push(&mut self.different, block..block + 1);
                }
            }
            first += count;
        }
        push(&mut self.different, common..old.max(new));
        Ok(())
    }
}

fn digest(bytes: &[u8]) -> Option<Sha256Digest> {
    bytes.try_into().ok().map(Sha256Digest::new)
}

/// Adds blocks behind all that are there.
fn push(ranges: &mut Vec<(u64, u64)>, blocks: Range<u64>) {
    let count = blocks.end - blocks.start;
    match ranges.last_mut() {
        Some((start, length)) if *start + *length == blocks.start => *length += count,
        _ if count > 0 => ranges.push((blocks.start, count)),
        _ => {}
    }
}

/// The hashes of data blocks, one after another.
fn leaf_hashes(tree: &HashTree, blocks: Range<u64>) -> io::Result<Vec<u8>> {
    let level = TreeShape::new(tree.data_blocks).levels().next_back();
    let Some(level) = level else {
        let root = tree.root_hash.map(|hash| hash.as_bytes().to_vec());
        return Ok(root.unwrap_or_default());
    };
    let length = usize::try_from((blocks.end - blocks.start) * HASH).unwrap_or(usize::MAX);
    let mut hashes = vec![0; length];
    let place = tree.offset + level.start * BLOCK_SIZE + blocks.start * HASH;
    tree.file.read_exact_at(&mut hashes, place)?;
    Ok(hashes)
}

/// The blocks, counted from the first of the range, whose hashes differ from those at another
/// place of the other tree. Both ranges have one length and lie in their trees.
pub(super) fn moved_differences(
    old: (&HashTree, u64),
    new: (&HashTree, u64),
    count: u64,
) -> io::Result<Vec<u64>> {
    let mut different = Vec::new();
    let mut done = 0;
    while done < count {
        let step = (1024).min(count - done);
        let part = |(tree, first): (&HashTree, u64)| {
            let first = first + done;
            leaf_hashes(tree, first..first + step)
        };
        let (one, two) = (part(old)?, part(new)?);
        let pairs = one.chunks_exact(32).zip(two.chunks_exact(32));
        let unequal = (done..).zip(pairs).filter(|(_, (one, two))| one != two);
        different.extend(unequal.map(|(block, _)| block));
        done += step;
    }
    Ok(different)
}
