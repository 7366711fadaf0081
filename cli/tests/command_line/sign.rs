//! `sign`: what other tools make of a release, and what signers may do wrong.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::schema::conforms;
use crate::tools::Tool;
use crate::workshop::{MINISIGN, SIGN, failure, list_again, replace, shell, verify, workshop};
use crate::{guestmark, json, misused, refused};

const SOFTHSM: Tool = Tool {
    command: "softhsm2-util",
    package: "softhsm2",
};

/// The module of Debian's SoftHSM.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn a_release_is_a_function_of_the_build_and_the_keys() {
    let folder = workshop();
    let path = folder.path();
    let document = json(path, &[&SIGN[..], &["-q"]].concat());
    conforms(&document, "sign");
    assert_eq!(document["development_key"], true);
    assert_eq!(document["release"]["sequence"], 1);
    shell(path, "rm release/rebuild-* && diff -r again release");
    let bytes = fs_err::read(path.join("again/manifest.json")).unwrap();
    conforms(&serde_json::from_slice(&bytes).unwrap(), "manifest");
    guestmark(path).args(SIGN).assert().code(0).stderr(predicates::str::starts_with(
        "WARNING: signed with a private key that lies in a file. This is for development: who\n",
    ));
}

#[test]
fn tools_that_auditors_have_accept_a_release() {
    let folder = workshop();
    let path = folder.path();
    shell(
        path,
        "cd release
         sha256sum --strict -c SHA256SUMS
         openssl dgst -sha384 -verify ../publisher.pub -signature manifest.json.sig manifest.json
         minisign -V -p ../minisign.pub -m manifest.json",
    );
    // SEV-SNP firmware's view of the ID block, by way of OpenSSL.
    shell(
        path,
        "guestmark idblock strip release/tiny.signed.igvm --parts parts -o stripped.igvm
         cmp stripped.igvm release/tiny.igvm
         cmp parts/id-block.bin release/tiny.idblock
         openssl dgst -sha384 -verify publisher.pub -signature parts/id-signature.der \
             release/tiny.idblock",
    );
}

#[test]
fn signatures_of_minisign_itself_are_taken() {
    let folder = workshop();
    let path = folder.path();
    let release = path.join("release");
    shell(
        &release,
        "minisign -S -s ../minisign.key -m manifest.json -t 'by hand'",
    );
    list_again(&release);
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
    // Its legacy form does not hash the file first.
    shell(
        &release,
        "minisign -S -l -s ../minisign.key -m manifest.json",
    );
    assert_eq!(
        failure(path, &[]),
        "manifest.json.minisig: signature: expected one of a key of the policy over manifest.json, \
         found expected a signature over a hashed file of minisign, found algorithm other than ED"
    );
}

#[test]
fn a_key_with_a_password_is_refused_with_what_to_do() {
    let folder = workshop();
    let path = folder.path();
    let mut command = Command::new(MINISIGN.command);
    command
        .args(["-G", "-p", "locked.pub", "-s", "locked.key"])
        .current_dir(path);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"secret\nsecret\n").unwrap();
    assert!(child.wait().unwrap().success());
    let mut arguments = SIGN;
    arguments[7] = "locked.key";
    refused(
        path,
        &arguments,
        "locked.key: the secret key is protected by a password, which is not asked for: sign with \
         `minisign -S -m manifest.json` and give the signature back, or make a key with `minisign \
         -G -W`",
    );
}

