//! `measure`: digests against the independent vectors, and files that are wrong.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use crate::measured_file::{SNP, TDX, igvm};
use crate::schema::conforms;
use crate::{guestmark, json, misused, refused, stdout, vectors};

type Expected = BTreeMap<String, BTreeMap<String, String>>;

fn expected() -> Expected {
    let file = vectors("measure").join("launch-digest/expected.json");
    serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap()
}

/// A folder that holds the vector `case`.
fn folder_with(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{case}.igvm");
    let vector = vectors("measure").join("launch-digest").join(&file);
    fs_err::copy(vector, folder.path().join(file)).unwrap();
    folder
}

fn bytes(folder: &Path) -> Vec<u8> {
    fs_err::read(folder.join("base.igvm")).unwrap()
}

#[test]
fn bare_prints_96_digits_and_a_newline_for_every_loader_of_every_vector() {
    let expected = expected();
    assert_eq!(expected.len(), 9);
    for (case, loaders) in expected {
        let folder = folder_with(&case);
        let file = format!("{case}.igvm");
        for (loader, digest) in loaders {
            let arguments = ["measure", &file, "--loader", &loader, "--bare"];
            let printed = stdout(folder.path(), &arguments);
            assert_eq!(printed, format!("{digest}\n"), "{case} {loader}");
            assert_eq!(printed.len(), 97);
        }
    }
}

#[test]
fn bare_without_a_loader_is_what_aks_reports() {
    let folder = folder_with("vmsa-low-gpa-first");
    let digest = &expected()["vmsa-low-gpa-first"]["cloud-hypervisor-mshv"];
    let printed = stdout(
        folder.path(),
        &["measure", "vmsa-low-gpa-first.igvm", "--bare"],
    );
    assert_eq!(printed, format!("{digest}\n"));
}

#[test]
fn json_tells_the_digest_of_every_loader() {
    for (case, loaders) in expected() {
        let folder = folder_with(&case);
        let document = json(folder.path(), &["measure", &format!("{case}.igvm")]);
        conforms(&document, "measure");
        let verdicts = document["loaders"].as_array().unwrap();
        assert_eq!(verdicts.len(), 5, "{case}");
        for (loader, digest) in loaders {
            let verdict = verdicts.iter().find(|verdict| verdict["loader"] == *loader);
            assert_eq!(
                verdict.unwrap()["launch_digest"],
                *digest,
                "{case} {loader}"
            );
        }
    }
}

#[test]
fn the_table_puts_each_digest_under_the_loaders_that_agree_on_it() {
    let folder = folder_with("param-1page");
    assert_eq!(
        stdout(folder.path(), &["measure", "param-1page.igvm"]),
        "Launch digests of param-1page.igvm\n\
         \n  spec, cloud-hypervisor-mshv, cloud-hypervisor-kvm, openvmm-mshv\n    \
         d581c18570e4f2ce5063e43156242beaa12a60c3fc77ba9683d47746d5b34b5c\
         d1cfa7059def0f730f7932f830946593\n  \
         qemu-kvm\n    \
         20a10989590b7db507ccbeac4da59c4287f4900b06a1507428173195bd513497\
         a165b91c98995e6548309f831f99d641\n    \
         not as spec: 0x5000: a parameter page is launched before the pages just\n                 \
         before it\n\
         \n  But under cloud-hypervisor-mshv:\n    \
         - VP 0: the VMSA at 0xfffffffff000 lies outside guest memory, from where the\n      \
         loader reads it\n\
         \n  To make the digest portable:\n    \
         - put parameter inserts before all pages, at the lowest addresses\n\
         \nDigests are predicted from the loaders' published behaviour; nothing was run on\n\
         SEV-SNP hardware.\n"
    );
}

#[test]
fn one_loader_alone_is_asked_about() {
    let folder = folder_with("base");
    let document = json(folder.path(), &["measure", "base.igvm", "--loader", "spec"]);
    let verdicts = document["loaders"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0]["loader"], "spec");
}

#[test]
fn more_processors_than_contexts_have_no_digest_on_kvm() {
    let folder = folder_with("base");
    let reason = "the file has no VP context for processor 1 of 3: the loader makes up its VMSA, \
                  so the digest cannot be told; add a context or ask for fewer processors";
    let asked = ["measure", "base.igvm", "--vcpus", "3"];
    let on_qemu = [&asked[..], &["--loader", "qemu-kvm"]].concat();

    let document = json(folder.path(), &asked);
    conforms(&document, "measure");
    let verdicts = document["loaders"].as_array().unwrap();
    let refused = verdicts
        .iter()
        .filter(|verdict| verdict["refused"] == reason);
    let loaders: Vec<_> = refused
        .map(|verdict| verdict["loader"].as_str().unwrap())
        .collect();
    assert_eq!(loaders, ["cloud-hypervisor-kvm", "qemu-kvm"]);

    // The same verdict, so the same exit status, in every form.
    let mut table = guestmark(folder.path());
    let wrapped = predicates::str::contains(
        "    none: the file has no VP context for processor 1 of 3: the loader makes up\n          \
         its VMSA",
    );
    table
        .args(&on_qemu)
        .assert()
        .code(1)
        .stdout(wrapped)
        .stderr("");
    let mut as_json = guestmark(folder.path());
    as_json
        .args(&on_qemu)
        .arg("--json")
        .assert()
        .code(1)
        .stderr("");
    let mut bare = guestmark(folder.path());
    bare.args(&on_qemu)
        .arg("--bare")
        .assert()
        .code(1)
        .stdout("")
        .stderr(format!(
            "guestmark: base.igvm: no digest under qemu-kvm: {reason}\n"
        ));
}

