//! The Linux guest that an IGVM file starts: what `boot_params` tells the kernel.
//!
//! Source: Linux, Documentation/arch/x86/boot.rst and zero-page.rst. Addresses are taken as
//! guest physical: a kernel is started with its memory mapped one to one.

use std::io::BufRead;

use guestmark_measure::Gpa;
use serde::Serialize;
use zerocopy::FromBytes;

use super::memory::LaunchedMemory;
use super::vp_context::Registers;
use crate::igvm::bzimage::SetupHeader;
use crate::igvm::structures::boot_params::BootParams;
use crate::igvm::structures::e820::E820Entry;
use crate::inspect::kernel::{self, banner};
use crate::inspect::text::printable;

/// The magic number of a setup header.
pub(super) const MAGIC: [u8; 4] = *b"HdrS";
/// From the start of the loaded kernel to its 64-bit entry, where RIP points.
const ENTRY_64: u64 = 0x200;
/// Longer command lines are cut off here, in bytes; x86 kernels take 2048.
const COMMAND_LINE_LIMIT: u64 = 64 << 10;

/// The Linux guest that an IGVM file starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinuxFacts {
    /// Where `boot_params` lies.
    pub boot_params: Gpa,
    /// The boot protocol of the kernel, as `MAJOR.MINOR`.
    pub boot_protocol: String,
    /// The kernel's banner, from within the kernel; `None` if that is compressed with bzip2 or
    /// lzo, or has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    /// The kernel command line; `None` if the kernel is given none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<CommandLine>,
    /// The initrd, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initrd: Option<InitrdRange>,
    /// Where the ACPI root pointer lies; 0 if the kernel is to search for it.
    pub acpi_rsdp: Gpa,
    /// The memory map that the kernel is given.
    pub e820: Vec<E820Range>,
}

/// A kernel command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandLine {
    /// Its first byte.
    pub start: Gpa,
    /// Bytes it has without its NUL.
    pub bytes: u64,
    /// The line, with backslashes and what does not print as `\xNN`: a tab is `\x09`.
    pub text: String,
    /// Whether the pages of the file hold all of it, up to a NUL.
    pub complete: bool,
    /// The line itself, without its NUL.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

/// Where the initrd lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitrdRange {
    /// Its first byte.
    pub start: Gpa,
    /// Bytes it has.
    pub bytes: u64,
}

/// An entry of the memory map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct E820Range {
    /// Its first byte.
    pub start: Gpa,
    /// Bytes it has.
    pub bytes: u64,
    /// What it is: `ram`, `reserved`, `acpi`, `nvs`, `unusable`, `persistent`, or a number.
    #[serde(rename = "type")]
    pub range_type: String,
}

impl LinuxFacts {
    /// The guest that a processor with these registers starts, if RSI leads to a `boot_params`.
    pub(super) fn find(memory: &LaunchedMemory<'_>, registers: &Registers) -> Option<Self> {
        let start = Gpa::new(registers.rsi.0);
        let page: [u8; size_of::<BootParams>()] = memory.array(start)?;
        let parameters = BootParams::read_from_bytes(&page).ok()?;
        let header = &parameters.header;
        if header.header != MAGIC {
            return None;
        }
        let initrd_size = u64::from(header.ramdisk_size.get());
        let entries = usize::from(parameters.e820_entries);
        Some(Self {
            boot_params: start,
            boot_protocol: kernel::protocol(header),
            kernel_version: kernel_version(memory, header, registers.rip.0),
            command_line: command_line(memory, header),
            initrd: (initrd_size > 0).then(|| InitrdRange {
                start: Gpa::new(header.ramdisk_image.get().into()),
                bytes: initrd_size,
            }),
            acpi_rsdp: Gpa::new(parameters.acpi_rsdp_addr.get()),
            e820: parameters
                .e820_table
                .iter()
                .take(entries)
                .map(range)
                .collect(),
        })
    }
}

fn command_line(memory: &LaunchedMemory<'_>, header: &SetupHeader) -> Option<CommandLine> {
    let start = match header.cmd_line_ptr.get() {
        0 => return None,
        address => Gpa::new(address.into()),
    };
    let mut line = Vec::new();
    // Reading memory that is not there ends the line; it does not fail.
    let _ = memory
        .read_from(start, COMMAND_LINE_LIMIT)
        .read_until(0, &mut line);
    let complete = line.pop_if(|last| *last == 0).is_some();
    Some(CommandLine {
        start,
        bytes: line.len() as u64,
        text: printable(&line),
        complete,
        raw: line,
    })
}

fn kernel_version(memory: &LaunchedMemory<'_>, header: &SetupHeader, rip: u64) -> Option<String> {
    let kernel = Gpa::new(rip.checked_sub(ENTRY_64)?);
    let payload = kernel.checked_add(header.payload_offset.get().into())?;
    banner::find(memory.read_from(payload, header.payload_length.get().into()))
}

fn range(entry: &E820Entry) -> E820Range {
    E820Range {
        start: Gpa::new(entry.start.get()),
        bytes: entry.size.get(),
        range_type: match entry.kind.get() {
            1 => "ram".to_owned(),
            2 => "reserved".to_owned(),
            3 => "acpi".to_owned(),
            4 => "nvs".to_owned(),
            5 => "unusable".to_owned(),
            7 => "persistent".to_owned(),
            other => other.to_string(),
        },
    }
}
