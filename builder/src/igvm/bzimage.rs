//! The Linux kernel as a bzImage: real-mode setup code with a header, then the kernel proper.
//!
//! Source: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". All integers
//! are little-endian.

use guestmark_measure::Gpa;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Where the setup header begins, in a bzImage and in `boot_params` alike.
pub const SETUP_HEADER_OFFSET: usize = 0x1f1;

const SETUP_HEADER_END: usize = SETUP_HEADER_OFFSET + size_of::<SetupHeader>();
const SECTOR: usize = 512;
const BOOT_FLAG: u16 = 0xaa55;
const MAGIC: [u8; 4] = *b"HdrS";
/// The first boot protocol that has `xloadflags`.
const OLDEST_PROTOCOL: u16 = 0x020c;
const LOADED_HIGH: u8 = 1 << 0;
const XLF_KERNEL_64: u16 = 1 << 0;
/// From the start of the loaded kernel to its 64-bit entry.
const ENTRY_64: u64 = 0x200;
/// `setup_sects` counts as this when it is 0.
const DEFAULT_SETUP_SECTS: u8 = 4;
/// `syssize` counts paragraphs.
const PARAGRAPH: u64 = 16;

/// The setup header, file offsets 0x1F1 to 0x26B.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SetupHeader {
    /// 512-byte sectors of setup code after the first; 0 means 4.
    pub setup_sects: u8,
    /// Whether the root file system is mounted read-only.
    pub root_flags: U16,
    /// The size of the protected-mode code in 16-byte paragraphs.
    pub syssize: U32,
    /// Obsolete.
    pub ram_size: U16,
    /// Video mode.
    pub vid_mode: U16,
    /// Root device number.
    pub root_dev: U16,
    /// 0xAA55.
    pub boot_flag: U16,
    /// A jump over the header.
    pub jump: U16,
    /// "HdrS".
    pub header: [u8; 4],
    /// Boot protocol version, major in the high byte.
    pub version: U16,
    /// Real-mode switch hook.
    pub realmode_swtch: U32,
    /// Obsolete.
    pub start_sys_seg: U16,
    /// Offset of the version string, less 0x200.
    pub kernel_version: U16,
    /// Who loaded the kernel; 0xFF is "not registered".
    pub type_of_loader: u8,
    /// Bit 0: the protected-mode code is loaded at 1 MiB or above.
    pub loadflags: u8,
    /// Obsolete.
    pub setup_move_size: U16,
    /// Where the loader jumps to.
    pub code32_start: U32,
    /// The initrd's address.
    pub ramdisk_image: U32,
    /// The initrd's size in bytes.
    pub ramdisk_size: U32,
    /// Obsolete.
    pub bootsect_kludge: U32,
    /// End of the setup code's heap.
    pub heap_end_ptr: U16,
    /// Extension of the loader's version.
    pub ext_loader_ver: u8,
    /// Extension of the loader's type.
    pub ext_loader_type: u8,
    /// The command line's address.
    pub cmd_line_ptr: U32,
    /// The highest address that the initrd may reach.
    pub initrd_addr_max: U32,
    /// Alignment that a relocatable kernel needs.
    pub kernel_alignment: U32,
    /// Whether the kernel is relocatable.
    pub relocatable_kernel: u8,
    /// The least alignment, as a power of two.
    pub min_alignment: u8,
    /// Bit 0: there is a 64-bit entry 0x200 bytes into the loaded kernel.
    pub xloadflags: U16,
    /// The longest command line that the kernel takes, without its final NUL.
    pub cmdline_size: U32,
    /// Hardware subarchitecture.
    pub hardware_subarch: U32,
    /// Data for the subarchitecture.
    pub hardware_subarch_data: U64,
    /// Where the compressed kernel lies in the protected-mode code.
    pub payload_offset: U32,
    /// The size of the compressed kernel.
    pub payload_length: U32,
    /// A list of `setup_data` nodes.
    pub setup_data: U64,
    /// Where the kernel would like to be loaded.
    pub pref_address: U64,
    /// Bytes of contiguous memory that the kernel needs from its load address.
    pub init_size: U32,
    /// Offset of the EFI handover entry.
    pub handover_offset: U32,
    /// Offset of `kernel_info`.
    pub kernel_info_offset: U32,
}

