//! `audit`: a release rebuilt, and one change each that leads to every other verdict.

use std::path::Path;

use serde_json::Value;

use crate::archive::{Tiny, mirror};
use crate::guestmark;
use crate::schema::conforms;
use crate::stdout;
use crate::workshop::{PEOPLE, list_again, publish_again, rebuild, replace, shell, workshop};

/// The document of `audit`, and the exit status. The store is new, so that all is fetched.
fn audit(folder: &Path, more: &[&str]) -> (Value, i32) {
    let mut command = guestmark(folder);
    command.args(["audit", "--json", "--store", "auditor"]);
    if !more.contains(&"--mirror") {
        command.args(["--mirror", mirror()]);
    }
    let output = command.args(more).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    conforms(&document, "audit");
    (document, output.status.code().unwrap())
}

/// The verdict over a release that a policy accepts or refuses, and why.
fn verdict(folder: &Path) -> (String, String, i32) {
    let (document, status) = audit(folder, &["release", "--policy", "trust.toml"]);
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    (text("class"), text("reason"), status)
}

/// The artifacts of a release listed anew in its manifest, and signed by a publisher who means it.
fn publish_as_it_is(folder: &Path) {
    let release = guestmark_manifests::folder::Folder::open(&folder.join("release")).unwrap();
    publish_again(folder, |manifest| {
        for artifact in &mut manifest.artifacts {
            *artifact = release.artifact(&artifact.name).unwrap();
        }
    });
    // Their word was about what was published before.
    for name in PEOPLE {
        let _ = fs_err::remove_file(folder.join(format!("release/rebuild-{name}.dsse.json")));
    }
    replace(
        &folder.join("trust.toml"),
        "[rebuilder]\nthreshold = 2\n[rebuilder.keys]\nalice = \"alice.pub\"\nbob = \"bob.pub\"\ncarol = \"carol.pub\"\n",
        "",
    );
    list_again(&folder.join("release"));
}

/// Changes the recipe that the release carries.
fn change_recipe(folder: &Path, file: &str, from: &str, to: &str) {
    shell(folder, "mkdir recipe; tar -xf release/recipe.tar -C recipe");
    replace(&folder.join("recipe").join(file), from, to);
    shell(
        folder,
        "tar --format=ustar --sort=name -cf release/recipe.tar -C recipe $(cd recipe && ls)",
    );
}

/// Replaces bytes of a file by as many others.
fn replace_bytes(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs_err::read(path).unwrap();
    let place = bytes.windows(from.len()).position(|it| it == from).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to);
    fs_err::write(path, bytes).unwrap();
}

