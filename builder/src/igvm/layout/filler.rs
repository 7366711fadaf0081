//! Filling memory upwards.

use std::borrow::Cow;

use guestmark_measure::{Gpa, PAGE_SIZE};

use super::LayoutError;
use crate::igvm::memory::{Region, RegionKind};
use crate::tree::Origin;

/// Every address that the boot structures hold has 32 bits.
const LIMIT: u64 = 1 << 32;

/// Memory that is filled from address 0 upwards, up to 4 GiB.
pub(super) struct Filler<'a> {
    at: Gpa,
    regions: Vec<Region<'a>>,
}

impl<'a> Filler<'a> {
    /// Memory with nothing in it.
    pub(super) const fn new() -> Self {
        Self {
            at: Gpa::new(0),
            regions: Vec::new(),
        }
    }

    /// Where the next byte goes.
    pub(super) const fn at(&self) -> Gpa {
        self.at
    }

    /// Leaves out what lies below `gpa`, where `what` is about to be put.
    pub(super) fn skip_to(&mut self, gpa: Gpa, what: &str) -> Result<(), LayoutError> {
        if gpa < self.at {
            return Err(LayoutError::Overlap {
                what: what.to_owned(),
                start: gpa,
                end: self.at,
            });
        }
        self.at = gpa;
        Ok(())
    }

    /// Puts `size` bytes here: `contents`, then zeros.
    pub(super) fn put(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        size: u64,
        kind: RegionKind,
        contents: impl Into<Cow<'a, [u8]>>,
        origin: Origin,
    ) -> Result<(), LayoutError> {
        let name = name.into();
        let end = end_of(&name, self.at, size)?;
        let region = Region::new(name, self.at, size, kind, contents, origin)?;
        self.regions.push(region);
        self.at = end;
        Ok(())
    }

    /// Puts data that the layout itself makes here.
    pub(super) fn put_own(
        &mut self,
        name: &'static str,
        contents: impl Into<Cow<'a, [u8]>>,
    ) -> Result<(), LayoutError> {
        let contents = contents.into();
        let size = contents.len() as u64;
        self.put(name, size, RegionKind::Data, contents, Origin::layout(name))
    }

    /// Puts one page of `kind` here: `contents`, then zeros.
    pub(super) fn put_page(
        &mut self,
        name: &'static str,
        kind: RegionKind,
        contents: impl Into<Cow<'a, [u8]>>,
    ) -> Result<(), LayoutError> {
        self.put(name, PAGE_SIZE, kind, contents, Origin::layout(name))
    }

    /// Puts zeros here, up to `end`.
    pub(super) fn zeros_to(&mut self, end: Gpa, name: &'static str) -> Result<(), LayoutError> {
        let Some(size) = end.get().checked_sub(self.at.get()) else {
            return Err(LayoutError::Overlap {
                what: format!("what follows {name}"),
                start: end,
                end: self.at,
            });
        };
        self.put(name, size, RegionKind::Data, &[][..], Origin::layout(name))
    }

    /// The regions that were put, in ascending order.
    pub(super) fn into_regions(self) -> Vec<Region<'a>> {
        self.regions
    }
}

/// Where `size` bytes of `what` at `start` end.
pub(super) fn end_of(what: &str, start: Gpa, size: u64) -> Result<Gpa, LayoutError> {
    let end = u128::from(start.get()) + u128::from(size);
    match start.checked_add(size) {
        Some(end) if end.get() <= LIMIT => Ok(end),
        _ => Err(LayoutError::Past4GiB {
            what: what.to_owned(),
            end,
        }),
    }
}
