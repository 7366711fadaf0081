//! The table of GUID entries near the end of a firmware image.
//!
//! It is read upwards: 32 bytes before the end of the image ends the footer, an entry that tells
//! the table's size; before it, one after the other, end the entries. Of an entry come first its
//! data, then its size as a whole in 16 bits, then its GUID (edk2,
//! `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm`). Numbers are little-endian.

use uuid::{Uuid, uuid};

use super::OvmfError;

const FOOTER: Uuid = uuid!("96b582de-1fb2-45f7-baea-a366c55a082d");

/// Bytes between the end of the table and the end of the image: the reset vector's code.
const AFTER_TABLE: usize = 32;

/// Bytes of an entry's size and GUID.
const TAIL: usize = 2 + 16;

/// An entry that launching a guest needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    SevEsResetBlock,
    HashTable,
    SevMetadata,
    SvsmInfo,
}

impl Item {
    pub(super) const fn guid(self) -> Uuid {
        match self {
            Self::SevEsResetBlock => uuid!("00f771de-1a7e-4fcb-890e-68c77e2fb44e"),
            Self::HashTable => uuid!("7255371f-3a3b-4b04-927b-1da6efa8d454"),
            Self::SevMetadata => uuid!("dc886566-984a-4798-a75e-5585a7bf67cc"),
            Self::SvsmInfo => uuid!("a789a612-0597-4c4b-a49f-cbb1fe9d1ddd"),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SevEsResetBlock => "SEV-ES reset block",
            Self::HashTable => "kernel hash table",
            Self::SevMetadata => "SEV metadata",
            Self::SvsmInfo => "SVSM information",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::SevEsResetBlock => "give firmware built for SEV-ES or SEV-SNP",
            Self::HashTable => {
                "give firmware that checks kernels, such as OVMF of platform AmdSevX64, or leave \
                 the kernel out"
            }
            Self::SevMetadata => "give firmware built for SEV-SNP",
            Self::SvsmInfo => "give an SVSM built for QEMU",
        }
    }
}

/// One entry of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'f> {
    guid: Uuid,
    /// Where the data start in the image.
    pub(super) offset: usize,
    data: &'f [u8],
}

impl Entry<'_> {
    /// The number at `position` in the data.
    pub(super) fn u32(&self, position: usize) -> Result<u32, OvmfError> {
        match self.data.get(position..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => Ok(u32::from_le_bytes(*bytes)),
            None => Err(OvmfError::ShortEntry {
                offset: self.offset,
                guid: self.guid,
                expected: position + 4,
                found: self.data.len(),
            }),
        }
    }
}

/// All entries; none if the image has no table.
#[derive(Debug, Clone)]
pub(super) struct FooterTable<'f> {
    /// Where the image should have the footer.
    footer: usize,
    entries: Option<Vec<Entry<'f>>>,
}

impl<'f> FooterTable<'f> {
    /// Reads the table of `image`, which has a page at least.
    pub(super) fn parse(image: &'f [u8]) -> Result<Self, OvmfError> {
        let end = image.len() - AFTER_TABLE;
        let footer = end - TAIL;
        let (size, guid) = tail(image, end);
        if guid != FOOTER {
            return Ok(Self {
                footer,
                entries: None,
            });
        }
        let start = end.checked_sub(size).filter(|start| *start <= footer);
        let start = start.ok_or(OvmfError::TableSize {
            offset: footer,
            limit: end,
            found: size,
        })?;

        let mut entries: Vec<Entry<'f>> = Vec::new();
        let mut end = footer;
        while end > start {
            let left = end - start;
            let (size, guid) = match left {
                TAIL.. => tail(image, end),
                _ => (left, Uuid::nil()),
            };
            if size < TAIL || size > left {
                return Err(OvmfError::EntrySize {
                    offset: end.saturating_sub(TAIL),
                    left,
                    found: size,
                });
            }
            let offset = end - size;
            if entries.iter().any(|entry| entry.guid == guid) {
                return Err(OvmfError::DuplicateEntry { offset, guid });
            }
            entries.push(Entry {
                guid,
                offset,
                data: &image[offset..end - TAIL],
            });
            end = offset;
        }
        Ok(Self {
            footer,
            entries: Some(entries),
        })
    }

    pub(super) fn get(&self, item: Item) -> Option<&Entry<'f>> {
        let mut entries = self.entries.iter().flatten();
        entries.find(|entry| entry.guid == item.guid())
    }

    pub(super) fn required(&self, item: Item) -> Result<&Entry<'f>, OvmfError> {
        self.get(item).ok_or_else(|| self.absent(item))
    }

    /// The error that tells of the absence of `item`.
    pub(super) fn absent(&self, item: Item) -> OvmfError {
        match self.entries {
            None => OvmfError::NoFooter {
                offset: self.footer,
                guid: FOOTER,
            },
            Some(_) => OvmfError::NoEntry {
                name: item.name(),
                guid: item.guid(),
                remedy: item.remedy(),
            },
        }
    }
}

/// The size and the GUID of the entry that ends at `end`.
///
/// # Panics
/// Fewer than [`TAIL`] bytes are before `end`.
fn tail(image: &[u8], end: usize) -> (usize, Uuid) {
    let mut guid = [0; 16];
    guid.copy_from_slice(&image[end - 16..end]);
    let size = u16::from_le_bytes([image[end - TAIL], image[end - TAIL + 1]]);
    (usize::from(size), Uuid::from_bytes_le(guid))
}
