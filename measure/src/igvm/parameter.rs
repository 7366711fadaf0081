//! Parameters that loaders write, and the areas they write them to.

use std::collections::BTreeMap;

use super::wire::kind;
use super::{CompatibilityMask, IgvmError};
use crate::PAGE_SIZE;

/// What a loader writes into a parameter area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Number of virtual processors, u32.
    VpCount,
    /// ACPI SRAT.
    Srat,
    /// ACPI MADT.
    Madt,
    /// Two ranges for memory-mapped devices.
    MmioRanges,
    /// Memory map.
    MemoryMap,
    /// Command line, ASCII with its NUL.
    CommandLine,
    /// ACPI SLIT.
    Slit,
    /// ACPI PPTT.
    Pptt,
    /// Flattened device tree.
    DeviceTree,
    /// State of the environment, u32.
    EnvironmentInfo,
}

impl ParameterKind {
    pub(super) const fn from_header(kind: u32) -> Option<Self> {
        Some(match kind {
            kind::VP_COUNT => Self::VpCount,
            kind::SRAT => Self::Srat,
            kind::MADT => Self::Madt,
            kind::MMIO_RANGES => Self::MmioRanges,
            kind::MEMORY_MAP => Self::MemoryMap,
            kind::COMMAND_LINE => Self::CommandLine,
            kind::SLIT => Self::Slit,
            kind::PPTT => Self::Pptt,
            kind::DEVICE_TREE => Self::DeviceTree,
            kind::ENVIRONMENT_INFO => Self::EnvironmentInfo,
            _ => return None,
        })
    }

    /// The parameter in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VpCount => "VP count parameter",
            Self::Srat => "SRAT parameter",
            Self::Madt => "MADT parameter",
            Self::MmioRanges => "MMIO ranges parameter",
            Self::MemoryMap => "memory map parameter",
            Self::CommandLine => "command line parameter",
            Self::Slit => "SLIT parameter",
            Self::Pptt => "PPTT parameter",
            Self::DeviceTree => "device tree parameter",
            Self::EnvironmentInfo => "environment info parameter",
        }
    }
}

/// Checks that parameter areas are declared once, filled, then inserted once on each platform.
#[derive(Default)]
pub(super) struct ParameterAreas {
    areas: BTreeMap<u32, Area>,
}

struct Area {
    size: u64,
    /// The platforms on which it was inserted.
    inserted: CompatibilityMask,
}

impl ParameterAreas {
    /// Declares area `index`, for the header at `offset`.
    pub(super) fn declare(
        &mut self,
        offset: usize,
        index: u32,
        size: u64,
    ) -> Result<(), IgvmError> {
        if !size.is_multiple_of(PAGE_SIZE) {
            let (field, expected) = ("number_of_bytes", "a multiple of 4096");
            return Err(IgvmError::Field {
                offset,
                field,
                expected,
                found: size,
            });
        }
        let area = Area {
            size,
            inserted: CompatibilityMask::new(0),
        };
        match self.areas.insert(index, area) {
            None => Ok(()),
            Some(_) => Err(misuse(offset, index, "is declared twice")),
        }
    }

    /// Uses area `index` for a parameter.
    pub(super) fn fill(&self, offset: usize, index: u32) -> Result<(), IgvmError> {
        match self.areas.get(&index) {
            None => Err(misuse(offset, index, "is filled but not declared before")),
            Some(area) if area.inserted.bits() != 0 => {
                Err(misuse(offset, index, "is filled after it was inserted"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Inserts area `index` on the platforms of `mask`; gives its size in bytes.
    pub(super) fn insert(
        &mut self,
        offset: usize,
        index: u32,
        mask: CompatibilityMask,
    ) -> Result<u64, IgvmError> {
        let area = self
            .areas
            .get_mut(&index)
            .ok_or_else(|| misuse(offset, index, "is inserted but not declared before"))?;
        if area.inserted.intersects(mask) {
            return Err(misuse(offset, index, "is inserted twice on one platform"));
        }
        area.inserted = area.inserted.union(mask);
        Ok(area.size)
    }
}

fn misuse(offset: usize, index: u32, problem: &'static str) -> IgvmError {
    IgvmError::ParameterArea {
        offset,
        index,
        problem,
    }
}
