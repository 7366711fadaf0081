//! Regions of guest memory: from `origins.json`, or from the file itself.

use std::collections::BTreeMap;
use std::ops::Range;

use guestmark_builder::inspect::IgvmFacts;
use guestmark_builder::tree::Origin;
use guestmark_measure::{Gpa, PAGE_SIZE, PageType};

use super::explanation::{FieldChange, RegionChange, Status};
use super::input::RegionOrigin;
use super::inside::kernel_size;
use super::memory::GuestPages;

/// From the start of a kernel to its 64-bit entry.
const ENTRY_64: u64 = 0x200;
/// The most tables that an XSDT is followed to.
const TABLES: u32 = 64;

/// Structures that hold the addresses of their neighbours.
const SELF_REFERRING: [&str; 2] = ["page tables", "GDT"];

/// A named range of guest memory.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) range: Range<Gpa>,
    pub(super) origin: Option<Origin>,
}

/// The regions that a build's `origins.json` says.
pub(super) fn of_origins(regions: &[RegionOrigin]) -> Vec<Region> {
    let regions = regions.iter().filter(|region| region.start < region.end);
    regions
        .map(|region| Region {
            name: region.name.clone(),
            range: region.start..region.end,
            origin: Some(region.origin.clone()),
        })
        .collect()
}

/// The regions that a file shows: what its processor, its `boot_params` and its page types lead
/// to, and what lies between.
pub(super) fn of_file(file: &[u8], pages: &GuestPages<'_>) -> Vec<Region> {
    let mut found = Found::default();
    for page in &pages.pages {
        let name = match page.page_type {
            PageType::Cpuid => "CPUID page",
            PageType::Secrets => "secrets page",
            PageType::Unmeasured => "parameter page",
            PageType::Vmsa => "VMSA",
            _ => continue,
        };
        found.add(name, page.gpa, PAGE_SIZE);
    }
    if let Ok(facts) = IgvmFacts::read(file)
        && let Some(linux) = facts.linux
    {
        found.add("boot parameters", linux.boot_params, PAGE_SIZE);
        if let Some(line) = &linux.command_line {
            found.add("command line", line.start, line.bytes.saturating_add(1));
        }
        if let Some(initrd) = &linux.initrd {
            found.add("initrd", initrd.start, initrd.bytes);
        }
        let mut processors = facts.vp_contexts.iter();
        let entry = processors.find_map(|context| Some(context.registers.as_ref()?.rip.0));
        let parameters = page_at(linux.boot_params);
        let size = kernel_size(&pages.bytes(&parameters, 4096));
        if let (Some(entry), Some(size)) = (entry, size) {
            let start = Gpa::new(entry.saturating_sub(ENTRY_64));
            found.add("kernel", start, size.next_multiple_of(PAGE_SIZE));
        }
        acpi_tables(linux.acpi_rsdp, pages, &mut found);
    }
    found.with_the_rest(pages)
}

fn page_at(start: Gpa) -> Range<Gpa> {
    start..start.checked_add(PAGE_SIZE).unwrap_or(Gpa::new(u64::MAX))
}

/// Follows the root pointer to the XSDT and to what that lists.
fn acpi_tables(rsdp: Gpa, pages: &GuestPages<'_>, found: &mut Found) {
    let read = |start: Gpa, size: usize| {
        let end = start.checked_add(size as u64).unwrap_or(Gpa::new(u64::MAX));
        pages.bytes(&(start..end), size)
    };
    let pointer = read(rsdp, 36);
    if !pointer.starts_with(b"RSD PTR ") {
        return;
    }
    found.add("ACPI RSDP", rsdp, 36);
    let number = |bytes: &[u8], at: usize| {
        let field = bytes
            .get(at..at + 8)
            .and_then(|field| field.try_into().ok());
        Gpa::new(field.map_or(0, u64::from_le_bytes))
    };
    let table = |start: Gpa, found: &mut Found| {
        let header = read(start, 8);
        let [a, b, c, d, length @ ..] = &header[..] else {
            return 0;
        };
        let length = length.try_into().map_or(0, u32::from_le_bytes);
        let name = String::from_utf8_lossy(&[*a, *b, *c, *d]).into_owned();
        if name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            found.add(&format!("ACPI {name}"), start, length.into());
        }
        length
    };
    let start = number(&pointer, 24);
    let length = table(start, found).min(36 + 8 * TABLES);
    let list = read(start, length as usize);
    for entry in list.get(36..).unwrap_or_default().chunks_exact(8) {
        let address = number(entry, 0);
        table(address, found);
        let listed = read(address, 148);
        if listed.starts_with(b"FACP") {
            table(number(&listed, 132), found);
            table(number(&listed, 140), found);
        }
    }
}

/// Regions that do not overlap, by address.
#[derive(Default)]
struct Found(BTreeMap<Gpa, Region>);

impl Found {
    /// Adds a region, unless it is empty or part of it is taken.
    fn add(&mut self, name: &str, start: Gpa, size: u64) {
        let Some(end) = start.checked_add(size) else {
            return;
        };
        let before = self.0.range(..end).next_back();
        let free = before.is_none_or(|(_, region)| region.range.end <= start);
        if size > 0 && free {
            let region = Region {
                name: name.to_owned(),
                range: start..end,
                origin: None,
            };
            self.0.insert(start, region);
        }
    }

