//! What tests change in the recipe, and nothing else of it.

use std::path::{Path, PathBuf};

use super::repository::repository;
use crate::program::{command, recipe as debian, run};

/// How a line of the recipe starts, and the lines in its place.
pub(super) type Edit = (&'static str, &'static str);

/// The stand-ins are signed with a key made for the test.
pub(super) const KEY: Edit = (
    "keys = [\"keys/azurelinux-rpm-release-signing.asc\"]",
    "keys = [\"keys/test.asc\"]",
);

/// A kernel without DM_INIT boots with an initrd that opens dm-verity, in the layout of unmodified
/// kernels, and an agent that QEMU's host side can ask.
pub(super) const BOOTED: &[Edit] = &[
    (
        "names = [\"kernel-uvm\"]",
        "names = [\"kernel-uvm\", \"test-modules\"]",
    ),
    (
        "[rootfs]",
        "[initrd]\ncompression = \"zstd\"\nprograms = [\"/bin/busybox\", \"/sbin/dmsetup\"]\n\
         modules = [\"virtio_pci\", \"virtio_blk\", \"virtio_console\", \"dm-verity\", \"erofs\"]\n\
         init = \"files/init\"\n\
         [initrd.packages]\narchive = \"azurelinux\"\nnames = [\"test-initrd\"]\n\n[rootfs]",
    ),
    (
        "production = \"dm-mod.create=",
        "production = \"console=ttyS0 panic=-1 systemd.unit=kata-containers.target \
         guest.verity={data_blocks},{root_hash},{salt}\"",
    ),
    ("kind = \"kata-agent\"", "kind = \"qemu-guest-agent\""),
    ("port = \"1024\"", "port = \"org.qemu.guest_agent.0\""),
    (
        "layout = \"aks\"",
        "layout = \"linux\"\nmemory = \"512 MiB\"",
    ),
    (
        "[disk]",
        "[platform]\nphysical-address-bits = 40\npci-segments = 1\n\n[disk]",
    ),
];

/// The recipe in the repository.
pub(super) fn original() -> PathBuf {
    debian().with_file_name("azurelinux-3-aks")
}

/// A copy of the recipe in `folder`, edited.
pub(super) fn edited(folder: &Path, edits: &[Edit]) -> PathBuf {
    let copy = folder.join("azurelinux-3-aks");
    run(
        command(&["cp", "-r"]).arg(original()).arg(&copy),
        "coreutils",
    );
    let file = copy.join("recipe.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    let mut used = vec![0; edits.len()];
    let lines = text.lines().map(|line| {
        let found = edits.iter().position(|(start, _)| line.starts_with(start));
        found.map_or(line, |found| {
            used[found] += 1;
            edits[found].1
        })
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(used.iter().all(|&used| used == 1), "{used:?}");
    fs_err::write(file, text).unwrap();
    fs_err::write(copy.join("keys/test.asc"), &repository().key).unwrap();
    fs_err::copy(debian().join("files/init"), copy.join("files/init")).unwrap();
    copy
}
