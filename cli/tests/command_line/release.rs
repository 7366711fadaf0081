//! `verify release`: what is accepted, and one change each that makes it refused.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::guestmark;
use crate::schema::conforms;
use crate::workshop::{
    changed, failure, list_again, proved, publish_again, replace, shell, verify, workshop,
};

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
