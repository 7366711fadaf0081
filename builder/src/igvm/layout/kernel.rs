//! Where the kernel lies, and what it needs around itself.

use std::ops::Range;

use guestmark_measure::{Gpa, PAGE_SIZE};

use super::LayoutError;
use super::filler::{Filler, end_of};
use super::inputs::Inputs;
use crate::igvm::bzimage::BzImage;
use crate::igvm::memory::RegionKind;

/// The decompressor's stack begins this far after the kernel's last page, and is this large.
const STACK_DISTANCE: u64 = 0x1_0000;
const STACK_SIZE: u64 = 0x4000;
/// The decompressor's page tables are the last bytes of the kernel's memory.
const TABLES_SIZE: u64 = 0x7000;

/// How much of the memory around the kernel is launched with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scratch {
    /// What the decompressor uses before it can validate memory.
    Decompressor,
    /// All of it.
    All,
}

/// The kernel with its addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel<'a> {
    pub(super) image: BzImage<'a>,
    pub(super) start: Gpa,
    pub(super) entry: Gpa,
    /// The end of its last page.
    pub(super) end: Gpa,
    /// The end of the memory it asks for.
    pub(super) memory_end: Gpa,
}

impl<'a> Kernel<'a> {
    /// Reads the kernel and checks that it and its command line can be laid out, with the kernel
    /// not below `lowest`.
    pub(super) fn check(
        inputs: &Inputs<'a>,
        lowest: Gpa,
        scratch: Scratch,
    ) -> Result<Self, LayoutError> {
        let image = BzImage::parse(inputs.kernel.bytes)?;
        let command_line = inputs.command_line.bytes;
        if command_line.len() > image.command_line_limit() {
            return Err(LayoutError::CommandLineTooLong {
                length: command_line.len(),
                limit: image.command_line_limit(),
            });
        }
        if let Some(offset) = command_line.iter().position(|byte| *byte == 0) {
            return Err(LayoutError::CommandLineNul { offset });
        }
        let start = image.load_address();
        if !start.is_page_aligned() || start < lowest || start.get() >= 1 << 32 {
            let found = start.get();
            return Err(LayoutError::LoadAddress { found, lowest });
        }
        let found = image.memory_needed();
        if !found.is_multiple_of(PAGE_SIZE) {
            return Err(LayoutError::InitSizeUnaligned { found });
        }
        let size = (image.payload().len() as u64).next_multiple_of(PAGE_SIZE);
        let needed = match scratch {
            Scratch::Decompressor => size + STACK_DISTANCE + STACK_SIZE + TABLES_SIZE,
            Scratch::All => size,
        };
        if found < needed {
            return Err(LayoutError::InitSizeTooSmall { found, needed });
        }
        Ok(Self {
            image,
            start,
            entry: image.entry().ok_or(LayoutError::LoadAddress {
                found: start.get(),
                lowest,
            })?,
            end: end_of("the kernel", start, size)?,
            memory_end: end_of("the kernel's memory", start, found)?,
        })
    }

    /// What the decompressor uses before it can validate memory, in ascending order: its stack
    /// and its page tables. Only for a kernel checked with [`Scratch::Decompressor`].
    pub(super) fn decompressor(&self) -> [Range<Gpa>; 2] {
        let stack = self.end.get() + STACK_DISTANCE;
        let tables = self.memory_end.get() - TABLES_SIZE;
        [
            Gpa::new(stack)..Gpa::new(stack + STACK_SIZE),
            Gpa::new(tables)..self.memory_end,
        ]
    }

    /// Puts the kernel and what is launched around it.
    pub(super) fn fill(
        &self,
        filler: &mut Filler<'a>,
        inputs: &Inputs<'a>,
        scratch: Scratch,
    ) -> Result<(), LayoutError> {
        filler.put(
            "kernel",
            self.end.get() - self.start.get(),
            RegionKind::Data,
            self.image.payload(),
            inputs.kernel.origin.clone(),
        )?;
        match scratch {
            Scratch::Decompressor => {
                let [stack, tables] = self.decompressor();
                filler.skip_to(stack.start, "the decompressor's stack")?;
                filler.zeros_to(stack.end, "decompressor stack")?;
                filler.skip_to(tables.start, "the decompressor's page tables")?;
                filler.zeros_to(tables.end, "decompressor page tables")
            }
            Scratch::All => filler.zeros_to(self.memory_end, "kernel scratch"),
        }
    }
}
