//! What must hold between the structures of a guest, in every layout.

use super::*;
use crate::igvm::structures::e820::E820Entry;
use crate::{acpi, recipe};

const C_BIT: u64 = 1 << 51;

fn launched(layout: MemoryLayout) -> (Guest, Launched) {
    let guest = Guest::with_initrd(layout);
    let launched = Launched::new(&lay_out(&guest.inputs(layout)).unwrap());
    (guest, launched)
}

fn e820(params: &BootParams) -> Vec<(u64, u64, u32)> {
    let bounds = |entry: &E820Entry| (entry.start.get(), entry.size.get(), entry.kind.get());
    let used = usize::from(params.e820_entries);
    assert!(
        params.e820_table[used..]
            .iter()
            .all(|entry| bounds(entry) == (0, 0, 0))
    );
    params.e820_table[..used].iter().map(bounds).collect()
}

#[test]
fn every_present_page_belongs_to_a_named_region() {
    for layout in layouts() {
        let guest = Guest::with_initrd(layout);
        let memory = lay_out(&guest.inputs(layout)).unwrap();
        for page in memory.pages() {
            let end = Gpa::new(page.gpa.get() + 4096);
            let named = memory
                .regions()
                .iter()
                .filter(|region| region.start() < end && page.gpa < region.end());
            assert!(named.clone().count() > 0, "{layout:?}: {}", page.gpa);
            assert!(named.clone().all(|region| !region.name().is_empty()));
            assert!(named.clone().all(|region| region.kind() == page.kind));
        }
    }
}

#[test]
fn the_inputs_keep_their_origins() {
    for layout in layouts() {
        let guest = Guest::with_initrd(layout);
        let memory = lay_out(&guest.inputs(layout)).unwrap();
        for (name, argument, contents) in [
            ("kernel", "--kernel", &guest.kernel[5 * 512..]),
            ("command line", "--cmdline-file", &guest.command_line),
            ("initrd", "--initrd", guest.initrd.as_ref().unwrap()),
            ("ACPI at 0x101000", "--acpi", &[]),
        ] {
            let region = memory
                .regions()
                .iter()
                .find(|region| region.name() == name)
                .unwrap();
            assert_eq!(*region.origin(), Origin::input(argument));
            assert!(region.contents().starts_with(contents), "{name}");
        }
    }
}

#[test]
fn cr3_leads_to_an_encrypted_identity_map_of_512_gib() {
    for layout in layouts() {
        let (_, guest) = launched(layout);
        assert_eq!(guest.vmsa.cr3 & C_BIT, C_BIT);
        let root = guest.vmsa.cr3 & !C_BIT;
        let entry = guest.u64_at(root);
        assert_eq!(
            entry & (C_BIT | 0xfff),
            C_BIT | 0x7,
            "present, writable, user"
        );
        for index in 1..512 {
            assert_eq!(guest.u64_at(root + 8 * index), 0);
        }
        let table = entry & !C_BIT & !0xfff;
        for index in 0..512 {
            let entry = guest.u64_at(table + 8 * index);
            assert_eq!(
                entry,
                C_BIT | index << 30 | 0x87,
                "a 1 GiB page at its own address"
            );
        }
    }
}

