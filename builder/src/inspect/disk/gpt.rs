//! Reads a GUID partition table that nobody vouches for.
//!
//! Source: UEFI Specification 2.10, chapter 5 "GUID Partition Table (GPT) Disk Layout". All
//! integers are little-endian; offsets are bytes from the start of the disk.

use std::io;
use std::ops::Range;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The header's signature.
pub(super) const SIGNATURE: [u8; 8] = *b"EFI PART";

/// The most bytes that a table of entries may take; 128 entries take 16 KiB.
const TABLE_LIMIT: u64 = 1 << 20;

/// Why a partition table cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GptError {
    /// The disk cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A field of the header has a value that it cannot have.
    #[error("GPT header at offset {offset:#x}: {field} is {found:#x}, expected {expected}")]
    Header {
        /// Where the header starts.
        offset: u64,
        /// The field, as the UEFI specification names it.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: String,
    },
    /// Header or entries have changed since they were written.
    #[error(
        "GPT header at offset {offset:#x}: {field} is {found:#010x}, but the {covered} have the \
         CRC-32 {computed:#010x}; the table is damaged"
    )]
    Checksum {
        /// Where the header starts.
        offset: u64,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u32,
        /// What it covers.
        covered: &'static str,
        /// The checksum of what is there.
        computed: u32,
    },
    /// A partition that lies where it cannot.
    #[error(
        "partition {number} takes sectors {first} to {last}, expected sectors within {allowed:?}; \
         the image is damaged or cut short"
    )]
    Outside {
        /// The partition's number.
        number: u32,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
        /// The sectors that are for partitions, in a disk of this size.
        allowed: Range<u64>,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap; the table is damaged")]
    Overlap {
        /// The one that starts first.
        first: u32,
        /// The other.
        second: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 8],
    revision: U32,
    header_size: U32,
    header_crc32: U32,
    reserved: U32,
    my_lba: U64,
    alternate_lba: U64,
    first_usable_lba: U64,
    last_usable_lba: U64,
    disk_guid: [u8; 16],
    partition_entry_lba: U64,
    number_of_partition_entries: U32,
    size_of_partition_entry: U32,
    partition_entry_array_crc32: U32,
}

const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == 92);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Entry {
    partition_type_guid: [u8; 16],
    unique_partition_guid: [u8; 16],
    starting_lba: U64,
    ending_lba: U64,
    attributes: U64,
    partition_name: [U16; 36],
}

const ENTRY: usize = size_of::<Entry>();
const _: () = assert!(ENTRY == 128);

/// A partition table.
#[derive(Debug)]
pub struct Gpt {
    /// The disk's GUID.
    pub disk_guid: Uuid,
    /// Bytes in a sector.
    pub sector_size: u64,
    /// Sorted by number.
    pub partitions: Vec<Partition>,
    /// What is wrong with the backup at the end of the disk.
    pub backup_problem: Option<String>,
}

/// One partition; its bytes lie within the disk.
#[derive(Debug)]
pub struct Partition {
    /// Counted from 1.
    pub number: u32,
    /// What it is for.
    pub type_guid: Uuid,
    /// The partition's own UUID.
    pub guid: Uuid,
    /// Its first byte on the disk.
    pub offset: u64,
    /// Bytes it has.
    pub length: u64,
    /// Its attributes.
    pub attributes: u64,
    /// Its name.
    pub name: String,
}

/// A disk and how it is divided.
#[derive(Clone, Copy)]
struct Disk<'a> {
    file: &'a File,
    sector_size: u64,
    sectors: u64,
}

impl Gpt {
    /// Reads the table of the disk in `file`, of `length` bytes and with sectors of
    /// `sector_size` bytes.
    ///
    /// # Errors
    /// The disk cannot be read, or its table is damaged.
    pub fn read(file: &File, length: u64, sector_size: u64) -> Result<Self, GptError> {
        let disk = Disk {
            file,
            sector_size,
            sectors: length / sector_size,
        };
        let (header, table) = disk.read_table(1)?;
        let backup_problem = match disk.read_table(header.alternate_lba.get()) {
            Err(problem) => Some(problem.to_string()),
            Ok((backup, entries)) => {
                let same = backup.disk_guid == header.disk_guid && entries == table;
                (!same).then(|| "it differs from the table at the start".to_owned())
            }
        };
        Ok(Self {
            disk_guid: Uuid::from_bytes_le(header.disk_guid),
            sector_size,
            partitions: disk.partitions(&header, &table)?,
            backup_problem,
        })
    }
}

