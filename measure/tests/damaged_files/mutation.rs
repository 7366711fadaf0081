//! Damage to IGVM files: to whole headers, then to bytes, then to the end.

use crate::headers::{FIXED, Parts, seal, u32_at};
use crate::random::Random;

/// Numbers at which checks turn, beside those taken from the file itself.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x10,
    0x18,
    0x1000,
    0x1001,
    0x20_0000,
    0x3FFF_F000,
    0x4000_0000,
    0x7FFF_FFFF,
    0x8000_0302,
    0xFFFF_F000,
    0xFFFF_FFF0,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0xFFFF_FFFF_FFFF_F000,
    u64::MAX,
];

/// Headers that refer to data: CoRIM, page data and VP contexts.
const HAVE_DATA: [u32; 4] = [0x104, 0x105, 0x302, 0x304];

/// A damaged copy of one of `bases`. The checksum fits in most, or nothing else would be read.
pub(crate) fn damaged(bases: &[Parts], random: &mut Random) -> Vec<u8> {
    let mut parts = bases[random.below(bases.len())].clone();
    for _ in 0..random.choose(&[0, 0, 1, 2]) {
        damage_headers(&mut parts, &bases[random.below(bases.len())], random);
    }
    let mut file = parts.bytes();
    if !random.one_in(5) {
        for _ in 0..=random.below(3) {
            damage_bytes(&mut file, random);
        }
    }
    if random.one_in(20) {
        truncate(&mut file, random);
    }
    if !random.one_in(16) {
        seal(&mut file);
    }
    file
}

/// Repeats, removes or adds headers; `other` is a file to take them from.
fn damage_headers(parts: &mut Parts, other: &Parts, random: &mut Random) {
    let headers = &mut parts.headers;
    if headers.is_empty() {
        return;
    }
    let at = random.below(headers.len());
    let count = 1 + random.below(3.min(headers.len() - at));
    match random.below(9) {
        0 => {
            let copies = headers[at..at + count].to_vec();
            let to = random.below(headers.len() + 1);
            headers.splice(to..to, copies);
        }
        1 => drop(headers.drain(at..at + count)),
        2 => {
            let to = random.below(headers.len());
            headers.swap(at, to);
        }
        3 => {
            let from = random.below(other.headers.len());
            let count = 1 + random.below(3.min(other.headers.len() - from));
            let foreign = other.headers[from..from + count].to_vec();
            headers.splice(at..at, foreign);
        }
        4 => {
            // A header of another type: one that loaders may skip, or a version string.
            let kind = random.choose(&[0x8000_0999_u32, 0x107, 0x8000_0302, 0x306]);
            let header = [kind.to_le_bytes(), 4_u32.to_le_bytes(), *b"1.0\0", [0; 4]];
            headers.insert(at, header.concat());
        }
        5 => {
            // Nothing that needs data, and no data.
            headers.retain(|header| !HAVE_DATA.contains(&u32_at(header, 0)));
            parts.data.clear();
        }
        6 => change_platforms(&mut headers[at], random),
        7 => parts.gap = random.choose(&[4, 8]),
        _ => parts.data.truncate(random.choose(&[0, 1, 4095, 4096])),
    }
}

/// Makes a header one for other platforms or for none; an insert perhaps of an area that is not
/// declared.
fn change_platforms(header: &mut [u8], random: &mut Random) {
    let kind = u32_at(header, 0);
    let place = match kind {
        0x1 => 8,
        0x101 | 0x302..=0x305 => 16,
        _ => return,
    };
    let mask = random.choose(&[0_u32, 1, 2, 3, 8]);
    put(header, place, &mask.to_le_bytes());
    if kind == 0x303 && random.one_in(2) {
        put(header, 20, &9_u32.to_le_bytes());
    }
}

/// Changes a bit, a byte or a number of the headers.
fn damage_bytes(file: &mut [u8], random: &mut Random) {
    let end = (FIXED + u32_at(file, 0xC) as usize).min(file.len());
    let at = match random.below(2) {
        0 => random.below(end),
        _ => in_a_header(file, end, random),
    };
    match random.below(6) {
        0 => file[at] ^= 1 << random.below(8),
        1 => [file[at], ..] = random.word().to_le_bytes(),
        2 => put(file, at & !3, &number(file, random).to_le_bytes()[..4]),
        // Masks, indices and flags are small, and a GPA is the first field of a directive.
        3 => put(
            file,
            at & !3,
            &random.choose(&[0_u32, 1, 2, 3, 8]).to_le_bytes(),
        ),
        4 => put(file, at & !7, &0xFFFF_FFFF_FFFF_F000_u64.to_le_bytes()),
        _ => put(file, at & !7, &number(file, random).to_le_bytes()),
    }
}

/// Where the fields of headers start, from the start of a header.
const FIELDS: [usize; 8] = [0, 4, 8, 12, 16, 20, 24, 28];

/// A field near the start of a header, which may be a long or a short one; before `end`.
fn in_a_header(file: &[u8], end: usize, random: &mut Random) -> usize {
    let (mut at, mut starts) = (FIXED, Vec::new());
    while at + 8 <= end {
        starts.push(at);
        let length = u32_at(file, at + 4) as usize;
        at = at.saturating_add(8 + length.next_multiple_of(8));
    }
    match starts.is_empty() {
        true => 0,
        false => (random.choose(&starts) + random.choose(&FIELDS)).min(end - 1),
    }
}

fn number(file: &[u8], random: &mut Random) -> u64 {
    let end = u64::from(u32_at(file, 0xC)) + FIXED as u64;
    let own = [
        end,
        end - 1,
        end + 1,
        file.len() as u64,
        (file.len() as u64).saturating_sub(4096),
    ];
    match random.below(3) {
        0 => random.choose(&own),
        _ => random.choose(&NUMBERS),
    }
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    let size = bytes.len().min(file.len() - at);
    file[at..at + size].copy_from_slice(&bytes[..size]);
}

/// Cuts the file off; the fixed header knows of it in half of the cases.
fn truncate(file: &mut Vec<u8>, random: &mut Random) {
    file.truncate(random.below(file.len()));
    if file.len() >= FIXED && random.one_in(2) {
        let size = u32::try_from(file.len()).unwrap();
        put(file, 0x10, &size.to_le_bytes());
    }
}