#[test]
fn the_segment_registers_are_what_the_gdt_holds() {
    for layout in layouts() {
        let (_, guest) = launched(layout);
        let vmsa = &guest.vmsa;
        assert_eq!(vmsa.gdtr.limit, 55);
        for segment in [vmsa.cs, vmsa.ds, vmsa.es, vmsa.ss] {
            assert!(u32::from(segment.selector) + 7 <= vmsa.gdtr.limit);
            let descriptor = guest.u64_at(vmsa.gdtr.base + u64::from(segment.selector));
            let access = (descriptor >> 40) & 0xff;
            let flags = (descriptor >> 52) & 0xf;
            assert_eq!(u64::from(segment.attrib), flags << 8 | access);
            let limit = (descriptor & 0xffff) | ((descriptor >> 32) & 0xf_0000);
            assert_eq!(
                u64::from(segment.limit),
                limit << 12 | 0xfff,
                "granularity is a page"
            );
            assert_eq!(segment.base, 0);
        }
        assert_eq!(vmsa.cs.attrib & 0x29f, 0x29b, "present 64-bit code, ring 0");
        assert_eq!(
            vmsa.ss.attrib & 0x09f,
            0x093,
            "present writable data, ring 0"
        );

        let low = guest.u64_at(vmsa.gdtr.base + u64::from(vmsa.tr.selector));
        let high = guest.u64_at(vmsa.gdtr.base + u64::from(vmsa.tr.selector) + 8);
        let base = ((low >> 16) & 0xff_ffff) | ((low >> 32) & 0xff00_0000) | high << 32;
        assert_eq!(vmsa.tr.base, base);
        assert_eq!(u64::from(vmsa.tr.limit), low & 0xffff);
        assert_eq!(
            u64::from(vmsa.tr.attrib),
            (low >> 40) & 0xff,
            "a busy 64-bit TSS"
        );
        assert_eq!(guest.bytes(vmsa.tr.base, 104), [0; 104]);
    }
}

#[test]
fn linux_has_the_kernels_own_selectors() {
    let (_, guest) = launched(linux("64 MiB"));
    assert_eq!(guest.vmsa.cs.selector, 0x10, "__BOOT_CS");
    assert_eq!(guest.vmsa.ds.selector, 0x18, "__BOOT_DS");
}

#[test]
fn boot_params_hold_the_kernels_header_and_what_the_loader_adds() {
    for layout in layouts() {
        let (parts, guest) = launched(layout);
        let page = guest.bytes(guest.vmsa.rsi, 4096);
        let params = guest.boot_params();
        let header = &params.header;
        assert_eq!(header.type_of_loader, 0xff);
        assert_eq!(u64::from(header.code32_start.get()), guest.vmsa.rip);

        let line = u64::from(header.cmd_line_ptr.get());
        let size = u64::from(header.cmdline_size.get());
        assert_eq!(guest.bytes(line, size), parts.command_line);
        assert_eq!(guest.bytes(line + size, 1), [0], "ends with a NUL");

        let initrd = u64::from(header.ramdisk_image.get());
        assert_eq!(initrd % 4096, 0);
        let size = u64::from(header.ramdisk_size.get());
        assert_eq!(guest.bytes(initrd, size), parts.initrd.unwrap());

        let rsdp = params.acpi_rsdp_addr.get();
        assert_eq!(guest.bytes(rsdp, 8), *b"RSD PTR ");

        let ours = [
            0x70..0x78,   // acpi_rsdp_addr
            0x13c..0x140, // cc_blob_address
            0x1e8..0x1e9, // e820_entries
            0x210..0x211, // type_of_loader
            0x214..0x220, // code32_start, ramdisk_image, ramdisk_size
            0x228..0x22c, // cmd_line_ptr
            0x238..0x23c, // cmdline_size
            0x250..0x258, // setup_data
            0x2d0..0xcd0, // e820_table
        ];
        for (offset, byte) in page.iter().enumerate() {
            if (0x1f1..0x26c).contains(&offset) && !ours.iter().any(|r| r.contains(&offset)) {
                assert_eq!(*byte, parts.kernel[offset], "offset {offset:#x}");
            } else if !ours.iter().any(|range| range.contains(&offset)) {
                assert_eq!(*byte, 0, "offset {offset:#x}");
            }
        }
    }
}

#[test]
fn the_processor_starts_at_the_64_bit_entry_with_a_present_stack() {
    for layout in layouts() {
        let (parts, guest) = launched(layout);
        assert_eq!(guest.vmsa.rip, 0x100_0200);
        assert_eq!(
            guest.bytes(guest.vmsa.rip, 64),
            parts.kernel[5 * 512 + 0x200..][..64]
        );
        assert_eq!(guest.bytes(guest.vmsa.rsp - 4096, 4096), [0; 4096]);
    }
}