impl Disk<'_> {
    /// Reads the header in sector `lba`, and the bytes of the entries that it points to.
    fn read_table(&self, lba: u64) -> Result<(Header, Vec<u8>), GptError> {
        let header = self.read_header(lba)?;
        let offset = lba * self.sector_size;
        let invalid = |field, found, expected: &str| GptError::Header {
            offset,
            field,
            found,
            expected: expected.to_owned(),
        };
        let entry_size = header.size_of_partition_entry.get();
        if entry_size < 128 || !entry_size.is_power_of_two() {
            let expected = "128 or a larger power of two";
            return Err(invalid("SizeOfPartitionEntry", entry_size.into(), expected));
        }
        let count = header.number_of_partition_entries.get();
        let length = u64::from(count) * u64::from(entry_size);
        if length > TABLE_LIMIT {
            let expected = "entries of at most 1 MiB in all";
            return Err(invalid("NumberOfPartitionEntries", count.into(), expected));
        }
        let start = header.partition_entry_lba.get();
        if start.saturating_add(length.div_ceil(self.sector_size)) > self.sectors {
            let expected = "entries inside the disk";
            return Err(invalid("PartitionEntryLBA", start, expected));
        }
        let mut entries = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file
            .read_exact_at(&mut entries, start * self.sector_size)?;
        let computed = crc32fast::hash(&entries);
        let found = header.partition_entry_array_crc32.get();
        if found != computed {
            return Err(GptError::Checksum {
                offset,
                field: "PartitionEntryArrayCRC32",
                found,
                covered: "entries",
                computed,
            });
        }
        Ok((header, entries))
    }

    fn read_header(&self, lba: u64) -> Result<Header, GptError> {
        let offset = lba.saturating_mul(self.sector_size);
        let invalid = |field, found, expected| GptError::Header {
            offset,
            field,
            found,
            expected,
        };
        if lba >= self.sectors {
            let expected = format!("a sector of the disk, which has {}", self.sectors);
            return Err(invalid("AlternateLBA", lba, expected));
        }
        let mut sector = vec![0; usize::try_from(self.sector_size).unwrap_or_default()];
        self.file.read_exact_at(&mut sector, offset)?;
        let Ok((header, _)) = Header::read_from_prefix(&sector) else {
            let expected = format!("at least {HEADER}");
            return Err(invalid("the sector's size", self.sector_size, expected));
        };
        if header.signature != SIGNATURE {
            let expected = format!("{:#x}, \"EFI PART\"", u64::from_le_bytes(SIGNATURE));
            return Err(invalid(
                "Signature",
                u64::from_le_bytes(header.signature),
                expected,
            ));
        }
        let size = usize::try_from(header.header_size.get()).unwrap_or(usize::MAX);
        if !(HEADER..=sector.len()).contains(&size) {
            let expected = format!("{HEADER} to {}", sector.len());
            return Err(invalid("HeaderSize", header.header_size.into(), expected));
        }
        let checksum = std::mem::offset_of!(Header, header_crc32);
        sector[checksum..checksum + 4].fill(0);
        let computed = crc32fast::hash(&sector[..size]);
        let found = header.header_crc32.get();
        if found != computed {
            return Err(GptError::Checksum {
                offset,
                field: "HeaderCRC32",
                found,
                covered: "header's bytes",
                computed,
            });
        }
        if header.my_lba != lba {
            return Err(invalid("MyLBA", header.my_lba.into(), format!("{lba:#x}")));
        }
        Ok(header)
    }

    /// The partitions in the entries that `header` points to.
    fn partitions(&self, header: &Header, table: &[u8]) -> Result<Vec<Partition>, GptError> {
        let first_usable = header.first_usable_lba.get();
        let end_usable = header
            .last_usable_lba
            .get()
            .saturating_add(1)
            .min(self.sectors);
        let entry_size = usize::try_from(header.size_of_partition_entry.get()).unwrap_or(ENTRY);
        let mut partitions = Vec::new();
        for (number, bytes) in (1..).zip(table.chunks_exact(entry_size)) {
            let Ok((entry, _)) = Entry::ref_from_prefix(bytes) else {
                continue;
            };
            if entry.partition_type_guid == [0; 16] {
                continue;
            }
            let (first, last) = (entry.starting_lba.get(), entry.ending_lba.get());
            let is_inside = first >= first_usable && first <= last && last < end_usable;
            if !is_inside {
                return Err(GptError::Outside {
                    number,
                    first,
                    last,
                    allowed: first_usable..end_usable,
                });
            }
            partitions.push(Partition {
                number,
                type_guid: Uuid::from_bytes_le(entry.partition_type_guid),
                guid: Uuid::from_bytes_le(entry.unique_partition_guid),
                // Inside the disk, so that neither overflows.
                offset: first * self.sector_size,
                length: (last - first + 1) * self.sector_size,
                attributes: entry.attributes.get(),
                name: name(&entry.partition_name),
            });
        }
        refuse_overlap(&partitions)?;
        Ok(partitions)
    }
}

/// A partition's name: UTF-16 up to the first NUL, what is not replaced.
fn name(units: &[U16; 36]) -> String {
    let units = units
        .iter()
        .map(|unit| unit.get())
        .take_while(|&unit| unit != 0);
    let characters = char::decode_utf16(units);
    characters
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn refuse_overlap(partitions: &[Partition]) -> Result<(), GptError> {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.offset);
    let overlap = sorted
        .windows(2)
        .find(|pair| pair[0].offset + pair[0].length > pair[1].offset);
    match overlap {
        None => Ok(()),
        Some(pair) => Err(GptError::Overlap {
            first: pair[0].number,
            second: pair[1].number,
        }),
    }
}
