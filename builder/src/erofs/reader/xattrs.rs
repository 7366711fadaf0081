//! Extended attributes as an image holds them.

use std::collections::BTreeMap;

use zerocopy::FromBytes;

use super::Reader;
use super::error::ReadError;
use super::inode::DiskInode;
use crate::erofs::format::{XattrEntry, XattrHeader};
use crate::erofs::xattr;

/// Reads an inode's extended attributes. `allow` is asked before the bytes of a shared one are
/// read: inodes can refer to the same bytes any number of times.
pub(super) fn read(
    reader: &Reader,
    inode: &DiskInode,
    mut allow: impl FnMut(u64) -> Result<(), ReadError>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
    let start = inode.xattrs.start;
    let length = usize::try_from(inode.xattrs.end - start).unwrap_or(usize::MAX);
    let bytes = reader
        .source
        .read(start, length, "an inode's extended attributes")?;
    let mut xattrs = BTreeMap::new();
    let Ok((header, rest)) = XattrHeader::ref_from_prefix(&bytes) else {
        return Ok(xattrs);
    };
    let ids_length = usize::from(header.shared_count) * xattr::ALIGNMENT;
    let (ids, mut own) = rest
        .split_at_checked(ids_length)
        .ok_or(ReadError::Invalid {
            offset: start,
            field: "the count of shared extended attributes",
            found: header.shared_count.into(),
            expected: "as many as the inode has room for",
        })?;

    for id in ids.as_chunks().0 {
        let offset = u64::from(u32::from_le_bytes(*id)) * xattr::ALIGNMENT as u64;
        let bytes = read_shared(reader, reader.xattrs_offset() + offset, &mut allow)?;
        insert(&mut xattrs, &bytes, start)?;
    }
    while !own.is_empty() {
        let taken = insert(&mut xattrs, own, start)?;
        own = own.get(taken..).unwrap_or_default();
    }
    Ok(xattrs)
}

/// Reads the entry of a shared attribute.
fn read_shared(
    reader: &Reader,
    offset: u64,
    allow: &mut impl FnMut(u64) -> Result<(), ReadError>,
) -> Result<Vec<u8>, ReadError> {
    let what = "a shared extended attribute";
    let head: [u8; size_of::<XattrEntry>()] = reader.source.array(offset, what)?;
    let entry: XattrEntry = zerocopy::transmute!(head);
    let length =
        head.len() + usize::from(entry.name_length) + usize::from(entry.value_length.get());
    allow(length as u64)?;
    reader.source.read(offset, length, what)
}

/// Adds the attribute at the start of `bytes` and returns how many bytes its entry takes.
/// `offset` is where the inode's attributes start.
fn insert(
    xattrs: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: &[u8],
    offset: u64,
) -> Result<usize, ReadError> {
    let (prefix, rest, value, length) = xattr::decode(bytes).ok_or(ReadError::Invalid {
        offset,
        field: "the room left for an extended attribute",
        found: bytes.len() as u64,
        expected: "room for its name and value",
    })?;
    let invalid = |field, expected| ReadError::Invalid {
        offset,
        field,
        found: prefix.into(),
        expected,
    };
    let name = xattr::full_name(prefix, rest).ok_or_else(|| {
        invalid(
            "the prefix of an extended attribute's name",
            "1, 4 or 6 with a name, 2 or 3 without",
        )
    })?;
    match xattrs.insert(name, value.to_vec()) {
        None => Ok(length),
        Some(_) => Err(invalid(
            "a name with this prefix",
            "each extended attribute once",
        )),
    }
}