#[test]
fn without_an_initrd_its_size_is_zero_and_its_address_is_where_it_would_be() {
    for layout in layouts() {
        let mut parts = Guest::with_initrd(layout);
        let address = |parts: &Guest| {
            let guest = Launched::new(&lay_out(&parts.inputs(layout)).unwrap());
            let header = guest.boot_params().header;
            (header.ramdisk_image.get(), header.ramdisk_size.get())
        };
        let (with, _) = address(&parts);
        parts.initrd = None;
        assert_eq!(address(&parts), (with, 0));
        parts.initrd = Some(Vec::new());
        assert_eq!(address(&parts), (with, 0));
    }
}

/// RAM and ACPI must be present where they are claimed, and nothing else may be.
#[test]
fn the_memory_map_says_what_is_present() {
    for layout in layouts() {
        let (_, guest) = launched(layout);
        let map = e820(&guest.boot_params());
        for (start, size, kind) in &map {
            assert_eq!((start % 4096, size % 4096), (0, 0));
            for gpa in (*start..start + size).step_by(4096) {
                let present = guest.pages.contains_key(&gpa);
                assert!(*kind == 2 || present, "{layout:?}: {gpa:#x} is claimed");
            }
        }
        let sorted = map
            .windows(2)
            .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0);
        assert!(sorted, "{layout:?}");
        let snp_pages = 0x80_0000..0x80_4000;
        for gpa in guest.pages.keys().filter(|gpa| **gpa < 1 << 32) {
            let claimed = map
                .iter()
                .any(|(start, size, _)| (*start..start + size).contains(gpa));
            assert!(
                claimed || snp_pages.contains(gpa),
                "{layout:?}: {gpa:#x} is present"
            );
        }
    }
}

#[test]
fn the_memory_map_of_aks_is_the_published_one() {
    let (_, guest) = launched(AKS);
    assert_eq!(
        e820(&guest.boot_params()),
        [
            (0, 0, 1),
            (0xa_0000, 0x6_0000, 2),
            (0x10_0000, 0x2000, 3),
            (0x100_0000, 0x1_e000, 1),
            (0x102_e000, 0x4000, 1),
            (0x10f_9000, 0x7000, 1),
            (0x110_0000, 0x9000, 1),
        ]
    );
}

#[test]
fn the_memory_map_of_accept_all_is_one_run_of_ram() {
    let (_, guest) = launched(ACCEPT_ALL);
    assert_eq!(
        e820(&guest.boot_params()),
        [
            (0, 0xa_0000, 1),
            (0xa_0000, 0x6_0000, 2),
            (0x10_0000, 0x2000, 3),
            (0x100_0000, 0x10_9000, 1),
        ]
    );
}

#[test]
fn the_memory_map_of_linux_keeps_the_snp_pages_from_being_ram() {
    let (_, guest) = launched(linux("64 MiB"));
    assert_eq!(
        e820(&guest.boot_params()),
        [
            (0, 0xa_0000, 1),
            (0xa_0000, 0x6_0000, 2),
            (0x10_0000, 0x3000, 3),
            (0x10_3000, 0x6f_d000, 1),
            (0x80_0000, 0x4000, 2),
            (0x80_4000, 0x37f_c000, 1),
        ]
    );
}

#[test]
fn linux_launches_all_ram_but_the_hole_and_requires_it() {
    let guest = Guest::with_initrd(linux("64 MiB"));
    let memory = lay_out(&guest.inputs(linux("64 MiB"))).unwrap();
    let launched = Launched::new(&memory);
    for gpa in (0..64 << 20).step_by(4096) {
        let hole = (0xa_0000..0x10_0000).contains(&gpa);
        assert_eq!(launched.pages.contains_key(&gpa), !hole, "{gpa:#x}");
    }
    let required = [(0, 0xa_0000), (0x10_0000, 64 << 20)];
    assert_eq!(
        memory.required(),
        required.map(|(start, end)| Gpa::new(start)..Gpa::new(end))
    );
}

