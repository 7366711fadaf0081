//! The root file system that a command line names: which hash tree, where, and who opens it.

use std::fmt;

use super::dm_table::{self, TableError, VerityTable};
use super::kernel_parameters::values;
use crate::inspect::text::printable;

/// Where tables have the first disk's partitions.
const DISK: &str = "/dev/vda";

/// Optional parameters of a verity target that take nothing from what the root hash proves.
const HARMLESS: [&str; 5] = [
    "panic_on_corruption",
    "restart_on_corruption",
    "panic_on_error",
    "restart_on_error",
    "ignore_zero_blocks",
];

/// What the measured command line says of the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MeasuredRoot {
    pub(super) table: VerityTable,
    pub(super) opened_by: OpenedBy,
    /// The number of the partition with the data, and of that with the tree.
    pub(super) partitions: (u32, u32),
}

/// Who opens the hash tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenedBy {
    /// The kernel, as `dm-mod.create=` says.
    Kernel {
        /// Sectors of the device.
        sectors: u64,
        /// The device's number.
        minor: u64,
    },
    /// A program in the initrd, which reads `guest.verity=`.
    Initrd,
}

impl fmt::Display for OpenedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel { .. } => "dm-mod.create",
            Self::Initrd => "guest.verity",
        })
    }
}

/// What is wrong with what a command line says: what was found, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) found: String,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }

    fn table(parameter: &str, error: &TableError) -> Self {
        let found = printable(error.found.as_bytes());
        Self::new(
            format!("{parameter}: {} is \"{found}\"", error.field),
            error.expected,
        )
    }
}

impl MeasuredRoot {
    /// Finds the one hash tree that a command line names.
    pub(super) fn find(line: &[u8]) -> Result<Self, Wrong> {
        let created = values(line, "dm-mod.create");
        let guest = values(line, "guest.verity");
        match (&created[..], &guest[..]) {
            ([text], []) => Self::of_kernel(&text_of(text)?),
            ([], [text]) => {
                let table = VerityTable::parse_guest_verity(&text_of(text)?);
                let table = table.map_err(|error| Wrong::table("guest.verity", &error))?;
                Self::new(table, OpenedBy::Initrd)
            }
            _ => Err(Wrong::new(
                format!(
                    "{} dm-mod.create= and {} guest.verity=",
                    created.len(),
                    guest.len()
                ),
                "one of either, so that the line names one root hash",
            )),
        }
    }

    fn of_kernel(text: &str) -> Result<Self, Wrong> {
        let wrong = |error| Wrong::table("dm-mod.create", &error);
        let devices = dm_table::parse(text).map_err(wrong)?;
        let [device] = &devices[..] else {
            let found = format!("dm-mod.create makes {} devices", devices.len());
            return Err(Wrong::new(found, "one, under the root file system"));
        };
        let [target] = &device.targets[..] else {
            let found = format!("a device with {} targets", device.targets.len());
            return Err(Wrong::new(found, "one target, verity"));
        };
        if !device.read_only {
            return Err(Wrong::new("a device with flags rw", "ro"));
        }
        if target.target_type != "verity" || target.start != 0 {
            let found = format!(
                "target {} from sector {}",
                printable(target.target_type.as_bytes()),
                target.start
            );
            return Err(Wrong::new(found, "target verity from sector 0"));
        }
        let opened_by = OpenedBy::Kernel {
            sectors: target.sectors,
            minor: device.minor.unwrap_or(0),
        };
        Self::new(
            VerityTable::parse(&target.arguments).map_err(wrong)?,
            opened_by,
        )
    }

    fn new(table: VerityTable, opened_by: OpenedBy) -> Result<Self, Wrong> {
        if let Some(option) = table
            .options
            .iter()
            .find(|option| !HARMLESS.contains(&option.as_str()))
        {
            let found = format!("optional parameter {}", printable(option.as_bytes()));
            let expected = format!("none, or of {}", HARMLESS.join(", "));
            return Err(Wrong::new(found, expected));
        }
        let partitions = (number(&table.data_device)?, number(&table.hash_device)?);
        if table.data_blocks == 0 || table.data_blocks > crate::disk::DiskLayout::MAX_ROOT_BLOCKS {
            let found = format!("{} data blocks", table.data_blocks);
            let most = crate::disk::DiskLayout::MAX_ROOT_BLOCKS;
            return Err(Wrong::new(found, format!("1 to {most}")));
        }
        Ok(Self {
            table,
            opened_by,
            partitions,
        })
    }
}

fn text_of(value: &[u8]) -> Result<String, Wrong> {
    String::from_utf8(value.to_vec())
        .map_err(|_| Wrong::new(format!("\"{}\"", printable(value)), "text"))
}

/// The number of a partition of the first disk.
fn number(device: &str) -> Result<u32, Wrong> {
    let number = device.strip_prefix(DISK).filter(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
    });
    number
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            let found = format!("device {}", printable(device.as_bytes()));
            Wrong::new(found, format!("a partition of the first disk, as {DISK}1"))
        })
}
