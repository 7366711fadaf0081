//! `verify release`: who must have signed, what no longer counts, and what is older than what was
//! seen.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::workshop::{
    POLICY, changed, failure, list_again, proved, rebuild, replace, seal, shell, verify, workshop,
};
use crate::{guestmark, refused};

const IN_TOTO: &str = "application/vnd.in-toto+json";

fn envelope(path: &Path) -> Value {
    let bytes = fs_err::read(path.join("release/provenance.dsse.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn change_envelope(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = envelope(path);
    change(&mut value);
    let bytes = serde_json::to_vec(&value).unwrap();
    fs_err::write(path.join("release/provenance.dsse.json"), bytes).unwrap();
    list_again(&path.join("release"));
}

#[test]
fn signatures_must_be_of_publishers_over_this_release() {
    let none = "provenance.dsse.json: signatures: expected 1 of the policy's publishers, found 0";
    changed(
        |path| change_envelope(path, |envelope| envelope["signatures"] = json!([])),
        &format!("{none} among 0 signatures"),
    );
    changed(
        |path| {
            change_envelope(path, |envelope| {
                let payload = STANDARD
                    .decode(envelope["payload"].as_str().unwrap())
                    .unwrap();
                seal(
                    path,
                    "carol",
                    IN_TOTO,
                    &payload,
                    "release/provenance.dsse.json",
                );
                let bytes = fs_err::read(path.join("release/provenance.dsse.json")).unwrap();
                *envelope = serde_json::from_slice(&bytes).unwrap();
            });
        },
        &format!("{none} among 1 signatures"),
    );
    changed(
        |path| {
            change_envelope(path, |envelope| {
                envelope["payloadType"] = json!("application/json");
            });
        },
        "provenance.dsse.json: payloadType: expected application/vnd.in-toto+json, found \
         application/json",
    );
    // The statement and the signatures of another release of the same feed.
    let second = "guestmark sign out -o next --previous release/manifest.json \
                  --key publisher.pem --minisign-key minisign.key -q";
    let folder = workshop();
    shell(folder.path(), second);
    let digest = |release: &str| {
        let command = format!("sha256sum < {release}/manifest.json | cut -c-64");
        shell(folder.path(), &command).trim().to_owned()
    };
    let (this, next) = (digest("release"), digest("next"));
    changed(
        |path| {
            shell(
                path,
                &format!("{second}; cp next/provenance.dsse.json release"),
            );
        },
        &format!(
            "provenance.dsse.json: subject manifest.json: expected sha256 {this}, found sha256 {next}"
        ),
    );
    changed(
        |path| {
            shell(
                path,
                &format!("{second}; cp next/manifest.json.sig release"),
            );
        },
        "manifest.json.sig: signature: expected one of a publisher over manifest.json, found \
         another, or none",
    );
    changed(
        |path| {
            shell(
                path,
                &format!("{second}; cp next/manifest.json.minisig release"),
            );
        },
        "manifest.json.minisig: signature: expected one of a key of the policy over manifest.json, \
         found the signature does not verify: it was made over other bytes",
    );
    changed(
        |path| {
            replace(
                &path.join("release/manifest.json.minisig"),
                "release 1",
                "release 2",
            );
        },
        "manifest.json.minisig: signature: expected one of a key of the policy over manifest.json, \
         found the trusted comment was changed after it was signed",
    );
}

#[test]
fn one_key_counts_once_however_often_it_signs() {
    let two = |path: &Path| replace(&path.join("trust.toml"), "threshold = 1", "threshold = 2");
    let one = "provenance.dsse.json: signatures: expected 2 of the policy's publishers, found 1";
    changed(
        |path| {
            two(path);
            change_envelope(path, |envelope| {
                let mut again = envelope["signatures"][0].clone();
                again["keyid"] = json!("second");
                envelope["signatures"].as_array_mut().unwrap().push(again);
            });
        },
        &format!("{one} among 2 signatures"),
    );
    // ECDSA also verifies (r, n - s), which anybody can compute.
    changed(
        |path| {
            two(path);
            change_envelope(path, |envelope| {
                let sig = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap());
                let sig = p384::ecdsa::Signature::from_der(&sig.unwrap()).unwrap();
                let (r, s) = sig.split_scalars();
                let other = p384::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes());
                let other = STANDARD.encode(other.unwrap().to_der().as_bytes());
                let signatures = envelope["signatures"].as_array_mut().unwrap();
                signatures.push(json!({ "sig": other }));
            });
        },
        &format!("{one} among 2 signatures"),
    );
    let folder = workshop();
    let path = folder.path();
    two(path);
    shell(
        path,
        "guestmark sign release -o both --key second.pem -q; rm -r release; mv both release",
    );
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
    assert_eq!(
        proved(&document, "publishers"),
        "2 of 2 publishers signed, threshold 2: main, second"
    );
    refused(
        path,
        &["sign", "release", "-o", "more", "--key", "second.pem"],
        "provenance.dsse.json: signatures: expected a key that has not signed yet, found a \
         signature of the same key",
    );
}

