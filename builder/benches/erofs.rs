//! EROFS images from a folder of 4,000 files and 65 MB, beside `mkfs.erofs` (Debian package
//! erofs-utils).

#![expect(clippy::unwrap_used, reason = "a benchmark that fails stops")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::BytesCount;
use guestmark_builder::erofs::{self, Image, Options, Reader, VolumeName};
use guestmark_builder::tree::{Origin, Tree, read_directory};
use tempfile::TempDir;
use uuid::Uuid;

const FILES: u64 = 4000;

/// The folder and the bytes of its files: half of them below a block, one in a hundred of 1 MiB.
static FOLDER: LazyLock<(TempDir, u64)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let bytes = vec![0x5a; 1 << 20];
    let mut total = 0;
    for number in 0..FILES {
        let length = match number % 100 {
            0 => 1 << 20,
            1..50 => number * 37 % 20_000,
            _ => number * 53 % 4096,
        };
        let directory = folder.path().join(format!("{}", number / 50));
        std::fs::create_dir_all(&directory).unwrap();
        let length = usize::try_from(length).unwrap();
        std::fs::write(directory.join(format!("{number}")), &bytes[..length]).unwrap();
        total += length as u64;
    }
    (folder, total)
});

fn main() {
    divan::main();
}

fn read() -> Tree {
    let origin = Origin::input("benchmark");
    read_directory(FOLDER.0.path(), &origin).unwrap()
}

fn write(tree: &Tree, path: &Path) -> Image {
    let options = Options {
        uuid: Uuid::nil(),
        timestamp: 0,
        volume_name: VolumeName::default(),
    };
    erofs::write(tree, &options, &mut File::create(path).unwrap()).unwrap()
}

/// Folder to image, as `guestmark pack` does it.
#[divan::bench]
fn folder_to_image(bencher: Bencher<'_, '_>) {
    let out = tempfile::tempdir().unwrap();
    bencher
        .counter(BytesCount::new(FOLDER.1))
        .bench(|| write(&read(), &out.path().join("image")));
}

/// The same with `mkfs.erofs`.
#[divan::bench]
fn folder_to_image_mkfs_erofs(bencher: Bencher<'_, '_>) {
    let out = tempfile::tempdir().unwrap();
    bencher.counter(BytesCount::new(FOLDER.1)).bench(|| {
        let status = Command::new("mkfs.erofs")
            .args(["--quiet", "-T0", "-U00000000-0000-0000-0000-000000000000"])
            .args([&out.path().join("image"), FOLDER.0.path()])
            .status()
            .expect("mkfs.erofs is missing: install the Debian package erofs-utils");
        assert!(status.success());
    });
}

/// Tree to image, the tree being read already.
#[divan::bench]
fn tree_to_image(bencher: Bencher<'_, '_>) {
    let out = tempfile::tempdir().unwrap();
    let tree = read();
    bencher
        .counter(BytesCount::new(FOLDER.1))
        .bench(|| write(&tree, &out.path().join("image")));
}

/// Image to tree, without contents.
#[divan::bench]
fn image_to_tree(bencher: Bencher<'_, '_>) {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("image");
    let size = write(&read(), &path).size;
    let file = Arc::new(File::open(&path).unwrap());
    bencher
        .counter(divan::counter::ItemsCount::new(FILES))
        .bench(|| {
            let reader = Reader::open(Arc::clone(&file), 0, size).unwrap();
            reader.tree(&Origin::input("benchmark")).unwrap()
        });
}
