use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::*;
use crate::boot::tiny_guest::{CODE, ENCRYPTED, PD, PDPT, PML4, PT, TEXT, TinyGuest};

/// Where a test puts `struct boot_params`.
const BOOT_PARAMS: u64 = 0x11_8000;

/// What a machine loads from the ELF file.
struct Loaded {
    entry: u64,
    segments: Vec<(u64, Vec<u8>, u64)>,
    note: Vec<u8>,
}

impl Loaded {
    /// Converts the guest and reads the ELF file back.
    fn from(guest: &TinyGuest, acpi: AcpiTables) -> Self {
        let mut file = Vec::new();
        convert(&guest.igvm(), acpi, &mut file).unwrap();
        Self::from_elf(&file)
    }

    fn from_elf(file: &[u8]) -> Self {
        let endian = LittleEndian;
        let header = FileHeader64::<LittleEndian>::parse(file).unwrap();
        let mut loaded = Self {
            entry: header.e_entry(endian),
            segments: Vec::new(),
            note: Vec::new(),
        };
        for segment in header.program_headers(endian, file).unwrap() {
            let data = segment.data(endian, file).unwrap().to_vec();
            match segment.p_type(endian) {
                elf::PT_NOTE => loaded.note = data,
                elf::PT_LOAD => {
                    let address = segment.p_paddr(endian);
                    loaded
                        .segments
                        .push((address, data, segment.p_memsz(endian)));
                }
                other => panic!("segment of type {other:?}"),
            }
        }
        loaded
    }

    /// `N` bytes that the file itself brings.
    fn bytes<const N: usize>(&self, address: u64) -> [u8; N] {
        self.segments
            .iter()
            .find_map(|(start, data, _)| {
                let skipped = usize::try_from(address.checked_sub(*start)?).ok()?;
                data.get(skipped..)?.first_chunk().copied()
            })
            .unwrap_or_else(|| panic!("{address:#x} is not in the file"))
    }

    fn u64_at(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.bytes(address))
    }

    fn covers(&self, address: u64) -> bool {
        self.segments
            .iter()
            .any(|(start, _, size)| (*start..start + size).contains(&address))
    }
}

fn refusal(guest: &TinyGuest) -> String {
    convert(&guest.igvm(), AcpiTables::Machine, &mut Vec::new())
        .unwrap_err()
        .to_string()
}

fn halting() -> TinyGuest {
    TinyGuest::running(&[0xf4])
}

#[test]
fn the_encryption_bit_is_cleared_in_tables_and_nowhere_else() {
    let mut guest = halting();
    let data = [PDPT | 7 | ENCRYPTED; 512];
    guest
        .memory
        .insert(TEXT, zerocopy::IntoBytes::as_bytes(&data).to_vec());
    let loaded = Loaded::from(&guest, AcpiTables::Machine);
    assert_eq!(loaded.u64_at(PML4), PDPT | 7);
    assert_eq!(loaded.u64_at(PDPT), PD | 7);
    assert_eq!(loaded.u64_at(PD), PT | 7);
    assert_eq!(loaded.u64_at(PD + 8), 0x20_0087);
    assert_eq!(loaded.u64_at(PT + 8 * 0x116), CODE | 7);
    assert_eq!(loaded.u64_at(TEXT), PDPT | 7 | ENCRYPTED);
}

#[test]
fn tables_that_point_back_at_themselves_are_walked_once() {
    let mut guest = halting();
    let pml4 = guest.memory.get_mut(&PML4).unwrap();
    pml4[8..16].copy_from_slice(&(PML4 | 7 | ENCRYPTED).to_le_bytes());
    let loaded = Loaded::from(&guest, AcpiTables::Machine);
    assert_eq!(loaded.u64_at(PML4 + 8), PML4 | 7);
}

