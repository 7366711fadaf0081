//! What a processor needs to start the kernel, in one block after the kernel's memory.

use guestmark_measure::{Gpa, PAGE_SIZE};
use igvm::snp_defs::SevVmsa;
use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use super::LayoutError;
use super::filler::{Filler, end_of};
use super::inputs::Inputs;
use super::kernel::Kernel;
use crate::igvm::memory::RegionKind;
use crate::igvm::structures::boot_params::BootParams;
use crate::igvm::structures::e820::E820Entry;
use crate::igvm::structures::gdt::{Gdt, TSS_SIZE};
use crate::igvm::structures::page_tables::PageTables;
use crate::igvm::structures::vmsa::{Entry, Processor};

/// `type_of_loader` of a loader without a number of its own.
const UNREGISTERED_LOADER: u8 = 0xff;
const STACK_SIZE: u64 = PAGE_SIZE;

/// What lies last in the block, after the stack.
pub(super) struct Trailer {
    pub(super) name: &'static str,
    pub(super) alignment: u64,
    pub(super) bytes: Vec<u8>,
}

/// The addresses of page tables, TSS, GDT, `boot_params`, command line, initrd, stack and
/// trailer, packed in this order without alignment, but for the initrd, which begins on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartBlock {
    pub(super) page_tables: Gpa,
    tss: Gpa,
    gdt: Gpa,
    boot_params: Gpa,
    command_line: Gpa,
    initrd: Gpa,
    stack: Gpa,
    pub(super) trailer: Gpa,
    /// The end of its last page.
    pub(super) end: Gpa,
}

impl StartBlock {
    /// The block at `start`, a page-aligned address.
    pub(super) fn at(
        start: Gpa,
        inputs: &Inputs<'_>,
        trailer: &Trailer,
    ) -> Result<Self, LayoutError> {
        let aligned = |what, gpa: Gpa, alignment| {
            end_of(what, gpa, gpa.get().next_multiple_of(alignment) - gpa.get())
        };
        let command_line_size = inputs.command_line.bytes.len() as u64 + 1;
        let tss = end_of("page tables", start, PageTables::SIZE)?;
        let gdt = end_of("TSS", tss, TSS_SIZE)?;
        let boot_params = end_of("GDT", gdt, Gdt::SIZE)?;
        let command_line = end_of("boot parameters", boot_params, BootParams::SIZE)?;
        let command_line_end = end_of("command line", command_line, command_line_size)?;
        let initrd = aligned("command line", command_line_end, PAGE_SIZE)?;
        let stack = end_of("initrd", initrd, initrd_bytes(inputs).len() as u64)?;
        let stack_end = end_of("stack", stack, STACK_SIZE)?;
        let trailer_start = aligned("stack", stack_end, trailer.alignment)?;
        let last = end_of(trailer.name, trailer_start, trailer.bytes.len() as u64)?;
        Ok(Self {
            page_tables: start,
            tss,
            gdt,
            boot_params,
            command_line,
            initrd,
            stack,
            trailer: trailer_start,
            end: aligned(trailer.name, last, PAGE_SIZE)?,
        })
    }

    /// A GDT of these descriptors and that of the block's TSS.
    pub(super) fn gdt(&self, descriptors: [u64; 5]) -> Gdt {
        Gdt::new(descriptors, self.tss)
    }

    /// What `processor` starts from to run `kernel`.
    pub(super) fn vmsa(&self, processor: &Processor, kernel: &Kernel<'_>, gdt: &Gdt) -> SevVmsa {
        let entry = Entry {
            instruction: kernel.entry,
            stack_top: Gpa::new(self.stack.get() + STACK_SIZE),
            boot_params: self.boot_params,
            page_tables: self.page_tables,
            gdt: self.gdt,
        };
        processor.at(entry, gdt)
    }

    /// Boot parameters for `kernel`, whose root pointer lies at `rsdp`.
    pub(super) fn boot_params(
        &self,
        kernel: &Kernel<'_>,
        inputs: &Inputs<'_>,
        rsdp: Gpa,
        e820: &[E820Entry],
    ) -> BootParams {
        let mut params = BootParams::new_zeroed();
        params.header = *kernel.image.header();
        params.header.type_of_loader = UNREGISTERED_LOADER;
        params.header.code32_start = low(kernel.entry);
        params.header.cmd_line_ptr = low(self.command_line);
        params.header.cmdline_size = low(Gpa::new(inputs.command_line.bytes.len() as u64));
        params.header.ramdisk_image = low(self.initrd);
        params.header.ramdisk_size = low(Gpa::new(initrd_bytes(inputs).len() as u64));
        params.acpi_rsdp_addr = rsdp.get().into();
        params.set_e820(e820);
        params
    }

    /// Puts the block.
    pub(super) fn fill<'a>(
        &self,
        filler: &mut Filler<'a>,
        inputs: &Inputs<'a>,
        gdt: &Gdt,
        boot_params: &BootParams,
        trailer: Trailer,
    ) -> Result<(), LayoutError> {
        filler.skip_to(self.page_tables, "page tables")?;
        let tables = PageTables::at(self.page_tables);
        filler.put_own("page tables", tables.as_bytes().to_vec())?;
        filler.zeros_to(self.gdt, "TSS")?;
        filler.put_own("GDT", gdt.as_bytes().to_vec())?;
        filler.put_own("boot parameters", boot_params.as_bytes().to_vec())?;
        filler.put(
            "command line",
            inputs.command_line.bytes.len() as u64 + 1,
            RegionKind::Data,
            inputs.command_line.bytes,
            inputs.command_line.origin.clone(),
        )?;
        filler.skip_to(self.initrd, "initrd")?;
        if let Some(initrd) = &inputs.initrd {
            let size = initrd.bytes.len() as u64;
            let origin = initrd.origin.clone();
            filler.put("initrd", size, RegionKind::Data, initrd.bytes, origin)?;
        }
        filler.skip_to(self.stack, "stack")?;
        filler.put_page("stack", RegionKind::Data, &[][..])?;
        filler.skip_to(self.trailer, trailer.name)?;
        filler.put_own(trailer.name, trailer.bytes)?;
        filler.skip_to(self.end, "what follows the start block")
    }
}

fn initrd_bytes<'a>(inputs: &Inputs<'a>) -> &'a [u8] {
    inputs.initrd.as_ref().map_or(&[], |initrd| initrd.bytes)
}

/// The low 32 bits of an address or size that [`end_of`] has checked to be at most 4 GiB.
pub(super) fn low(gpa: Gpa) -> U32 {
    let [a, b, c, d, ..] = gpa.get().to_le_bytes();
    U32::from_bytes([a, b, c, d])
}
