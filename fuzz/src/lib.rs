//! What each fuzz target does with its input. A test of the workspace includes this file and
//! replays the corpus, so that neither rots where no fuzzer runs.

use std::hint::black_box;
use std::num::NonZeroU32;

use bzimage::BzImage;
use guestmark_measure::certificate::Certificate;
use guestmark_measure::id_block::{IdAuthPage, IdBlock, SignedIdBlock, strip};
use guestmark_measure::igvm::{Directive, IgvmError, IgvmFile};
use guestmark_measure::ovmf::{
    Firmware, KernelHashes, Machine, SnpGuest, VcpuCount, VcpuSignature, Vmm, sev_es_launch_digest,
    sev_launch_digest, snp_launch_digest,
};
use guestmark_measure::report::Report;
use guestmark_measure::{LaunchPages, Loader, PAGE_SIZE, Sha256Digest, assess};

/// The builder has it; building all of that for a fuzzer takes minutes and this file needs none
/// of it.
#[path = "../../builder/src/igvm/bzimage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the target needs a part, and the builder publishes it"
)]
mod bzimage;

/// Page records that are hashed. Larger files are parsed and their records counted: hashing
/// would take all the time and find nothing.
const HASHED_RECORDS: usize = 1024;

/// Bytes of the shortest header that makes a page record: type, length and 24 bytes of page data.
const RECORD_HEADER: usize = 32;

/// Reads an IGVM file and makes what every loader launches of it. A checksum that does not fit is
/// corrected, for no fuzzer guesses one.
///
/// # Panics
/// A loader launches more pages than the file justifies, or a file without its ID block is none.
pub fn igvm(bytes: &[u8]) {
    match IgvmFile::parse(bytes) {
        Ok(file) => {
            launch(&file, bytes.len());
            black_box(SignedIdBlock::of(&file)).ok();
            if let Ok(stripped) = strip(bytes) {
                IgvmFile::parse(&stripped).expect("a file that can still be read");
            }
        }
        Err(IgvmError::Checksum { expected, .. }) => {
            let mut sealed = bytes.to_vec();
            sealed[0x14..0x18].copy_from_slice(&expected.to_le_bytes());
            if let Ok(file) = IgvmFile::parse(&sealed) {
                launch(&file, bytes.len());
            }
        }
        Err(_) => {}
    }
}

fn launch(file: &IgvmFile<'_>, size: usize) {
    let declared = usize::try_from(IgvmFile::DECLARED_MEMORY_LIMIT / PAGE_SIZE);
    let justified = size / RECORD_HEADER + declared.expect("a limit that memory holds");
    let pages = LaunchPages::of(file);
    let mut most = pages.distinct().pages().len();
    for loader in Loader::ALL {
        for vcpus in [None, NonZeroU32::new(2)] {
            if let Ok(launch) = pages.launch(loader, vcpus) {
                let records = launch.records().count();
                assert!(records <= justified, "{loader}: {records} page records");
                most = most.max(records);
            }
        }
    }
    if most <= HASHED_RECORDS {
        assess(file, None);
    }
}

/// Reads an ID block: alone, and as the directive of an IGVM file.
///
/// # Panics
/// A block that is read is not written as the same bytes.
pub fn id_block(bytes: &[u8]) {
    if let Ok(block) = IdBlock::from_bytes(bytes) {
        assert_eq!(block.to_bytes(), bytes);
    }

    let file = with_directive(0x30B, bytes);
    let Err(IgvmError::Checksum { expected, .. }) = IgvmFile::parse(&file) else {
        return;
    };
    let mut sealed = file;
    sealed[0x14..0x18].copy_from_slice(&expected.to_le_bytes());
    let Ok(file) = IgvmFile::parse(&sealed) else {
        return;
    };
    let [Directive::SnpIdBlock(block)] = file.directives() else {
        panic!("{:?}", file.directives());
    };
    assert_eq!(block.launch_digest().as_bytes(), &bytes[8..56]);
    let _ = format!("{block:?}");
}