/// Signs through a command; what the program says on standard error if it refuses.
fn through(path: &Path, command: &str, more: &[&str]) -> String {
    let sign = [
        "sign",
        "out",
        "-o",
        "again",
        "--public-key",
        "publisher.pub",
        "--signer",
        command,
    ];
    let output = guestmark(path).args(sign).args(more).output().unwrap();
    assert_eq!(
        output.status.success(),
        path.join("again").exists(),
        "{output:?}"
    );
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_command_signs_in_either_form_and_whatever_else_comes_is_refused() {
    let folder = workshop();
    let path = folder.path();
    let good = "openssl dgst -sha384 -sign publisher.pem";
    assert_eq!(through(path, good, &[]), "");
    shell(
        path,
        "diff <(cd again; ls) <(cd release; ls | grep -v -e rebuild -e minisig)",
    );
    shell(path, "rm -r again");

    let refusals = [
        (
            "true",
            "true: wrote nothing, expected a signature on standard output",
        ),
        (
            "false",
            "false: ended with exit status: 1, expected exit status: 0",
        ),
        (
            "echo garbage",
            "echo garbage: a detached signature is 96 bytes (R and S, big-endian) or DER, found 8 \
             bytes",
        ),
        (
            "cat",
            "cat: a detached signature is 96 bytes (R and S, big-endian) or DER, found ",
        ),
        (
            "openssl dgst -sha384 -sign carol.pem",
            "openssl dgst -sha384 -sign carol.pem: the signature does not verify: it was made with \
             another key or over other bytes",
        ),
        (
            "openssl dgst -sha256 -sign publisher.pem",
            "openssl dgst -sha256 -sign publisher.pem: the signature does not verify: it was made \
             with another key or over other bytes",
        ),
        (
            "head -c 20000 /dev/zero",
            "head -c 20000 /dev/zero: wrote more than 16384 bytes, no signature",
        ),
        (
            "no-such-command",
            "no-such-command: cannot be run: No such file or directory",
        ),
        ("'", "': a quote in the command does not end"),
        (" ", " : the command names no program"),
    ];
    for (command, message) in refusals {
        let said = through(path, command, &[]);
        assert!(said.starts_with(&format!("guestmark: {message}")), "{said}");
    }
    // One that closes its output and hangs, and one whose child keeps it open.
    for command in ["sh -c 'exec >&-; sleep 1000'", "sh -c 'sleep 1000 | cat'"] {
        let said = through(path, command, &["--timeout", "1"]);
        assert_eq!(
            said,
            format!("guestmark: {command}: no signature after 1 s\n")
        );
    }
}

#[test]
fn a_token_signs_through_pkcs11_tool() {
    let folder = workshop();
    let path = folder.path();
    fs_err::create_dir(path.join("tokens")).unwrap();
    let config = format!("directories.tokendir = {}/tokens\n", path.display());
    fs_err::write(path.join("softhsm2.conf"), config).unwrap();
    let in_token = |command: &mut Command| {
        command
            .current_dir(path)
            .env("SOFTHSM2_CONF", path.join("softhsm2.conf"));
    };
    let mut command = Command::new(SOFTHSM.command);
    in_token(&mut command);
    let initialise = "--init-token --free --label release --pin 1234 --so-pin 5678";
    SOFTHSM.succeeded(SOFTHSM.run(command.args(initialise.split(' '))));
    let mut command = Command::new(SOFTHSM.command);
    in_token(&mut command);
    let import = "--import publisher.pem --token release --label publisher --id 01 --pin 1234";
    SOFTHSM.succeeded(SOFTHSM.run(command.args(import.split(' '))));
    shell(path, "rm publisher.pem");
    // The script of docs/signing.md.
    fs_err::write(path.join("sign-with-token"), token_script()).unwrap();
    shell(path, "chmod +x sign-with-token");
    let mut command = std::process::Command::new(assert_cmd::cargo_bin!("guestmark"));
    in_token(&mut command);
    let arguments = "sign out -o again --signer ./sign-with-token --public-key publisher.pub";
    let output = command
        .args(arguments.split(' '))
        .env("PKCS11_MODULE", MODULE)
        .env("PKCS11_PIN", "1234")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    shell(
        path,
        "rm -r release; mv again release; sed -i '/minisign/d' trust.toml",
    );
    shell(path, "sed -i '/rebuilder/,/carol/d' trust.toml");
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
}

/// The script that docs/signing.md shows.
fn token_script() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/signing.md");
    let page = fs_err::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```sh\n#!/bin/sh\n").unwrap();
    let (script, _) = rest.split_once("```").unwrap();
    format!("#!/bin/sh\n{script}")
}