#[test]
fn a_release_is_rebuilt_from_what_was_published_alone() {
    let folder = workshop();
    let arguments = ["release", "--policy", "trust.toml", "--rebuilt", "mine"];
    let (document, status) = audit(folder.path(), &arguments);
    assert_eq!(status, 0, "{document:#}");
    assert_eq!(document["class"], "identical");
    assert_eq!(document["signatures"]["checked"], true);
    let files = document["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["status"] == "same"));
    assert_eq!(
        document["reason"],
        format!("{} files compared", files.len())
    );

    // And the auditor says so, which the policy then counts.
    rebuild(folder.path(), "carol", "mine", "release");
    let verified = stdout(
        folder.path(),
        &["verify", "release", "release", "--policy", "trust.toml"],
    );
    assert!(
        verified.contains("3 of 3 independent rebuilders agree, threshold 2"),
        "{verified}"
    );
}

#[test]
fn a_build_that_nobody_signed_can_be_compared() {
    let folder = workshop();
    let (document, status) = audit(folder.path(), &["out", "--without-policy"]);
    assert_eq!((status, &document["class"]), (0, &"identical".into()));
    assert_eq!(document["signatures"]["checked"], false);

    shell(folder.path(), "cp release/tiny.signed.igvm out/tiny.igvm");
    let (document, status) = audit(folder.path(), &["out", "--without-policy"]);
    assert_eq!(
        (status, &document["class"]),
        (0, &"identical-unsigned".into()),
        "{document:#}"
    );
}

#[test]
fn files_around_what_is_measured_are_told_apart_from_it() {
    let folder = workshop();
    shell(folder.path(), "echo >> out/sbom.spdx.json");
    let (document, status) = audit(folder.path(), &["out", "--without-policy"]);
    assert_eq!(
        (status, &document["class"]),
        (1, &"measured-parts-equal".into())
    );
    let files = document["files"].as_array().unwrap();
    let differing: Vec<_> = files
        .iter()
        .filter(|file| file["status"] != "same")
        .collect();
    assert_eq!(differing.len(), 1);
    assert_eq!(differing[0]["name"], "sbom.spdx.json");
}

#[test]
fn a_release_built_from_something_else_is_explained() {
    let (tiny, other) = (Tiny::locked(), Tiny::locked());
    stdout(tiny.path(), &tiny.build(&["-o", "out"]));
    other.change(
        "recipe.toml",
        "content = \"tiny\\n\"",
        "content = \"evil\\n\"",
    );
    stdout(other.path(), &other.build(&["-o", "out"]));
    // Published with the recipe and its digests of the honest build.
    let digest = |tiny: &Tiny| {
        let text = fs_err::read(tiny.path().join("out/measurement.json")).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        document["recipe_sha256"].as_str().unwrap().to_owned()
    };
    let (honest, evil) = (digest(&tiny), digest(&other));
    let out = other.path().join("out");
    fs_err::copy(tiny.path().join("out/recipe.tar"), out.join("recipe.tar")).unwrap();
    replace(&out.join("measurement.json"), &evil, &honest);

    let (document, status) = audit(other.path(), &["out", "--without-policy"]);
    assert_eq!(status, 1);
    assert_eq!(document["class"], "differs-explained", "{document:#}");
    let reason = document["reason"].as_str().unwrap();
    assert!(reason.contains("rootfs.file"), "{reason}");
    let files = document["explanation"]["rootfs"]["files"].as_array();
    assert_eq!(files.unwrap()[0]["path"], "/etc/hostname");
}

#[test]
fn what_cannot_be_compared_stays_unexplained() {
    let folder = workshop();
    let path = folder.path();
    // One guest with another command line, and of the other only its digest, which is another too.
    replace_bytes(&path.join("out/tiny.igvm"), b"quiet guest", b"loud! guest");
    shell(path, "rm out/tiny-debug.igvm");
    let measurement = path.join("out/measurement.json");
    let text = fs_err::read_to_string(&measurement).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let digest = said["variants"][1]["launch_digest"].as_str().unwrap();
    fs_err::write(&measurement, text.replace(digest, &"5a".repeat(48))).unwrap();
    let (document, status) = audit(path, &["out", "--without-policy"]);
    assert_eq!(
        (status, &document["class"]),
        (1, &"differs-unexplained".into()),
        "{document:#}"
    );
}

#[test]
fn a_manifest_that_claims_another_digest_does_not_verify() {
    let folder = workshop();
    publish_again(folder.path(), |manifest| {
        let other = manifest.guests[1].loaders.clone();
        manifest.guests[0].loaders = other;
    });
    let (class, reason, status) = verdict(folder.path());
    assert_eq!((class.as_str(), status), ("does-not-verify", 1));
    assert!(reason.contains("launch digest"), "{reason}");
}

#[test]
fn rebuilders_who_signed_something_else_do_not_count() {
    let folder = workshop();
    shell(folder.path(), "echo >> out/sbom.spdx.json");
    list_again(&folder.path().join("out"));
    for name in ["alice", "bob"] {
        rebuild(folder.path(), name, "out", "release");
    }
    let (class, reason, status) = verdict(folder.path());
    assert_eq!((class.as_str(), status), ("does-not-verify", 1));
    assert!(
        reason.contains("rebuild-") && reason.contains("sbom.spdx.json"),
        "{reason}"
    );
}

#[test]
fn a_lock_that_was_edited_is_noticed() {
    let folder = workshop();
    let path = folder.path();
    change_recipe(
        path,
        "recipe.lock.json",
        "\"version\": 1",
        "\"version\":  1",
    );
    let (class, reason, status) = verdict(path);
    assert_eq!((class.as_str(), status), ("does-not-verify", 1));
    assert!(reason.starts_with("recipe.tar: "), "{reason}");

    publish_as_it_is(path);
    let (class, reason, status) = verdict(path);
    assert_eq!(
        (class.as_str(), status),
        ("cannot-be-rebuilt", 1),
        "{reason}"
    );
    assert!(
        reason.starts_with("recipe.tar: recipe.lock.json: SHA-256: expected "),
        "{reason}"
    );
}

#[test]
fn inputs_that_left_the_mirror_are_named() {
    let folder = workshop();
    fs_err::create_dir(folder.path().join("empty")).unwrap();
    let empty = format!("tiny=file://{}/empty", folder.path().display());
    let arguments = ["release", "--policy", "trust.toml", "--mirror", &empty];
    let (document, status) = audit(folder.path(), &arguments);
    assert_eq!(
        (status, &document["class"]),
        (1, &"cannot-be-rebuilt".into()),
        "{document:#}"
    );
    let reason = document["reason"].as_str().unwrap();
    assert!(reason.contains("tiny-base"), "{reason}");
}

#[test]
fn what_this_machine_lacks_is_no_verdict() {
    let folder = workshop();
    let arguments = [
        "audit",
        "release",
        "--policy",
        "trust.toml",
        "--store",
        "auditor",
        "--offline",
    ];
    let assert = guestmark(folder.path()).args(arguments).assert().code(2);
    let message = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(
        message.starts_with("guestmark: the rebuild: the store "),
        "{message}"
    );
    let missing = guestmark(folder.path())
        .args(["audit", "release"])
        .assert()
        .code(2);
    let message = String::from_utf8(missing.get_output().stderr.clone()).unwrap();
    assert!(message.contains("--policy"), "{message}");
}
