//! Firmware that leads to no digest, and what is said about it.

use guestmark_measure::ovmf::{
    Firmware, KernelHashes, Machine, SnpGuest, SvsmGuest, VcpuCount, VcpuSignature, VcpuType, Vmm,
    sev_es_launch_digest, sev_launch_digest, snp_launch_digest, svsm_launch_digest,
};

use crate::images::{Image, METADATA_FROM_END, put};

const QEMU: Vmm = Vmm::Qemu {
    signature: VcpuSignature::new(0x0080_0F12),
};

fn machine() -> Machine {
    Machine {
        vcpus: VcpuCount::new(1).unwrap(),
        vmm: QEMU,
    }
}

fn kernel() -> KernelHashes {
    KernelHashes::read(&b"kernel"[..], std::io::empty(), b"").unwrap()
}

/// Holds that an SEV-SNP guest with a kernel has no digest, and why.
fn refused(image: &[u8], message: &str) {
    let guest = SnpGuest {
        machine: machine(),
        guest_features: 1,
        kernel: Some(kernel()),
        image_digest: None,
    };
    let digest = Firmware::parse(image).and_then(|firmware| snp_launch_digest(&firmware, &guest));
    assert_eq!(digest.unwrap_err().to_string(), message);
}

fn complete() -> Image {
    Image::complete(0x2000)
}

/// The complete image with this instead of its first sections.
fn sections(first: &[[u32; 3]]) -> Vec<u8> {
    let mut image = complete();
    let sections = image.sections.as_mut().unwrap();
    sections[..first.len()].copy_from_slice(first);
    image.bytes()
}

/// The complete image with other bytes at an offset of its metadata.
fn metadata(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = complete().bytes();
    put(&mut image, METADATA_FROM_END - offset, bytes);
    image
}

/// The complete image with other bytes before the end.
fn changed(from_end: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = complete().bytes();
    put(&mut image, from_end, bytes);
    image
}

#[test]
fn what_is_not_whole_pages() {
    let message = |found| {
        format!(
            "expected whole pages of 4096 bytes, found {found} bytes: give the firmware image \
             that the VMM loads"
        )
    };
    refused(&[], &message(0));
    refused(&complete().bytes()[1..], &message(0x1FFF));
}

#[test]
fn what_is_larger_than_firmware() {
    refused(
        &vec![0; (16 << 20) + 4096],
        "expected a firmware image of at most 0x1000000 bytes, found more",
    );
    assert!(Firmware::parse(&vec![0; 16 << 20]).is_ok());
}

#[test]
fn no_footer_table() {
    refused(
        &[0; 0x2000],
        "offset 0x1fce: expected the footer table (GUID 96b582de-1fb2-45f7-baea-a366c55a082d): \
         give an OVMF image, and of one in two files the one with the code",
    );
}

#[test]
fn a_footer_table_that_is_damaged() {
    let table_size = |size: u16| changed(50, &size.to_le_bytes());
    for (size, found) in [(0, "0"), (17, "17"), (0x2000, "8192")] {
        refused(
            &table_size(size),
            &format!("offset 0x1fce: the footer table has {found} bytes, expected 18 to 8160"),
        );
    }
    // The last entry before the footer: the reset block, 22 bytes.
    for size in [17_u16, 200] {
        refused(
            &changed(68, &size.to_le_bytes()),
            &format!(
                "offset 0x1fbc: an entry of the footer table has {size} bytes, expected at least \
                 18 and at most the 92 that are left"
            ),
        );
    }
    refused(
        &table_size(18 + 22 + 5),
        "offset 0x1fa6: an entry of the footer table has 5 bytes, expected at least 18 and at \
         most the 5 that are left",
    );
    // The GUID of the entry before it becomes its own.
    let mut twice = complete().bytes();
    let guid: [u8; 16] = twice[0x2000 - 66..][..16].try_into().unwrap();
    put(&mut twice, 66 + 22, &guid);
    refused(
        &twice,
        "offset 0x1f9e: the footer table has a second entry with GUID \
         00f771de-1a7e-4fcb-890e-68c77e2fb44e",
    );
    // The GUID of the kernel hash table over an entry of 4 bytes, the second from the footer.
    let image = Image {
        hash_table: None,
        svsm_entry: Some(0),
        ..complete()
    };
    let mut short = image.bytes();
    let guid = complete().bytes()[0x2000 - 88..][..16].to_vec();
    put(&mut short, 88, &guid);
    refused(
        &short,
        "offset 0x1fa2: expected at least 8 bytes in the entry with GUID \
         7255371f-3a3b-4b04-927b-1da6efa8d454, found 4",
    );
}

