//! Small firmware images, written byte by byte so that a test can get any of them wrong.

/// A firmware image under construction.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) size: usize,
    /// Address in the SEV-ES reset block.
    pub(crate) reset: Option<u32>,
    /// Address and size of the area for kernel hashes.
    pub(crate) hash_table: Option<[u32; 2]>,
    /// Address, size and type of each section of the SEV metadata.
    pub(crate) sections: Option<Vec<[u32; 3]>>,
    /// Offset at which an SVSM starts.
    pub(crate) svsm_entry: Option<u32>,
}

const FOOTER: &str = "96b582de-1fb2-45f7-baea-a366c55a082d";
const RESET_BLOCK: &str = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const HASH_TABLE: &str = "7255371f-3a3b-4b04-927b-1da6efa8d454";
const SEV_METADATA: &str = "dc886566-984a-4798-a75e-5585a7bf67cc";
const SVSM_INFO: &str = "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd";
/// An entry that concerns no SEV guest: where TDX metadata are.
const TDX_METADATA: &str = "e47a6535-984a-4798-865e-4685a7bf8ec2";

/// Bytes between the start of the SEV metadata and the end of the image.
pub(crate) const METADATA_FROM_END: usize = 0x400;

impl Image {
    /// Firmware that has all there is, with sections of every type.
    pub(crate) fn complete(size: usize) -> Self {
        Self {
            size,
            reset: Some(0x0080_B004),
            hash_table: Some([0x0081_0C00, 0x400]),
            sections: Some(vec![
                [0x0080_0000, 0x9000, 1],
                [0x0080_A000, 0x3000, 1],
                [0x0080_D000, 0x1000, 2],
                [0x0080_E000, 0x1000, 3],
                [0x0080_F000, 0x1000, 4],
                [0x0081_0000, 0x1000, 0x10],
                [0x0081_1000, 0x1_0000, 1],
            ]),
            svsm_entry: None,
        }
    }

    /// [`Image::complete`] without the section for kernel hashes.
    pub(crate) fn without_hashes_section(size: usize) -> Self {
        let mut image = Self::complete(size);
        image.sections.iter_mut().for_each(|sections| {
            sections.retain(|[_, _, kind]| *kind != 0x10);
        });
        image
    }

    /// An SVSM.
    pub(crate) fn svsm(size: usize) -> Self {
        Self {
            reset: None,
            hash_table: None,
            svsm_entry: Some(0x1234),
            ..Self::without_hashes_section(size)
        }
    }

    /// The image's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut image: Vec<u8> = (0_u32..)
            .flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_le_bytes())
            .take(self.size)
            .collect();

        let mut table = Vec::new();
        let mut entry = |guid, numbers: &[u32]| {
            let size = u16::try_from(18 + 4 * numbers.len()).unwrap();
            table.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            table.extend(size.to_le_bytes());
            table.extend(guid_bytes(guid));
        };
        entry(TDX_METADATA, &[0x800]);
        if self.sections.is_some() {
            entry(SEV_METADATA, &[u32::try_from(METADATA_FROM_END).unwrap()]);
        }
        if let Some(area) = self.hash_table {
            entry(HASH_TABLE, &area);
        }
        if let Some(offset) = self.svsm_entry {
            entry(SVSM_INFO, &[offset]);
        }
        if let Some(address) = self.reset {
            entry(RESET_BLOCK, &[address]);
        }
        let size = u16::try_from(table.len() + 18).unwrap();
        table.extend(size.to_le_bytes());
        table.extend(guid_bytes(FOOTER));
        put(&mut image, 32 + table.len(), &table);

        if let Some(sections) = &self.sections {
            let count = u32::try_from(sections.len()).unwrap();
            let mut metadata = b"ASEV".to_vec();
            let header = [16 + 12 * count, 1, count];
            let numbers = header.iter().chain(sections.iter().flatten());
            metadata.extend(numbers.flat_map(|number| number.to_le_bytes()));
            put(&mut image, METADATA_FROM_END, &metadata);
        }
        image
    }
}

/// Writes `bytes` so that they start `from_end` bytes before the end of `image`.
pub(crate) fn put(image: &mut [u8], from_end: usize, bytes: &[u8]) {
    let start = image.len() - from_end;
    image[start..start + bytes.len()].copy_from_slice(bytes);
}

/// A GUID as it lies in memory: its first three groups little-endian.
fn guid_bytes(guid: &str) -> Vec<u8> {
    let groups = guid.split('-').map(|group| hex::decode(group).unwrap());
    let ordered = groups.enumerate().flat_map(|(position, mut group)| {
        if position < 3 {
            group.reverse();
        }
        group
    });
    ordered.collect()
}
