//! An IGVM file taken apart into headers and data, and put together again.

/// Bytes of the fixed header of version 1, which all bases have.
pub(crate) const FIXED: usize = 24;

/// A file as its headers, each whole with type, length and padding, and its data.
#[derive(Clone)]
pub(crate) struct Parts {
    fixed: [u8; FIXED],
    /// Bytes between the fixed header and the others.
    pub(crate) gap: usize,
    pub(crate) headers: Vec<Vec<u8>>,
    pub(crate) data: Vec<u8>,
}

/// Little-endian.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(*bytes[offset..].first_chunk().unwrap())
}

fn as_u32(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap().to_le_bytes()
}

impl Parts {
    /// Takes an undamaged `file` apart; file offsets then count from the start of the data, plus 1: 0
    /// stays "no data".
    pub(crate) fn of(file: &[u8]) -> Self {
        let (fixed, _) = file.split_first_chunk().unwrap();
        let end = FIXED + u32_at(file, 0xC) as usize;
        let (mut at, mut headers) = (FIXED, Vec::new());
        while at < end {
            let length = 8 + (u32_at(file, at + 4) as usize).next_multiple_of(8);
            headers.push(file[at..at + length].to_vec());
            at += length;
        }
        headers
            .iter_mut()
            .for_each(|header| shift(header, 1_usize.wrapping_sub(end)));
        Self {
            fixed: *fixed,
            gap: 0,
            headers,
            data: file[end..].to_vec(),
        }
    }

    /// The file, without checksum.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let start = FIXED + self.gap;
        let mut file = self.fixed.to_vec();
        file.resize(start, 0);
        file.extend(self.headers.iter().flatten());
        let end = file.len();
        let mut at = start;
        for header in &self.headers {
            shift(&mut file[at..at + header.len()], end - 1);
            at += header.len();
        }
        file[0x8..0xC].copy_from_slice(&as_u32(start));
        file[0xC..0x10].copy_from_slice(&as_u32(end - start));
        file[0x10..0x14].copy_from_slice(&as_u32(end + self.data.len()));
        file.extend(&self.data);
        file
    }
}

/// Adds `by` to the file offset in a header, where it has one that is not 0 for "no data".
fn shift(header: &mut [u8], by: usize) {
    let place = match u32_at(header, 0) {
        // CoRIM: mask, file offset.
        0x104 | 0x105 => 8 + 4,
        // Parameter area, page data and VP context: 12 bytes before it.
        0x301 | 0x302 | 0x304 => 8 + 12,
        _ => return,
    };
    let Some(offset) = header.get_mut(place..place + 4) else {
        return;
    };
    let (before, by) = (
        u32_at(offset, 0),
        u32::try_from(by as u64 & 0xFFFF_FFFF).unwrap(),
    );
    if before != 0 {
        offset.copy_from_slice(&before.wrapping_add(by).to_le_bytes());
    }
}

/// Writes the checksum that the headers of `file` need, if its fixed header says where they are.
pub(crate) fn seal(file: &mut [u8]) {
    if file.len() < FIXED {
        return;
    }
    let fixed = if u32_at(file, 4) == 2 { 32 } else { FIXED };
    let (start, size) = (u32_at(file, 8) as usize, u32_at(file, 0xC) as usize);
    let end = start.saturating_add(size);
    let (Some(headers), Some(after)) = (file.get(start..end), file.get(0x18..fixed)) else {
        return;
    };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[..0x14]);
    crc.update(&[0; 4]);
    crc.update(after);
    crc.update(headers);
    let crc = crc.finalize();
    file[0x14..0x18].copy_from_slice(&crc.to_le_bytes());
}
