//! `idblock`: signatures of OpenSSL go in and come out again, and whatever is wrong stays out.

use std::path::Path;

use tempfile::TempDir;

use crate::schema::conforms;
use crate::tools::Tool;
use crate::{guestmark, json, misused, refused, stdout, vectors};

const OPENSSL: Tool = Tool {
    command: "openssl",
    package: "openssl",
};

pub(crate) const FAMILY: &str = "000102030405060708090a0b0c0d0e0f";
pub(crate) const IMAGE: &str = "101112131415161718191a1b1c1d1e1f";

fn openssl(folder: &Path, line: &str) {
    let mut command = std::process::Command::new(OPENSSL.command);
    let output = OPENSSL.run(command.current_dir(folder).args(line.split(' ')));
    OPENSSL.succeeded(output);
}

fn key_pair(folder: &Path, name: &str, curve: &str) {
    let algorithm = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve";
    openssl(folder, &format!("{algorithm}:{curve} -out {name}.pem"));
    openssl(
        folder,
        &format!("pkey -in {name}.pem -pubout -out {name}.pub"),
    );
}

fn new(file: &str, block: &str) -> Vec<String> {
    let line = format!(
        "idblock new {file} --family-id {FAMILY} --image-id {IMAGE} --guest-svn 7 -o {block}"
    );
    line.split(' ').map(str::to_owned).collect()
}

/// A folder with a vector, an ID key and the vector's ID block, signed.
pub(crate) fn ceremony() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let vector = vectors("measure").join("launch-digest/base.igvm");
    fs_err::copy(vector, path.join("guest.igvm")).unwrap();
    guestmark(path)
        .args(new("guest.igvm", "block.bin"))
        .assert()
        .code(0);
    key_pair(path, "id", "P-384");
    openssl(path, "dgst -sha384 -sign id.pem -out block.sig block.bin");
    folder
}

pub(crate) const ATTACH: [&str; 11] = [
    "idblock",
    "attach",
    "guest.igvm",
    "--block",
    "block.bin",
    "--signature",
    "block.sig",
    "--key",
    "id.pub",
    "-o",
    "signed.igvm",
];

#[test]
fn the_block_is_the_files_digest_its_policy_and_the_identity_asked_for() {
    let folder = ceremony();
    let path = folder.path();
    let digest = stdout(path, &["measure", "guest.igvm", "--bare"]);
    let block = fs_err::read(path.join("block.bin")).unwrap();
    let fields = format!(
        "{}{FAMILY}{IMAGE}01000000070000001f00030000000000",
        digest.trim_end()
    );
    assert_eq!(hex::encode(block), fields);
    guestmark(path)
        .args(new("guest.igvm", "again.bin"))
        .assert()
        .code(0)
        .stderr("To sign it: openssl dgst -sha384 -sign KEY -out SIGNATURE again.bin\n");
    let arguments = new("guest.igvm", "again.bin");
    let mut command = guestmark(path);
    let output = command
        .args(arguments)
        .args(["--json", "-q"])
        .output()
        .unwrap();
    conforms(&serde_json::from_slice(&output.stdout).unwrap(), "idblock");
}

#[test]
fn a_signature_of_openssl_goes_in_and_the_file_comes_out_as_it_was() {
    let folder = ceremony();
    let path = folder.path();
    let document = json(path, &ATTACH);
    conforms(&document, "idblock");
    let facts = json(path, &["inspect", "signed.igvm"]);
    let shown = &facts["id_blocks"][0]["id_key"]["digest"];
    assert_eq!(document["id_key_digest"], *shown, "{facts:#}");
    let signed = fs_err::read(path.join("signed.igvm")).unwrap();

    let strip = [
        "idblock",
        "strip",
        "signed.igvm",
        "--parts",
        "parts",
        "-o",
        "stripped.igvm",
    ];
    assert_eq!(
        json(path, &strip)["id_key_digest"],
        document["id_key_digest"]
    );
    let read = |name: &str| fs_err::read(path.join(name)).unwrap();
    assert!(read("stripped.igvm") == read("guest.igvm"));
    assert_eq!(read("parts/id-block.bin"), read("block.bin"));
    assert_eq!(read("parts/id-signature.der"), read("block.sig"));
    assert_eq!(read("parts/id-key.pem"), read("id.pub"));
    assert_eq!(read("parts/id-auth.bin").len(), 4096);

    let again = "idblock attach stripped.igvm --block parts/id-block.bin --signature \
                 parts/id-signature.der --key parts/id-key.pem -o again.igvm";
    stdout(path, &again.split_whitespace().collect::<Vec<_>>());
    assert!(read("again.igvm") == signed);
}

