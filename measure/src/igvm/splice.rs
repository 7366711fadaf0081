//! Puts headers into a file and takes them out again: an ID block, or a CoRIM document with its
//! signature. Every other byte stays as it is, but for what depends on the length of the headers:
//! sizes, file offsets and the checksum.

use std::mem::offset_of;
use std::ops::Range;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, IntoBytes};

use super::fixed_header::FixedHeader;
use super::variable_headers::VariableHeaders;
use super::wire::{self, kind};
use super::{IgvmError, Section, SnpIdBlock};

/// Why a file's headers cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpliceError {
    /// The file is wrong.
    #[error(transparent)]
    Igvm(#[from] IgvmError),
    /// There is an ID block already.
    #[error(
        "offset {offset:#x}: the file has an ID block; loaders refuse a second one, take this one \
         out first with `guestmark idblock strip`"
    )]
    HasIdBlock {
        /// Start of its header.
        offset: usize,
    },
    /// There is no ID block.
    #[error("the file has no ID block")]
    NoIdBlock,
    /// There are several ID blocks.
    #[error("offset {offset:#x}: the file has a second ID block, expected one: loaders refuse it")]
    SecondIdBlock {
        /// Start of the second header.
        offset: usize,
    },
    /// The file is for other platforms.
    #[error("the file has no SEV-SNP platform header, for which a CoRIM document would be")]
    NoSnp,
    /// There is a CoRIM document or signature already.
    #[error(
        "offset {offset:#x}: the file has a CoRIM document or signature; a platform has one, take \
         this one out first"
    )]
    HasCorim {
        /// Start of its header.
        offset: usize,
    },
    /// There is no CoRIM document.
    #[error("the file has no CoRIM document")]
    NoCorim,
    /// CoRIM data that another program put into the file.
    #[error(
        "offset {offset:#x}: the CoRIM headers and their data are not one after the other at the \
         end of initialization headers and file, where they can be taken out: assemble the file \
         without them"
    )]
    CorimElsewhere {
        /// Start of the first header.
        offset: usize,
    },
    /// A header that may hold file offsets, which move.
    #[error(
        "offset {offset:#x}: header type {kind:#x} is unknown and may point into the file, where \
         data would move: assemble the file without it"
    )]
    UnknownHeader {
        /// Start of the header.
        offset: usize,
        /// Its type.
        kind: u32,
    },
    /// A file or offset that would pass 4 GiB.
    #[error("the file would have 4 GiB or more, which its 32-bit offsets do not reach")]
    TooLarge,
}

/// The file with `block` as its last variable header.
///
/// # Errors
/// The file is wrong, has an ID block, or holds headers that are not understood.
pub(crate) fn insert_id_block(file: &[u8], block: &SnpIdBlock) -> Result<Vec<u8>, SpliceError> {
    let headers = Headers::read(file)?;
    if let Some(found) = headers.id_blocks.first() {
        return Err(SpliceError::HasIdBlock {
            offset: found.start,
        });
    }
    let length = u32::try_from(size_of_val(block)).map_err(|_| SpliceError::TooLarge)?;
    let tag = [U32::new(kind::SNP_ID_BLOCK), U32::new(length)];
    let header = [tag.as_bytes(), block.as_bytes()].concat();
    let end = headers.section.end;
    headers.replace(end..end, &header, FileData::kept(file))
}

/// The file without its ID block.
///
/// # Errors
/// The file is wrong, has no ID block or several, or holds headers that are not understood.
pub(crate) fn remove_id_block(file: &[u8]) -> Result<Vec<u8>, SpliceError> {
    let headers = Headers::read(file)?;
    match headers.id_blocks.as_slice() {
        [] => Err(SpliceError::NoIdBlock),
        [only] => {
            let only = only.clone();
            headers.replace(only, &[], FileData::kept(file))
        }
        [_, second, ..] => Err(SpliceError::SecondIdBlock {
            offset: second.start,
        }),
    }
}

/// What must be known of a file's headers to change their length.
pub(super) struct Headers<'a> {
    file: &'a [u8],
    /// Bytes in the fixed header.
    fixed_size: usize,
    /// Where the variable headers are.
    pub(super) section: Range<usize>,
    /// Where headers hold file offsets.
    file_offsets: Vec<usize>,
    id_blocks: Vec<Range<usize>>,
    /// CoRIM documents and signatures: their headers and data, in file order.
    pub(super) corim: Vec<(Range<usize>, Range<usize>)>,
    /// Where initialization headers end.
    pub(super) directives: usize,
}

