//! A disk as the guest sees it: numbered partitions, whatever table says where they are.

use std::ops::Range;
use std::path::Path;

use fs_err::File;
use serde::Serialize;

use crate::inspect::disk::{
    self, MbrDiskFacts, MbrPartitionFacts, PartitionContent, PartitionFacts,
};
use crate::inspect::format::Format;
use crate::inspect::{self, InspectError};

/// A disk and its partitions.
pub(super) struct Disk {
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) partitions: Vec<Partition>,
}

/// A partition; its bytes lie within the disk.
pub(super) struct Partition {
    pub(super) number: u32,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) content: Option<PartitionContent>,
}

impl From<PartitionFacts> for Partition {
    fn from(facts: PartitionFacts) -> Self {
        Self {
            number: facts.number,
            offset: facts.offset,
            bytes: facts.bytes,
            content: facts.content,
        }
    }
}

impl From<MbrPartitionFacts> for Partition {
    fn from(facts: MbrPartitionFacts) -> Self {
        Self {
            number: facts.number,
            offset: facts.offset,
            bytes: facts.bytes,
            content: facts.content,
        }
    }
}

/// Bytes of the disk that neither data blocks nor hash tree hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmeasuredRange {
    /// What lies there.
    pub what: String,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, InspectError> {
        let file = File::open(path)?;
        let refused = |found: &str| InspectError::NotADisk {
            path: path.to_owned(),
            found: found.to_owned(),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(refused("not a regular file"));
        }
        let bytes = metadata.len();
        let start = inspect::start(&file, bytes)?;
        let partitions: Vec<Partition> = match Format::detect(&start, bytes) {
            Some(Format::Disk { sector_size }) => {
                let facts = disk::partitions(File::open(path)?, bytes, sector_size);
                let facts = facts.map_err(|source| InspectError::Disk {
                    path: path.to_owned(),
                    source,
                })?;
                facts.into_iter().map(Partition::from).collect()
            }
            Some(Format::MbrDisk) => {
                let facts = MbrDiskFacts::read(File::open(path)?, bytes);
                let facts = facts.map_err(|source| InspectError::MbrDisk {
                    path: path.to_owned(),
                    source,
                })?;
                facts.partitions.into_iter().map(Partition::from).collect()
            }
            Some(Format::Igvm) => return Err(refused("an IGVM file")),
            Some(_) => return Err(refused("a file without a partition table")),
            None => {
                let found = "no partition table (neither 55 aa at byte 510 nor \"EFI PART\")";
                return Err(refused(found));
            }
        };
        Ok(Self {
            file,
            bytes,
            partitions,
        })
    }

    pub(super) fn partition(&self, number: u32) -> Option<&Partition> {
        let mut partitions = self.partitions.iter();
        partitions.find(|partition| partition.number == number)
    }

    /// What of the disk lies outside of these ranges, which do not overlap.
    pub(super) fn outside(&self, covered: &[Range<u64>]) -> Vec<UnmeasuredRange> {
        let mut cuts: Vec<u64> = vec![0, self.bytes];
        cuts.extend(covered.iter().flat_map(|range| [range.start, range.end]));
        let ends = |partition: &Partition| [partition.offset, partition.offset + partition.bytes];
        cuts.extend(self.partitions.iter().flat_map(ends));
        cuts.sort_unstable();
        cuts.dedup();
        let ranges = cuts.windows(2).filter_map(|cut| {
            let (start, end) = (cut[0], cut[1]);
            let is_covered = covered
                .iter()
                .any(|range| range.start <= start && end <= range.end);
            (!is_covered).then(|| UnmeasuredRange {
                what: self.place(start, covered),
                offset: start,
                bytes: end - start,
            })
        });
        ranges.collect()
    }

    /// What lies at `offset`, where no covered range does.
    fn place(&self, offset: u64, covered: &[Range<u64>]) -> String {
        let holds = |partition: &&Partition| {
            (partition.offset..partition.offset + partition.bytes).contains(&offset)
        };
        if let Some(partition) = self.partitions.iter().find(holds) {
            let number = partition.number;
            return match covered.iter().find(|range| {
                (partition.offset..partition.offset + partition.bytes).contains(&range.start)
            }) {
                Some(range) if range.end <= offset => {
                    format!("partition {number}, behind what is checked")
                }
                Some(_) => format!("partition {number}, before the hash tree"),
                None => format!("partition {number}, which the command line does not name"),
            };
        }
        if offset == 0 {
            return "the partition table and what lies before the first partition".to_owned();
        }
        match self.partitions.iter().any(|it| it.offset > offset) {
            true => "between partitions".to_owned(),
            false => "behind the last partition".to_owned(),
        }
    }
}
