//! Guest memory and registers as a loader makes them from an IGVM file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use guestmark_measure::igvm::{
    CompatibilityMask, Directive, IgvmFile, ParameterArea, PlatformType, VpState,
};
use guestmark_measure::lanes::Page;
use guestmark_measure::{Gpa, PAGE_SIZE};
use igvm::snp_defs::SevVmsa;
use zerocopy::FromBytes;

use super::{PvhError, RAM_LIMIT};

/// Below this the machine's firmware works before the guest starts; from `FIRMWARE_AREA` on a PC
/// has video memory and the firmware itself instead of RAM.
pub(super) const FIRMWARE_END: Gpa = Gpa::new(0x10_0000);
const FIRMWARE_AREA: Gpa = Gpa::new(0xa_0000);

/// The pages that are present when the first virtual CPU starts, and its state.
#[derive(Debug)]
pub(super) struct LaunchImage<'a> {
    /// Pages by address; `None` is a page of zeros. Few are changed, the others borrowed.
    pages: BTreeMap<Gpa, Option<Cow<'a, [u8]>>>,
    vmsa: SevVmsa,
}

impl<'a> LaunchImage<'a> {
    /// What an SEV-SNP loader makes of `file`. Parameter areas are as the file gives them: no
    /// loader fills them.
    pub(super) fn new(file: &IgvmFile<'a>) -> Result<Self, PvhError> {
        let platform = file
            .platform(PlatformType::SevSnp)
            .ok_or(PvhError::NotSnp)?
            .mask;
        let mut image = Self {
            pages: BTreeMap::new(),
            vmsa: first_save_area(file, platform)?,
        };
        let mut areas = BTreeMap::new();
        for directive in file.directives() {
            match directive {
                Directive::ParameterArea(area) => {
                    areas.insert(area.index, *area);
                }
                _ if !directive.applies_to(platform) => {}
                Directive::PageData(page) => {
                    image.load(
                        page.gpa,
                        page.size(),
                        page.data.map_or(&[], |data| &data[..]),
                    )?;
                }
                Directive::ParameterInsert(insert) => {
                    let contents = areas
                        .get(&insert.index)
                        .and_then(|area: &ParameterArea<'_>| area.initial);
                    image.load(insert.gpa, insert.size, contents.unwrap_or_default())?;
                }
                _ => {}
            }
        }
        Ok(image)
    }

    /// Makes `size` bytes from `gpa` on present: `contents`, then zeros.
    fn load(&mut self, gpa: Gpa, size: u64, contents: &'a [u8]) -> Result<(), PvhError> {
        let end = gpa.checked_add(size).filter(|end| end.get() <= RAM_LIMIT);
        if end.is_none() {
            return Err(PvhError::TooHigh(gpa));
        }
        let mut data = contents.chunks(size_of::<Page>());
        for page in (gpa.get()..gpa.get() + size).step_by(size_of::<Page>()) {
            let data = data
                .next()
                .filter(|page| page.iter().any(|byte| *byte != 0));
            self.pages.insert(Gpa::new(page), data.map(Cow::Borrowed));
        }
        Ok(())
    }

    /// The registers that the first virtual CPU starts with.
    pub(super) const fn vmsa(&self) -> &SevVmsa {
        &self.vmsa
    }

    /// The pages in ascending order; `None` is a page of zeros.
    pub(super) fn pages(&self) -> impl Iterator<Item = (Gpa, Option<&[u8]>)> {
        self.pages.iter().map(|(gpa, page)| (*gpa, page.as_deref()))
    }

    /// The first byte after the highest page.
    pub(super) fn end(&self) -> Gpa {
        let last = self.pages.last_key_value();
        Gpa::new(last.map_or(0, |(gpa, _)| gpa.get() + PAGE_SIZE))
    }

    /// Whether the page that holds `address` is present.
    pub(super) fn is_present(&self, address: u64) -> bool {
        self.pages.contains_key(&page_of(address))
    }

    /// Leaves out all pages below the end of the firmware.
    ///
    /// # Errors
    /// RAM there with something in it.
    pub(super) fn remove_low_memory(&mut self) -> Result<(), PvhError> {
        let lost = self
            .pages
            .range(..FIRMWARE_AREA)
            .find(|(_, page)| page.is_some());
        if let Some((gpa, _)) = lost {
            return Err(PvhError::LowMemory(*gpa));
        }
        self.pages = self.pages.split_off(&FIRMWARE_END);
        Ok(())
    }

    /// The lowest page above the firmware that the file does not use.
    pub(super) fn free_page(&self) -> Option<Gpa> {
        (FIRMWARE_END.get()..RAM_LIMIT)
            .step_by(size_of::<Page>())
            .map(Gpa::new)
            .find(|gpa| !self.pages.contains_key(gpa))
    }

    /// Adds a page.
    pub(super) fn insert(&mut self, gpa: Gpa, page: &Page) {
        self.pages.insert(gpa, Some(Cow::Owned(page.to_vec())));
    }

    /// The page at `gpa`, if it is present.
    pub(super) fn page_mut(&mut self, gpa: Gpa) -> Option<&mut [u8]> {
        let page = self.pages.get_mut(&gpa)?;
        let zeros = || Cow::Owned(vec![0; size_of::<Page>()]);
        Some(page.get_or_insert_with(zeros).to_mut())
    }

    /// `N` bytes at `address`, if all of them are present.
    pub(super) fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (byte, at) in bytes.iter_mut().zip(address..) {
            let page = self.pages.get(&page_of(at))?;
            *byte = page.as_ref().map_or(0, |page| page[offset_in_page(at)]);
        }
        Some(bytes)
    }

    /// Replaces the bytes at `address`. Pages that are not present stay so.
    pub(super) fn write(&mut self, address: u64, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip(address..) {
            if let Some(page) = self.page_mut(page_of(at)) {
                page[offset_in_page(at)] = *byte;
            }
        }
    }
}

fn first_save_area(file: &IgvmFile<'_>, platform: CompatibilityMask) -> Result<SevVmsa, PvhError> {
    let save_area = file
        .directives()
        .iter()
        .find_map(|directive| match directive {
            Directive::VpContext(context)
                if context.vp_index == 0 && context.mask.intersects(platform) =>
            {
                match context.state {
                    VpState::Vmsa(page) => SevVmsa::read_from_prefix(page).ok(),
                    VpState::Other { .. } => None,
                }
            }
            _ => None,
        });
    Ok(save_area.ok_or(PvhError::NoSaveArea)?.0)
}

const fn page_of(address: u64) -> Gpa {
    Gpa::new(address - address % PAGE_SIZE)
}

const fn offset_in_page(address: u64) -> usize {
    (address % PAGE_SIZE) as usize
}