#[test]
fn policies_that_would_accept_too_much_are_refused() {
    for (from, to, message) in [
        (
            "threshold = 1",
            "threshold = 0",
            "publisher.threshold: expected 1 to 2, the number of keys, found 0",
        ),
        (
            "threshold = 1",
            "threshold = 3",
            "publisher.threshold: expected 1 to 2, the number of keys, found 3",
        ),
        (
            "bob = \"bob.pub\"",
            "bob = \"alice.pub\"",
            "rebuilder.keys.bob: expected distinct keys, found the key of rebuilder.keys.alice",
        ),
        (
            "carol.pub",
            "publisher.pub",
            "rebuilder.keys.carol: expected a key that is independent of the publisher, found \
             publisher.keys.main",
        ),
        ("version = 1", "version = 2", "version: expected 1, found 2"),
    ] {
        let folder = workshop();
        replace(&folder.path().join("trust.toml"), from, to);
        let arguments = ["verify", "release", "release", "--policy", "trust.toml"];
        refused(folder.path(), &arguments, &format!("trust.toml: {message}"));
    }
}

/// A policy with a list of revocations that `who` signed.
fn revoke(path: &Path, who: &str, list: &str) {
    fs_err::write(path.join("revocations.json"), list).unwrap();
    let revoker = "\n[revoker]\nthreshold = 1\nlist = \"revoked.dsse.json\"\n\
                   keys = { revoker = \"revoker.pub\" }\n";
    fs_err::write(path.join("trust.toml"), format!("{POLICY}{revoker}")).unwrap();
    let key = format!("{who}.pem");
    let sign = [
        "sign",
        "revocations.json",
        "--role",
        "revoker",
        "-o",
        "revoked.dsse.json",
    ];
    guestmark(path)
        .args(sign)
        .args(["--key", &key])
        .assert()
        .code(0);
}

fn list(sequence: u64, keys: &[&str], manifests: &[&str]) -> String {
    let schema = "guestmark/revocations/1";
    json!({ "schema": schema, "sequence": sequence, "keys": keys, "manifests": manifests })
        .to_string()
}

#[test]
fn what_is_revoked_no_longer_counts() {
    let folder = workshop();
    let key = "openssl pkey -pubin -in publisher.pub -outform DER | sha256sum | cut -c-64";
    let key = shell(folder.path(), key).trim().to_owned();
    let manifest = shell(
        folder.path(),
        "sha256sum < release/manifest.json | cut -c-64",
    );
    let manifest = manifest.trim();
    changed(
        |path| revoke(path, "revoker", &list(1, &[&key], &[])),
        "provenance.dsse.json: signatures: expected 1 of the policy's publishers, found 0 among 1 \
         signatures; revoked: main",
    );
    changed(
        |path| revoke(path, "revoker", &list(1, &[], &[manifest])),
        &format!(
            "manifest.json: revocation: expected none, found its SHA-256 {manifest} in the list of \
             revocations"
        ),
    );
    changed(
        |path| revoke(path, "publisher", &list(1, &[], &[])),
        "revoked.dsse.json: signatures: expected 1 of the policy's revokers, found 0",
    );

    // An older list than one seen before, which knew less.
    let folder = workshop();
    let path = folder.path();
    revoke(path, "revoker", &list(2, &[], &[]));
    let (document, status) = verify(path, &["--state", "seen.json"]);
    assert_eq!(status, 0, "{document:#}");
    assert_eq!(
        proved(&document, "revocations"),
        "list 2, signed by 1 or more revokers"
    );
    revoke(path, "revoker", &list(1, &[], &[]));
    assert_eq!(
        failure(path, &["--state", "seen.json"]),
        "revoked.dsse.json: sequence: expected 2 or more, as seen before, found 1"
    );
}

