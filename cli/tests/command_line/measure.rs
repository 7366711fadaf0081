//! `measure`: digests against the independent vectors, and files that are wrong.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

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
    let printed = stdout(folder.path(), &["measure", "vmsa-low-gpa-first.igvm", "--bare"]);
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
            assert_eq!(verdict.unwrap()["launch_digest"], *digest, "{case} {loader}");
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
         a165b91c98995e6548309f831f99d641\n\
         \n  But under cloud-hypervisor-mshv:\n    \
         - VP 0: the VMSA at 0xfffffffff000 lies outside guest memory, from where the\n      \
         loader reads it\n\
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
    let refused = verdicts.iter().filter(|verdict| verdict["refused"] == reason);
    let loaders: Vec<_> = refused.map(|verdict| verdict["loader"].as_str().unwrap()).collect();
    assert_eq!(loaders, ["cloud-hypervisor-kvm", "qemu-kvm"]);

    // The same verdict, so the same exit status, in every form.
    let mut table = guestmark(folder.path());
    let wrapped = predicates::str::contains(
        "    none: the file has no VP context for processor 1 of 3: the loader makes up\n          \
         its VMSA",
    );
    table.args(&on_qemu).assert().code(1).stdout(wrapped).stderr("");
    let mut as_json = guestmark(folder.path());
    as_json.args(&on_qemu).arg("--json").assert().code(1).stderr("");
    let mut bare = guestmark(folder.path());
    bare.args(&on_qemu).arg("--bare").assert().code(1).stdout("").stderr(format!(
        "guestmark: base.igvm: no digest under qemu-kvm: {reason}\n"
    ));
}

#[test]
fn a_guest_without_processors_is_refused() {
    let folder = folder_with("base");
    let message = "--vcpus 0: a guest has at least one processor";
    refused(folder.path(), &["measure", "base.igvm", "--vcpus", "0"], message);
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
