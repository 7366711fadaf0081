//! ID blocks of the Python package `sev-snp-measure`, which makes both block and ID
//! authentication page from private keys.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not what they call"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use guestmark_measure::id_block::{IdAuthPage, IdBlock, SignedIdBlock};

/// Three bytes a group of four characters (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes();
    let digits = digits.map(|digit| alphabet.iter().position(|&it| it == digit).unwrap());
    let digits: Vec<_> = digits.collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | group.get(at).unwrap_or(&0));
        let bytes = [bits >> 16, bits >> 8, bits].map(|byte| byte.to_le_bytes()[0]);
        bytes.into_iter().take(group.len() - 1)
    });
    groups.collect()
}

fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn block_page_and_key_digests_are_byte_for_byte_those_of_the_package() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = target.join("sev-snp-measure/bin/snp-create-id-block");
    assert!(
        program.exists(),
        "this test needs the Python package sev-snp-measure in {}: run ./test, which installs it",
        program.display()
    );
    let folder = tempfile::tempdir().unwrap();
    let keys = ["id", "author"].map(|name| {
        let path = folder.path().join(name).display().to_string();
        let curve = "ec_paramgen_curve:P-384";
        let arguments = [
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            &path,
        ];
        run(&PathBuf::from("openssl"), &arguments);
        path
    });
    // The base64 of 48 bytes 0x00, 0x10, 0x83, repeated.
    let measurement = "ABCD".repeat(16);
    let arguments = [
        "--measurement",
        &measurement,
        "--idkey",
        &keys[0],
        "--authorkey",
        &keys[1],
    ];
    let printed = run(&program, &arguments);
    let value = |name: &str| {
        let (_, rest) = printed.split_once(name).unwrap();
        base64(rest.split([',', '\n']).next().unwrap())
    };

    let (block, page) = (value("id-block="), value("id-auth="));
    let signed = SignedIdBlock {
        block: IdBlock::from_bytes(&block).unwrap(),
        auth: IdAuthPage::from_bytes(&page).unwrap(),
    };
    assert_eq!(signed.verify(), Ok(()));
    assert_eq!(
        signed.block.launch_digest.as_bytes()[..],
        base64(&measurement)
    );
    assert_eq!(signed.block.policy, 0x3_0000);
    assert_eq!(signed.block.to_bytes()[..], block);
    assert!(signed.auth.to_bytes()[..] == page);
    let author = signed.auth.author.unwrap();
    let digests = [signed.auth.id_key, author.key].map(|key| key.digest().as_bytes().to_vec());
    assert_eq!(digests, [value("id_key_hash: "), value("author_key: ")]);
}
