//! The hash tree over 1 GiB in the page cache, against `veritysetup format` on the same file in
//! the same run.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use fs_err::File;
use guestmark_builder::verity::{Data, HashArea, Parameters, format};
use tempfile::TempDir;

const SIZE: u64 = 1 << 30;
const SALT: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

/// A folder with the file `data`, whose blocks all differ.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut data = File::create(folder.path().join("data")).expect("a file in it");
    for index in 0..SIZE >> 20 {
        let mut piece = vec![0x5a; 1 << 20];
        piece[..8].copy_from_slice(&index.to_le_bytes());
        data.write_all(&piece).expect("room for 1 GiB");
    }
    folder
});

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn guestmark(bencher: Bencher<'_, '_>) {
    let data = File::open(FOLDER.path().join("data")).expect("data to read");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let hash = options
        .open(FOLDER.path().join("hash"))
        .expect("a hash file");
    let parameters = Parameters {
        salt: SALT.parse().expect("a salt"),
        uuid: None,
    };
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| {
        let data = Data::whole(&data).expect("whole blocks");
        let area = HashArea {
            file: &hash,
            offset: 0,
        };
        format(data, area, &parameters).expect("a hash tree")
    });
}

/// Of the Debian package cryptsetup-bin.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn veritysetup(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| {
        let status = Command::new("veritysetup")
            .args(["format", "--no-superblock", "--salt", SALT])
            .args(["data", "hash.veritysetup"].map(|name| FOLDER.path().join(name)))
            .stdout(Stdio::null())
            .status()
            .expect("veritysetup runs (Debian package cryptsetup-bin)");
        assert!(status.success());
    });
}
