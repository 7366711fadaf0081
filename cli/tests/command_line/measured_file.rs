//! An IGVM file without data, header by header.

/// Platform type of AMD SEV-SNP.
pub(crate) const SNP: u8 = 2;
/// Platform type of Intel TDX.
pub(crate) const TDX: u8 = 3;

/// A file for these platforms, by their masks, with a policy for the first and directives.
pub(crate) fn igvm(platforms: &[(u8, u8)], policy: u64, directives: &[(u32, &[u8])]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (mask, platform) in platforms {
        let body = [&[*mask, 0, 0, 0, 0, *platform, 1, 0][..], &[0; 8]].concat();
        push(&mut headers, 0x1, &body);
    }
    let body = [&policy.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
    push(&mut headers, 0x101, &body);
    for (kind, body) in directives {
        push(&mut headers, *kind, body);
    }
    let size = u32::try_from(headers.len()).unwrap();
    let fixed = [1, 24, size, 24 + size, 0];
    let fixed = fixed.iter().flat_map(|number: &u32| number.to_le_bytes());
    let mut file: Vec<u8> = b"IGVM".iter().copied().chain(fixed).collect();
    file.extend(headers);
    let crc = crc32fast::hash(&file);
    file[0x14..0x18].copy_from_slice(&crc.to_le_bytes());
    file
}

fn push(headers: &mut Vec<u8>, kind: u32, body: &[u8]) {
    headers.extend(kind.to_le_bytes());
    headers.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    headers.extend(body);
    headers.resize(headers.len().next_multiple_of(8), 0);
}
