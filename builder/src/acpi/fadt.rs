//! FADT: the fixed hardware, of which a hardware-reduced platform has little (ACPI 6.5, section
//! 5.2.9).

use acpi_tables::fadt::{FADT, FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use guestmark_measure::Gpa;

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};

/// Bytes in the table.
pub(super) const SIZE: usize = size_of::<FADTBuilder>();

/// Writing it resets or powers off the guest.
const CONTROL_PORT: u64 = 0x600;
const RESET: u8 = 1;
const PM_TIMER_PORT: u32 = 0x608;
/// ACPI 6.3.
const MINOR_VERSION: u8 = 3;

/// The table, which names the FACS and the DSDT.
pub(super) fn table(facs: Gpa, dsdt: Gpa) -> FADT {
    let control = GAS::new(
        AddressSpace::SystemIo,
        8,
        0,
        AccessSize::ByteAccess,
        CONTROL_PORT,
    );
    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .firmware_ctrl_64(facs.get())
        .dsdt_64(dsdt.get())
        .flag(Flags::TmrValExt)
        .flag(Flags::ResetRegSup)
        .flag(Flags::HwReducedAcpi);
    fadt.fadt_minor_version = MINOR_VERSION;
    fadt.reset_reg = control;
    fadt.reset_value = RESET;
    fadt.pm_tmr_blk = PM_TIMER_PORT.into();
    fadt.pm_tmr_len = 4;
    fadt.x_pm_tmr_blk = GAS::new(
        AddressSpace::SystemIo,
        32,
        0,
        AccessSize::DwordAccess,
        u64::from(PM_TIMER_PORT),
    );
    fadt.sleep_control_reg = control;
    fadt.sleep_status_reg = control;
    fadt.finalize()
}