#[test]
fn files_of_both_layouts_come_out_as_they_were() {
    for (layout, loader) in [("aks", "cloud-hypervisor-mshv"), ("linux", "qemu-kvm")] {
        let folder = ceremony();
        let path = folder.path();
        let parts = vectors("builder").join("aks-layout/kernel-initrd");
        for name in ["kernel", "cmdline", "initrd"] {
            fs_err::copy(parts.join(name), path.join(name)).unwrap();
        }
        let assemble = format!(
            "assemble --layout {layout} --kernel kernel --cmdline-file cmdline --initrd initrd \
             -o guest.igvm"
        );
        stdout(path, &assemble.split(' ').collect::<Vec<_>>());
        let block = [
            new("guest.igvm", "block.bin"),
            vec!["--loader".into(), loader.into()],
        ];
        guestmark(path).args(block.concat()).assert().code(0);
        openssl(path, "dgst -sha384 -sign id.pem -out block.sig block.bin");
        stdout(path, &[&ATTACH[..], &["--loader", loader]].concat());
        stdout(
            path,
            &["idblock", "strip", "signed.igvm", "-o", "stripped.igvm"],
        );
        let read = |name: &str| fs_err::read(path.join(name)).unwrap();
        assert!(read("stripped.igvm") == read("guest.igvm"), "{layout}");
        for file in ["guest.igvm", "signed.igvm"] {
            let bare = ["measure", file, "--loader", loader, "--bare"];
            let digest = stdout(path, &bare);
            assert_eq!(
                digest.trim_end(),
                hex::encode(&read("block.bin")[..48]),
                "{layout}"
            );
        }
    }
}

#[test]
fn a_raw_signature_is_the_same_signature() {
    let folder = ceremony();
    let path = folder.path();
    stdout(path, &ATTACH);
    let signed = fs_err::read(path.join("signed.igvm")).unwrap();
    let der = fs_err::read(path.join("block.sig")).unwrap();
    let number = |at: usize| {
        let digits = &der[at + 2..at + 2 + usize::from(der[at + 1])];
        let digits = &digits[digits.len().saturating_sub(48)..];
        [vec![0; 48 - digits.len()], digits.to_vec()].concat()
    };
    let raw = [number(2), number(4 + usize::from(der[3]))].concat();
    fs_err::write(path.join("block.sig"), raw).unwrap();
    stdout(path, &ATTACH);
    assert!(fs_err::read(path.join("signed.igvm")).unwrap() == signed);
}

#[test]
fn an_author_vouches_for_the_id_key() {
    let folder = ceremony();
    let path = folder.path();
    key_pair(path, "author", "P-384");
    conforms(
        &json(path, &["idblock", "key", "id.pub", "-o", "id.bin"]),
        "idblock-key",
    );
    openssl(path, "dgst -sha384 -sign author.pem -out id.sig id.bin");
    let author = ["--author-signature", "id.sig", "--author-key", "author.pub"];
    let document = json(path, &[&ATTACH[..], &author].concat());
    conforms(&document, "idblock");
    let facts = json(path, &["inspect", "signed.igvm"]);
    assert_eq!(
        document["author_key_digest"],
        facts["id_blocks"][0]["author_key"]["digest"]
    );

    fs_err::copy(path.join("block.sig"), path.join("id.sig")).unwrap();
    refused(
        path,
        &[&ATTACH[..], &author].concat(),
        "guest.igvm: author signature: the signature does not verify: it was made with another \
         key or over other bytes",
    );
    misused(
        path,
        &[&ATTACH[..], &author[2..]].concat(),
        "the following required arguments were not provided:\n  --author-signature <FILE>",
    );
}

