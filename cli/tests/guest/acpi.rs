//! Our own ACPI tables, as a kernel takes them.

use guestmark_builder::boot::AcpiTables;

use crate::artifacts::artifacts;
use crate::machine::{booted, console};
use crate::program::folder;
use crate::tampering::replace_in;

#[test]
fn the_kernel_takes_every_acpi_table_without_complaint() {
    let guest = artifacts();
    // The tables describe another machine than the one that is emulated: no disk will be found.
    // A root file system that nobody asks for is not waited for.
    let mut igvm = fs_err::read(guest.igvm()).unwrap();
    replace_in(&mut igvm, b" guest.verity=", b" guest.nothing");
    let folder = folder();
    let path = folder.path().join("guest.igvm");
    fs_err::write(&path, &igvm).unwrap();
    let outcome = booted(&path, &guest.disk(), AcpiTables::Image);
    let said = console(&outcome);
    panic!("{:?}\n{said}", outcome.end);
}
