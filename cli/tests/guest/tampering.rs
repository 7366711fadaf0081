//! A guest whose disk or root hash is not what was built does not come up.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use guestmark_builder::boot::{AcpiTables, BootEnd};
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LaunchDigest, Loader, launch_digest};
use serde_json::Value;

use crate::artifacts::artifacts;
use crate::machine::{booted, console};
use crate::program::{folder, run};

/// What dm-verity says before the kernel panics.
#[track_caller]
fn expect_panic_over(corruption: &str, igvm: &Path, disk: &Path) {
    let outcome = booted(igvm, disk, AcpiTables::Machine);
    let said = console(&outcome);
    let found = outcome.corruption.as_deref().unwrap_or_default();
    assert!(found.ends_with(corruption), "{found:?}\n{said}");
    match &outcome.end {
        BootEnd::KernelPanic(line) => assert!(
            line.ends_with("Kernel panic - not syncing: dm-verity device corrupted"),
            "{line}"
        ),
        other => panic!("{other:?}\n{said}"),
    }
    assert!(!outcome.is_success());
}

/// A copy of the disk image with one bit of the first byte of a partition flipped.
fn with_flipped_bit(partition: usize, folder: &Path) -> PathBuf {
    let disk = folder.join("disk.img");
    fs_err::copy(artifacts().disk(), &disk).unwrap();
    let mut sfdisk = std::process::Command::new("sfdisk");
    let table = run(sfdisk.arg("--json").arg(&disk), "fdisk");
    let table: Value = serde_json::from_str(&table).unwrap();
    let partition = &table["partitiontable"]["partitions"][partition - 1];
    let offset = partition["start"].as_u64().unwrap() * 512;

    let file = fs_err::File::options()
        .read(true)
        .write(true)
        .open(&disk)
        .unwrap();
    let mut byte = [0];
    file.file().read_exact_at(&mut byte, offset).unwrap();
    byte[0] ^= 1;
    file.file().write_all_at(&byte, offset).unwrap();
    disk
}

#[test]
fn a_flipped_bit_in_the_root_file_system_panics_the_kernel() {
    let folder = folder();
    let disk = with_flipped_bit(1, folder.path());
    expect_panic_over(": data block 0 is corrupted", &artifacts().igvm(), &disk);
}

#[test]
fn a_flipped_bit_in_the_hash_tree_panics_the_kernel() {
    let folder = folder();
    let disk = with_flipped_bit(2, folder.path());
    expect_panic_over(
        ": metadata block 0 is corrupted",
        &artifacts().igvm(),
        &disk,
    );
}

#[test]
fn another_root_hash_panics_the_kernel_and_changes_the_launch_digest() {
    let guest = artifacts();
    let root_hash = guest.measurement.verity.root_hash.to_string();
    let mut other = root_hash.clone().into_bytes();
    other[0] = if other[0] == b'0' { b'1' } else { b'0' };

    let mut igvm = fs_err::read(guest.igvm()).unwrap();
    replace_in(&mut igvm, root_hash.as_bytes(), &other);
    assert_ne!(digest(&igvm), guest.variant("production").launch_digest);

    let folder = folder();
    let path = folder.path().join("guest.igvm");
    fs_err::write(&path, &igvm).unwrap();
    expect_panic_over(": metadata block 0 is corrupted", &path, &guest.disk());
}

/// Puts `new` in the place of `old`, which `bytes` must hold once, in a page's data: no header
/// covers that with a checksum.
fn replace_in(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let mut places = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, window)| *window == old);
    let (place, _) = places.next().unwrap();
    assert!(places.next().is_none());
    drop(places);
    bytes[place..place + new.len()].copy_from_slice(new);
}

fn digest(igvm: &[u8]) -> LaunchDigest {
    launch_digest(&IgvmFile::parse(igvm).unwrap(), Loader::QemuKvm, None).unwrap()
}