#[test]
fn no_reset_block() {
    let image = Image {
        reset: None,
        ..complete()
    };
    let message = "the footer table has no SEV-ES reset block (GUID \
                   00f771de-1a7e-4fcb-890e-68c77e2fb44e): give firmware built for SEV-ES or \
                   SEV-SNP";
    refused(&image.bytes(), message);
    let bytes = image.bytes();
    let firmware = Firmware::parse(&bytes).unwrap();
    let digest = sev_es_launch_digest(&firmware, &machine(), None);
    assert_eq!(digest.unwrap_err().to_string(), message);
    assert!(sev_launch_digest(&firmware, None).is_ok());

    refused(
        &Image {
            reset: Some(0),
            ..complete()
        }
        .bytes(),
        "the SEV-ES reset block names no address: give firmware built for SEV-ES or SEV-SNP",
    );
}

#[test]
fn no_sev_metadata() {
    let image = Image {
        sections: None,
        ..complete()
    };
    refused(
        &image.bytes(),
        "the footer table has no SEV metadata (GUID dc886566-984a-4798-a75e-5585a7bf67cc): give \
         firmware built for SEV-SNP",
    );
}

#[test]
fn sev_metadata_that_are_damaged() {
    refused(
        &metadata(0, b"VESA"),
        "offset 0x1c00: expected SEV metadata with the signature \"ASEV\" (41 53 45 56), found \
         56 45 53 41",
    );
    refused(
        &metadata(8, &[2]),
        "offset 0x1c08: version of the SEV metadata is 2, expected 1",
    );
    refused(
        &metadata(4, &[15]),
        "offset 0x1c04: size of the SEV metadata is 15, expected 16 to 1024",
    );
    refused(
        &metadata(4, &[1, 4]),
        "offset 0x1c04: size of the SEV metadata is 1025, expected 16 to 1024",
    );
    for count in [0, 8, u32::MAX] {
        refused(
            &metadata(12, &count.to_le_bytes()),
            &format!(
                "offset 0x1c0c: number of sections of the SEV metadata is {count}, expected 1 to \
                 7, as the size allows"
            ),
        );
    }
    // The entry that points to the metadata, third from the footer.
    for from_end in [15, 0x2001, u32::MAX] {
        refused(
            &changed(50 + 22 + 26 + 22, &from_end.to_le_bytes()),
            &format!(
                "offset 0x1f88: expected SEV metadata between 16 and 0x2000 bytes before the end \
                 of the image, found {from_end:#x}"
            ),
        );
    }
}

#[test]
fn sections_that_cannot_be_launched() {
    refused(
        &sections(&[[0x0080_0000, 0x1000, 5]]),
        "offset 0x1c10: section type 0x5 is unknown, expected 1, 2, 3, 4 or 0x10: use a release \
         of guestmark that knows it",
    );
    for (section, expected) in [
        (
            [0x0080_0000, 0, 1],
            "SNP_SEC_MEM has 0x0 bytes at 0x800000, expected whole pages",
        ),
        (
            [0x0080_0000, 0x1001, 1],
            "SNP_SEC_MEM has 0x1001 bytes at 0x800000, expected whole pages",
        ),
        (
            [0x0080_0800, 0x1000, 4],
            "SVSM_CAA has 0x1000 bytes at 0x800800, expected a page-aligned address",
        ),
        (
            [0x0080_0000, 0x2000, 2],
            "SNP_SECRETS has 0x2000 bytes at 0x800000, expected one page",
        ),
        (
            [0x0080_0000, 0x2000, 3],
            "CPUID has 0x2000 bytes at 0x800000, expected one page",
        ),
        (
            [0x0080_0000, 0x2000, 0x10],
            "SNP_KERNEL_HASHES has 0x2000 bytes at 0x800000, expected one page",
        ),
    ] {
        let message = format!("offset 0x1c10: the section {expected}");
        refused(&sections(&[section]), &message);
    }
    refused(
        &sections(&[[0x0100_0000, 0x4000_0000, 1]]),
        "the sections of the SEV metadata add up to 0x40017000 bytes, expected at most 0x40000000",
    );
    refused(
        &sections(&[[0x0080_0000, 0xB000, 1]]),
        "the sections SNP_SEC_MEM at 0x800000 and SNP_SEC_MEM at 0x80a000 overlap, and SEV-SNP \
         launches no page twice",
    );
    refused(
        &sections(&[[0xFFFF_D000, 0x2000, 1]]),
        "the section SNP_SEC_MEM at 0xffffd000 reaches into the image at 0xffffe000, and SEV-SNP \
         launches no page twice",
    );
}

