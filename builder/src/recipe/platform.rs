//! The machine a guest is made for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Text that is not an amount of memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount of memory; write for example \"512 MiB\" or \"2GiB\"")]
pub struct ParseMemoryError(String);

/// An amount of memory or disk in bytes, a whole number of 4 KiB pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Memory(u64);

impl Memory {
    /// The amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = ParseMemoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let digits = text.find(|c: char| !c.is_ascii_digit())?;
            let unit = match text[digits..].trim_start() {
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            let bytes = text[..digits].parse::<u64>().ok()?.checked_mul(unit)?;
            (bytes > 0 && bytes.is_multiple_of(4096)).then_some(Self(bytes))
        };
        parse().ok_or_else(|| ParseMemoryError(text.to_owned()))
    }
}

impl TryFrom<String> for Memory {
    type Error = ParseMemoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Serialize for Memory {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB")] {
            if self.0.is_multiple_of(1 << shift) {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} KiB", self.0 >> 10)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the ACPI tables describe: Cloud Hypervisor's fixed platform, with the values that differ
/// between hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Platform {
    /// Bits of a physical address on the host, 36 to 52. Hot-plug controllers lie just below the
    /// top of that space, PCI windows from an eighth of it on.
    pub physical_address_bits: u8,
    /// PCI segments, each with one bus; at least 1.
    pub pci_segments: u8,
    /// Virtual CPUs, 1 to 254.
    pub vcpus: u8,
}

impl Default for Platform {
    /// AKS guests: 43 address bits, ten PCI segments, one CPU.
    fn default() -> Self {
        Self {
            physical_address_bits: 43,
            pci_segments: 10,
            vcpus: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_reads_binary_units_and_whole_pages_only() {
        assert_eq!("512 MiB".parse(), Ok(Memory(512 << 20)));
        assert_eq!("2GiB".parse(), Ok(Memory(2 << 30)));
        for refused in [
            "",
            "512",
            "MiB",
            "0 MiB",
            "6 KiB",
            "1.5 GiB",
            "-1 GiB",
            "17179869184 GiB",
        ] {
            assert!(refused.parse::<Memory>().is_err(), "{refused}");
        }
        assert_eq!(Memory(192 << 20).to_string(), "192 MiB");
    }
}
