//! `verify release`: what is accepted, and one change each that makes it refused.

use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::schema::conforms;
use crate::workshop::{
    POLICY, failure, list_again, proved, publish_again, rebuild, replace, seal, shell, verify,
    workshop,
};
use crate::{guestmark, refused};

const IN_TOTO: &str = "application/vnd.in-toto+json";

#[test]
fn a_release_is_accepted_and_each_check_says_what_it_proved() {
    let folder = workshop();
    let (document, status) = verify(folder.path(), &[]);
    assert_eq!(status, 0, "{document:#}");
    conforms(&document, "verify-release");
    assert_eq!(document["accepted"], true);
    let proved = |name| proved(&document, name);
    assert_eq!(
        proved("publishers"),
        "1 of 2 publishers signed, threshold 1: main"
    );
    assert_eq!(
        proved("rebuilders"),
        "2 of 3 independent rebuilders agree, threshold 2: alice, bob"
    );
    assert_eq!(
        proved("security version"),
        "feed tiny, UVM SVN 2 (minimum 2), guest SVN 1 (minimum 1)"
    );
    assert_eq!(
        proved("minisign"),
        "signed the manifest's bytes and \"manifest.json of tiny, release 1\""
    );
    let measurement = fs_err::read(folder.path().join("release/measurement.json")).unwrap();
    let measurement: Value = serde_json::from_slice(&measurement).unwrap();
    let digest = &measurement["variants"][0]["launch_digest"];
    assert_eq!(document["release"]["launch_digest"], *digest);
    let root_hash = measurement["verity"]["root_hash"].as_str().unwrap();
    assert_eq!(
        proved("root file system"),
        format!("its blocks hash to {root_hash}")
    );

    let mut command = guestmark(folder.path());
    let assert = command.args(["verify", "release", "release", "--policy", "trust.toml"]);
    let text = String::from_utf8(assert.assert().code(0).get_output().stdout.clone()).unwrap();
    assert!(text.starts_with("release\n\n  good  manifest: canonical, guestmark/manifest/1\n"));
    assert!(text.contains("\nNot checked\n\n  - "), "{text}");
    assert!(
        text.contains("\nAccepted: release 1 of tiny, which launches to\n"),
        "{text}"
    );
}

/// Holds that one change of a good release leads to this refusal.
fn changed(change: impl FnOnce(&Path), message: &str) {
    let folder = workshop();
    change(folder.path());
    assert_eq!(failure(folder.path(), &[]), message);
}

#[test]
fn files_must_be_exactly_those_of_the_manifest() {
    let gone = "a regular file, found nothing";
    let remove = |name: &'static str| {
        move |path: &Path| fs_err::remove_file(path.join("release").join(name)).unwrap()
    };
    changed(
        remove("tiny.img"),
        "tiny.img: file: expected a file, found nothing",
    );
    changed(
        remove("SHA256SUMS"),
        "SHA256SUMS: file: expected a file, found nothing",
    );
    changed(
        remove("manifest.json"),
        &format!("manifest.json: type: expected {gone}"),
    );
    changed(
        remove("manifest.json.sig"),
        &format!("manifest.json.sig: type: expected {gone}"),
    );
    changed(
        remove("manifest.json.minisig"),
        &format!("manifest.json.minisig: type: expected {gone}"),
    );
    changed(
        remove("provenance.dsse.json"),
        &format!("provenance.dsse.json: type: expected {gone}"),
    );
    let add = |name: &'static str| {
        move |path: &Path| fs_err::write(path.join("release").join(name), "x").unwrap()
    };
    changed(
        add("extra"),
        "extra: file: expected nothing of this name, found a file",
    );
    changed(
        add("t\u{ef}ny.img"),
        "t\u{ef}ny.img: file: expected nothing of this name, found a file",
    );
    changed(
        add("a\nb"),
        "a\\nb: file: expected nothing of this name, found a file",
    );
    changed(
        add("TINY.img"),
        "tiny.img: name: expected names that differ by more than case, found the same in another \
         case",
    );
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let image = |path: &Path| path.join("release/tiny.img");
    changed(
        |path| {
            fs_err::rename(image(path), path.join("elsewhere")).unwrap();
            symlink("../elsewhere", image(path)).unwrap();
        },
        "tiny.img: type: expected a regular file, found a symbolic link",
    );
    changed(
        |path| {
            shell(path, "rm release/tiny.img; mkfifo release/tiny.img");
        },
        "tiny.img: type: expected a regular file, found a named pipe",
    );
    changed(
        |path| {
            shell(path, "rm release/tiny.img; mkdir release/tiny.img");
        },
        "tiny.img: type: expected a regular file, found a directory",
    );
}

