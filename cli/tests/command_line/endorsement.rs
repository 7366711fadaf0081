//! `verify endorsement`: vectors of another implementation, and what is said about them.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::schema::conforms;
use crate::{guestmark, json, misused, stdout, vectors};

const ISSUER: &str =
    "did:x509:0:sha256:9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI::eku:1.3.6.1.4.1.99999.1.2";
const DIGEST: &str = "dcfe103c5c9ddd1e551a170e85534033a59c5c6f509b8c101ed489d70cdeadd2436ca8323fb4cd9e3699cdfa29ff1fb4";

/// A folder with the vectors.
fn endorsements() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "ok_v1_json.cose",
        "ok_v1_json.base64",
        "bad_wrong_eku_did.cose",
    ];
    for name in names {
        let vector = vectors("manifests").join("uvm-endorsement").join(name);
        fs_err::copy(vector, folder.path().join(name)).unwrap();
    }
    folder
}

fn ask<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let policy = [
        "--issuer",
        ISSUER,
        "--feed",
        "Demo-AMD-UVM",
        "--min-svn",
        "104",
    ];
    [&["verify", "endorsement", file], &policy[..], more].concat()
}

/// The document of an endorsement that does not verify.
fn bad(folder: &Path, arguments: &[&str]) -> Value {
    let output = guestmark(folder)
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document = serde_json::from_slice(&output.stdout).unwrap();
    conforms(&document, "verify-endorsement");
    document
}

#[test]
fn a_good_one_is_good_in_both_forms_and_what_was_not_checked_is_said() {
    let folder = endorsements();
    for file in ["ok_v1_json.cose", "ok_v1_json.base64"] {
        let arguments = ask(file, &["--measurement", DIGEST]);
        let document = json(folder.path(), &arguments);
        conforms(&document, "verify-endorsement");
        assert_eq!(document["good"], true, "{document:#}");
        assert_eq!(document["endorsement"]["svn"], 104);
        assert_eq!(document["endorsement"]["launch_digest"], DIGEST);
        assert_eq!(
            document["endorsement"]["signing_time"],
            "2026-03-01T00:00:00Z"
        );
        let text = stdout(folder.path(), &arguments);
        for line in [
            "  good  Feed: \"Demo-AMD-UVM\"\n",
            "  good  SVN: 104, which is 104 or more\n",
            "  - Revocation: ",
            "  - Clock: ",
            &format!("\n{file} verifies\n"),
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

#[test]
fn the_first_thing_wrong_is_named_with_file_field_and_what_is_expected() {
    let folder = endorsements();
    let path = folder.path();
    let document = bad(path, &ask("bad_wrong_eku_did.cose", &[]));
    assert_eq!(document["failure"]["field"], "did:x509, eku");
    assert_eq!(document["failure"]["found"], "1.3.6.1.4.1.99999.1.2");
    let arguments = ask("ok_v1_json.cose", &["--debug-measurement", DIGEST]);
    assert_eq!(bad(path, &arguments)["failure"]["field"], "launch digest");
    let mut arguments = ask("ok_v1_json.cose", &[]);
    arguments[8] = "105";
    assert_eq!(bad(path, &arguments)["failure"]["expected"], "105 or more");

    let mut command = guestmark(path);
    let assert = command.args(ask("bad_wrong_eku_did.cose", &[])).assert();
    let assert = assert.code(1).stderr("");
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    for line in [
        "  BAD   did:x509, eku: 1.3.6.1.4.1.99999.1.2\n",
        "        expected 1.3.6.1.4.1.99999.1.21 in the leaf\n",
        "\nbad_wrong_eku_did.cose does not verify: do not use what it endorses\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_newline_after_the_base64_is_refused_with_what_to_do() {
    let folder = endorsements();
    let path = folder.path();
    let published = fs_err::read(path.join("ok_v1_json.base64")).unwrap();
    fs_err::write(path.join("newline"), [&published[..], b"\n"].concat()).unwrap();
    let document = bad(path, &ask("newline", &[]));
    assert_eq!(document["failure"]["found"], "a newline");
    assert!(document.get("endorsement").is_none());
    fs_err::write(path.join("text"), "no endorsement").unwrap();
    bad(path, &ask("text", &[]));
}

#[test]
fn requests_that_are_wrong_are_refused() {
    let folder = endorsements();
    let path = folder.path();
    let mut command = guestmark(path);
    command
        .args(ask("missing", &[]))
        .assert()
        .code(2)
        .stdout("");
    for (place, wrong, message) in [
        (
            4,
            "did:x509:0:sha256:abc::eku:1.2",
            "invalid value 'did:x509:0:sha256:abc::eku:1.2' for '--issuer <DID>': did:x509, \
             fingerprint: expected 32 bytes in base64url without padding, found \"abc\"",
        ),
        (
            8,
            "many",
            "invalid value 'many' for '--min-svn <N>': invalid digit found in string",
        ),
    ] {
        let mut arguments = ask("ok_v1_json.cose", &[]);
        arguments[place] = wrong;
        let mut command = guestmark(path);
        let assert = command.args(arguments).assert().code(2).stdout("");
        assert.stderr(predicates::str::starts_with(format!("error: {message}\n")));
    }
    misused(
        path,
        &ask("ok_v1_json.cose", &["--measurement", &DIGEST[2..]]),
        &format!(
            "invalid value '{0}' for '--measurement <HEX>': expected 96 lower-case hexadecimal \
             digits, found \"{0}\"",
            &DIGEST[2..]
        ),
    );
}

#[test]
fn the_documentation_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/endorsements.md");
    let page = fs_err::read_to_string(page).unwrap();
    let block = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let vector = vectors("manifests").join("uvm-endorsement/ok_v1_json.base64");
    fs_err::copy(vector, folder.path().join("reference-info-base64")).unwrap();
    let program = assert_cmd::cargo_bin!("guestmark").parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = std::process::Command::new("bash")
        .args(["-ec", &block("sh")])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), block("text"));
}