    /// All regions, with the launched pages between them named after what lies below.
    fn with_the_rest(self, pages: &GuestPages<'_>) -> Vec<Region> {
        let mut all: Vec<Region> = Vec::new();
        let mut named = self.0.into_values().peekable();
        for page in &pages.pages {
            let range = page_at(page.gpa);
            let mut start = range.start;
            while let Some(region) = named.peek().filter(|region| region.range.start < range.end) {
                cover(&mut all, start..region.range.start);
                start = start.max(region.range.end);
                all.extend(named.next());
            }
            let taken = all.last().map_or(Gpa::new(0), |region| region.range.end);
            cover(&mut all, start.max(taken.min(range.end))..range.end);
        }
        all.extend(named);
        all
    }
}

/// Makes a range a part of the unnamed region that it continues, or a new one.
fn cover(all: &mut Vec<Region>, range: Range<Gpa>) {
    if range.is_empty() {
        return;
    }
    const AFTER: &str = "pages after ";
    let name = match all.last_mut() {
        Some(last) if last.name.starts_with(AFTER) && last.range.end == range.start => {
            last.range.end = range.end;
            return;
        }
        Some(last) => format!("{AFTER}{}", last.name.trim_start_matches(AFTER)),
        None => format!("{AFTER}0"),
    };
    all.push(Region {
        name,
        range,
        origin: None,
    });
}

/// Pairs regions by name; the second of a name belongs to the second. What became of each is not
/// known yet.
pub(super) fn pair(old: Vec<Region>, new: Vec<Region>) -> Vec<RegionChange> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut numbered = |regions: Vec<Region>| {
        counts.clear();
        let key = |region: Region| {
            let count = counts.entry(region.name.clone()).or_default();
            *count += 1;
            ((region.name.clone(), *count), region)
        };
        regions.into_iter().map(key).collect::<Vec<_>>()
    };
    let mut before: BTreeMap<_, _> = numbered(old).into_iter().collect();
    let mut pairs: Vec<RegionChange> = numbered(new)
        .into_iter()
        .map(|(key, region)| change(before.remove(&key), Some(region)))
        .collect();
    pairs.extend(
        before
            .into_values()
            .map(|region| change(Some(region), None)),
    );
    pairs.sort_by_key(|pair| {
        pair.new
            .clone()
            .or(pair.old.clone())
            .map(|range| range.start)
    });
    pairs
}

fn change(old: Option<Region>, new: Option<Region>) -> RegionChange {
    let name = new
        .as_ref()
        .or(old.as_ref())
        .map(|region| region.name.clone());
    let status = match (&old, &new) {
        (Some(_), None) => Status::Removed,
        (None, Some(_)) => Status::Added,
        _ => Status::Unknown,
    };
    let (old, old_origin) = old.map(|region| (region.range, region.origin)).unzip();
    let (new, new_origin) = new.map(|region| (region.range, region.origin)).unzip();
    RegionChange {
        name: name.unwrap_or_default(),
        status,
        old,
        new,
        old_origin: old_origin.flatten(),
        new_origin: new_origin.flatten(),
        details: Vec::new(),
        follows_from: None,
    }
}

/// Says of zeros that end elsewhere, and of what merely moved, what that follows from.
pub(super) fn follow(regions: &mut [RegionChange]) {
    let places: Vec<_> = regions
        .iter()
        .map(|region| (region.old.clone(), region.new.clone()))
        .collect();
    let above = |index: usize, end: (Gpa, Gpa)| {
        let mut others = places.iter().enumerate();
        others.any(|(other, (old, new))| {
            let starts = |range: &Option<Range<Gpa>>| range.as_ref().map(|range| range.start);
            other != index && (starts(old), starts(new)) == (Some(end.0), Some(end.1))
        })
    };
    for (index, region) in regions.iter_mut().enumerate() {
        let (Some(old), Some(new)) = (&region.old, &region.new) else {
            continue;
        };
        let size = |range: &Range<Gpa>| range.end.get() - range.start.get();
        if region.status == Status::Moved {
            region.follows_from = Some("the sizes of other regions".to_owned());
        } else if region.status == Status::Changed {
            let own_place = SELF_REFERRING.contains(&&region.name[..]) && old.start != new.start;
            let only_size = region.details.iter().all(|detail| detail.name == "size");
            let bounded = old.end == new.end || above(index, (old.end, new.end));
            if only_size && size(old) != size(new) && bounded {
                region.follows_from = Some("the sizes of other regions".to_owned());
            } else if own_place {
                region.follows_from = Some("its own place".to_owned());
            } else if !region.details.is_empty() {
                let mut causes = region.details.iter().map(|detail| &detail.follows_from);
                if causes.clone().all(Option::is_some) {
                    region.follows_from = causes.next().cloned().flatten();
                }
            }
        }
    }
}

/// The size of a region on both sides, as a change.
pub(super) fn size_change(region: &RegionChange) -> Option<FieldChange> {
    let (old, new) = (region.old.as_ref()?, region.new.as_ref()?);
    let size = |range: &Range<Gpa>| range.end.get() - range.start.get();
    (size(old) != size(new)).then(|| {
        let text = |range| format!("{} bytes", size(range));
        FieldChange::new("size", text(old), text(new))
    })
}
