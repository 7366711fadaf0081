//! Structures compared field by field.

use crate::diff::explanation::FieldChange;

/// A field of a structure: little-endian if it is a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) offset: usize,
    /// Bytes it takes.
    pub(super) size: usize,
}

impl Field {
    pub(super) const fn new(name: &'static str, offset: usize, size: usize) -> Self {
        Self { name, offset, size }
    }

    /// The field as text: a number of up to 8 bytes, or bytes.
    pub(super) fn value(&self, bytes: &[u8]) -> Option<String> {
        let field = bytes.get(self.offset..self.offset.checked_add(self.size)?)?;
        Some(match self.number(bytes) {
            Some(number) => format!("{number:#x}"),
            None => shortened(field),
        })
    }

    /// The field as a number, if it has up to 8 bytes.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<u64> {
        let field = bytes.get(self.offset..self.offset.checked_add(self.size)?)?;
        let mut number = [0; 8];
        number.get_mut(..self.size)?.copy_from_slice(field);
        Some(u64::from_le_bytes(number))
    }
}

/// The fields of which both sides have different values.
pub(super) fn compare(fields: &[Field], old: &[u8], new: &[u8]) -> Vec<FieldChange> {
    let differing = fields
        .iter()
        .map(|field| (field, field.value(old), field.value(new)))
        .filter(|(_, old, new)| old != new);
    differing
        .map(|(field, old, new)| FieldChange::of(field.name, old, new))
        .collect()
}

/// What differs outside of the `fields`, as ranges of bytes.
pub(super) fn rest(fields: &[Field], old: &[u8], new: &[u8]) -> Vec<FieldChange> {
    let known = |at: usize| {
        fields
            .iter()
            .any(|field| (field.offset..field.offset + field.size).contains(&at))
    };
    let differs = |at: usize| !known(at) && old.get(at) != new.get(at);
    ranges((0..old.len().max(new.len())).filter(|at| differs(*at)))
        .into_iter()
        .map(|(start, end)| {
            let part = |bytes: &[u8]| {
                let end = end.min(bytes.len());
                bytes
                    .get(start..end)
                    .filter(|part| !part.is_empty())
                    .map(shortened)
            };
            FieldChange::of(bytes_name(start, end), part(old), part(new))
        })
        .collect()
}

fn bytes_name(start: usize, end: usize) -> String {
    match end - start {
        1 => format!("byte {start:#x}"),
        _ => format!("bytes {start:#x} to {:#x}", end - 1),
    }
}

/// Neighbours as ranges; gaps of less than 8 bytes are closed.
fn ranges(places: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for at in places {
        match ranges.last_mut() {
            Some((_, end)) if at < *end + 8 => *end = at + 1,
            _ => ranges.push((at, at + 1)),
        }
    }
    ranges
}

/// Bytes in hexadecimal, long ones cut off.
pub(super) fn shortened(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=16 => hex::encode(bytes),
        length => format!("{}... ({length} bytes)", hex::encode(&bytes[..12])),
    }
}
