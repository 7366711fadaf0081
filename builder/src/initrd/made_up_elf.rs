//! The smallest ELF files that say what a test needs them to say (System V ABI, chapters 4 and
//! 5): little-endian, 64 bits, x86-64.

const HEADER: usize = 64;
const SEGMENT: usize = 56;

fn le(fields: &[(u64, usize)]) -> Vec<u8> {
    let field = |&(value, width): &(u64, usize)| value.to_le_bytes()[..width].to_vec();
    fields.iter().flat_map(field).collect()
}

fn header(kind: u64, segments: u64, sections_at: u64, sections: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let segments_at = if segments > 0 { HEADER as u64 } else { 0 };
    bytes.extend(le(&[
        (kind, 2),
        (62, 2), // EM_X86_64
        (1, 4),
        (0, 8),
        (segments_at, 8),
        (sections_at, 8),
        (0, 4),
        (HEADER as u64, 2),
        (SEGMENT as u64, 2),
        (segments, 2),
        (64, 2),
        (sections, 2),
        (sections.saturating_sub(1), 2),
    ]));
    bytes
}

/// A program or library linked with `needed`.
pub(super) fn linked(interpreter: &str, needed: &[&str], run_path: &str) -> Vec<u8> {
    let interpreter = [interpreter.as_bytes(), b"\0"].concat();
    let mut strings = vec![0];
    let mut add = |text: &str| {
        let at = strings.len() as u64;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut entries: Vec<(u64, u64)> = needed.iter().map(|name| (1, add(name))).collect();
    if !run_path.is_empty() {
        entries.push((29, add(run_path)));
    }
    let interpreter_at = HEADER + 3 * SEGMENT;
    let strings_at = interpreter_at + interpreter.len();
    entries.extend([(5, strings_at as u64), (10, strings.len() as u64), (0, 0)]);
    let dynamic_at = (strings_at + strings.len()).next_multiple_of(8);
    let dynamic: Vec<u8> = entries
        .iter()
        .flat_map(|&(tag, value)| le(&[(tag, 8), (value, 8)]))
        .collect();
    let end = dynamic_at + dynamic.len();
    let segment = |kind: u64, at: usize, size: usize| {
        let (at, size) = (at as u64, size as u64);
        le(&[
            (kind, 4),
            (4, 4),
            (at, 8),
            (at, 8),
            (at, 8),
            (size, 8),
            (size, 8),
            (8, 8),
        ])
    };
    let mut bytes = header(3, 3, 0, 0);
    bytes.extend(segment(1, 0, end));
    bytes.extend(segment(2, dynamic_at, dynamic.len()));
    // A library has no interpreter; its third segment is then of the type that means nothing.
    let kind = if interpreter.len() > 1 { 3 } else { 0 };
    bytes.extend(segment(kind, interpreter_at, interpreter.len()));
    bytes.extend(interpreter);
    bytes.extend(strings);
    bytes.resize(dynamic_at, 0);
    bytes.extend(dynamic);
    bytes
}

/// A kernel module whose metadata are `info`.
pub(super) fn module(info: &[&str]) -> Vec<u8> {
    let data: Vec<u8> = info
        .iter()
        .flat_map(|pair| [pair.as_bytes(), b"\0"].concat())
        .collect();
    let names = b"\0.modinfo\0.shstrtab\0";
    let names_at = HEADER + data.len();
    let sections_at = (names_at + names.len()).next_multiple_of(8);
    let section = |name: u64, kind: u64, at: usize, size: usize| {
        le(&[
            (name, 4),
            (kind, 4),
            (0, 8),
            (0, 8),
            (at as u64, 8),
            (size as u64, 8),
            (0, 8),
            (1, 8),
            (0, 8),
        ])
    };
    let mut bytes = header(1, 0, sections_at as u64, 3);
    bytes.extend(&data);
    bytes.extend(names);
    bytes.resize(sections_at, 0);
    bytes.extend(section(0, 0, 0, 0));
    bytes.extend(section(1, 1, HEADER, data.len()));
    bytes.extend(section(10, 3, names_at, names.len()));
    bytes
}
