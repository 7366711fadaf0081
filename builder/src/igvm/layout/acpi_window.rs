//! Where ACPI tables lie.

use std::ops::Range;

use guestmark_measure::{Gpa, PAGE_SIZE};

use super::LayoutError;
use super::filler::Filler;
use crate::acpi::Table;
use crate::igvm::memory::RegionKind;

/// Where a layout has its ACPI tables.
pub(super) struct AcpiWindow {
    /// What may hold tables.
    pub(super) range: Range<Gpa>,
    /// The place of the root pointer.
    pub(super) rsdp: Gpa,
    /// The place of the XSDT, where the layout fixes it.
    pub(super) xsdt: Option<Gpa>,
}

impl AcpiWindow {
    /// Checks the tables and gives the end of their last page.
    pub(super) fn end_of(&self, tables: &[Table]) -> Result<Gpa, LayoutError> {
        require(tables, "RSDP", self.rsdp, "RSD PTR ")?;
        if let Some(xsdt) = self.xsdt {
            require(tables, "XSDT", xsdt, "XSDT")?;
        }
        let mut last = self.range.start;
        for table in tables {
            let start = table.gpa();
            let end = start
                .checked_add(table.bytes().len() as u64)
                .unwrap_or(Gpa::new(u64::MAX));
            if start < self.range.start || end > self.range.end {
                return Err(LayoutError::AcpiOutside {
                    name: table.name().to_owned(),
                    start,
                    end,
                    lowest: self.range.start,
                    highest: self.range.end,
                });
            }
            last = last.max(end);
        }
        // The window ends on a page, so what lies in it has a last page.
        Ok(Gpa::new(last.get().next_multiple_of(PAGE_SIZE)))
    }

    /// Puts the tables, and zeros everywhere else up to `end`.
    pub(super) fn fill<'a>(
        &self,
        filler: &mut Filler<'a>,
        tables: &'a [Table],
        end: Gpa,
    ) -> Result<(), LayoutError> {
        const GAP: &str = "ACPI window";
        filler.skip_to(self.range.start, GAP)?;
        let mut sorted: Vec<_> = tables.iter().collect();
        sorted.sort_by_key(|table| table.gpa());
        for table in sorted {
            let name = format!("ACPI {}", table.name());
            if filler.at() > table.gpa() {
                return Err(LayoutError::Overlap {
                    what: name,
                    start: table.gpa(),
                    end: filler.at(),
                });
            }
            filler.zeros_to(table.gpa(), GAP)?;
            filler.put(
                name,
                table.bytes().len() as u64,
                RegionKind::Data,
                table.bytes(),
                table.origin().clone(),
            )?;
        }
        filler.zeros_to(end, GAP)
    }
}

fn require(
    tables: &[Table],
    name: &'static str,
    gpa: Gpa,
    signature: &'static str,
) -> Result<(), LayoutError> {
    let found = tables
        .iter()
        .any(|table| table.gpa() == gpa && table.bytes().starts_with(signature.as_bytes()));
    found.then_some(()).ok_or(LayoutError::NoTable {
        name,
        gpa,
        signature,
    })
}
