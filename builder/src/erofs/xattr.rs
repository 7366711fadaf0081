//! Extended attributes: names by prefix, entries, and which of them inodes share.

use std::collections::BTreeMap;

use zerocopy::{FromBytes, IntoBytes};

use super::error::WriteError;
use super::format::{XattrEntry, XattrHeader};
use crate::tree::{Metadata, TreePath};

/// Prefixes that the kernel has a handler for, by their number in an entry.
const PREFIXES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];

/// Names that are a prefix as a whole.
const WHOLE_NAMES: [(u8, &[u8]); 2] = [
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
];

/// Entries and their parts start at multiples of this many bytes; ids of shared attributes
/// count them.
pub(super) const ALIGNMENT: usize = 4;

/// The most ids of shared attributes that an inode can have.
const SHARED_MAX: usize = u8::MAX as usize;

/// The most bytes that an inode's attributes can take: its count of four-byte units, of which
/// the header is the first, has 16 bits.
const INLINE_MAX: usize = size_of::<XattrHeader>() + (u16::MAX as usize - 1) * ALIGNMENT;

/// One attribute as an entry holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attribute<'t> {
    prefix: u8,
    name_length: u8,
    value_length: u16,
    name: &'t [u8],
    value: &'t [u8],
}

impl<'t> Attribute<'t> {
    fn new(path: &TreePath, name: &'t [u8], value: &'t [u8]) -> Result<Self, WriteError> {
        let (prefix, rest) = split(name).ok_or_else(|| WriteError::XattrName {
            path: path.clone(),
            name: String::from_utf8_lossy(name).into_owned(),
        })?;
        let too_long = || WriteError::XattrTooLong {
            path: path.clone(),
            name: String::from_utf8_lossy(name).into_owned(),
            length: name.len().max(value.len()),
        };
        Ok(Self {
            prefix,
            name_length: u8::try_from(rest.len()).map_err(|_| too_long())?,
            value_length: u16::try_from(value.len()).map_err(|_| too_long())?,
            name: rest,
            value,
        })
    }

    /// Bytes of its entry.
    pub(super) fn size(&self) -> usize {
        let parts = size_of::<XattrEntry>() + self.name.len() + self.value.len();
        parts.next_multiple_of(ALIGNMENT)
    }

    /// Appends its entry.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let entry = XattrEntry {
            name_length: self.name_length,
            prefix: self.prefix,
            value_length: self.value_length.into(),
        };
        out.extend_from_slice(entry.as_bytes());
        out.extend_from_slice(self.name);
        out.extend_from_slice(self.value);
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    }
}

/// The number of a name's prefix, and the rest of the name.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    if let Some((number, _)) = WHOLE_NAMES.iter().find(|(_, whole)| *whole == name) {
        return Some((*number, b""));
    }
    PREFIXES
        .iter()
        .find_map(|(number, prefix)| Some((*number, name.strip_prefix(*prefix)?)))
        .filter(|(_, rest)| !rest.is_empty())
}

/// The full name of an entry whose prefix has this number.
pub(super) fn full_name(prefix: u8, rest: &[u8]) -> Option<Vec<u8>> {
    if let Some((_, whole)) = WHOLE_NAMES.iter().find(|(number, _)| *number == prefix) {
        return rest.is_empty().then(|| whole.to_vec());
    }
    PREFIXES
        .iter()
        .find(|(number, _)| *number == prefix)
        .filter(|_| !rest.is_empty() && !rest.contains(&0))
        .map(|(_, prefix)| [prefix, rest].concat())
}

/// The entry at the start of `bytes`: prefix, name, value, and how many bytes it takes.
pub(super) fn decode(bytes: &[u8]) -> Option<(u8, &[u8], &[u8], usize)> {
    let (entry, rest) = XattrEntry::ref_from_prefix(bytes).ok()?;
    let (name, rest) = rest.split_at_checked(entry.name_length.into())?;
    let value = rest.get(..entry.value_length.get().into())?;
    let length = size_of::<XattrEntry>() + name.len() + value.len();
    Some((
        entry.prefix,
        name,
        value,
        length.next_multiple_of(ALIGNMENT),
    ))
}

