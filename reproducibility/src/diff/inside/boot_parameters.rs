//! `boot_params`, by its fields.
//!
//! Source: Linux, Documentation/arch/x86/zero-page.rst and boot.rst; integers are little-endian.

use super::fields::{self, Field};
use crate::diff::explanation::FieldChange;

/// The memory map's first entry, and the bytes of one.
const E820: (usize, usize) = (0x2d0, 20);
/// Entries that there is room for.
const E820_ENTRIES: usize = 128;

/// What the loader writes, and what the kernel's setup header brings.
const FIELDS: &[Field] = &[
    Field::new("acpi_rsdp_addr", 0x70, 8),
    Field::new("cc_blob_address", 0x13c, 4),
    Field::new("e820_entries", 0x1e8, 1),
    Field::new("setup_sects", 0x1f1, 1),
    Field::new("root_flags", 0x1f2, 2),
    Field::new("syssize", 0x1f4, 4),
    Field::new("ram_size", 0x1f8, 2),
    Field::new("vid_mode", 0x1fa, 2),
    Field::new("root_dev", 0x1fc, 2),
    Field::new("boot_flag", 0x1fe, 2),
    Field::new("jump", 0x200, 2),
    Field::new("header", 0x202, 4),
    Field::new("version", 0x206, 2),
    Field::new("realmode_swtch", 0x208, 4),
    Field::new("start_sys_seg", 0x20c, 2),
    Field::new("kernel_version", 0x20e, 2),
    Field::new("type_of_loader", 0x210, 1),
    Field::new("loadflags", 0x211, 1),
    Field::new("setup_move_size", 0x212, 2),
    Field::new("code32_start", 0x214, 4),
    Field::new("ramdisk_image", 0x218, 4),
    Field::new("ramdisk_size", 0x21c, 4),
    Field::new("bootsect_kludge", 0x220, 4),
    Field::new("heap_end_ptr", 0x224, 2),
    Field::new("ext_loader_ver", 0x226, 1),
    Field::new("ext_loader_type", 0x227, 1),
    Field::new("cmd_line_ptr", 0x228, 4),
    Field::new("initrd_addr_max", 0x22c, 4),
    Field::new("kernel_alignment", 0x230, 4),
    Field::new("relocatable_kernel", 0x234, 1),
    Field::new("min_alignment", 0x235, 1),
    Field::new("xloadflags", 0x236, 2),
    Field::new("cmdline_size", 0x238, 4),
    Field::new("hardware_subarch", 0x23c, 4),
    Field::new("hardware_subarch_data", 0x240, 8),
    Field::new("payload_offset", 0x248, 4),
    Field::new("payload_length", 0x24c, 4),
    Field::new("setup_data", 0x250, 8),
    Field::new("pref_address", 0x258, 8),
    Field::new("init_size", 0x260, 4),
    Field::new("handover_offset", 0x264, 4),
    Field::new("kernel_info_offset", 0x268, 4),
];

/// What the kernel's own header holds, but for what loaders write.
const OF_KERNEL: [&str; 27] = [
    "setup_sects",
    "root_flags",
    "syssize",
    "ram_size",
    "vid_mode",
    "root_dev",
    "boot_flag",
    "jump",
    "version",
    "realmode_swtch",
    "start_sys_seg",
    "kernel_version",
    "loadflags",
    "setup_move_size",
    "code32_start",
    "initrd_addr_max",
    "kernel_alignment",
    "relocatable_kernel",
    "min_alignment",
    "xloadflags",
    "hardware_subarch",
    "payload_offset",
    "payload_length",
    "pref_address",
    "init_size",
    "handover_offset",
    "kernel_info_offset",
];

/// Whether a field is the kernel's own.
pub(in crate::diff) fn is_of_kernel(field: &str) -> bool {
    OF_KERNEL.contains(&field)
}

/// Bytes of the kernel that a `boot_params` belongs to, as its setup header says.
pub(in crate::diff) fn kernel_size(parameters: &[u8]) -> Option<u64> {
    // In units of 16 bytes.
    let units = Field::new("syssize", 0x1f4, 4).number(parameters)?;
    Some(units * 16)
}

/// The fields that differ; `changed` says whether a region is another than before.
pub(super) fn compare(
    old: &[u8],
    new: &[u8],
    changed: impl Fn(&str) -> bool,
    layout_changed: bool,
) -> Vec<FieldChange> {
    let mut known = FIELDS.to_vec();
    let mut changes: Vec<_> = fields::compare(FIELDS, old, new)
        .into_iter()
        .map(|change| {
            let cause = match &change.name[..] {
                "ramdisk_size" => "initrd",
                "cmdline_size" => "command line",
                "e820_entries" if layout_changed => return change.from("regions' places"),
                name if OF_KERNEL.contains(&name) => "kernel",
                _ => return change,
            };
            match changed(cause) {
                true => change.from(cause),
                false => change,
            }
        })
        .collect();
    for index in 0..E820_ENTRIES {
        let offset = E820.0 + index * E820.1;
        let entry = Field::new("e820", offset, E820.1);
        known.push(entry);
        let (one, two) = (range(old, offset), range(new, offset));
        if one != two {
            let change = FieldChange::of(format!("e820[{index}]"), one, two);
            changes.push(match layout_changed {
                true => change.from("regions' places"),
                false => change,
            });
        }
    }
    changes.extend(fields::rest(&known, old, new));
    changes
}

/// An entry of the memory map in words; `None` if it is not used.
fn range(bytes: &[u8], offset: usize) -> Option<String> {
    let start = Field::new("start", offset, 8).number(bytes)?;
    let size = Field::new("size", offset + 8, 8).number(bytes)?;
    let kind = Field::new("type", offset + 16, 4).number(bytes)?;
    let name = match kind {
        0 => return None,
        1 => "RAM".to_owned(),
        2 => "reserved".to_owned(),
        3 => "ACPI".to_owned(),
        other => format!("type {other}"),
    };
    Some(format!(
        "{start:#x} to {:#x}, {name}",
        start.wrapping_add(size)
    ))
}