#[test]
fn files_must_have_the_manifests_digests() {
    let folder = workshop();
    let size = fs_err::metadata(folder.path().join("release/tiny.img"))
        .unwrap()
        .len();
    changed(
        |path| {
            shell(path, "truncate -s -1 release/tiny.img");
        },
        &format!("tiny.img: size: expected {size}, found {}", size - 1),
    );
    changed(
        |path| {
            shell(
                path,
                "printf x | dd of=release/tiny.igvm seek=4095 bs=1 conv=notrunc status=none",
            );
        },
        &{
            let before = shell(folder.path(), "sha256sum < release/tiny.igvm | cut -c-64");
            shell(
                folder.path(),
                "printf x | dd of=release/tiny.igvm seek=4095 bs=1 conv=notrunc status=none",
            );
            let after = shell(folder.path(), "sha256sum < release/tiny.igvm | cut -c-64");
            format!(
                "tiny.igvm: SHA-256: expected {}, found {}",
                before.trim(),
                after.trim()
            )
        },
    );
    let first = |path: &Path| {
        let list = fs_err::read_to_string(path.join("release/SHA256SUMS")).unwrap();
        let line = list
            .lines()
            .find(|line| line.ends_with("  tiny.img"))
            .unwrap();
        line[..64].to_owned()
    };
    let folder = workshop();
    let digest = first(folder.path());
    let list = |path: &Path| path.join("release/SHA256SUMS");
    let zeros = "0".repeat(64);
    changed(
        |path| replace(&list(path), &digest, &zeros),
        &format!("SHA256SUMS: tiny.img: expected {digest}, found {zeros}"),
    );
    changed(
        |path| replace(&list(path), &format!("{digest}  tiny.img\n"), ""),
        &format!("SHA256SUMS: tiny.img: expected {digest}, found nothing"),
    );
    changed(
        |path| replace(&list(path), &digest, &format!("{zeros}  more\n{digest}")),
        &format!("SHA256SUMS: more: expected nothing, found {zeros}"),
    );
    changed(
        |path| replace(&list(path), &format!("{digest}  "), &format!("{digest} *")),
        &format!(
            "SHA256SUMS: line: expected a SHA-256, two spaces, a name, found \"{digest} *tiny.img\""
        ),
    );
}

#[test]
fn manifests_have_one_form() {
    let change = |from: &'static str, to: &'static str| {
        move |path: &Path| replace(&path.join("release/manifest.json"), from, to)
    };
    let json = "manifest.json: JSON: expected a document of its schema, found";
    changed(
        change("{\"artifacts\"", "{ \"artifacts\""),
        "manifest.json: form: expected canonical JSON (RFC 8785), found the same values in \
         another form",
    );
    changed(
        change("guestmark/manifest/1", "guestmark/manifest/2"),
        "manifest.json: schema: expected guestmark/manifest/1, found guestmark/manifest/2",
    );
    let folder = workshop();
    let size = fs_err::metadata(folder.path().join("release/manifest.json"))
        .unwrap()
        .len();
    changed(
        |path| {
            shell(path, "printf '{}' >> release/manifest.json");
        },
        &format!("{json} trailing characters at line 1 column {}", size + 1),
    );
    changed(
        |path| {
            shell(path, "head -c 10000000 /dev/zero > release/manifest.json");
        },
        "manifest.json: size: expected at most 8388608 bytes, found more",
    );
    changed(
        |path| {
            let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
            fs_err::write(path.join("release/manifest.json"), deep).unwrap();
        },
        &format!("{json} more than 16 levels at line 1 column 17"),
    );
    let folder = workshop();
    let path = folder.path();
    replace(
        &path.join("release/manifest.json"),
        "\"feed\":\"tiny\"",
        "\"feed\":\"tiny\",\"feed\":\"tiny\"",
    );
    let said = failure(path, &[]);
    assert!(
        said.starts_with(&format!("{json} key \"feed\" twice at line 1")),
        "{said}"
    );
}

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
            rebuild(path, "publisher", "release");
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
    rebuild(path, "carol", "release");
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
fn what_a_publisher_says_wrongly_is_found_in_the_files() {
    let again = |change: fn(&mut guestmark_manifests::manifest::Manifest), message: &str| {
        let folder = workshop();
        publish_again(folder.path(), change);
        let said = failure(folder.path(), &[]);
        assert!(said.starts_with(message), "{said}");
    };
    again(
        |manifest| manifest.feed = "other".to_owned(),
        "manifest.json: feed: expected a feed of the policy (tiny), found other",
    );
    again(
        |manifest| manifest.identity.uvm_svn = 1,
        "manifest.json: identity.uvm_svn: expected 2 or more, found 1",
    );
    again(
        |manifest| manifest.identity.guest_svn = 0,
        "manifest.json: identity.guest_svn: expected 1 or more, found 0",
    );
    again(
        |manifest| manifest.identity.image_id = "0".repeat(32),
        "tiny.idblock: IMAGE_ID: expected 00000000000000000000000000000000, found 74696e79",
    );
    again(
        |manifest| manifest.identity.policy = "0xb0000".to_owned(),
        "tiny.idblock: policy: expected 0xb0000, found 0x30000",
    );
    again(
        |manifest| {
            manifest.guests[0].launch_digest = manifest.guests[1].launch_digest;
        },
        "tiny.idblock: launch digest: expected ",
    );
    again(
        |manifest| manifest.guests[0].loaders.truncate(1),
        "tiny.igvm: launch digests: expected spec ",
    );
    // The debug guest in the production guest's place.
    again(
        |manifest| {
            manifest.guests[0].variant = "debug".to_owned();
            manifest.guests[1].variant = "production".to_owned();
        },
        "tiny-debug.corim: file: expected a file, found nothing",
    );
    again(
        |manifest| manifest.verity.salt = "00".to_owned(),
        "tiny.img: dm-verity root hash: expected ",
    );
    again(
        |manifest| manifest.verity.data_blocks = u64::from(u32::MAX),
        "tiny.img: data blocks: expected 1 or more, within the image's ",
    );
}