/// The attributes of one inode.
#[derive(Debug, Default)]
pub(super) struct InodeXattrs<'t> {
    /// Ids, counted from the first shared attribute.
    shared: Vec<u32>,
    own: Vec<Attribute<'t>>,
    count: u16,
}

impl InodeXattrs<'_> {
    /// Bytes behind the inode.
    pub(super) fn size(&self) -> usize {
        if self.shared.is_empty() && self.own.is_empty() {
            return 0;
        }
        let own: usize = self.own.iter().map(Attribute::size).sum();
        size_of::<XattrHeader>() + self.shared.len() * ALIGNMENT + own
    }

    /// `i_xattr_icount`: the header counts as one, everything after it by four bytes.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Appends what stands behind the inode. `first_shared` is the id of the first shared
    /// attribute.
    pub(super) fn encode(&self, first_shared: u32, out: &mut Vec<u8>) {
        if self.size() == 0 {
            return;
        }
        let header = XattrHeader {
            name_filter: 0.into(),
            // Never more than `SHARED_MAX`.
            shared_count: u8::try_from(self.shared.len()).unwrap_or(u8::MAX),
            reserved: [0; 7],
        };
        out.extend_from_slice(header.as_bytes());
        for id in &self.shared {
            out.extend_from_slice(&(first_shared + id).to_le_bytes());
        }
        for attribute in &self.own {
            attribute.encode(out);
        }
    }
}

/// An attribute that several inodes have.
#[derive(Debug)]
pub(super) struct SharedXattr<'t> {
    pub(super) attribute: Attribute<'t>,
    /// Bytes from the start of the shared area.
    pub(super) offset: usize,
    /// The first inode that has it.
    pub(super) inode: u32,
}

/// Finds the attributes that several of the inodes have, name and value, and gives each inode
/// its own and the ids of the shared ones.
///
/// `inodes` are the inodes in the order of their numbers.
pub(super) fn share<'t>(
    inodes: impl Iterator<Item = (&'t TreePath, &'t Metadata)>,
) -> Result<(Vec<InodeXattrs<'t>>, Vec<SharedXattr<'t>>), WriteError> {
    let mut uses: BTreeMap<Attribute<'t>, (u32, u64)> = BTreeMap::new();
    let mut all = Vec::new();
    for (number, (path, metadata)) in (0_u32..).zip(inodes) {
        let attributes = metadata
            .xattrs
            .iter()
            .map(|(name, value)| Attribute::new(path, name, value))
            .collect::<Result<Vec<_>, _>>()?;
        for &attribute in &attributes {
            uses.entry(attribute).or_insert((number, 0)).1 += 1;
        }
        all.push((path, attributes));
    }

    let mut offset = 0;
    let mut ids = BTreeMap::new();
    let mut shared = Vec::new();
    for (attribute, (inode, count)) in uses {
        if count == 1 {
            continue;
        }
        let id = u32::try_from(offset / ALIGNMENT).map_err(|_| WriteError::TooLarge)?;
        ids.insert(attribute, id);
        shared.push(SharedXattr {
            attribute,
            offset,
            inode,
        });
        offset += attribute.size();
    }

    let each = all
        .into_iter()
        .map(|(path, attributes)| assign(path, attributes, &ids))
        .collect::<Result<_, _>>()?;
    Ok((each, shared))
}

