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
use guestmark_measure::ecdsa::{PublicKey, Signature};
use guestmark_measure::id_block::{IdAuthPage, IdBlock};
use guestmark_measure::report::Report;

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
    put("id_auth_page", "signed", &id_auth_page());
    put("report", "version-2", &report());
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

/// The smallest signature in range, and a key that anybody can make.
fn id_auth_page() -> [u8; IdAuthPage::SIZE] {
    let mut one = [0; 72];
    one[0] = 1;
    let key = p384::ecdsa::SigningKey::from_slice(&[1; 48]).unwrap();
    let point = key.verifying_key().to_encoded_point(false);
    let field = |big_endian: &[u8]| {
        let mut field = [0; 72];
        for (to, from) in field.iter_mut().zip(big_endian.iter().rev()) {
            *to = *from;
        }
        field
    };
    let page = IdAuthPage {
        id_signature: Signature::from_fields(&one, &one).unwrap(),
        id_key: PublicKey::from_fields(2, &field(point.x().unwrap()), &field(point.y().unwrap()))
            .unwrap(),
        author: None,
    };
    page.to_bytes()
}

/// Version, signature algorithm and signature are what a report cannot do without.
fn report() -> [u8; Report::SIZE] {
    let mut report = [0; Report::SIZE];
    for (offset, value) in [(0x0, 2), (0x34, 1), (0x2A0, 1), (0x2A0 + 72, 1)] {
        report[offset] = value;
    }
    report
}