const _: () = assert!(SETUP_HEADER_END == 0x26c);

/// Bytes that are not a kernel that can be started in 64-bit mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BzImageError {
    /// The file ends before the setup header does.
    #[error(
        "not a bzImage: the setup header ends at offset {SETUP_HEADER_END:#x}, the file \
         at {size:#x}"
    )]
    Short {
        /// The file's size in bytes.
        size: usize,
    },
    /// `boot_flag` is wrong.
    #[error("not a bzImage: boot_flag at offset 0x1fe is {found:#06x}, expected 0xaa55")]
    BootFlag {
        /// The value found.
        found: u16,
    },
    /// The header's magic is wrong.
    #[error(
        "not a bzImage: header at offset 0x202 is \"{}\", expected \"HdrS\"",
        .found.escape_ascii()
    )]
    Magic {
        /// The bytes found.
        found: [u8; 4],
    },
    /// The boot protocol is older than the 64-bit entry.
    #[error(
        "the kernel speaks boot protocol {}.{} (version at offset 0x206); a 64-bit entry needs \
         2.12 (Linux 3.8) or later",
        .found >> 8, .found & 0xff
    )]
    Protocol {
        /// The version found, major in the high byte.
        found: u16,
    },
    /// The kernel wants to be loaded below 1 MiB.
    #[error(
        "not a bzImage but a zImage: loadflags at offset 0x211 is {found:#04x}, bit 0 must be set"
    )]
    LoadedLow {
        /// The value found.
        found: u8,
    },
    /// There is no 64-bit entry.
    #[error(
        "the kernel has no 64-bit entry: xloadflags at offset 0x236 is {found:#06x}, bit 0 must be \
         set; use a 64-bit kernel"
    )]
    No64BitEntry {
        /// The value found.
        found: u16,
    },
    /// The file ends before the kernel does.
    #[error(
        "truncated bzImage: setup_sects and syssize (offsets 0x1f1, 0x1f4) ask for {expected} \
         bytes, the file has {found}"
    )]
    Truncated {
        /// The size that the header asks for.
        expected: u64,
        /// The file's size.
        found: usize,
    },
}

/// A kernel that can be started through its 64-bit entry.
#[derive(Debug, Clone, Copy)]
pub struct BzImage<'a> {
    header: SetupHeader,
    payload: &'a [u8],
}

impl<'a> BzImage<'a> {
    /// Reads the header of a bzImage and finds its payload.
    ///
    /// # Errors
    /// The file is not a bzImage, is too old, has no 64-bit entry, or is truncated.
    pub fn parse(file: &'a [u8]) -> Result<Self, BzImageError> {
        let (header, _) = file
            .get(SETUP_HEADER_OFFSET..)
            .and_then(|rest| SetupHeader::read_from_prefix(rest).ok())
            .ok_or(BzImageError::Short { size: file.len() })?;
        if header.boot_flag != BOOT_FLAG {
            let found = header.boot_flag.get();
            return Err(BzImageError::BootFlag { found });
        }
        if header.header != MAGIC {
            let found = header.header;
            return Err(BzImageError::Magic { found });
        }
        if header.version < OLDEST_PROTOCOL {
            let found = header.version.get();
            return Err(BzImageError::Protocol { found });
        }
        if header.loadflags & LOADED_HIGH == 0 {
            let found = header.loadflags;
            return Err(BzImageError::LoadedLow { found });
        }
        if header.xloadflags.get() & XLF_KERNEL_64 == 0 {
            let found = header.xloadflags.get();
            return Err(BzImageError::No64BitEntry { found });
        }
        let sectors = match header.setup_sects {
            0 => DEFAULT_SETUP_SECTS,
            sectors => sectors,
        };
        let setup_size = (usize::from(sectors) + 1) * SECTOR;
        let expected = setup_size as u64 + u64::from(header.syssize.get()) * PARAGRAPH;
        let payload = file
            .get(setup_size..)
            .filter(|payload| !payload.is_empty() && expected <= file.len() as u64)
            .ok_or(BzImageError::Truncated {
                expected,
                found: file.len(),
            })?;
        Ok(Self { header, payload })
    }

