//! Inputs that cannot be laid out, each with its message.

use proptest::prelude::*;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use super::*;

fn refused(layout: MemoryLayout, change: impl FnOnce(&mut Guest)) -> String {
    let mut guest = Guest::with_initrd(layout);
    change(&mut guest);
    lay_out(&guest.inputs(layout)).unwrap_err().to_string()
}

fn set_pref_address(guest: &mut Guest, value: u64) {
    guest.kernel[0x258..0x260].copy_from_slice(U64::new(value).as_bytes());
}

fn set_init_size(guest: &mut Guest, value: u32) {
    guest.kernel[0x260..0x264].copy_from_slice(U32::new(value).as_bytes());
}

fn page(gpa: u64) -> Table {
    Table::given(Gpa::new(gpa), vec![1; 4096], Origin::input("--acpi"))
}

#[test]
fn a_kernel_without_64_bit_entry() {
    for layout in layouts() {
        assert_eq!(
            refused(layout, |guest| guest.kernel[0x236] = 0),
            "kernel: the kernel has no 64-bit entry: xloadflags at offset 0x236 is 0x0000, bit 0 \
             must be set; use a 64-bit kernel"
        );
    }
}

#[test]
fn a_command_line_longer_than_the_kernel_takes() {
    for layout in layouts() {
        assert_eq!(
            refused(layout, |guest| guest.command_line = vec![b'a'; 2050]),
            "command line: 2050 bytes, the kernel takes at most 2047 (cmdline_size, offset \
             0x238); shorten it by 3 bytes"
        );
        let mut guest = Guest::with_initrd(layout);
        guest.command_line = vec![b'a'; 2047];
        assert!(
            lay_out(&guest.inputs(layout)).is_ok(),
            "the limit itself is fine"
        );
    }
}

#[test]
fn a_command_line_with_a_nul() {
    assert_eq!(
        refused(AKS, |guest| guest.command_line =
            b"quiet\0init=/bin/sh".to_vec()),
        "command line: a NUL at offset 5; the kernel would not see what follows it, remove it"
    );
}

#[test]
fn a_kernel_that_cannot_be_loaded_where_it_wants() {
    let message = |found| {
        format!(
            "kernel: pref_address (offset 0x258) is {found}; this layout takes a page-aligned \
             address from 0x804000 up to 4 GiB"
        )
    };
    for layout in layouts() {
        for (address, found) in [
            (0x80_3000, "0x803000"),
            (0x100_0800, "0x1000800"),
            (1 << 32, "0x100000000"),
            (u64::MAX, "0xffffffffffffffff"),
        ] {
            let refusal = refused(layout, |guest| set_pref_address(guest, address));
            assert_eq!(refusal, message(found));
        }
    }
}

#[test]
fn an_init_size_that_is_odd_or_leaves_no_room() {
    assert_eq!(
        refused(AKS, |guest| set_init_size(guest, 0x10_0001)),
        "kernel: init_size (offset 0x260) is 0x100001, not a multiple of a page (0x1000)"
    );
    let least = 0x1_e000 + 0x1_4000 + 0x7000;
    assert_eq!(
        refused(AKS, |guest| set_init_size(guest, least - 0x1000)),
        "kernel: init_size (offset 0x260) is 0x38000; a payload of this size needs at least \
         0x39000"
    );
    assert_eq!(
        refused(ACCEPT_ALL, |guest| set_init_size(guest, 0x1_d000)),
        "kernel: init_size (offset 0x260) is 0x1d000; a payload of this size needs at least \
         0x1e000"
    );
    for (layout, least) in [
        (AKS, least),
        (ACCEPT_ALL, 0x1_e000),
        (linux("64 MiB"), 0x1_e000),
    ] {
        let mut guest = Guest::with_initrd(layout);
        set_init_size(&mut guest, least);
        assert!(
            lay_out(&guest.inputs(layout)).is_ok(),
            "the least is enough"
        );
    }
}

#[test]
fn addresses_past_4_gib() {
    let top = (1 << 32) - 0x10_0000;
    assert_eq!(
        refused(AKS, |guest| set_pref_address(guest, top)),
        "page tables would end at 0x100002000, past 4 GiB (0x100000000)"
    );
    assert_eq!(
        refused(AKS, |guest| set_pref_address(guest, top + 0x1000)),
        "the kernel's memory would end at 0x100001000, past 4 GiB (0x100000000)"
    );
}

#[test]
fn acpi_outside_its_window() {
    assert_eq!(
        refused(AKS, |guest| guest.acpi.push(page(0x7f_f001))),
        "ACPI at 0x7ff001: 0x7ff001 to 0x800001 is outside 0xa0000 to 0x800000"
    );
    assert_eq!(
        refused(AKS, |guest| guest.acpi.push(page(0x9_f000))),
        "ACPI at 0x9f000: 0x9f000 to 0xa0000 is outside 0xa0000 to 0x800000"
    );
    assert_eq!(
        refused(linux("64 MiB"), |guest| guest.acpi.push(page(0xe_0000))),
        "ACPI at 0xe0000: 0xe0000 to 0xe1000 is outside 0x100000 to 0x800000"
    );
    assert_eq!(
        refused(AKS, |guest| guest.acpi.push(page(u64::MAX))),
        "ACPI at 0xffffffffffffffff: 0xffffffffffffffff to 0xffffffffffffffff is outside \
         0xa0000 to 0x800000"
    );
}

#[test]
fn acpi_tables_that_overlap() {
    assert_eq!(
        refused(AKS, |guest| guest.acpi.push(page(0x10_1800))),
        "ACPI at 0x101800 begins at 0x101800, but everything up to 0x102000 is taken"
    );
}

#[test]
fn acpi_without_the_tables_that_the_layout_names() {
    assert_eq!(
        refused(AKS, |guest| drop(guest.acpi.remove(0))),
        "ACPI: this layout needs the RSDP at 0xe0000; no table or page begins there with \"RSD \
         PTR \""
    );
    assert_eq!(
        refused(AKS, |guest| drop(guest.acpi.remove(1))),
        "ACPI: this layout needs the XSDT at 0x100000; no table or page begins there with \"XSDT\""
    );
    assert_eq!(
        refused(linux("64 MiB"), |guest| guest.acpi.clear()),
        "ACPI: this layout needs the RSDP at 0x100000; no table or page begins there with \"RSD \
         PTR \""
    );
}

#[test]
fn ram_too_small_or_too_large() {
    assert_eq!(
        refused(linux("16 MiB"), |_| ()),
        "memory is 16 MiB, but kernel, initrd and their tables end at 0x1108000; give at least \
         18 MiB"
    );
    assert_eq!(
        refused(linux("3 GiB"), |_| ()),
        "memory is 3 GiB; this layout takes at most 2147483648 bytes (2 GiB)"
    );
    for fits in ["18 MiB", "2 GiB"] {
        let guest = Guest::with_initrd(linux(fits));
        assert!(lay_out(&guest.inputs(linux(fits))).is_ok(), "{fits}");
    }
}

proptest! {
    /// Whatever a kernel's header says, there is a memory or a message.
    #[test]
    fn no_header_makes_it_panic(
        changes in prop::collection::vec((0x1f1_usize..0x26c, any::<u8>()), 1..8),
        size in 0_usize..122_560,
        which in 0_usize..3,
    ) {
        let layout = layouts()[which];
        let mut guest = Guest::with_initrd(layout);
        for (offset, byte) in changes {
            guest.kernel[offset] = byte;
        }
        let _ = lay_out(&guest.inputs(layout));
        guest.kernel.truncate(size);
        let _ = lay_out(&guest.inputs(layout));
    }
}