#[test]
fn linux_finds_its_blob_through_setup_data_and_aks_through_boot_params() {
    let (_, guest) = launched(linux("64 MiB"));
    let params = guest.boot_params();
    assert_eq!(params.cc_blob_address.get(), 0);
    let node = params.header.setup_data.get();
    assert_eq!(node % 16, 0);
    assert!(node >= guest.vmsa.rsp, "after the stack");
    let expected = [
        &[0; 8][..],
        &[7, 0, 0, 0],
        &[4, 0, 0, 0],
        &[0, 0x30, 0x80, 0],
    ]
    .concat();
    assert_eq!(guest.bytes(node, 20), expected);
    assert_eq!(guest.bytes(0x80_3000, 4), *b"AMDE");
    assert_eq!(guest.bytes(0x80_2000, 4096), [0; 4096]);

    for layout in [AKS, ACCEPT_ALL] {
        let (_, guest) = launched(layout);
        let params = guest.boot_params();
        assert_eq!(params.header.setup_data.get(), 0);
        let blob = u64::from(params.cc_blob_address.get());
        assert_eq!(blob, guest.vmsa.rsp, "after the stack");
        assert_eq!(guest.u64_at(blob), 0x4544_4d41);
        assert_eq!(guest.u64_at(blob + 8), 0x80_1000, "the secrets page");
        assert_eq!(guest.u64_at(blob + 16), 0x1000);
        assert_eq!(guest.u64_at(blob + 24), 0x80_0000, "the CPUID page");
        assert_eq!(guest.u64_at(blob + 32), 0x1000);
    }
}

#[test]
fn the_save_area_of_linux_is_as_kvm_keeps_it() {
    let (_, guest) = launched(linux("64 MiB"));
    assert!(guest.pages.contains_key(&0xffff_ffff_f000));
    let vmsa = &guest.vmsa;
    assert_eq!(u64::from(vmsa.sev_features), 0x1);
    assert_eq!((vmsa.cr0, vmsa.cr4, vmsa.efer), (0x8000_0011, 0x60, 0x1d00));
    assert_eq!((vmsa.dr6, vmsa.dr7), (0xffff_0ff0, 0x400));
    assert_eq!((vmsa.mxcsr, vmsa.x87_fcw), (0x1f80, 0x37f));
    assert_eq!(
        (vmsa.xcr0, vmsa.rflags, vmsa.pat),
        (1, 2, 0x0007_0406_0007_0406)
    );
}

#[test]
fn our_own_acpi_tables_fit_every_layout_and_keep_their_names() {
    for (layout, place) in [
        (AKS, recipe::Layout::Aks),
        (ACCEPT_ALL, recipe::Layout::Aks),
        (linux("64 MiB"), recipe::Layout::Linux),
    ] {
        let mut guest = Guest::with_initrd(layout);
        guest.acpi = acpi::tables(&recipe::Platform::default(), place).unwrap();
        let memory = lay_out(&guest.inputs(layout)).unwrap();
        let launched = Launched::new(&memory);
        for table in &guest.acpi {
            let name = format!("ACPI {}", table.name());
            let region = memory
                .regions()
                .iter()
                .find(|region| region.name() == name)
                .unwrap();
            assert_eq!(
                (region.start(), region.contents()),
                (table.gpa(), table.bytes())
            );
            assert_eq!(*region.origin(), Origin::rule("platform"));
        }
        let rsdp = launched.boot_params().acpi_rsdp_addr.get();
        assert_eq!(launched.bytes(rsdp, 8), *b"RSD PTR ");
        let acpi = e820(&launched.boot_params())
            .into_iter()
            .find(|(_, _, kind)| *kind == 3);
        let (start, size, _) = acpi.unwrap();
        for table in guest
            .acpi
            .iter()
            .filter(|table| table.gpa().get() >= 0x10_0000)
        {
            let end = table.gpa().get() + table.bytes().len() as u64;
            assert!(
                start <= table.gpa().get() && end <= start + size,
                "{}",
                table.name()
            );
        }
    }
}