    /// The setup header.
    pub const fn header(&self) -> &SetupHeader {
        &self.header
    }

    /// The kernel without its real-mode part: what is loaded at [`BzImage::load_address`].
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Where the kernel would like to be loaded (`pref_address`).
    pub const fn load_address(&self) -> Gpa {
        Gpa::new(self.header.pref_address.get())
    }

    /// Bytes of contiguous memory that the kernel needs from its load address (`init_size`).
    pub const fn memory_needed(&self) -> u64 {
        self.header.init_size.get() as u64
    }

    /// The 64-bit entry of a kernel loaded at its load address, or `None` past the end of the
    /// address space.
    pub const fn entry(&self) -> Option<Gpa> {
        self.load_address().checked_add(ENTRY_64)
    }

    /// The longest command line that the kernel takes, in bytes, without its final NUL.
    pub const fn command_line_limit(&self) -> usize {
        self.header.cmdline_size.get() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &[u8] = include_bytes!("../../tests/vectors/aks-layout/kernel-cmdline/kernel");

    fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut file = KERNEL.to_vec();
        change(&mut file);
        BzImage::parse(&file).unwrap_err().to_string()
    }

    #[test]
    fn a_kernel_is_read_with_its_addresses_and_payload() {
        let kernel = BzImage::parse(KERNEL).unwrap();
        assert_eq!(kernel.load_address(), Gpa::new(0x100_0000));
        assert_eq!(kernel.entry(), Some(Gpa::new(0x100_0200)));
        assert_eq!(kernel.memory_needed(), 0x10_0000);
        assert_eq!(kernel.command_line_limit(), 2047);
        assert_eq!(kernel.payload(), &KERNEL[5 * 512..]);
        assert_eq!(kernel.header().as_bytes(), &KERNEL[0x1f1..0x26c]);
    }

    #[test]
    fn no_setup_sectors_means_four() {
        let mut file = KERNEL.to_vec();
        file[0x1f1] = 0;
        assert_eq!(BzImage::parse(&file).unwrap().payload(), &KERNEL[5 * 512..]);
    }

    #[test]
    fn what_is_not_a_bzimage_is_refused() {
        assert_eq!(
            refused(|file| file.truncate(0x26b)),
            "not a bzImage: the setup header ends at offset 0x26c, the file at 0x26b"
        );
        assert_eq!(
            refused(|file| file[0x1fe] = 0),
            "not a bzImage: boot_flag at offset 0x1fe is 0xaa00, expected 0xaa55"
        );
        assert_eq!(
            refused(|file| file[0x202] = 0),
            "not a bzImage: header at offset 0x202 is \"\\x00drS\", expected \"HdrS\""
        );
        assert_eq!(
            refused(|file| file[0x211] = 0x10),
            "not a bzImage but a zImage: loadflags at offset 0x211 is 0x10, bit 0 must be set"
        );
    }

    #[test]
    fn a_kernel_without_64_bit_entry_is_refused() {
        assert_eq!(
            refused(|file| file[0x236] = 0x7e),
            "the kernel has no 64-bit entry: xloadflags at offset 0x236 is 0x007e, bit 0 must be \
             set; use a 64-bit kernel"
        );
        assert_eq!(
            refused(|file| file[0x206] = 0x0b),
            "the kernel speaks boot protocol 2.11 (version at offset 0x206); a 64-bit entry needs \
             2.12 (Linux 3.8) or later"
        );
    }

    #[test]
    fn a_truncated_kernel_is_refused() {
        assert_eq!(
            refused(|file| file.truncate(0x1000)),
            "truncated bzImage: setup_sects and syssize (offsets 0x1f1, 0x1f4) ask for 122560 \
             bytes, the file has 4096"
        );
    }
}