#[test]
fn an_offline_ceremony_leads_to_the_same_release() {
    let folder = workshop();
    let path = folder.path();
    let document = json(path, &["sign", "out", "--to-be-signed", "ceremony", "-q"]);
    conforms(&document, "sign");
    let names = ["provenance.dsse", "manifest.json", "tiny.idblock"];
    assert_eq!(document["to_be_signed"], serde_json::json!(names));
    shell(
        path,
        "cmp ceremony/tiny.idblock out/tiny.idblock
         cd ceremony
         for file in *; do openssl dgst -sha384 -sign ../publisher.pem -out $file.sig $file; done
         minisign -S -s ../minisign.key -m manifest.json",
    );
    let back = [
        "sign",
        "out",
        "-o",
        "again",
        "--signatures",
        "ceremony",
        "--public-key",
        "publisher.pub",
        "--minisign-public-key",
        "minisign.pub",
    ];
    let document = json(path, &back);
    assert_eq!(document["development_key"], false);
    shell(
        path,
        "cp release/rebuild-* again; cmp again/manifest.json release/manifest.json
         rm -r release; mv again release",
    );
    assert_eq!(verify(path, &[]).1, 0);

    let sign = |name: &str| {
        format!("{name}.sig: signature: expected one of the public key given over {name}, found")
    };
    shell(
        path,
        "cd ceremony; mv manifest.json.sig sig; cp provenance.dsse.sig manifest.json.sig",
    );
    refused(
        path,
        &back,
        &format!(
            "{} the signature does not verify: it was made with another key or over other bytes",
            sign("manifest.json")
        ),
    );
    shell(
        path,
        "cd ceremony; mv sig manifest.json.sig; head -c 10 tiny.idblock > tiny.idblock.sig",
    );
    refused(
        path,
        &back,
        &format!(
            "{} a detached signature is 96 bytes (R and S, big-endian) or DER, found 10 bytes",
            sign("tiny.idblock")
        ),
    );
    assert!(!path.join("again").exists());
}

#[test]
fn a_build_that_was_changed_or_must_not_be_published_is_refused() {
    let folder = workshop();
    let path = folder.path();
    let refusal = |change: &str, message: &str| {
        let folder = workshop();
        let path = folder.path();
        shell(path, change);
        let output = guestmark(path).args(SIGN).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with(&format!("guestmark: out: {message}")),
            "{said}"
        );
        assert!(!path.join("again").exists());
    };
    refusal("printf x >> out/tiny.img", "tiny.img: SHA-256: expected ");
    refusal(
        "rm out/tiny.img",
        "tiny.img: file: expected a file, as SHA256SUMS lists it, found nothing",
    );
    refusal(
        "touch out/more",
        "SHA256SUMS: more: expected every file, found a file that it does not list",
    );
    let list = "cd out; rm SHA256SUMS; sha256sum * > ../sums; mv ../sums SHA256SUMS";
    let changed =
        |file: &str, expression: &str| format!("sed -i '{expression}' out/{file}; {list}");
    refusal(
        &changed(
            "measurement.json",
            "0,/\"launch_digest\": \"../s//\"launch_digest\": \"zz/",
        ),
        "measurement.json: JSON: expected a document of its schema, found expected 96 lower-case",
    );
    refusal(
        &changed(
            "measurement.json",
            "s/\"root_hash\": \"......../\"root_hash\": \"00000000/",
        ),
        "measurement.json: verity.root_hash: expected ",
    );
    refusal(
        &changed("measurement.json", "s/\"guest_svn\": 1/\"guest_svn\": 2/"),
        "tiny.idblock: GUEST_SVN: expected 2, found 1",
    );
    refusal(
        &format!("cp out/tiny-debug.idblock out/tiny.idblock; {list}"),
        "tiny.idblock: launch digest: expected ",
    );
    // Bit 19 of the policy, in the ID block and in measurement.json.
    refusal(
        &format!(
            "printf '\\x0b' | dd of=out/tiny.idblock seek=90 bs=1 conv=notrunc status=none
             sed -i 's/\"policy\": 196608/\"policy\": 720896/' out/measurement.json; {list}"
        ),
        "tiny.idblock: policy: expected no debug bit (0x80000), found 0xb0000",
    );
    refused(
        path,
        &[
            "sign",
            "release/tiny.img",
            "-o",
            "again",
            "--key",
            "publisher.pem",
        ],
        "release/tiny.img: Not a directory (os error 20)",
    );
}

