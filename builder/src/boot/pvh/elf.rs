//! The ELF file: a segment for every run of pages, and the note that names the PVH entry.

use std::io::{self, Write};

use guestmark_measure::lanes::Page;
use guestmark_measure::{Gpa, PAGE_SIZE};
use object::elf;
use object::pod::bytes_of;
use object::{LittleEndian, U16, U32, U64};

use super::PvhError;
use super::image::LaunchImage;

/// The most segments that a file can have, with one more for the note.
pub(super) const MAX_SEGMENTS: usize = elf::PN_XNUM as usize - 2;

/// Pages of zeros in a row that are worth a segment of their own; fewer are written as zeros.
const MIN_ZERO_RUN: u64 = 16;

/// `XEN_ELFNOTE_PHYS32_ENTRY` (Xen, `public/elfnote.h`): the entry of 32-bit code without paging.
const PHYS32_ENTRY: u32 = 18;

type Header = elf::FileHeader64<LittleEndian>;
type ProgramHeader = elf::ProgramHeader64<LittleEndian>;

/// A run of pages, of which the file holds only the first ones: zeros follow. They are not loaded:
/// RAM is zero above the firmware, and QEMU takes twice the size of what it loads.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: Gpa,
    pages: u64,
    pages_in_file: u64,
}

impl Segment {
    const fn end(&self) -> u64 {
        self.start.get() + self.pages * PAGE_SIZE
    }
}

/// Writes `image` as an ELF file that starts at `entry`.
pub(super) fn write(
    image: &LaunchImage<'_>,
    entry: Gpa,
    out: &mut dyn Write,
) -> Result<(), PvhError> {
    let runs = runs(image);
    let segments: Vec<_> = runs.iter().filter(|run| run.pages_in_file > 0).collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(PvhError::TooManySegments(segments.len()));
    }
    let note = note(entry);
    let headers = size_of::<Header>() + (segments.len() + 1) * size_of::<ProgramHeader>();
    let mut offset = ((headers + note.len()) as u64).next_multiple_of(PAGE_SIZE);

    let mut head = Vec::new();
    head.extend_from_slice(bytes_of(&header(entry, segments.len() + 1)));
    head.extend_from_slice(bytes_of(&note_header(headers as u64, note.len() as u64)));
    let data_start = offset;
    for segment in &segments {
        head.extend_from_slice(bytes_of(&load_header(segment, offset)));
        offset += segment.pages_in_file * PAGE_SIZE;
    }
    head.extend_from_slice(&note);
    head.resize(usize::try_from(data_start).map_err(io::Error::other)?, 0);
    out.write_all(&head)?;
    write_pages(image, &runs, out)?;
    Ok(())
}

/// All pages, in runs without gaps and without many zeros between two pages of data.
fn runs(image: &LaunchImage<'_>) -> Vec<Segment> {
    let mut runs: Vec<Segment> = Vec::new();
    for (gpa, data) in image.pages() {
        let extended = runs.last_mut().filter(|last| {
            let zeros = last.pages - last.pages_in_file;
            last.end() == gpa.get() && (data.is_none() || zeros < MIN_ZERO_RUN)
        });
        match extended {
            Some(last) => {
                last.pages += 1;
                if data.is_some() {
                    last.pages_in_file = last.pages;
                }
            }
            None => runs.push(Segment {
                start: gpa,
                pages: 1,
                pages_in_file: u64::from(data.is_some()),
            }),
        }
    }
    runs
}

fn write_pages(image: &LaunchImage<'_>, runs: &[Segment], out: &mut dyn Write) -> io::Result<()> {
    const ZEROS: Page = [0; size_of::<Page>()];
    let mut pages = image.pages();
    for run in runs {
        for index in 0..run.pages {
            let (_, data) = pages.next().unwrap_or((run.start, None));
            if index < run.pages_in_file {
                out.write_all(data.unwrap_or(&ZEROS))?;
            }
        }
    }
    Ok(())
}

fn header(entry: Gpa, program_headers: usize) -> Header {
    let size = |bytes: usize| U16::new(LittleEndian, u16::try_from(bytes).unwrap_or(elf::PN_XNUM));
    Header {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LittleEndian, elf::ET_EXEC),
        e_machine: U16::new(LittleEndian, elf::EM_X86_64),
        e_version: U32::new(LittleEndian, elf::EV_CURRENT.0.into()),
        e_entry: U64::new(LittleEndian, entry.get()),
        e_phoff: U64::new(LittleEndian, size_of::<Header>() as u64),
        e_shoff: U64::new(LittleEndian, 0),
        e_flags: U32::new(LittleEndian, elf::FileFlags(0)),
        e_ehsize: size(size_of::<Header>()),
        e_phentsize: size(size_of::<ProgramHeader>()),
        e_phnum: size(program_headers),
        e_shentsize: size(0),
        e_shnum: size(0),
        e_shstrndx: U16::new(LittleEndian, elf::SHN_UNDEF),
    }
}

fn load_header(segment: &Segment, offset: u64) -> ProgramHeader {
    let address = U64::new(LittleEndian, segment.start.get());
    ProgramHeader {
        p_type: U32::new(LittleEndian, elf::PT_LOAD),
        p_flags: U32::new(LittleEndian, elf::PF_R | elf::PF_W | elf::PF_X),
        p_offset: U64::new(LittleEndian, offset),
        p_vaddr: address,
        p_paddr: address,
        p_filesz: U64::new(LittleEndian, segment.pages_in_file * PAGE_SIZE),
        p_memsz: U64::new(LittleEndian, segment.pages_in_file * PAGE_SIZE),
        p_align: U64::new(LittleEndian, PAGE_SIZE),
    }
}

fn note_header(offset: u64, size: u64) -> ProgramHeader {
    ProgramHeader {
        p_type: U32::new(LittleEndian, elf::PT_NOTE),
        p_flags: U32::new(LittleEndian, elf::PF_R),
        p_offset: U64::new(LittleEndian, offset),
        p_vaddr: U64::new(LittleEndian, 0),
        p_paddr: U64::new(LittleEndian, 0),
        p_filesz: U64::new(LittleEndian, size),
        p_memsz: U64::new(LittleEndian, size),
        p_align: U64::new(LittleEndian, 4),
    }
}

/// An ELF note: sizes of name and description, type, name, description.
fn note(entry: Gpa) -> Vec<u8> {
    const NAME: &[u8; 4] = b"Xen\0";
    let entry = entry.get().to_le_bytes();
    let mut note = Vec::new();
    note.extend_from_slice(&4u32.to_le_bytes());
    note.extend_from_slice(&8u32.to_le_bytes());
    note.extend_from_slice(&PHYS32_ENTRY.to_le_bytes());
    note.extend_from_slice(NAME);
    note.extend_from_slice(&entry);
    note
}
