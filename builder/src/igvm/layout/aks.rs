//! The layout of AKS guests.

use std::ops::Range;

use guestmark_measure::Gpa;
use zerocopy::IntoBytes;

use super::LayoutError;
use super::acpi_window::AcpiWindow;
use super::filler::Filler;
use super::inputs::{Inputs, Validated};
use super::kernel::{Kernel, Scratch};
use super::start_block::{StartBlock, Trailer, low};
use crate::igvm::memory::{GuestMemory, PageBytes, RegionKind};
use crate::igvm::structures::cc_blob::CcBlob;
use crate::igvm::structures::cpuid_page::CpuidPage;
use crate::igvm::structures::e820::{E820Entry, E820Type};
use crate::igvm::structures::gdt::{CODE, DATA, Selector, USER_CODE, USER_DATA};
use crate::igvm::structures::vmsa::Processor;

const HOLE: Gpa = Gpa::new(0xa_0000);
const HOLE_END: Gpa = Gpa::new(0x10_0000);
const CPUID: Gpa = Gpa::new(0x80_0000);
const SECRETS: Gpa = Gpa::new(0x80_1000);
const LOWEST_KERNEL: Gpa = Gpa::new(0x80_4000);

const ACPI: AcpiWindow = AcpiWindow {
    range: HOLE..CPUID,
    rsdp: Gpa::new(0xe_0000),
    xsdt: Some(HOLE_END),
};

const DESCRIPTORS: [u64; 5] = [0, CODE, USER_CODE, DATA, USER_DATA];

/// Paging, protected mode and long mode are on; SEV-SNP with restricted injection.
const PROCESSOR: Processor = Processor {
    sev_features: 0x9,
    cr0: 0x8000_0001,
    cr4: 0x30,
    efer: 0x1d01,
    dr6: 0,
    dr7: 0,
    mxcsr: 0,
    x87_control: 0,
    code: Selector::of(1),
    data: Selector::of(3),
};

/// Lays out the inputs.
pub(super) fn lay_out<'a>(
    inputs: &Inputs<'a>,
    validated: Validated,
) -> Result<GuestMemory<'a>, LayoutError> {
    let scratch = match validated {
        Validated::OnDemand => Scratch::Decompressor,
        Validated::All => Scratch::All,
    };
    let kernel = Kernel::check(inputs, LOWEST_KERNEL, scratch)?;
    let acpi_end = ACPI.end_of(inputs.acpi)?;
    let trailer = cc_blob_page();
    let block = StartBlock::at(kernel.memory_end, inputs, &trailer)?;
    let gdt = block.gdt(DESCRIPTORS);
    let vmsa = block.vmsa(&PROCESSOR, &kernel, &gdt);
    let e820 = memory_map(validated, acpi_end, &kernel, &block);
    let mut params = block.boot_params(&kernel, inputs, ACPI.rsdp, &e820);
    params.cc_blob_address = low(block.trailer);

    let mut filler = Filler::new();
    if validated == Validated::All {
        filler.zeros_to(HOLE, "low memory")?;
    }
    ACPI.fill(&mut filler, inputs.acpi, acpi_end)?;
    filler.skip_to(CPUID, "CPUID page")?;
    let cpuid = CpuidPage::new().as_bytes().to_vec();
    filler.put_page("CPUID page", RegionKind::Cpuid, cpuid)?;
    filler.put_page("secrets page", RegionKind::Secrets, &[][..])?;
    filler.put_page("parameter page", RegionKind::ParameterArea, &[][..])?;
    filler.put_page("VMSA", RegionKind::Vmsa, vmsa.as_bytes().to_vec())?;
    filler.skip_to(kernel.start, "kernel")?;
    kernel.fill(&mut filler, inputs, scratch)?;
    block.fill(&mut filler, inputs, &gdt, &params, trailer)?;
    Ok(GuestMemory::new(filler.into_regions(), Vec::new())?)
}

/// The blob in a page's worth of bytes, which nothing aligns.
fn cc_blob_page() -> Trailer {
    let mut bytes = CcBlob::new(SECRETS, CPUID).as_bytes().to_vec();
    bytes.resize(size_of::<PageBytes>(), 0);
    Trailer {
        name: "CC blob",
        alignment: 1,
        bytes,
    }
}

/// What the kernel is told of: what is launched, and nothing that the loader adds.
fn memory_map(
    validated: Validated,
    acpi_end: Gpa,
    kernel: &Kernel<'_>,
    block: &StartBlock,
) -> Vec<E820Entry> {
    let ram = |range: Range<Gpa>| E820Entry::new(range, E820Type::Ram);
    let low_memory_end = match validated {
        Validated::OnDemand => Gpa::new(0),
        Validated::All => HOLE,
    };
    let mut map = vec![
        ram(Gpa::new(0)..low_memory_end),
        E820Entry::new(HOLE..HOLE_END, E820Type::Reserved),
        E820Entry::new(HOLE_END..acpi_end, E820Type::Acpi),
    ];
    match validated {
        Validated::OnDemand => {
            map.push(ram(kernel.start..kernel.end));
            map.extend(kernel.decompressor().map(ram));
            map.push(ram(block.page_tables..block.end));
        }
        Validated::All => map.push(ram(kernel.start..block.end)),
    }
    map
}
