//! Device-mapper devices that the kernel makes at boot, from the text of `dm-mod.create=`.
//!
//! Source: Linux, Documentation/admin-guide/device-mapper/dm-init.rst and verity.rst, and the
//! order in which drivers/md/dm-init.c takes the text apart.

use std::fmt;

use guestmark_measure::Sha256Digest;

use crate::verity::Salt;

/// A device that `dm-mod.create=` describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DmDevice {
    pub(super) name: String,
    pub(super) uuid: String,
    /// The device's number, if it is not the next one that is free.
    pub(super) minor: Option<u64>,
    pub(super) read_only: bool,
    pub(super) targets: Vec<DmTarget>,
}

/// A line of a device's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DmTarget {
    /// First sector of the device, in units of 512 bytes.
    pub(super) start: u64,
    pub(super) sectors: u64,
    pub(super) target_type: String,
    pub(super) arguments: String,
}

/// Text that the kernel, or this program, does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found:?}, expected {expected}")]
pub(super) struct TableError {
    pub(super) field: &'static str,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

fn wrong(field: &'static str, found: &str, expected: &'static str) -> TableError {
    TableError {
        field,
        found: found.to_owned(),
        expected,
    }
}

/// The devices that `text` describes, parted by semicolons.
pub(super) fn parse(text: &str) -> Result<Vec<DmDevice>, TableError> {
    text.split(';').map(device).collect()
}

fn device(text: &str) -> Result<DmDevice, TableError> {
    const FORM: &str = "name,uuid,minor,flags,table";
    let mut fields = text.splitn(5, ',').map(str::trim_ascii);
    let mut next = || fields.next().ok_or_else(|| wrong("a device", text, FORM));
    let (name, uuid, minor, flags, table) = (next()?, next()?, next()?, next()?, next()?);
    Ok(DmDevice {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        minor: match minor {
            "" => None,
            _ => Some(number("minor", minor)?),
        },
        read_only: match flags {
            "ro" => true,
            "rw" => false,
            _ => return Err(wrong("flags", flags, "ro or rw")),
        },
        targets: table.split(',').map(target).collect::<Result<_, _>>()?,
    })
}

fn target(text: &str) -> Result<DmTarget, TableError> {
    const FORM: &str = "START SECTORS TYPE ARGUMENTS";
    let mut rest = text.trim_ascii();
    let mut next = || {
        let (word, after) = rest
            .split_once(' ')
            .ok_or_else(|| wrong("a line of the table", text, FORM))?;
        rest = after.trim_ascii();
        Ok(word.trim_ascii())
    };
    let (start, sectors, target_type) = (next()?, next()?, next()?);
    Ok(DmTarget {
        start: number("the first sector", start)?,
        sectors: number("the number of sectors", sectors)?,
        target_type: target_type.to_owned(),
        arguments: rest.to_owned(),
    })
}

/// A number as the kernel's `kstrtoull` reads it with base 0.
fn number(field: &'static str, text: &str) -> Result<u64, TableError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let (digits, base) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if lower.starts_with('0') => (lower.as_str(), 8),
        None => (lower.as_str(), 10),
    };
    // One sign at most.
    let parsed = (!digits.starts_with('+')).then(|| u64::from_str_radix(digits, base).ok());
    parsed
        .flatten()
        .ok_or_else(|| wrong(field, text, "a number below 2^64"))
}

impl fmt::Display for DmDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minor = self.minor.map_or(String::new(), |minor| minor.to_string());
        let flags = if self.read_only { "ro" } else { "rw" };
        write!(f, "{},{},{minor},{flags}", self.name, self.uuid)?;
        self.targets.iter().try_for_each(|target| {
            write!(
                f,
                ",{} {} {} {}",
                target.start, target.sectors, target.target_type, target.arguments
            )
        })
    }
}

/// The arguments of a `verity` target that this program can check: SHA-256, hash type 1, blocks
/// of 4096 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerityTable {
    pub(super) data_device: String,
    pub(super) hash_device: String,
    pub(super) data_blocks: u64,
    /// Where the tree starts on the hash device, in blocks.
    pub(super) hash_start: u64,
    pub(super) root_hash: Sha256Digest,
    pub(super) salt: Salt,
    /// Optional parameters, one after the other.
    pub(super) options: Vec<String>,
}

impl VerityTable {
    pub(super) fn parse(arguments: &str) -> Result<Self, TableError> {
        const FORM: &str = "VERSION DATA HASH 4096 4096 BLOCKS START sha256 ROOT SALT";
        let mut words = arguments.split_ascii_whitespace();
        let mut next = || {
            let word = words.next();
            word.ok_or_else(|| wrong("the verity target", arguments, FORM))
        };
        let exactly = |field, found: &str, expected: &'static str| match found == expected {
            true => Ok(()),
            false => Err(wrong(field, found, expected)),
        };
        exactly("the hash type", next()?, "1")?;
        let (data_device, hash_device) = (next()?.to_owned(), next()?.to_owned());
        exactly("the data block size", next()?, "4096")?;
        exactly("the hash block size", next()?, "4096")?;
        let data_blocks = decimal("the number of data blocks", next()?)?;
        let hash_start = decimal("the first hash block", next()?)?;
        exactly("the algorithm", next()?, "sha256")?;
        let root = next()?;
        let root_hash = hex::decode(root).ok().and_then(|it| it.try_into().ok());
        let root_hash = root_hash.map(Sha256Digest::new);
        let salt = next()?;
        let options: Vec<_> = words.map(str::to_owned).collect();
        let (count, options) = options
            .split_first()
            .map_or(("0", &[][..]), |(count, rest)| (count.as_str(), rest));
        if decimal("the number of optional parameters", count)? != options.len() as u64 {
            let expected = "the number of words after it";
            return Err(wrong("the number of optional parameters", count, expected));
        }
        Ok(Self {
            data_device,
            hash_device,
            data_blocks,
            hash_start,
            root_hash: root_hash
                .ok_or_else(|| wrong("the root hash", root, "64 hexadecimal digits"))?,
            salt: salt
                .parse()
                .map_err(|_| wrong("the salt", salt, "hexadecimal digits or -"))?,
            options: options.to_vec(),
        })
    }

    /// The form that the initrd of recipe debian-12 takes: `BLOCKS,ROOT,SALT`, over the first two
    /// partitions of the first disk.
    pub(super) fn parse_guest_verity(text: &str) -> Result<Self, TableError> {
        let [blocks, root, salt] = text.split(',').collect::<Vec<_>>()[..] else {
            return Err(wrong("guest.verity", text, "BLOCKS,ROOT,SALT"));
        };
        Self::parse(&format!(
            "1 /dev/vda1 /dev/vda2 4096 4096 {blocks} 0 sha256 {root} {salt}"
        ))
    }
}

impl fmt::Display for VerityTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "1 {} {} 4096 4096 {} {} sha256 {} {}",
            self.data_device,
            self.hash_device,
            self.data_blocks,
            self.hash_start,
            self.root_hash,
            self.salt
        )?;
        if self.options.is_empty() {
            return Ok(());
        }
        write!(f, " {} {}", self.options.len(), self.options.join(" "))
    }
}

/// Decimal digits, nothing else, as `sscanf` reads them in dm-verity.
fn decimal(field: &'static str, text: &str) -> Result<u64, TableError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| wrong(field, text, "a decimal number below 2^64"))
}

#[cfg(test)]
#[path = "dm_table_tests.rs"]
mod tests;