/// What becomes of a file after its headers.
pub(super) struct FileData<'d> {
    /// Where the bytes that are kept end.
    pub(super) end: usize,
    /// The bytes after them.
    pub(super) appended: &'d [u8],
}

impl FileData<'static> {
    /// All that `file` has.
    fn kept(file: &[u8]) -> Self {
        Self {
            end: file.len(),
            appended: &[],
        }
    }
}

impl<'a> Headers<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, SpliceError> {
        let fixed = FixedHeader::parse(file)?;
        let section = fixed.variable_headers;
        let mut file_offsets = Vec::new();
        let mut id_blocks = Vec::new();
        let mut corim = Vec::new();
        let mut directives = section.end;
        for header in VariableHeaders::new(&file[section.clone()], section.start) {
            let header = header?;
            let body = header.offset + size_of::<wire::VariableHeader>();
            if Section::of(header.kind) == Some(Section::Directive) {
                directives = directives.min(header.offset);
            }
            let field = match header.kind {
                kind::PAGE_DATA => {
                    header.body_as::<wire::PageData>()?;
                    offset_of!(wire::PageData, file_offset)
                }
                kind::PARAMETER_AREA => {
                    header.body_as::<wire::ParameterArea>()?;
                    offset_of!(wire::ParameterArea, file_offset)
                }
                kind::VP_CONTEXT => {
                    header.body_as::<wire::VpContext>()?;
                    offset_of!(wire::VpContext, file_offset)
                }
                kind::CORIM_DOCUMENT | kind::CORIM_SIGNATURE => {
                    let raw = header.body_as::<wire::CorimData>()?;
                    let (start, size) = (raw.file_offset.get(), raw.size_bytes.get());
                    let (start, size) = (start as usize, size as usize);
                    let end = body + size_of::<wire::CorimData>();
                    corim.push((header.offset..end, start..start.saturating_add(size)));
                    offset_of!(wire::CorimData, file_offset)
                }
                kind::SNP_ID_BLOCK => {
                    header.body_as::<SnpIdBlock>()?;
                    id_blocks.push(header.offset..body + size_of::<SnpIdBlock>());
                    continue;
                }
                known if kind::is_known(known) => continue,
                kind => {
                    let offset = header.offset;
                    return Err(SpliceError::UnknownHeader { offset, kind });
                }
            };
            file_offsets.push(body + field);
        }
        Ok(Self {
            file,
            fixed_size: fixed.size,
            section,
            file_offsets,
            id_blocks,
            corim,
            directives,
        })
    }

    /// The file with `new` instead of the bytes `old`, whole headers, and with `data` behind the
    /// headers.
    pub(super) fn replace(
        &self,
        old: Range<usize>,
        new: &[u8],
        data: FileData<'_>,
    ) -> Result<Vec<u8>, SpliceError> {
        let moved = |offset: usize| {
            let moved = offset - old.len() + new.len();
            u32::try_from(moved).map_err(|_| SpliceError::TooLarge)
        };
        let kept = &self.file[old.end..data.end];
        let mut file = [&self.file[..old.start], new, kept, data.appended].concat();
        let header_size = moved(self.section.len())?;
        let size_field = offset_of!(wire::FixedHeader, variable_header_size);
        put(&mut file, size_field, header_size);
        let file_size = u32::try_from(file.len()).map_err(|_| SpliceError::TooLarge)?;
        put(
            &mut file,
            offset_of!(wire::FixedHeader, total_file_size),
            file_size,
        );
        let kept = self
            .file_offsets
            .iter()
            .filter(|place| !old.contains(place));
        for &place in kept {
            let found = read_u32(self.file, place);
            // Below the data's start stands "no data".
            if found as usize >= self.section.end {
                let place = if place < old.start {
                    place
                } else {
                    place - old.len() + new.len()
                };
                put(&mut file, place, moved(found as usize)?);
            }
        }
        let section = self.section.start..self.section.end - old.len() + new.len();
        let checksum = FixedHeader::checksum(&file, self.fixed_size, section);
        put(&mut file, offset_of!(wire::FixedHeader, checksum), checksum);
        Ok(file)
    }
}

/// The number at an offset that [`Headers::read`] found inside the file.
fn read_u32(file: &[u8], offset: usize) -> u32 {
    U32::read_from_prefix(&file[offset..]).map_or(0, |(number, _)| number.get())
}

fn put(file: &mut [u8], offset: usize, number: u32) {
    file[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
}
