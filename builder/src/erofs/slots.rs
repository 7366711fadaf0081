//! Where inodes go: runs of bytes that do not cross a block unless they are larger than one.

use std::collections::BTreeSet;

use super::format::{BLOCK_SIZE, SLOT_SIZE};

/// Hands out room for inodes. Each goes where it leaves the least room behind, so small inodes
/// fill what larger ones leave.
#[derive(Debug)]
pub(super) struct Slots {
    /// Free bytes at the end of a block, and the block.
    open: BTreeSet<(u64, u64)>,
    /// The first block that holds nothing yet.
    next_block: u64,
}

impl Slots {
    /// Room in the first block from byte `taken`, and in every block after it.
    pub(super) fn after(taken: u64) -> Self {
        Self {
            open: BTreeSet::from([(BLOCK_SIZE - taken, 0)]),
            next_block: 1,
        }
    }

    /// Takes `length` bytes, at least one, and returns their offset: within one block if they
    /// fit into one, from the start of a fresh block if not. `None` if offsets would not fit
    /// into 64 bits.
    pub(super) fn take(&mut self, length: u64) -> Option<u64> {
        let length = length.checked_next_multiple_of(SLOT_SIZE)?;
        let best = self.open.range((length, 0)..).next().copied();
        if let Some((free, block)) = best {
            self.open.remove(&(free, block));
            self.put_back(free - length, block);
            return Some((block + 1) * BLOCK_SIZE - free);
        }
        let block = self.next_block;
        let end = block.checked_mul(BLOCK_SIZE)?.checked_add(length)?;
        self.next_block = end.div_ceil(BLOCK_SIZE);
        self.put_back(
            self.next_block.checked_mul(BLOCK_SIZE)? - end,
            self.next_block - 1,
        );
        Some(block * BLOCK_SIZE)
    }

    /// Where the blocks end that hold inodes, in bytes.
    pub(super) fn end(&self) -> Option<u64> {
        self.next_block.checked_mul(BLOCK_SIZE)
    }

    fn put_back(&mut self, free: u64, block: u64) {
        if free >= SLOT_SIZE {
            self.open.insert((free, block));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_into_a_block_never_crosses_one() {
        let mut slots = Slots::after(1152);
        let mut taken: Vec<(u64, u64)> = (0..500)
            .map(|number| 32 + number * 2654435761 % 4065)
            .map(|length| (slots.take(length).unwrap(), length))
            .collect();
        taken.sort_unstable();
        for &(offset, length) in &taken {
            assert_eq!(offset % SLOT_SIZE, 0);
            assert_eq!(
                offset / BLOCK_SIZE,
                (offset + length - 1) / BLOCK_SIZE,
                "{length} bytes at {offset}"
            );
        }
        for pair in taken.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        let used: u64 = taken.iter().map(|&(_, length)| length).sum();
        assert!(
            used * 10 > slots.end().unwrap() * 9,
            "{used} of {:?}",
            slots.end()
        );
    }

    #[test]
    fn what_is_larger_than_a_block_starts_one_and_leaves_its_end() {
        let mut slots = Slots::after(1152);
        assert_eq!(slots.take(4096 + 64), Some(4096));
        assert_eq!(slots.end(), Some(3 * 4096));
        assert_eq!(slots.take(4032), Some(2 * 4096 + 64));
        assert_eq!(slots.take(2944), Some(1152));
        assert_eq!(slots.take(32), Some(3 * 4096));
    }

    #[test]
    fn offsets_past_64_bits_are_none() {
        let mut slots = Slots::after(1152);
        assert_eq!(slots.take(u64::MAX - 4096), None);
    }
}