#[test]
fn keys_that_are_none_are_refused_with_what_to_do() {
    let folder = ceremony();
    let path = folder.path();
    let with_key = |key: &'static str| {
        let mut arguments = ATTACH;
        arguments[8] = key;
        arguments
    };
    let private = "this is a private key, expected the public key: keep it where it signs, and \
                   give what `openssl pkey -in KEY -pubout` prints";
    refused(path, &with_key("id.pem"), &format!("id.pem: {private}"));
    key_pair(path, "p256", "P-256");
    refused(
        path,
        &with_key("p256.pub"),
        "p256.pub: the key is on P-256, expected an ECDSA key on P-384 (curve 2)",
    );
    key_pair(path, "other", "P-384");
    refused(
        path,
        &with_key("other.pub"),
        "guest.igvm: ID signature: the signature does not verify: it was made with another key \
         or over other bytes",
    );
    assert!(!path.join("signed.igvm").exists());
}

#[test]
fn signatures_and_blocks_that_are_for_something_else_are_refused() {
    let folder = ceremony();
    let path = folder.path();
    let signature = fs_err::read(path.join("block.sig")).unwrap();
    fs_err::write(path.join("block.sig"), &signature[1..]).unwrap();
    let message = format!(
        "block.sig: a detached signature is 96 bytes (R and S, big-endian) or DER, found {} bytes",
        signature.len() - 1
    );
    refused(path, &ATTACH, &message);
    fs_err::write(path.join("block.sig"), [0; 96]).unwrap();
    refused(
        path,
        &ATTACH,
        "block.sig: R is zero, expected 1 to n - 1, where n is the order of P-384",
    );

    let block = fs_err::read(path.join("block.bin")).unwrap();
    let resigned = |offset: usize, value: u8| {
        let mut changed = block.clone();
        changed[offset] = value;
        fs_err::write(path.join("block.bin"), changed).unwrap();
        openssl(path, "dgst -sha384 -sign id.pem -out block.sig block.bin");
    };
    resigned(0x5A, 0x0B);
    refused(
        path,
        &ATTACH,
        "guest.igvm: the ID block has policy 0xb001f, the file's guest policy header 0x3001f: \
         the firmware refuses a guest unless they are equal; make a new block",
    );
    resigned(0, block[0] ^ 1);
    let digest = stdout(path, &["measure", "guest.igvm", "--bare"]);
    let digest = digest.trim_end();
    let other = format!("{:02x}{}", block[0] ^ 1, &digest[2..]);
    let message = format!(
        "guest.igvm: the ID block is for launch digest {other}, but under cloud-hypervisor-mshv \
         the file has {digest}: choose the loader that the block was made for, or make a new block"
    );
    refused(path, &ATTACH, &message);
    assert!(!path.join("signed.igvm").exists());
}

#[test]
fn one_id_block_and_no_more() {
    let folder = ceremony();
    let path = folder.path();
    refused(
        path,
        &["idblock", "strip", "guest.igvm", "-o", "out.igvm"],
        "guest.igvm: the file has no ID block",
    );
    stdout(path, &ATTACH);
    let mut again = ATTACH;
    again[2] = "signed.igvm";
    let assert = guestmark(path).args(again).assert().code(2).stdout("");
    assert.stderr(predicates::str::ends_with(
        ": the file has an ID block; loaders refuse a second one, take this one out first with \
         `guestmark idblock strip`\n",
    ));
}

#[test]
fn the_ceremony_of_the_documentation_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let vector = vectors("measure").join("launch-digest/base.igvm");
    fs_err::copy(vector, folder.path().join("guest.igvm")).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/id-block.md");
    let page = fs_err::read_to_string(page).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 5);
    let program = assert_cmd::cargo_bin!("guestmark").parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = std::process::Command::new("bash")
        .args(["-ec", &blocks.concat()])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(folder.path().join("authored.igvm").exists());
}
