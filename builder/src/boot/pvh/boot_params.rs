//! What a Linux kernel must not be told when it runs without memory encryption.
//!
//! Offsets are those of `struct boot_params` (Linux, `Documentation/arch/x86/zero-page.rst` and
//! `boot.rst`).

use guestmark_measure::Gpa;

use super::image::{FIRMWARE_END, LaunchImage};
use super::{AcpiTables, PvhError};

const ACPI_RSDP_ADDR: u64 = 0x070;
const CC_BLOB_ADDRESS: u64 = 0x13c;
const MAGIC: u64 = 0x202;
const SETUP_DATA: u64 = 0x250;

/// Hides the confidential-computing blob, which a kernel on a CPU without SEV cannot use and
/// whose page it may not even map, and chooses the ACPI tables. Without an RSDP address the
/// kernel looks for one where firmware puts it.
///
/// A guest that does not start with boot parameters in RSI is left as it is.
pub(super) fn adapt(image: &mut LaunchImage<'_>, acpi: AcpiTables) -> Result<(), PvhError> {
    let boot_params = image.vmsa().rsi;
    if image.read(boot_params.saturating_add(MAGIC)) != Some(*b"HdrS") {
        return Ok(());
    }
    image.write(boot_params + CC_BLOB_ADDRESS, &[0; 4]);
    image.write(boot_params + SETUP_DATA, &[0; 8]);
    match acpi {
        AcpiTables::Machine => image.write(boot_params + ACPI_RSDP_ADDR, &[0; 8]),
        AcpiTables::Image => {
            let rsdp = image.read(boot_params + ACPI_RSDP_ADDR).unwrap_or_default();
            let rsdp = Gpa::new(u64::from_le_bytes(rsdp));
            if rsdp < FIRMWARE_END {
                return Err(PvhError::AcpiLeftOut(rsdp));
            }
        }
    }
    Ok(())
}