#[test]
fn releases_follow_one_another() {
    let folder = workshop();
    let path = folder.path();
    let next = [
        &SIGN[..],
        &["--previous", "release/manifest.json", "--json", "-q"],
    ]
    .concat();
    let output = guestmark(path).args(&next).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["release"]["sequence"], 2, "{output:?}");
    refused(
        path,
        &[&next[..], &["--feed", "other"]].concat(),
        "out: the previous manifest: feed: expected other, found tiny",
    );
    fs_err::copy(
        path.join("release/manifest.json"),
        path.join("previous.json"),
    )
    .unwrap();
    replace(
        &path.join("previous.json"),
        "\"uvm_svn\":2",
        "\"uvm_svn\":3",
    );
    refused(
        path,
        &[&SIGN[..], &["--previous", "previous.json"]].concat(),
        "out: measurement.json: uvm_svn: expected 3 or more, as the release before, found 2",
    );
}

#[test]
fn nothing_is_written_through_links_and_nothing_else_is_replaced() {
    let folder = workshop();
    let path = folder.path();
    fs_err::create_dir(path.join("elsewhere")).unwrap();
    symlink("elsewhere", path.join("again")).unwrap();
    refused(
        path,
        &SIGN,
        "again is a symbolic link, which is not followed; nothing was changed: remove it or choose \
         another output",
    );
    assert_eq!(fs_err::read_dir(path.join("elsewhere")).unwrap().count(), 0);
    let mut arguments = SIGN;
    arguments[3] = "out";
    refused(
        path,
        &arguments,
        "out is not an output of guestmark: it has no SHA256SUMS that lists manifest.json; nothing \
         was changed: remove it or choose another output",
    );
    let rebuild = [
        "sign",
        "out",
        "--role",
        "rebuilder",
        "--key",
        "alice.pem",
        "-o",
        "again",
    ];
    let mut command = guestmark(path);
    command.args(rebuild).assert().code(2).stdout("");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let folder = workshop();
    let path = folder.path();
    misused(
        path,
        &["sign", "out", "-o", "again"],
        "the following required arguments were not provided:\n  --key <FILE>",
    );
    misused(
        path,
        &["sign", "out", "-o", "again", "--signer", "true"],
        "the following required arguments were not provided:\n  --public-key <FILE>",
    );
    misused(
        path,
        &["sign", "out", "--key", "publisher.pem"],
        "the following required arguments were not provided:\n  --output <OUTPUT>",
    );
    let mut rebuild = [&SIGN[..], &["--role", "rebuilder"]].concat();
    refused(
        path,
        &rebuild,
        "--feed, --previous, --chain and minisign are the publisher's: leave them out",
    );
    rebuild[5] = "publisher.pub";
    let key = "publisher.pub: expected an ECDSA key on P-384 in PEM (BEGIN PRIVATE KEY), not \
               encrypted; make one for development with `openssl genpkey -algorithm EC -pkeyopt \
               ec_paramgen_curve:P-384`, or give the key's owner as --signer";
    refused(path, &rebuild[..6], key);
}

/// Killed while it waits for a signature and while it writes, the program leaves the release that
/// was there, or the new one.
#[test]
fn a_killed_sign_leaves_the_old_release_or_the_new_one() {
    let folder = workshop();
    let path = folder.path();
    shell(
        path,
        "rm release/rebuild-*; guestmark sign out -o again --key publisher.pem -q",
    );
    shell(
        path,
        "cp -r again old; guestmark sign out -o new --key publisher.pem --feed other -q",
    );
    let program = assert_cmd::cargo_bin!("guestmark");
    for delay in (0..40).map(|step| Duration::from_millis(3 * step)) {
        let mut command = Command::new(program);
        command
            .current_dir(path)
            .args(["sign", "out", "-o", "again"]);
        command.args(["--key", "publisher.pem", "--feed", "other", "-q"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        let mut said = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        child.wait().unwrap();
        shell(path, "diff -rq again old || diff -rq again new");
        shell(path, "rm -r again; cp -r old again");
    }
    // The next run removes what killed ones left.
    shell(
        path,
        "guestmark sign out -o again --key publisher.pem --feed other -q",
    );
    shell(
        path,
        "diff -r again new; test -z \"$(ls -A | grep '^.again')\"",
    );
}
