//! Features of an ext file system, by the names that e2fsprogs has for them.
//!
//! Source: Linux, Documentation/filesystems/ext4/super.rst, and ext4(5) for the names.

const HAS_JOURNAL: u32 = 0x4;
const NEEDS_RECOVERY: u32 = 0x4;
const SIXTY_FOUR_BIT: u32 = 0x80;
const METADATA_CSUM: u32 = 0x400;

/// What ext2 and ext3 may have, besides a journal.
const OLD_INCOMPATIBLE: u32 = 0x2 | NEEDS_RECOVERY | 0x8 | 0x10;
const OLD_READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x2 | 0x4;

/// The three words of feature bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) compatible: u32,
    pub(super) incompatible: u32,
    pub(super) read_only_compatible: u32,
}

impl Features {
    pub(super) const fn has_64_bit(self) -> bool {
        self.incompatible & SIXTY_FOUR_BIT != 0
    }

    pub(super) const fn needs_recovery(self) -> bool {
        self.incompatible & NEEDS_RECOVERY != 0
    }

    pub(super) const fn has_checksums(self) -> bool {
        self.read_only_compatible & METADATA_CSUM != 0
    }

    /// The oldest file system with these features.
    pub(super) const fn file_system(self) -> &'static str {
        let is_new = self.incompatible & !OLD_INCOMPATIBLE != 0
            || self.read_only_compatible & !OLD_READ_ONLY_COMPATIBLE != 0;
        match (is_new, self.compatible & HAS_JOURNAL != 0) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        }
    }
}

const COMPATIBLE: [(u32, &str); 10] = [
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (HAS_JOURNAL, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPATIBLE: [(u32, &str); 16] = [
    (0x1, "compression"),
    (0x2, "filetype"),
    (NEEDS_RECOVERY, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (SIXTY_FOUR_BIT, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const READ_ONLY_COMPATIBLE: [(u32, &str); 17] = [
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x4, "btree_dir"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x80, "snapshot"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (METADATA_CSUM, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// The names of all features, in the order of their bits.
pub(super) fn names(features: Features) -> Vec<String> {
    [
        names_of(features.compatible, &COMPATIBLE, 'C'),
        names_of(features.incompatible, &INCOMPATIBLE, 'I'),
        names_of(features.read_only_compatible, &READ_ONLY_COMPATIBLE, 'R'),
    ]
    .concat()
}

/// The names of the bits of one word, whose `letter` stands for it where a bit has no name.
fn names_of(word: u32, known: &[(u32, &str)], letter: char) -> Vec<String> {
    let set = (0..u32::BITS).filter(|bit| word >> bit & 1 != 0);
    set.map(
        |bit| match known.iter().find(|(mask, _)| *mask == 1 << bit) {
            Some((_, name)) => (*name).to_owned(),
            None => format!("FEATURE_{letter}{bit}"),
        },
    )
    .collect()
}