/// An IGVM file for SEV-SNP with one directive, not yet sealed.
fn with_directive(kind: u32, body: &[u8]) -> Vec<u8> {
    let Ok(length) = u32::try_from(body.len()) else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    let mut put = |numbers: &[u32]| headers.extend(numbers.iter().flat_map(|it| it.to_le_bytes()));
    // Platform SEV-SNP, version 1, mask 1; guest policy 0x3001F; the directive.
    put(&[0x1, 16, 1, 0x0001_0200, 0, 0]);
    put(&[0x101, 16, 0x3_001F, 0, 1, 0]);
    put(&[kind, length]);
    headers.extend_from_slice(body);
    headers.resize(headers.len().next_multiple_of(8), 0);

    let size = u32::try_from(headers.len()).unwrap_or(u32::MAX - 24);
    let fixed = [1, 24, size, 24 + size, 0];
    let mut file = b"IGVM".to_vec();
    file.extend(fixed.iter().flat_map(|it| it.to_le_bytes()));
    file.extend(headers);
    file
}

/// Reads an ID authentication page.
///
/// # Panics
/// A page that is read is not written as the same bytes.
pub fn id_auth_page(bytes: &[u8]) {
    if let Ok(page) = IdAuthPage::from_bytes(bytes) {
        assert_eq!(page.to_bytes(), bytes);
    }
}

/// Reads an attestation report, and certificates as they come with one.
pub fn report(bytes: &[u8]) {
    black_box(Report::parse(bytes)).ok();
    black_box(Certificate::read(bytes)).ok();
}

/// Reads the header of a kernel.
///
/// # Panics
/// The kernel's payload is not the end of the file.
pub fn bzimage(bytes: &[u8]) {
    // Or the compiler sees that nothing comes of it, and leaves it out.
    let Ok(kernel) = black_box(BzImage::parse(black_box(bytes))) else {
        return;
    };
    assert!(bytes.ends_with(kernel.payload()) && !kernel.payload().is_empty());
    black_box((
        kernel.entry(),
        kernel.memory_needed(),
        kernel.command_line_limit(),
    ));
}

/// Reads a firmware image and measures guests that start in it: the whole input, and the whole
/// pages at its end.
pub fn firmware(bytes: &[u8]) {
    let page = usize::try_from(PAGE_SIZE).expect("a page fits into memory");
    for image in [bytes, &bytes[bytes.len() % page..]] {
        if let Ok(firmware) = Firmware::parse(image) {
            start(&firmware);
        }
    }
}

fn start(firmware: &Firmware<'_>) {
    let hash = Sha256Digest::new([7; 32]);
    let kernel = KernelHashes {
        kernel: hash,
        initrd: hash,
        cmdline: hash,
    };
    let signature = VcpuSignature::new(0x0080_0F12);
    let vcpus = VcpuCount::new(2).expect("two processors are not too many");
    let machine = |vmm| Machine { vcpus, vmm };
    let qemu = machine(Vmm::Qemu { signature });
    for kernel in [None, Some(kernel)] {
        let _ = sev_launch_digest(firmware, kernel.as_ref());
        let _ = sev_es_launch_digest(firmware, &qemu, kernel.as_ref());
    }
    let declared = firmware.sections().unwrap_or_default();
    let declared: u64 = declared.iter().map(|section| section.size).sum();
    assert!(declared <= Firmware::DECLARED_MEMORY_LIMIT);
    if declared / PAGE_SIZE > HASHED_RECORDS as u64 {
        return;
    }
    for vmm in [qemu.vmm, Vmm::Ec2, Vmm::Gce] {
        let guest = SnpGuest {
            machine: machine(vmm),
            guest_features: 1,
            kernel: Some(kernel),
            image_digest: None,
        };
        let _ = snp_launch_digest(firmware, &guest);
    }
}