#[test]
fn no_place_for_kernel_hashes() {
    let remedy = "give firmware that checks kernels, such as OVMF of platform AmdSevX64, or leave \
                  the kernel out";
    refused(
        &Image::without_hashes_section(0x2000).bytes(),
        &format!(
            "the SEV metadata have no section SNP_KERNEL_HASHES (type 0x10): the kernel would not \
             be measured; {remedy}"
        ),
    );
    let table = |hash_table| Image {
        hash_table,
        ..complete()
    };
    let no_table = table(None).bytes();
    let message = format!(
        "the footer table has no kernel hash table (GUID 7255371f-3a3b-4b04-927b-1da6efa8d454): \
         {remedy}"
    );
    refused(&no_table, &message);
    let firmware = Firmware::parse(&no_table).unwrap();
    let sev = sev_launch_digest(&firmware, Some(&kernel()));
    assert_eq!(sev.unwrap_err().to_string(), message);

    for ([gpa, size], shown) in [
        ([0, 0], "0 bytes at 0x0"),
        ([0x0081_0C00, 175], "175 bytes at 0x810c00"),
        ([0x0081_0F51, 0x400], "1024 bytes at 0x810f51"),
    ] {
        refused(
            &table(Some([gpa, size])).bytes(),
            &format!(
                "the firmware sets {shown} aside for kernel hashes, expected at least 176 within \
                 one page: {remedy}"
            ),
        );
    }
    refused(
        &table(Some([0x0080_0C00, 0x400])).bytes(),
        "the section SNP_KERNEL_HASHES is at 0x810000, expected at 0x800000, where the firmware \
         looks for the table",
    );
}

#[test]
fn an_svsm_that_has_no_place() {
    let image = complete().bytes();
    let firmware = Firmware::parse(&image).unwrap();
    let refused = |svsm: &Image, variables_size, message: &str| {
        let svsm = svsm.bytes();
        let guest = SvsmGuest {
            svsm: Firmware::parse(&svsm).unwrap(),
            variables_size,
            vcpus: VcpuCount::new(1).unwrap(),
            signature: VcpuSignature::new(0),
        };
        let digest = svsm_launch_digest(&firmware, &guest);
        assert_eq!(digest.unwrap_err().to_string(), message);
    };
    let svsm = Image::svsm(0x4000);
    refused(
        &svsm,
        0x1001,
        "expected a store of variables of whole pages of 4096 bytes, found 4097 bytes",
    );
    refused(
        &svsm,
        0xFFFF_B000,
        "an SVSM of 0x4000 bytes and variables of 0xffffb000 bytes do not fit into guest memory \
         below the firmware",
    );
    // There is a place, and a section of the SVSM is in it.
    refused(
        &svsm,
        0xFFFF_A000 - 0x0080_0000,
        "the section SNP_SEC_MEM at 0x800000 reaches into the image at 0x800000, and SEV-SNP \
         launches no page twice",
    );
    refused(
        &complete(),
        0,
        "the footer table has no SVSM information (GUID a789a612-0597-4c4b-a49f-cbb1fe9d1ddd): \
         give an SVSM built for QEMU",
    );
}

#[test]
fn processors_that_there_are_not() {
    assert_eq!(
        "EPYC-Bergamo".parse::<VcpuType>().unwrap_err().to_string(),
        "no vCPU type is called \"EPYC-Bergamo\", expected one of: EPYC, EPYC-v1, EPYC-v2, \
         EPYC-IBPB, EPYC-v3, EPYC-v4, EPYC-Rome, EPYC-Rome-v1, EPYC-Rome-v2, EPYC-Rome-v3, \
         EPYC-Milan, EPYC-Milan-v1, EPYC-Milan-v2, EPYC-Genoa, EPYC-Genoa-v1, EPYC-Turin; or give \
         its signature"
    );
    for (family, model, stepping, message) in [
        (271, 0, 0, "the family is 271, expected at most 270"),
        (25, 256, 0, "the model is 256, expected at most 255"),
        (25, 1, 16, "the stepping is 16, expected at most 15"),
    ] {
        let refused = VcpuSignature::of(family, model, stepping);
        assert_eq!(refused.unwrap_err().to_string(), message);
    }
    for count in [0, 4097] {
        let message = format!("the number of vCPUs is {count}, expected 1 to 4096");
        assert_eq!(VcpuCount::new(count).unwrap_err().to_string(), message);
    }
}