fn assign<'t>(
    path: &TreePath,
    attributes: Vec<Attribute<'t>>,
    ids: &BTreeMap<Attribute<'t>, u32>,
) -> Result<InodeXattrs<'t>, WriteError> {
    let mut xattrs = InodeXattrs::default();
    for attribute in attributes {
        match ids.get(&attribute) {
            Some(&id) if xattrs.shared.len() < SHARED_MAX => xattrs.shared.push(id),
            _ => xattrs.own.push(attribute),
        }
    }
    let size = xattrs.size();
    if let Some(after_header) = size.checked_sub(size_of::<XattrHeader>()) {
        xattrs.count = u16::try_from(1 + after_header / ALIGNMENT).map_err(|_| {
            WriteError::XattrsTooLarge {
                path: path.clone(),
                size,
                limit: INLINE_MAX,
            }
        })?;
    }
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(xattrs: &[(&str, &[u8])]) -> Metadata {
        Metadata {
            xattrs: xattrs
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
                .collect(),
            ..Metadata::root_owned(0o644)
        }
    }

    fn refusal(name: &str, value: &[u8]) -> String {
        let path = TreePath::parse(b"bin/ping").unwrap();
        share([(&path, &metadata(&[(name, value)]))].into_iter())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn names_split_into_prefix_and_rest_and_join_again() {
        for (name, prefix) in [
            ("user.note", 1),
            ("system.posix_acl_access", 2),
            ("system.posix_acl_default", 3),
            ("trusted.overlay.opaque", 4),
            ("security.capability", 6),
        ] {
            let (found, rest) = split(name.as_bytes()).unwrap();
            assert_eq!(found, prefix);
            assert_eq!(full_name(found, rest).unwrap(), name.as_bytes());
        }
    }

    #[test]
    fn names_without_a_place_in_the_format_are_refused() {
        assert_eq!(
            refusal("system.nfs4_acl", b""),
            "/bin/ping: EROFS cannot hold the extended attribute \"system.nfs4_acl\": \
             only user., trusted., security. and POSIX ACLs; remove it"
        );
        assert!(split(b"user.").is_none());
        assert!(split(b"system.posix_acl_access2").is_none());
    }

    #[test]
    fn values_past_16_bits_are_refused() {
        assert_eq!(
            refusal("user.big", &vec![0; 65536]),
            "/bin/ping: extended attribute \"user.big\" has a name or value of 65536 bytes; \
             EROFS holds names of 255 and values of 65535 bytes"
        );
    }

    #[test]
    fn attributes_of_one_inode_have_a_limit_together() {
        let path = TreePath::parse(b"bin/ping").unwrap();
        let value = vec![0; 65000];
        let names = ["user.a", "user.b", "user.c", "user.d", "user.e"];
        let many = metadata(&names.map(|name| (name, &value[..])));
        assert_eq!(
            share([(&path, &many)].into_iter()).unwrap_err().to_string(),
            "/bin/ping: extended attributes take 325052 bytes; EROFS holds 262148 an inode"
        );
        let four: Vec<_> = names[..4].iter().map(|name| (*name, &value[..])).collect();
        let fitting = metadata(&four);
        let (fits, _) = share([(&path, &fitting)].into_iter()).unwrap();
        assert_eq!(usize::from(fits[0].count()), 1 + (fits[0].size() - 12) / 4);
    }

    #[test]
    fn what_two_inodes_have_is_stored_once() {
        let path = TreePath::parse(b"f").unwrap();
        let both = metadata(&[("security.selinux", b"label"), ("user.mine", b"1")]);
        let other = metadata(&[("security.selinux", b"label"), ("user.mine", b"2")]);
        let (each, shared) = share([(&path, &both), (&path, &other)].into_iter()).unwrap();
        assert_eq!(shared.len(), 1);
        assert_eq!((shared[0].offset, shared[0].inode), (0, 0));
        assert_eq!(each[0].size(), 12 + 4 + 12);
        let mut encoded = Vec::new();
        each[1].encode(288, &mut encoded);
        assert_eq!(
            encoded,
            b"\0\0\0\0\x01\0\0\0\0\0\0\0\x20\x01\0\0\x04\x01\x01\0mine2\0\0\0"
        );
    }
}
