//! What a guest is launched with, in order, and the digest that follows.
//!
//! Under SEV-SNP every page adds a PAGE_INFO to the digest (SEV-SNP Firmware ABI, document 56860,
//! section 8.17); the order of pages is QEMU's (`target/i386/sev.c`), but where a VMM is named.

use sha2::{Digest, Sha256};

use super::vmsa::{RESET_VECTOR, svsm_save_area};
use super::{
    Firmware, KernelHashes, OvmfError, Section, SectionKind, VcpuCount, VcpuSignature, Vmm,
};
use crate::chain::extend_launch_digest;
use crate::lanes::Page;
use crate::loader::KVM_VMSA_GPA;
use crate::{DistinctPages, Gpa, LaunchDigest, PAGE_SIZE, PageRecord, Sha256Digest, UnreadPage};

/// The VMM, and the processors that it gives a guest.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// How many processors.
    pub vcpus: VcpuCount,
    /// The VMM.
    pub vmm: Vmm,
}

/// What an SEV-SNP guest is launched with beside its firmware.
#[derive(Debug, Clone, Copy)]
pub struct SnpGuest {
    /// The machine.
    pub machine: Machine,
    /// SEV_FEATURES of every processor. Bit 0 is SEV-SNP itself, bit 5 the swapping of debug
    /// registers.
    pub guest_features: u64,
    /// The kernel, if the VMM loads one.
    pub kernel: Option<KernelHashes>,
    /// The digest of the firmware's image if it is known: [`snp_image_digest`]. Of the image that
    /// is given, only the metadata then matter.
    pub image_digest: Option<LaunchDigest>,
}

/// What an SEV-SNP guest under an SVSM is launched with beside its firmware, by QEMU.
#[derive(Debug)]
pub struct SvsmGuest<'f> {
    /// The SVSM (COCONUT), which brings the metadata.
    pub svsm: Firmware<'f>,
    /// Bytes of the store of variables, which lies between SVSM and firmware and is not measured.
    pub variables_size: u64,
    /// How many processors.
    pub vcpus: VcpuCount,
    /// Signature of the processors.
    pub signature: VcpuSignature,
}

/// A page as it is launched.
#[derive(Clone, Copy)]
enum Launched<'p> {
    Normal(Gpa, &'p Page),
    Vmsa(&'p Page),
    Unread(Gpa, UnreadPage),
}

/// The launch digest of an SEV-SNP guest: its image, then what its metadata list, then a save
/// area for each processor.
///
/// # Errors
/// The firmware lacks metadata that this needs, or they contradict themselves.
pub fn snp_launch_digest(
    firmware: &Firmware<'_>,
    guest: &SnpGuest,
) -> Result<LaunchDigest, OvmfError> {
    let Machine { vcpus, vmm } = guest.machine;
    let first = vmm.save_area(RESET_VECTOR, guest.guest_features);
    let further = vmm.save_area(firmware.reset_address()?, guest.guest_features);
    let kernel = guest.kernel.as_ref();
    let kernel = kernel.map(|hashes| HashesPage::new(firmware, hashes));
    let kernel = kernel.transpose()?;

    let (start, mut launched) = match guest.image_digest {
        Some(measured) => (measured, Vec::new()),
        None => (UNMEASURED, image(firmware, firmware.start())),
    };
    launched.extend(metadata(firmware, firmware.start(), vmm, kernel.as_ref())?);
    launched.push(Launched::Vmsa(&first));
    launched.extend((1..vcpus.get()).map(|_| Launched::Vmsa(&further)));
    Ok(digest(start, &launched))
}

/// The digest of an SEV-SNP guest after its image, before anything else: what stands for the
/// image in [`SnpGuest::image_digest`].
pub fn snp_image_digest(firmware: &Firmware<'_>) -> LaunchDigest {
    digest(UNMEASURED, &image(firmware, firmware.start()))
}

/// The launch digest of an SEV-SNP guest that starts in an SVSM: the firmware's image, the SVSM's
/// image below it, what the SVSM's metadata list, then a save area for each processor.
///
/// # Errors
/// The SVSM lacks metadata that this needs, or they contradict themselves; or there is no place
/// for it below the firmware.
pub fn svsm_launch_digest(
    firmware: &Firmware<'_>,
    guest: &SvsmGuest<'_>,
) -> Result<LaunchDigest, OvmfError> {
    let SvsmGuest {
        svsm,
        variables_size,
        vcpus,
        signature,
    } = guest;
    if !variables_size.is_multiple_of(PAGE_SIZE) {
        return Err(OvmfError::VariablesSize {
            found: *variables_size,
        });
    }
    let place = firmware.start().get().checked_sub(*variables_size);
    let place = place.and_then(|end| end.checked_sub(svsm.size()));
    let place = place.map(Gpa::new).ok_or(OvmfError::SvsmPlace {
        size: svsm.size(),
        variables: *variables_size,
    })?;
    let entry = place.get() + u64::from(svsm.svsm_entry()?);
    let save_area = svsm_save_area(*signature, entry);
    let vmm = Vmm::Qemu {
        signature: *signature,
    };

    let mut launched = image(firmware, firmware.start());
    launched.extend(image(svsm, place));
    launched.extend(metadata(svsm, place, vmm, None)?);
    launched.extend((0..vcpus.get()).map(|_| Launched::Vmsa(&save_area)));
    Ok(digest(UNMEASURED, &launched))
}

/// The launch digest of an SEV-ES guest (GCTX.LD in LAUNCH_MEASURE of the SEV API, document 55766,
/// section 6.5): SHA-256 of its image, its table of kernel hashes if it has a kernel, and a save
/// area for each processor, all with SEV_FEATURES 0.
///
/// # Errors
/// The firmware names no reset address, or has no place for kernel hashes that are given.
pub fn sev_es_launch_digest(
    firmware: &Firmware<'_>,
    machine: &Machine,
    kernel: Option<&KernelHashes>,
) -> Result<Sha256Digest, OvmfError> {
    let Machine { vcpus, vmm } = machine;
    let first = vmm.save_area(RESET_VECTOR, 0);
    let further = vmm.save_area(firmware.reset_address()?, 0);
    let mut digest = image_and_kernel(firmware, kernel)?;
    digest.update(first);
    for _ in 1..vcpus.get() {
        digest.update(further);
    }
    Ok(Sha256Digest::new(digest.finalize().into()))
}

/// The launch digest of an SEV guest (GCTX.LD in LAUNCH_MEASURE of the SEV API, document 55766,
/// section 6.5): SHA-256 of its image and, if it has a kernel, its table of kernel hashes.
///
/// # Errors
/// The firmware has no place for kernel hashes that are given.
pub fn sev_launch_digest(
    firmware: &Firmware<'_>,
    kernel: Option<&KernelHashes>,
) -> Result<Sha256Digest, OvmfError> {
    let digest = image_and_kernel(firmware, kernel)?;
    Ok(Sha256Digest::new(digest.finalize().into()))
}

fn image_and_kernel(
    firmware: &Firmware<'_>,
    kernel: Option<&KernelHashes>,
) -> Result<Sha256, OvmfError> {
    let mut digest = Sha256::new_with_prefix(firmware.bytes());
    if let Some(hashes) = kernel {
        firmware.hash_table_area()?;
        digest.update(hashes.table());
    }
    Ok(digest)
}

/// The page that the table of kernel hashes lies in.
struct HashesPage {
    gpa: Gpa,
    page: Page,
}

impl HashesPage {
    fn new(firmware: &Firmware<'_>, hashes: &KernelHashes) -> Result<Self, OvmfError> {
        let mut sections = firmware.sections()?.iter();
        let section = sections.find(|section| section.kind == SectionKind::KernelHashes);
        let section = section.ok_or(OvmfError::NoKernelHashes)?;
        let area = firmware.hash_table_area()?;
        if section.gpa != area.page_gpa {
            return Err(OvmfError::KernelHashesElsewhere {
                section: section.gpa,
                expected: area.page_gpa,
            });
        }
        Ok(Self {
            gpa: section.gpa,
            page: area.page(hashes),
        })
    }
}

fn image<'p>(firmware: &Firmware<'p>, start: Gpa) -> Vec<Launched<'p>> {
    let addresses = (start.get()..).step_by(4096).map(Gpa::new);
    let pages = addresses.zip(firmware.pages);
    pages
        .map(|(gpa, page)| Launched::Normal(gpa, page))
        .collect()
}