#[test]
fn the_note_and_the_header_name_the_start_code() {
    let loaded = Loaded::from(&halting(), AcpiTables::Machine);
    let (name, entry) = loaded.note.split_at(16);
    assert_eq!(name, b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0");
    assert_eq!(entry, loaded.entry.to_le_bytes());
    assert_eq!(
        loaded.entry,
        1 << 20,
        "the first free page above the firmware"
    );
    assert_eq!(loaded.bytes(loaded.entry), [0xfa], "cli");
}

#[test]
fn the_start_code_stays_clear_of_every_page_of_the_guest() {
    let mut guest = halting();
    guest.memory.insert(0x10_0000, vec![1; 0x3000]);
    let loaded = Loaded::from(&guest, AcpiTables::Machine);
    assert_eq!(loaded.entry, 0x10_3000);
}

#[test]
fn the_first_mebibyte_is_left_to_the_firmware() {
    let mut guest = halting();
    guest.memory.insert(0, vec![0; 0xa_0000]);
    guest.memory.insert(0xe_0000, vec![1; 0x1000]);
    guest.memory.insert(0x10_0000, vec![1; 0x1000]);
    let loaded = Loaded::from(&guest, AcpiTables::Machine);
    let first = loaded.segments.iter().map(|segment| segment.0).min();
    assert_eq!(first, Some(0x10_0000));

    guest.memory.insert(0, vec![1; 0xa_0000]);
    assert_eq!(
        refusal(&guest),
        "page 0x0 of the IGVM file holds data below 1 MiB, which QEMU's firmware overwrites \
         before the guest starts; only guests that keep nothing there can be booted"
    );
}

#[test]
fn zeros_are_neither_in_the_file_nor_loaded() {
    let mut guest = halting();
    guest.memory.insert(0x20_0000, vec![0; 64 << 20]);
    guest.memory.insert(0x1000_0000, vec![1; 0x1000]);
    let mut file = Vec::new();
    let pvh = convert(&guest.igvm(), AcpiTables::Machine, &mut file).unwrap();
    assert!(file.len() < 16 * 4096, "{} bytes", file.len());

    let loaded = Loaded::from_elf(&file);
    for (address, covered) in [(CODE, true), (0x20_0000, false), (0x1000_0000, true)] {
        assert_eq!(loaded.covers(address), covered, "{address:#x}");
    }
    assert_eq!(pvh.memory, 0x1000_0000 + (1 << 20) + FIRMWARE_RAM);
}

/// A guest that starts with `struct boot_params`, which crosses a page boundary as in layout
/// `aks`.
fn linux(rsdp: u64) -> TinyGuest {
    let mut guest = halting();
    let mut memory = vec![0; 0x2000];
    let mut put = |at: usize, bytes: &[u8]| {
        memory[0xf00 + at..][..bytes.len()].copy_from_slice(bytes);
    };
    put(0x70, &rsdp.to_le_bytes());
    put(0x13c, &[0xcc; 4]);
    put(0x202, b"HdrS");
    put(0x228, &[0xcc; 4]);
    put(0x250, &[0xcc; 8]);
    guest.memory.insert(BOOT_PARAMS, memory);
    guest.vmsa.rsi = BOOT_PARAMS + 0xf00;
    guest
}

#[test]
fn a_kernel_is_not_told_of_the_confidential_computing_blob() {
    let guest = linux(0x10_0000);
    let loaded = Loaded::from(&guest, AcpiTables::Machine);
    let boot_params = guest.vmsa.rsi;
    assert_eq!(loaded.bytes(boot_params + 0x13c), [0; 4]);
    assert_eq!(loaded.bytes(boot_params + 0x250), [0; 8]);
    assert_eq!(loaded.bytes(boot_params + 0x202), *b"HdrS");
    assert_eq!(loaded.bytes(boot_params + 0x228), [0xcc; 4], "command line");
}

#[test]
fn the_acpi_tables_are_the_machine_s_or_those_of_the_file() {
    let guest = linux(0x10_0000);
    let rsdp = guest.vmsa.rsi + 0x70;
    assert_eq!(Loaded::from(&guest, AcpiTables::Machine).u64_at(rsdp), 0);
    assert_eq!(
        Loaded::from(&guest, AcpiTables::Image).u64_at(rsdp),
        0x10_0000
    );

    let error = convert(&linux(0xe_0000).igvm(), AcpiTables::Image, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ACPI tables of the IGVM file start at 0xe0000, where QEMU has its firmware; only \
         layout linux keeps them"
    );
}

#[test]
fn a_start_that_is_not_64_bit_code_is_refused() {
    let mut guest = halting();
    guest.vmsa.cr4 = 0;
    assert_eq!(
        refusal(&guest),
        "save area: CR4 is 0x0, and must have PAE on"
    );
    let mut guest = halting();
    guest.vmsa.efer = 0x1000;
    assert_eq!(
        refusal(&guest),
        "save area: EFER is 0x1000, and must have long mode on"
    );
    let mut guest = halting();
    guest.vmsa.cr0 = 1;
    assert_eq!(
        refusal(&guest),
        "save area: CR0 is 0x1, and must have paging on"
    );
    let mut guest = halting();
    guest.vmsa.cr4 |= 1 << 12;
    assert_eq!(
        refusal(&guest),
        "save area: CR4 is 0x1060, and must not have five-level paging on"
    );
    let mut guest = halting();
    guest.vmsa.gdtr.limit = 0x1_0000;
    assert_eq!(
        refusal(&guest),
        "save area: limit of GDTR or IDTR is 0x10000, and must be below 64 KiB"
    );
}

#[test]
fn page_tables_must_be_there_and_map_the_start() {
    let mut guest = halting();
    guest.vmsa.cr3 = 0x15_0000;
    assert_eq!(
        refusal(&guest),
        "the page table at 0x150000 is not among the pages of the IGVM file"
    );
    let mut guest = halting();
    guest.vmsa.rip = 0x4000_0000;
    assert_eq!(
        refusal(&guest),
        "the page tables map the first instruction at 0x40000000 to nothing"
    );
    // One level too deep, which boots by luck where entries look alike.
    let mut guest = halting();
    guest.vmsa.cr3 = PDPT | ENCRYPTED;
    assert!(refusal(&guest).starts_with("the page table at "));
    let mut guest = halting();
    let moved = (0x20_0000u64 | 0x87).to_le_bytes();
    guest.memory.get_mut(&PD).unwrap()[..8].copy_from_slice(&moved);
    assert_eq!(
        refusal(&guest),
        "the page tables map the start code at 0x100000 to 0x300000"
    );
}

#[test]
fn files_for_no_snp_machine_are_refused() {
    assert!(matches!(
        convert(b"not IGVM", AcpiTables::Machine, &mut Vec::new()),
        Err(PvhError::Igvm(_))
    ));
    let mut guest = halting();
    guest.memory.insert(0xb000_0000, vec![1]);
    assert_eq!(
        refusal(&guest),
        "page 0xb0000000 of the IGVM file is above 0xb0000000, where the emulated machine has no \
         RAM; build with less memory"
    );
}
