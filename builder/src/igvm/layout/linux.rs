//! The layout for unmodified upstream kernels, on KVM loaders and OpenVMM.
//!
//! A kernel that no firmware starts takes every page of RAM as validated, so all RAM is launched.

use guestmark_measure::{Gpa, PAGE_SIZE};
use zerocopy::IntoBytes;

use super::LayoutError;
use super::acpi_window::AcpiWindow;
use super::filler::Filler;
use super::inputs::Inputs;
use super::kernel::{Kernel, Scratch};
use super::start_block::{StartBlock, Trailer, low};
use crate::igvm::memory::{GuestMemory, Region, RegionKind};
use crate::igvm::structures::cc_blob::{CcBlob, CcSetupData};
use crate::igvm::structures::cpuid_page::CpuidPage;
use crate::igvm::structures::e820::{E820Entry, E820Type};
use crate::igvm::structures::gdt::{CODE, DATA, Selector};
use crate::igvm::structures::vmsa::Processor;
use crate::recipe::Memory;
use crate::tree::Origin;

/// The most RAM that is launched, in bytes: 2 GiB.
pub(super) const MOST_RAM: u64 = 2 << 30;

const LOW_MEMORY: Gpa = Gpa::new(0);
/// Loaders split their memory map at the hole and refuse runs of pages across it.
const HOLE: Gpa = Gpa::new(0xa_0000);
const HOLE_END: Gpa = Gpa::new(0x10_0000);
const CPUID: Gpa = Gpa::new(0x80_0000);
const SECRETS: Gpa = Gpa::new(0x80_1000);
/// The kernel reads the blob again late in boot, so it lies in reserved memory.
const CC_BLOB: Gpa = Gpa::new(0x80_3000);
const LOWEST_KERNEL: Gpa = Gpa::new(0x80_4000);
/// Where KVM has every save area.
const VMSA: Gpa = Gpa::new(0xffff_ffff_f000);

const ACPI: AcpiWindow = AcpiWindow {
    range: HOLE_END..CPUID,
    rsdp: HOLE_END,
    xsdt: None,
};

/// The kernel's own `__BOOT_CS` and `__BOOT_DS` are the third and fourth.
const DESCRIPTORS: [u64; 5] = [0, 0, CODE, DATA, 0];

/// The registers as KVM keeps them: it forces CR0.ET, CR4.MCE and the reset values of the debug
/// and floating-point control registers.
const PROCESSOR: Processor = Processor {
    sev_features: 0x1,
    cr0: 0x8000_0011,
    cr4: 0x60,
    efer: 0x1d00,
    dr6: 0xffff_0ff0,
    dr7: 0x400,
    mxcsr: 0x1f80,
    x87_control: 0x37f,
    code: Selector::of(2),
    data: Selector::of(3),
};

/// Lays out the inputs in `memory` of RAM.
pub(super) fn lay_out<'a>(
    inputs: &Inputs<'a>,
    memory: Memory,
) -> Result<GuestMemory<'a>, LayoutError> {
    if memory.bytes() > MOST_RAM {
        return Err(LayoutError::RamTooLarge { memory });
    }
    let ram_end = Gpa::new(memory.bytes());
    let kernel = Kernel::check(inputs, LOWEST_KERNEL, Scratch::All)?;
    let acpi_end = ACPI.end_of(inputs.acpi)?;
    let trailer = Trailer {
        name: "setup_data",
        alignment: 16,
        bytes: CcSetupData::new(low(CC_BLOB)).as_bytes().to_vec(),
    };
    let block = StartBlock::at(kernel.memory_end, inputs, &trailer)?;
    if block.end > ram_end {
        let mib = block.end.get().div_ceil(1 << 20);
        return Err(LayoutError::RamTooSmall {
            memory,
            end: block.end,
            least: format!("{mib} MiB"),
        });
    }
    let gdt = block.gdt(DESCRIPTORS);
    let vmsa = block.vmsa(&PROCESSOR, &kernel, &gdt);
    let mut params = block.boot_params(&kernel, inputs, ACPI.rsdp, &memory_map(acpi_end, ram_end));
    params.header.setup_data = block.trailer.get().into();

    let mut filler = Filler::new();
    filler.zeros_to(HOLE, "low memory")?;
    ACPI.fill(&mut filler, inputs.acpi, acpi_end)?;
    filler.zeros_to(CPUID, "RAM below the CPUID page")?;
    let cpuid = CpuidPage::new().as_bytes().to_vec();
    filler.put_page("CPUID page", RegionKind::Cpuid, cpuid)?;
    filler.put_page("secrets page", RegionKind::Secrets, &[][..])?;
    filler.zeros_to(CC_BLOB, "reserved page")?;
    let blob = CcBlob::new(SECRETS, CPUID).as_bytes().to_vec();
    filler.put_page("CC blob", RegionKind::Data, blob)?;
    filler.zeros_to(kernel.start, "RAM below the kernel")?;
    kernel.fill(&mut filler, inputs, Scratch::All)?;
    block.fill(&mut filler, inputs, &gdt, &params, trailer)?;
    filler.zeros_to(ram_end, "RAM above the start block")?;

    let mut regions = filler.into_regions();
    regions.push(Region::new(
        "VMSA",
        VMSA,
        PAGE_SIZE,
        RegionKind::Vmsa,
        vmsa.as_bytes().to_vec(),
        Origin::layout("VMSA"),
    )?);
    let required = vec![LOW_MEMORY..HOLE, HOLE_END..ram_end];
    Ok(GuestMemory::new(regions, required)?)
}

/// All RAM, the hole, the ACPI tables, and the pages that must not be taken for RAM. The kernel
/// needs RAM below 640 KiB for its real-mode trampoline.
fn memory_map(acpi_end: Gpa, ram_end: Gpa) -> [E820Entry; 6] {
    [
        E820Entry::new(LOW_MEMORY..HOLE, E820Type::Ram),
        E820Entry::new(HOLE..HOLE_END, E820Type::Reserved),
        E820Entry::new(HOLE_END..acpi_end, E820Type::Acpi),
        E820Entry::new(acpi_end..CPUID, E820Type::Ram),
        E820Entry::new(CPUID..LOWEST_KERNEL, E820Type::Reserved),
        E820Entry::new(LOWEST_KERNEL..ram_end, E820Type::Ram),
    ]
}