#[test]
fn the_debug_guest_has_a_digest_of_its_own() {
    let folder = workshop();
    let path = folder.path();
    shell(
        path,
        "cd release; cp tiny.igvm tiny-debug.igvm; cp tiny.idblock tiny-debug.idblock",
    );
    publish_again(path, |manifest| {
        for (from, to) in [
            ("tiny.igvm", "tiny-debug.igvm"),
            ("tiny.idblock", "tiny-debug.idblock"),
        ] {
            let same = manifest.artifact(from).unwrap().clone();
            let debug = manifest
                .artifacts
                .iter_mut()
                .find(|it| it.name == to)
                .unwrap();
            *debug = guestmark_manifests::manifest::Artifact {
                name: to.to_owned(),
                ..same
            };
        }
        manifest.guests[1].launch_digest = manifest.guests[0].launch_digest;
        manifest.guests[1].loaders = manifest.guests[0].loaders.clone();
    });
    let said = failure(path, &[]);
    let message = "tiny-debug.igvm: launch digest: expected another digest than the other \
                   variant's, found ";
    assert!(said.starts_with(message), "{said}");
}

#[test]
fn the_signed_guest_is_the_guest_with_a_publishers_id_block() {
    let attach = "guestmark idblock attach out/tiny.igvm --block out/tiny.idblock --signature sig \
                  --loader qemu-kvm -o release/tiny.signed.igvm";
    let folder = workshop();
    let path = folder.path();
    let ceremony = format!(
        "openssl dgst -sha384 -sign carol.pem -out sig out/tiny.idblock
         rm release/tiny.signed.igvm; {attach} --key carol.pub"
    );
    shell(path, &ceremony);
    list_again(&path.join("release"));
    let said = failure(path, &[]);
    let expected =
        "tiny.signed.igvm: ID key: expected a publisher's key, found the key with digest ";
    assert!(said.starts_with(expected), "{said}");

    changed(
        |path| {
            shell(path, "cp out/tiny.igvm release/tiny.signed.igvm");
            list_again(&path.join("release"));
        },
        "tiny.signed.igvm: ID block: expected one that can be taken out, found the file has no ID \
         block",
    );
    changed(
        |path| {
            shell(
                path,
                "guestmark idblock attach out/tiny-debug.igvm --block out/tiny-debug.idblock \
                 --signature <(openssl dgst -sha384 -sign publisher.pem out/tiny-debug.idblock) \
                 --key publisher.pub --loader qemu-kvm -o release/tiny.signed.igvm",
            );
            list_again(&path.join("release"));
        },
        "tiny.signed.igvm: content: expected the bytes of tiny.igvm without its ID block, found \
         other bytes",
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

#[test]
fn a_release_can_be_checked_from_a_folder_that_is_read_only_and_leaves_no_trace() {
    let folder = workshop();
    shell(folder.path(), "chmod -R a-w release");
    let before = shell(folder.path(), "ls -lA --time-style=full-iso . release");
    assert_eq!(verify(folder.path(), &[]).1, 0);
    assert_eq!(
        shell(folder.path(), "ls -lA --time-style=full-iso . release"),
        before
    );
    shell(folder.path(), "chmod -R u+w release");
}
