//! IGVM files for tests, written header by header so that a test can get one of them wrong.

/// A file under construction: variable headers, and data to come after them.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    /// Whether to write a version 2 fixed header, with this architecture and page size.
    pub(crate) version_2: Option<[u32; 2]>,
    headers: Vec<(u32, Vec<u8>)>,
    data: Vec<u8>,
}

/// Where the data of a sample starts. Headers are padded up to here with an optional header of
/// unknown type, so that tests know file offsets before the headers are complete.
const DATA_START: usize = 0x4000;

impl Sample {
    /// A file for SEV-SNP with mask 1 and policy 0x3001F.
    pub(crate) fn snp() -> Self {
        Self::default()
            .platform(1, 2)
            .header(0x101, &[&u64s(&[0x3_001F]), &u32s(&[1, 0])])
    }

    /// Adds a platform header.
    pub(crate) fn platform(self, mask: u32, platform: u8) -> Self {
        self.header(0x1, &[&u32s(&[mask]), &[0, platform, 1, 0], &u64s(&[0])])
    }

    /// Adds any header.
    pub(crate) fn header(mut self, kind: u32, parts: &[&[u8]]) -> Self {
        self.headers.push((kind, parts.concat()));
        self
    }

    /// Adds data; gives its file offset.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> u32 {
        let offset = u32::try_from(DATA_START + self.data.len()).unwrap();
        self.data.extend_from_slice(bytes);
        offset
    }

    /// Adds a page of `fill` bytes at `gpa`, with these flags and data type.
    pub(crate) fn page(mut self, gpa: u64, fill: u8, flags: u32, data_type: u16) -> Self {
        let offset = self.data(&[fill; 4096]);
        self.page_at(gpa, offset, flags, data_type)
    }

    /// Adds a page without data at `gpa`.
    pub(crate) fn empty_page(self, gpa: u64, flags: u32, data_type: u16) -> Self {
        self.page_at(gpa, 0, flags, data_type)
    }

    /// Adds a page whose data is at `file_offset`.
    pub(crate) fn page_at(self, gpa: u64, file_offset: u32, flags: u32, data_type: u16) -> Self {
        let body = [u64s(&[gpa]), u32s(&[1, file_offset, flags])].concat();
        self.header(0x302, &[&body, &data_type.to_le_bytes(), &[0, 0]])
    }

    /// Declares parameter area `index` of `size` bytes.
    pub(crate) fn area(self, index: u32, size: u64) -> Self {
        self.header(0x301, &[&u64s(&[size]), &u32s(&[index, 0])])
    }

    /// Inserts parameter area `index` at `gpa`.
    pub(crate) fn insert(self, index: u32, gpa: u64) -> Self {
        self.header(0x303, &[&u64s(&[gpa]), &u32s(&[1, index])])
    }

    /// Adds a VP context for the platforms of `mask`.
    pub(crate) fn vp_context(mut self, mask: u32, vp: u16, gpa: u64, state: &[u8; 4096]) -> Self {
        let offset = self.data(state);
        let body = [u64s(&[gpa]), u32s(&[mask, offset])].concat();
        self.header(0x304, &[&body, &vp.to_le_bytes(), &[0, 0]])
    }

    /// The file's bytes, checksum included.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        let fixed = if self.version_2.is_some() { 32 } else { 24 };
        for (kind, body) in &self.headers {
            headers.extend(u32s(&[*kind, u32::try_from(body.len()).unwrap()]));
            headers.extend(body);
            headers.resize(headers.len().next_multiple_of(8), 0);
        }
        let filler = DATA_START - fixed - headers.len() - 8;
        headers.extend(u32s(&[0x8000_0999, u32::try_from(filler).unwrap()]));
        headers.resize(headers.len() + filler, 0);

        let version = if self.version_2.is_some() { 2 } else { 1 };
        let total = u32::try_from(DATA_START + self.data.len()).unwrap();
        let size = u32::try_from(headers.len()).unwrap();
        let mut file = b"IGVM".to_vec();
        file.extend(u32s(&[
            version,
            u32::try_from(fixed).unwrap(),
            size,
            total,
            0,
        ]));
        file.extend(self.version_2.iter().flat_map(|tail| u32s(tail)));
        file.extend(headers);
        file.extend(&self.data);
        seal(&mut file);
        file
    }
}

/// Writes the checksum that the headers of `file` need now.
pub(crate) fn seal(file: &mut [u8]) {
    file[0x14..0x18].fill(0);
    let crc = crc32fast::hash(&file[..DATA_START]);
    file[0x14..0x18].copy_from_slice(&crc.to_le_bytes());
}

/// Little-endian bytes of numbers.
pub(crate) fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// Little-endian bytes of numbers.
pub(crate) fn u64s(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}
