//! Walks the variable headers: type, length, value, padding.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::IgvmError;
use super::wire::{self, kind};

/// Variable headers start at multiples of this many bytes.
const ALIGNMENT: usize = 8;

/// One variable header, bounds checked and not yet understood.
#[derive(Clone, Copy)]
pub(super) struct VariableHeader<'a> {
    /// Bytes from the start of the file.
    pub(super) offset: usize,
    pub(super) kind: u32,
    pub(super) body: &'a [u8],
}

impl<'a> VariableHeader<'a> {
    /// The body as the structure that headers of this type hold.
    pub(super) fn body_as<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &self,
    ) -> Result<&'a T, IgvmError> {
        T::ref_from_bytes(self.body).map_err(|_| IgvmError::HeaderLength {
            offset: self.offset,
            kind: self.kind,
            expected: size_of::<T>(),
            found: self.body.len(),
        })
    }

    /// Whether a loader that does not know the type may skip the header.
    pub(super) fn is_optional(&self) -> bool {
        self.kind & kind::OPTIONAL != 0
    }

    /// Refuses `field` unless `allowed`.
    pub(super) fn check(
        &self,
        allowed: bool,
        field: &'static str,
        expected: &'static str,
        found: impl Into<u64>,
    ) -> Result<(), IgvmError> {
        if allowed {
            return Ok(());
        }
        Err(IgvmError::Field {
            offset: self.offset,
            field,
            expected,
            found: found.into(),
        })
    }
}

/// The variable headers of a file, in order.
pub(super) struct VariableHeaders<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> VariableHeaders<'a> {
    /// Walks `section`, which starts at `offset` in the file.
    pub(super) fn new(section: &'a [u8], offset: usize) -> Self {
        Self {
            rest: section,
            offset,
        }
    }

    fn step(&mut self) -> Result<VariableHeader<'a>, IgvmError> {
        let offset = self.offset;
        let found = self.rest.len();
        let past = |expected| IgvmError::PastSection {
            offset,
            expected,
            found,
        };

        let (tag, rest) = wire::VariableHeader::ref_from_prefix(self.rest)
            .map_err(|_| past(size_of::<wire::VariableHeader>() as u64))?;
        let length = usize::try_from(tag.length.get()).map_err(|_| past(tag.length.into()))?;
        let padded = length.checked_next_multiple_of(ALIGNMENT);
        let (padded_body, after) = padded
            .and_then(|padded| rest.split_at_checked(padded))
            .ok_or_else(|| past(u64::from(tag.length) + size_of_val(tag) as u64))?;
        let (body, padding) = padded_body.split_at(length);

        self.offset += found - after.len();
        self.rest = after;
        let header = VariableHeader {
            offset,
            kind: tag.kind.get(),
            body,
        };
        if let Some(byte) = padding.iter().find(|byte| **byte != 0) {
            header.check(false, "padding", "zeros up to a multiple of 8 bytes", *byte)?;
        }
        Ok(header)
    }
}

impl<'a> Iterator for VariableHeaders<'a> {
    type Item = Result<VariableHeader<'a>, IgvmError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.rest = &[];
        }
        Some(step)
    }
}