/// What the metadata of `firmware` list, in their order; its image starts at `start`.
fn metadata<'p>(
    firmware: &Firmware<'_>,
    start: Gpa,
    vmm: Vmm,
    kernel: Option<&'p HashesPage>,
) -> Result<Vec<Launched<'p>>, OvmfError> {
    let sections = firmware.sections()?;
    if let Some(section) = sections.iter().find(|section| section.end() > start.get()) {
        return Err(OvmfError::OverlapsImage {
            section: *section,
            image: start,
        });
    }
    let is_late = |section: &Section| vmm == Vmm::Ec2 && section.kind == SectionKind::Cpuid;
    // EC2 launches the CPUID page last.
    let early = sections.iter().filter(|section| !is_late(section));
    let late = sections.iter().filter(|section| is_late(section));
    let mut launched = Vec::new();
    for section in early.chain(late) {
        let kind = match (section.kind, vmm) {
            (SectionKind::SecMem, Vmm::Gce) => UnreadPage::Unmeasured,
            (SectionKind::SecMem, Vmm::Qemu { .. } | Vmm::Ec2) => UnreadPage::Zero,
            (SectionKind::SvsmCallingArea, _) => UnreadPage::Zero,
            (SectionKind::Secrets, _) => UnreadPage::Secrets,
            (SectionKind::Cpuid, _) => UnreadPage::Cpuid,
            (SectionKind::KernelHashes, _) => UnreadPage::Zero,
        };
        launched.extend(section.pages().map(|gpa| match kernel {
            Some(hashes) if hashes.gpa == gpa => Launched::Normal(gpa, &hashes.page),
            _ => Launched::Unread(gpa, kind),
        }));
    }
    Ok(launched)
}

/// The digest of a guest that nothing is launched of yet.
const UNMEASURED: LaunchDigest = LaunchDigest::new([0; 48]);

/// `start` with `launched` measured into it.
fn digest(start: LaunchDigest, launched: &[Launched<'_>]) -> LaunchDigest {
    let contents: Vec<Option<&Page>> = launched
        .iter()
        .map(|page| match *page {
            Launched::Normal(_, page) | Launched::Vmsa(page) => Some(page),
            Launched::Unread(..) => None,
        })
        .collect();
    let (pages, ids) = DistinctPages::collect(&contents);
    let records: Vec<PageRecord> = launched
        .iter()
        .zip(ids)
        .map(|(page, id)| match *page {
            Launched::Normal(gpa, _) => PageRecord::normal(gpa, id),
            Launched::Vmsa(_) => PageRecord::vmsa(KVM_VMSA_GPA, id),
            Launched::Unread(gpa, kind) => PageRecord::without_contents(gpa, kind),
        })
        .collect();
    extend_launch_digest(start, &pages, &records)
}