#[test]
fn rebuilders_count_when_they_are_known_independent_and_agree() {
    let prefix = "rebuild-*.dsse.json: rebuilders: expected 2 independent rebuilders that agree, \
                  found 1 of 3 independent rebuilders agree, threshold 2";
    changed(
        |path| fs_err::remove_file(path.join("release/rebuild-bob.dsse.json")).unwrap(),
        prefix,
    );
    // The publisher's key in a rebuilder's place.
    changed(
        |path| {
            fs_err::remove_file(path.join("release/rebuild-bob.dsse.json")).unwrap();
            rebuild(path, "publisher", "out", "release");
        },
        &format!("{prefix}; rebuild-publisher.dsse.json is by publisher main, who is no rebuilder"),
    );
    // One rebuilder's word under two names.
    changed(
        |path| {
            shell(
                path,
                "cd release; cp rebuild-alice.dsse.json rebuild-bob.dsse.json",
            );
            list_again(&path.join("release"));
        },
        prefix,
    );
    // The publisher's statement is no rebuilder's, whoever signs it.
    changed(
        |path| {
            let payload = envelope(path)["payload"].as_str().unwrap().to_owned();
            let payload = STANDARD.decode(payload).unwrap();
            seal(
                path,
                "bob",
                IN_TOTO,
                &payload,
                "release/rebuild-bob.dsse.json",
            );
            list_again(&path.join("release"));
        },
        "rebuild-bob.dsse.json: predicateType: expected urn:guestmark:rebuild:v1, found \
         https://slsa.dev/provenance/v1",
    );
    // Somebody got another image.
    let folder = workshop();
    let path = folder.path();
    shell(path, "cd out; printf x >> origins.json");
    list_again(&path.join("out"));
    rebuild(path, "carol", "out", "release");
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
    let said = proved(&document, "rebuilders");
    assert!(
        said.starts_with(
            "2 of 3 independent rebuilders agree, threshold 2; carol differs: \
             rebuild-carol.dsse.json: subject origins.json: expected sha256 "
        ),
        "{said}"
    );
}

#[test]
fn nothing_older_than_what_was_seen_is_accepted() {
    let folder = workshop();
    let path = folder.path();
    let next = |number: u32, previous: &str| {
        let command = format!(
            "guestmark sign out -o release-{number} --previous {previous}/manifest.json \
             --key publisher.pem --minisign-key minisign.key -q
             cp release/rebuild-* release-{number}"
        );
        shell(path, &command);
    };
    next(2, "release");
    next(3, "release-2");
    next(4, "release-3");
    let state = ["--state", "seen.json"];
    let verify_number = |number: u32, more: &[&str]| {
        let name = format!("release-{number}");
        let arguments = [
            "verify",
            "release",
            &name,
            "--policy",
            "trust.toml",
            "--json",
        ];
        let mut command = guestmark(path);
        let output = command
            .args(arguments)
            .args(state)
            .args(more)
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(
        proved(&verify(path, &state).0, "sequence"),
        "release 1, the first one seen"
    );
    assert_eq!(
        proved(&verify(path, &state).0, "sequence"),
        "release 1, the newest one seen"
    );
    assert_eq!(
        proved(&verify_number(2, &[]), "sequence"),
        "release 2; its chain of previous manifests leads to release 1, seen before"
    );
    assert_eq!(
        failure(path, &state),
        "manifest.json: sequence: expected 2 or more, as seen before, found 1"
    );
    let seen = fs_err::read(path.join("seen.json")).unwrap();
    let between = ["--previous", "release-3/manifest.json"];
    assert_eq!(
        proved(&verify_number(4, &between), "sequence"),
        "release 4; its chain of previous manifests leads to release 2, seen before"
    );
    fs_err::write(path.join("seen.json"), &seen).unwrap();
    let document = verify_number(4, &[]);
    assert_eq!(proved(&document, "sequence"), "release 4, after 2");
    let text = "chain: release 2 was seen before, and 1 between it and release 4 were not given \
                with --previous";
    assert!(
        document["not_checked"]
            .as_array()
            .unwrap()
            .contains(&json!(text)),
        "{document:#}"
    );

    // Another history under the same numbers.
    let fork = "sed -i 's/\"manifest\": \"../\"manifest\": \"00/' seen.json";
    fs_err::write(path.join("seen.json"), &seen).unwrap();
    shell(path, fork);
    let said = verify_number(3, &[])["failure"].to_string();
    assert!(said.contains("the manifest of release 2"), "{said}");
    let said = verify_number(2, &[])["failure"].to_string();
    assert!(said.contains("as release 2 had before"), "{said}");
}