#[test]
fn a_guest_without_processors_is_refused() {
    let folder = folder_with("base");
    let message = "--vcpus 0: a guest has at least one processor";
    refused(
        folder.path(),
        &["measure", "base.igvm", "--vcpus", "0"],
        message,
    );
}

#[test]
fn an_unknown_loader_is_answered_with_the_known_ones() {
    misused(
        Path::new("."),
        &["measure", "base.igvm", "--loader", "hyper-v"],
        "invalid value 'hyper-v' for '--loader <LOADER>': no loader is called \"hyper-v\", \
         expected one of: spec, cloud-hypervisor-mshv, cloud-hypervisor-kvm, qemu-kvm, \
         openvmm-mshv",
    );
}

#[test]
fn bare_and_json_exclude_each_other() {
    misused(
        Path::new("."),
        &["measure", "base.igvm", "--bare", "--json"],
        "the argument '--bare' cannot be used with '--json'",
    );
}

#[test]
fn what_is_no_igvm_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs_err::write(path.join("empty"), "").unwrap();
    fs_err::write(path.join("text"), "Launch digests are not here.\n").unwrap();
    refused(
        path,
        &["measure", "empty"],
        "empty: offset 0x0: the fixed header needs 24 bytes, found 0: this is no IGVM file, or a \
         truncated one",
    );
    refused(
        path,
        &["measure", "text"],
        "text: offset 0x0: expected the magic \"IGVM\" (49 47 56 4d), found 4c 61 75 6e: give an \
         IGVM file",
    );
    refused(
        path,
        &["measure", "missing"],
        "failed to open file `missing`: No such file or directory (os error 2)",
    );
    refused(
        path,
        &["measure", "."],
        "failed to read from file `.`: Is a directory (os error 21)",
    );
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = folder_with("base");
    let whole = bytes(folder.path());
    fs_err::write(folder.path().join("base.igvm"), &whole[..500]).unwrap();
    refused(
        folder.path(),
        &["measure", "base.igvm"],
        "base.igvm: offset 0x10: the fixed header says 12456 bytes, the file has 500: fetch the \
         whole file again",
    );
}

#[test]
fn a_file_whose_headers_were_changed_is_refused() {
    let folder = folder_with("base");
    let mut changed = bytes(folder.path());
    let stored = u32::from_le_bytes(changed[0x14..0x18].try_into().unwrap());
    changed[0x14] ^= 1;
    fs_err::write(folder.path().join("base.igvm"), &changed).unwrap();
    refused(
        folder.path(),
        &["measure", "base.igvm"],
        &format!(
            "base.igvm: offset 0x14: expected CRC-32 {stored:#010x} over the headers, found \
             {:#010x}: a header was changed after the file was written",
            stored ^ 1
        ),
    );
}

#[test]
fn loaders_that_come_to_one_digest_by_different_ways_are_told_apart() {
    let folder = folder_with("vmsa-mid");
    let table = stdout(folder.path(), &["measure", "vmsa-mid.igvm"]);
    let reasons = "    - cloud-hypervisor-mshv, not as spec: 0x3000: pages are launched in the\n      \
                   order of their addresses\n    \
                   - cloud-hypervisor-kvm, qemu-kvm, not as spec: 0xfffffffff000: VMSA is\n      \
                   launched after all pages\n";
    assert!(table.contains(reasons), "{table}");
}

#[test]
fn a_portable_digest_is_said_to_be_one() {
    let folder = folder_with("base");
    let table = stdout(folder.path(), &["measure", "base.igvm"]);
    let said = "\n  The digest is portable: all loaders that load the file agree on it.\n";
    assert!(table.contains(said), "{table}");
    let document = json(folder.path(), &["measure", "base.igvm"]);
    assert_eq!(document["portable"], true);
}

