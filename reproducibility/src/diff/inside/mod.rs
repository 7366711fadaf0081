//! What changed inside a region.

mod acpi;
mod boot_parameters;
pub(super) mod command_line;
mod fields;
pub(super) mod initrd;
mod vmsa;

use guestmark_builder::build::VerityRecord;
use guestmark_builder::inspect::IgvmFacts;
use guestmark_measure::Gpa;

pub(super) use boot_parameters::{is_of_kernel, kernel_size};

use super::explanation::{FieldChange, RegionChange, Status};

/// The page-table bit that marks encrypted memory (see the layouts' CR3).
const ENCRYPTED: u64 = 1 << 51;

/// What a comparison of one region may refer to.
pub(super) struct Surroundings<'a> {
    /// All regions, without details.
    pub(super) regions: &'a [RegionChange],
    /// What both builds say of their hash trees.
    pub(super) verity: Option<(&'a VerityRecord, &'a VerityRecord)>,
    /// Both IGVM files.
    pub(super) files: (&'a [u8], &'a [u8]),
}

impl Surroundings<'_> {
    /// What differs between the contents of a region that has changed. The initrd is not among
    /// what is compared here.
    pub(super) fn compare(&self, name: &str, old: &[u8], new: &[u8]) -> Vec<FieldChange> {
        let changes = match name {
            "command line" => command_line::compare(line(old), line(new), self.verity),
            "kernel" => self.kernel(),
            "boot parameters" => {
                let changed = |name: &str| {
                    let mut regions = self.regions.iter();
                    regions.any(|region| region.name == name && region.status != Status::Same)
                };
                boot_parameters::compare(old, new, changed, self.layout_changed())
            }
            "VMSA" => vmsa::compare(old, new),
            name if name.starts_with("ACPI ") && name != "ACPI window" => acpi::compare(old, new),
            _ => fields::rest(&[], old, new),
        };
        let changes = changes.into_iter().map(|change| self.follow(change));
        changes.collect()
    }

    /// Whether any region lies elsewhere, or has another size.
    fn layout_changed(&self) -> bool {
        self.regions.iter().any(|region| region.old != region.new)
    }

    /// Says of an address that leads to the same place of a region that has moved, that it
    /// follows from that.
    fn follow(&self, change: FieldChange) -> FieldChange {
        if change.follows_from.is_some() {
            return change;
        }
        let number = |text: &Option<String>| {
            let digits = text.as_deref()?.strip_prefix("0x")?;
            Some(u64::from_str_radix(digits, 16).ok()? & !ENCRYPTED)
        };
        let (Some(old), Some(new)) = (number(&change.old), number(&change.new)) else {
            return change;
        };
        let target = self.regions.iter().find(|region| {
            let (Some(was), Some(is)) = (&region.old, &region.new) else {
                return false;
            };
            let inside = |at: u64, start: Gpa, end: Gpa| (start.get()..=end.get()).contains(&at);
            was.start != is.start
                && inside(old, was.start, was.end)
                && inside(new, is.start, is.end)
                && old - was.start.get() == new - is.start.get()
        });
        match target {
            Some(region) => {
                let cause = format!("the place of {}", region.name);
                change.from(cause)
            }
            None => change,
        }
    }

    /// The banners, which stand in the compressed kernels.
    fn kernel(&self) -> Vec<FieldChange> {
        let banner = |file| {
            let facts = IgvmFacts::read(file).ok()?;
            facts.linux?.kernel_version
        };
        let (old, new) = (banner(self.files.0), banner(self.files.1));
        match old == new {
            true => Vec::new(),
            false => vec![FieldChange::of("banner", old, new)],
        }
    }
}

/// A command line without its NUL.
fn line(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\0").unwrap_or(bytes)
}
