//! A CoRIM document and its detached signature in an IGVM file (headers 0x104 and 0x105), which no
//! launch digest covers. QEMU refuses files with such headers.

use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::splice::{FileData, Headers};
use super::wire::kind;
use super::{CompatibilityMask, IgvmFile, PlatformType, SpliceError};

/// The file with `document`, a CoRIM for SEV-SNP, and the COSE_Sign1 that signs it, if any: as the
/// last initialization headers and at the end of the file. What the two say is not looked at.
/// [`strip_corim`] gives the same file back.
///
/// # Errors
/// The file is wrong, is not for SEV-SNP, has a CoRIM document, or holds headers that are not
/// understood.
pub fn attach_corim(
    file: &[u8],
    document: &[u8],
    signature: Option<&[u8]>,
) -> Result<Vec<u8>, SpliceError> {
    let parsed = IgvmFile::parse(file)?;
    let platform = parsed.platform(PlatformType::SevSnp);
    let mask = platform.ok_or(SpliceError::NoSnp)?.mask;
    let headers = Headers::read(file)?;
    if let Some((found, _)) = headers.corim.first() {
        let offset = found.start;
        return Err(SpliceError::HasCorim { offset });
    }
    let parts = [
        Some((kind::CORIM_DOCUMENT, document)),
        signature.map(|signature| (kind::CORIM_SIGNATURE, signature)),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let mut offset = file.len() + parts.len() * HEADER;
    let mut new = Vec::with_capacity(parts.len() * HEADER);
    for (kind, data) in &parts {
        new.extend(header(*kind, mask, offset, data.len())?);
        offset += data.len();
    }
    let data: Vec<_> = parts.into_iter().map(|(_, data)| data).collect();
    let data = FileData {
        end: file.len(),
        appended: &data.concat(),
    };
    let at = headers.directives;
    headers.replace(at..at, &new, data)
}

/// The file without its CoRIM document and signature.
///
/// # Errors
/// The file is wrong, has no CoRIM document, or has it elsewhere than [`attach_corim`] puts it.
pub fn strip_corim(file: &[u8]) -> Result<Vec<u8>, SpliceError> {
    IgvmFile::parse(file)?;
    let headers = Headers::read(file)?;
    let (first, rest) = headers.corim.split_first().ok_or(SpliceError::NoCorim)?;
    let (mut last, mut data) = first.clone();
    let start = last.start;
    let elsewhere = SpliceError::CorimElsewhere { offset: start };
    for (header, of_header) in rest {
        if header.start != last.end || of_header.start != data.end {
            return Err(elsewhere);
        }
        last = header.clone();
        data.end = of_header.end;
    }
    let at_the_end = data.start >= headers.section.end && data.end == file.len();
    if rest.len() > 1 || last.end != headers.directives || !at_the_end {
        return Err(elsewhere);
    }
    let kept = FileData {
        end: data.start,
        appended: &[],
    };
    let stripped = headers.replace(start..last.end, &[], kept)?;
    // Nothing else lay in what was the document's.
    IgvmFile::parse(&stripped)?;
    Ok(stripped)
}

/// Bytes of a CoRIM header.
const HEADER: usize = 24;

fn header(
    kind: u32,
    mask: CompatibilityMask,
    offset: usize,
    size: usize,
) -> Result<[u8; HEADER], SpliceError> {
    let number = |value| u32::try_from(value).map_err(|_| SpliceError::TooLarge);
    let fields = [kind, 16, mask.bits(), number(offset)?, number(size)?, 0].map(U32::new);
    let mut header = [0; HEADER];
    header.copy_from_slice(fields.as_bytes());
    Ok(header)
}
