//! Writes the seeds of the fuzz corpus, one folder for each target, into the folder given: small
//! files that reach everything the targets read. Further arguments are IGVM files to make small
//! seeds of. See `fuzz/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "run by hand: a seed that cannot be made is a fault of this program"
)]

use std::fs;
use std::path::{Path, PathBuf};

use guestmark_measure::LaunchDigest;
use guestmark_measure::id_block::IdBlock;

#[path = "fuzz_seeds/every_kind.rs"]
mod every_kind;
#[path = "../tests/firmware/images.rs"]
mod images;
#[path = "fuzz_seeds/shrink.rs"]
mod shrink;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let corpus = arguments.next().expect("the folder of the corpus");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };

    for path in arguments.map(PathBuf::from) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        put("igvm", name, &shrink::shrink(&fs::read(&path).unwrap()));
    }
    for entry in fs::read_dir(root.join("tests/vectors/launch-digest")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "igvm")
        {
            let name = path.file_stem().unwrap().to_str().unwrap();
            put("igvm", name, &shrink::shrink(&fs::read(&path).unwrap()));
        }
    }
    let kernel = root.join("../builder/tests/vectors/aks-layout/kernel-initrd/kernel");
    put(
        "bzimage",
        "kernel",
        &tiny_kernel(&fs::read(kernel).unwrap()),
    );
    put("igvm", "every-kind", &every_kind::file());

    put("id_block", "alone", &id_block());
    put(
        "id_block",
        "directive",
        &[[0_u8; 8].as_slice(), &[0x11; 688]].concat(),
    );
    put(
        "firmware",
        "complete",
        &images::Image::complete(0x1000).bytes(),
    );
    put("firmware", "svsm", &images::Image::svsm(0x1000).bytes());
}

/// The headers of `kernel` over next to no code.
fn tiny_kernel(kernel: &[u8]) -> Vec<u8> {
    let mut tiny = kernel[..0x26C].to_vec();
    tiny[0x1F1] = 1;
    tiny[0x1F4..0x1F8].copy_from_slice(&1_u32.to_le_bytes());
    tiny.resize(1024 + 16, 0x90);
    tiny
}

fn id_block() -> [u8; IdBlock::SIZE] {
    let block = IdBlock {
        launch_digest: LaunchDigest::new([0x11; 48]),
        family_id: [0x22; 16],
        image_id: [0x33; 16],
        guest_svn: 1,
        policy: 0x3_001F,
    };
    block.to_bytes()
}