#[test]
fn pages_are_listed_in_launch_order_with_the_digest_after_each_range() {
    let folder = folder_with("param-1page");
    let asked = ["measure", "param-1page.igvm", "--pages"];
    assert_eq!(
        stdout(
            folder.path(),
            &[&asked[..], &["--loader", "qemu-kvm"]].concat()
        ),
        "What qemu-kvm launches of param-1page.igvm\n\
         \n\
         GPA                             Pages  Type        Contents      Digest after\n\
         0x5000-0x5fff                       1  UNMEASURED  -             7d2de4ec67cb\n\
         0x1000-0x1fff                       1  NORMAL      ec6b6aff01d4  813a138b1c14\n\
         0x2000-0x2fff                       1  NORMAL      05f750a4adf1  4a8c141d76be\n\
         0xfffffffff000-0xffffffffffff       1  VMSA        ff7b3f90a7c0  20a10989590b\n\
         \n\
         Launch digest\n  \
         20a10989590b7db507ccbeac4da59c4287f4900b06a1507428173195bd513497\
         a165b91c98995e6548309f831f99d641\n\
         \n\
         Digests are cut to 12 digits; --json has all. Digests are predicted from the\n\
         loaders' published behaviour; nothing was run on SEV-SNP hardware.\n"
    );
}

#[test]
fn the_last_range_of_every_vector_has_the_launch_digest() {
    for (case, loaders) in expected() {
        let folder = folder_with(&case);
        let file = format!("{case}.igvm");
        for (loader, digest) in loaders {
            let asked = ["measure", &file, "--pages", "--loader", &loader];
            let document = json(folder.path(), &asked);
            conforms(&document, "measure-pages");
            assert_eq!(document["loader"], loader);
            let last = document["ranges"].as_array().unwrap().last().unwrap();
            assert_eq!(last["launch_digest"], digest, "{case} {loader}");
        }
    }
}

#[test]
fn pages_without_a_loader_are_those_that_aks_launches() {
    let folder = folder_with("base");
    let document = json(folder.path(), &["measure", "base.igvm", "--pages"]);
    assert_eq!(document["loader"], "cloud-hypervisor-mshv");
}

#[test]
fn pages_of_a_loader_that_cannot_load_the_file_are_not_listed() {
    let folder = folder_with("base");
    let asked = ["measure", "base.igvm", "--pages", "--vcpus", "3"];
    let mut command = guestmark(folder.path());
    command
        .args([&asked[..], &["--loader", "qemu-kvm"]].concat())
        .assert()
        .code(1)
        .stdout("")
        .stderr(
            "guestmark: base.igvm: no pages under qemu-kvm: the file has no VP context for \
             processor 1 of 3: the loader makes up its VMSA, so the digest cannot be told; add a \
             context or ask for fewer processors\n",
        );
}

#[test]
fn warnings_other_platforms_and_skipped_headers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let id_block = [&1_u32.to_le_bytes()[..], &[0; 692]].concat();
    let file = igvm(
        &[(1, SNP), (2, TDX)],
        0xB_001F,
        &[
            (0x302, &page(0x9000, 3)),
            (0x302, &page(0x9000, 1)),
            (0x30B, &id_block),
            (0x30B, &id_block),
            (0x8000_0999, &[0; 16]),
        ],
    );
    fs_err::write(folder.path().join("odd.igvm"), file).unwrap();
    let document = json(folder.path(), &["measure", "odd.igvm"]);
    conforms(&document, "measure");
    let kinds = |list: &serde_json::Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|it| it["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        kinds(&document["warnings"]),
        ["debug-policy", "second-id-block", "loaded-twice"]
    );
    let spec = &document["loaders"][0];
    assert_eq!(
        kinds(&spec["caveats"]),
        ["id-block-digest", "id-block-digest"]
    );
    assert_eq!(document["other_platforms"][0]["platform"], "tdx");
    let mrtd = document["other_platforms"][0]["digest"].as_str().unwrap();
    assert_eq!(mrtd.len(), 96);

    let table = stdout(folder.path(), &["measure", "odd.igvm"]);
    let end = format!(
        "\n  Mind:\n    \
         - the guest policy 0xb001f allows debugging (bit 19): the host can read the\n      \
         guest's memory\n    \
         - the file has 2 ID blocks and loaders take one at most: strip the others\n    \
         - directives 0 and 1 both load 0x9000: a digest counts both, but KVM and\n      \
         Cloud Hypervisor refuse a page that is there already\n\
         \n  Other platforms, by the igvm crate:\n    \
         - tdx:\n      {mrtd}\n\
         \n  Skipped: headers of unknown type, marked optional:\n    \
         - offset 0x620: type 0x80000999, 16 bytes\n\
         \nDigests are predicted from the loaders' published behaviour; nothing was run on\n\
         SEV-SNP hardware.\n"
    );
    assert!(table.ends_with(&end), "{table}");
}

#[test]
fn an_unknown_header_that_must_be_obeyed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = igvm(&[(1, SNP)], 0x3_001F, &[(0x3FF, &[0; 16])]);
    fs_err::write(folder.path().join("new.igvm"), file).unwrap();
    refused(
        folder.path(),
        &["measure", "new.igvm"],
        "new.igvm: offset 0x48: header type 0x3ff is unknown and not marked optional (bit 31): a \
         digest without it would be a guess, use a release of guestmark that knows it",
    );
}

/// The body of a page data header without data, for the platforms of `mask`.
fn page(gpa: u64, mask: u32) -> Vec<u8> {
    [&gpa.to_le_bytes()[..], &mask.to_le_bytes(), &[0; 12]].concat()
}
