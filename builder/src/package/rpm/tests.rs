use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::archive::testing::{Factory, Key, run};
use crate::tree::tarball::EntryKind;
use crate::tree::{Content, NodeKind};

fn signers(certificate: &str) -> Signers {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.asc");
    fs_err::write(&file, certificate).unwrap();
    Signers {
        certificates: Certificates::read([file.as_path()]).unwrap(),
        at: Timestamp::now(),
    }
}

pub(crate) fn open_file(file: &Path, locked: &LockedPackage) -> Result<OpenedPackage, String> {
    let spool = tempfile::tempdir().unwrap();
    let signers = signers(&Factory::shared().certificate());
    open(file, locked, &signers, spool.path()).map_err(|error| error.problem.to_string())
}

fn package(name: &str) -> PathBuf {
    let mut files = Factory::shared().packages().into_iter();
    let is_it = |file: &PathBuf| {
        file.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(name)
    };
    files.find(is_it).unwrap()
}

fn sha256_of(content: &Content) -> String {
    hex::encode(Sha256::digest(content.to_vec().unwrap()))
}

/// `rpm -qp --dump`: path size mtime digest mode owner group isconfig isdoc rdev symlink.
#[test]
fn packages_hold_what_rpm_says_they_do() {
    let factory = Factory::shared();
    for file in factory.packages() {
        let locked = factory.locked(&file);
        let opened = open_file(&file, &locked).unwrap();
        let owners: BTreeMap<usize, _> = opened
            .owners
            .iter()
            .map(|owner| (owner.entry, (owner.user.as_str(), owner.group.as_str())))
            .collect();
        let dump = run(Command::new("rpm").args(["-qp", "--dump"]).arg(&file));
        let mut seen = 0;
        for line in dump.lines().filter(|line| line.starts_with('/')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let place = opened
                .entries
                .iter()
                .position(|entry| entry.path.to_string() == fields[0]);
            if fields[0] == "/var/log/lastlog" {
                assert_eq!(place, None, "a ghost is not brought");
                continue;
            }
            let place = place.unwrap_or_else(|| panic!("{line}"));
            seen += 1;
            let target = |path| {
                let first = opened.entries.iter().find(|entry| entry.path == path);
                &first.unwrap().kind
            };
            let kind = match &opened.entries[place].kind {
                EntryKind::HardLink { target: path } => target(path.clone()),
                kind => {
                    let owner = owners.get(&place).copied().unwrap_or(("root", "root"));
                    assert_eq!(owner, (fields[5], fields[6]), "{line}");
                    kind
                }
            };
            let EntryKind::Inode { kind, metadata } = kind else {
                panic!("{line}");
            };
            let mode = u32::from_str_radix(fields[4], 8).unwrap();
            assert_eq!(u32::from(metadata.mode), mode & 0o7777, "{line}");
            let digest = match kind {
                NodeKind::File(content) => sha256_of(content),
                _ => "0".repeat(64),
            };
            assert_eq!(digest, fields[3], "{line}");
            let noun = match mode >> 12 {
                0o04 => "a directory",
                0o10 => "a file",
                0o12 => "a symbolic link",
                0o02 => "a character device",
                other => panic!("{other:o}"),
            };
            assert_eq!(kind.noun(), noun, "{line}");
            if let NodeKind::Symlink(target) = kind {
                assert_eq!(target, fields[10].as_bytes());
            }
        }
        assert_eq!(seen, opened.entries.len(), "{dump}");
    }
}

#[test]
fn hard_links_devices_owners_and_capabilities_are_kept() {
    let file = package("systemd");
    let opened = open_file(&file, &Factory::shared().locked(&file)).unwrap();
    let entry = |path: &str| {
        let found = opened
            .entries
            .iter()
            .find(|entry| entry.path.to_string() == path);
        &found.unwrap().kind
    };
    for link in ["/usr/lib/systemd/b", "/usr/share/c"] {
        let EntryKind::HardLink { target } = entry(link) else {
            panic!("{link}");
        };
        assert_eq!(target.to_string(), "/usr/lib/systemd/a");
    }
    let EntryKind::Inode { kind, .. } = entry("/console") else {
        panic!();
    };
    let NodeKind::CharacterDevice(device) = kind else {
        panic!("{kind:?}");
    };
    assert_eq!((device.major, device.minor), (5, 1));
    let EntryKind::Inode { metadata, .. } = entry("/usr/lib/systemd/networkd") else {
        panic!();
    };
    let value = &metadata.xattrs[&b"security.capability"[..]];
    assert_eq!(
        hex::encode(value),
        "0100000200200000000000000000000000000000"
    );
    assert_eq!(metadata.mode, 0o4750);
}

#[test]
fn scriptlets_and_triggers_of_every_kind_are_listed() {
    for (name, expected) in [
        ("filesystem", &["pretrans by <lua>"][..]),
        ("bash", &["post by /sbin/ldconfig"]),
        (
            "systemd",
            &[
                "post by /bin/sh",
                "triggerin on bash by /bin/sh",
                "filetriggerin on /usr/lib/systemd by /bin/sh",
            ],
        ),
        ("libfoo", &[]),
    ] {
        let file = package(name);
        let opened = open_file(&file, &Factory::shared().locked(&file)).unwrap();
        let shown: Vec<String> = opened.scripts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected);
    }
}

/// A copy of the package with other bytes.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.rpm");
    let mut bytes = fs_err::read(package(name)).unwrap();
    change(&mut bytes);
    fs_err::write(&copy, bytes).unwrap();
    (folder, copy)
}

fn refusal(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (_folder, copy) = changed(name, change);
    let locked = Factory::shared().locked(&package(name));
    open_file(&copy, &locked).unwrap_err()
}

fn position(bytes: &[u8], wanted: &[u8]) -> usize {
    let found = bytes
        .windows(wanted.len())
        .position(|window| window == wanted);
    found.unwrap()
}

#[test]
fn packages_that_were_changed_or_cut_short_are_refused() {
    let name = "bash";
    let whole = fs_err::read(package(name)).unwrap();
    assert_eq!(
        refusal(name, |bytes| bytes[0] = 0),
        "not an RPM package: it does not start with ed ab ee db"
    );
    assert_eq!(
        refusal(name, |bytes| bytes.truncate(400)),
        "signature header at byte 96: the file ends within it; it was cut short"
    );
    let bad = refusal(name, |bytes| {
        let at = position(bytes, b"/usr/bin/");
        bytes[at + 1] = b'v';
    });
    assert!(
        bad.starts_with("signature over its header: bad signature by key ")
            && bad.ends_with(": the text was changed after it was signed"),
        "{bad}"
    );
    let said = run(Command::new("rpm")
        .args(["-qp", "--qf", "%{payloaddigest}"])
        .arg(package(name)));
    let mut last = whole.clone();
    *last.last_mut().unwrap() ^= 1;
    let message = refusal(name, |bytes| *bytes = last);
    assert!(
        message.starts_with(&format!("payload: expected SHA-256 \"{said}\", found ")),
        "{message}"
    );
    let message = refusal(name, |bytes| bytes.truncate(whole.len() - 7));
    assert!(
        message.starts_with(&format!("payload: expected SHA-256 \"{said}\", found ")),
        "{message}"
    );
}

#[test]
fn packages_of_strangers_or_of_nobody_and_other_packages_are_refused() {
    let file = package("libfoo");
    let locked = Factory::shared().locked(&file);
    let spool = tempfile::tempdir().unwrap();
    let other = Key::new(3);
    let error = open(&file, &locked, &signers(&other.armored()), spool.path()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!(
            "package libfoo 1:2.0~rc1-1 ({}): signature over its header: it is signed by key ",
            file.display()
        )) && message.contains(&format!("it trusts key {}", other.fingerprint())),
        "{message}"
    );
    let (_folder, copy) = changed("libfoo", |_| {});
    run(Command::new("rpmsign").arg("--delsign").arg(&copy));
    assert_eq!(
        open_file(&copy, &locked).unwrap_err(),
        "no OpenPGP signature over its header; expected one by a key of the recipe's archive"
    );
    let newer = LockedPackage {
        version: "1:2.0-1".to_owned(),
        ..locked
    };
    assert_eq!(
        open_file(&file, &newer).unwrap_err(),
        "header: version is \"1:2.0~rc1-1\", the lock says \"1:2.0-1\""
    );
}

/// Reads header and payload of a package whose header was changed after the signature.
fn unsigned(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<files::Files, String> {
    let (_folder, copy) = changed(name, change);
    unsigned_file(&copy)
}

fn unsigned_file(file: &Path) -> Result<files::Files, String> {
    let spool = tempfile::tempdir().unwrap();
    let file = File::open(file).and_then(Section::whole).unwrap();
    let signatures = Header::read(&file, LEAD, "signature header", MAX_SIGNATURES).unwrap();
    let start = (LEAD + signatures.bytes.len() as u64).next_multiple_of(8);
    let header = Header::read(&file, start, "header", MAX_HEADER).unwrap();
    let start = start + header.bytes.len() as u64;
    let payload = file.slice(start, file.len() - start).unwrap();
    check_features(&header).map_err(|error| error.to_string())?;
    let payload = payload
        .unpack(codec(&header).unwrap(), 1 << 20, spool.path())
        .unwrap();
    let stripped = files::stripped(&header).map_err(|error| error.to_string())?;
    let contents = payload::contents(&payload, &stripped).map_err(|error| error.to_string())?;
    files::read(&header, contents).map_err(|error| error.to_string())
}

fn replaced(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = position(bytes, from);
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn headers_that_lie_are_refused_even_if_they_were_signed() {
    assert!(unsigned("bash", |_| {}).is_ok());
    let refused = |from: &[u8], to: &[u8]| {
        unsigned("bash", |bytes| replaced(bytes, from, to))
            .err()
            .unwrap()
    };
    assert_eq!(
        refused(b"/usr/bin/\0", b"/../bin/\0"),
        "header: path \"/../bin/bash\" has a \"..\" component, which leads out of the tree"
    );
    assert_eq!(
        refused(b"bash\0sh\0", b"bush\0sh\0"),
        "/usr/bin/bush is not in the payload"
    );
    assert_eq!(
        refused(b"rpmlib(FileDigests)", b"rpmlib(FutureThing)"),
        "it requires rpmlib(FutureThing), a feature of rpm that guestmark does not have"
    );
    // The sizes of the two files: 5 bytes of text, a link's 4.
    assert_eq!(
        refused(&[0, 0, 0, 5, 0, 0, 0, 4], &[0, 0, 0, 6, 0, 0, 0, 4]),
        "/usr/bin/bash: 6 bytes by the header, 5 in the payload"
    );
}

#[test]
fn payloads_that_are_cut_short_or_no_cpio_archives_are_refused() {
    let contents = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), bytes).unwrap();
        let section = File::open(file.path()).and_then(Section::whole).unwrap();
        payload::contents(&section, &[])
            .map(|found| found.len())
            .map_err(|error| error.to_string())
    };
    let archive = Command::new("rpm2cpio")
        .arg(package("bash"))
        .output()
        .unwrap()
        .stdout;
    assert_eq!(contents(&archive), Ok(2));
    assert_eq!(
        contents(&archive[..130]).unwrap_err(),
        "payload ends at byte 130, within the entry at byte 0; it was cut short"
    );
    let with = |at: usize, to: &[u8]| {
        let mut bytes = archive.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        contents(&bytes).unwrap_err()
    };
    assert_eq!(
        with(0, b"070707"),
        "payload entry at byte 0: expected 070701 or 07070X, found \"070707\""
    );
    assert_eq!(
        with(0, b"07070X00000007"),
        "payload entry at byte 0: file 7, which the header does not have"
    );
    assert_eq!(
        with(110, b"./../bin/"),
        "payload entry at byte 0: path \"./../bin//bash\" has a \"..\" component, which leads out \
         of the tree"
    );
    assert!(with(54, b"ffffffff").ends_with("within the entry at byte 0; it was cut short"));
}

/// A file of 5 GiB makes rpmbuild write sizes of 64 bits and a payload without names. It is a ghost,
/// so that nobody packs or unpacks it.
#[test]
fn payloads_of_packages_with_large_files_are_read() {
    let factory = Factory::shared();
    let install = "mkdir -p %{buildroot}/d\ntruncate -s 5G %{buildroot}/d/ghost\n\
                   echo one > %{buildroot}/d/a\nln %{buildroot}/d/a %{buildroot}/d/b\n\
                   ln -s ../d/a %{buildroot}/d/link\n: > %{buildroot}/d/empty\n\
                   echo three > %{buildroot}/d/z";
    let files = "%dir /d\n%ghost /d/ghost\n/d/a\n/d/b\n/d/link\n/d/empty\n/d/z";
    let file = factory.build("large", "1-1", "", install, files, "w3.zstdio");
    let said = run(Command::new("rpm").args(["-qp", "--requires"]).arg(&file));
    assert!(said.contains("rpmlib(LargeFiles)"), "{said}");
    let opened = open_file(&file, &factory.locked(&file)).unwrap();
    let shown = opened.entries.iter().map(|entry| {
        let kind = match &entry.kind {
            EntryKind::HardLink { target } => format!("link to {target}"),
            EntryKind::Inode { kind, .. } => match kind {
                NodeKind::File(content) => String::from_utf8(content.to_vec().unwrap()).unwrap(),
                NodeKind::Symlink(target) => String::from_utf8(target.clone()).unwrap(),
                other => other.noun().to_owned(),
            },
        };
        format!("{} {kind}", entry.path)
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "/d a directory",
            "/d/a one\n",
            "/d/b link to /d/a",
            "/d/empty ",
            "/d/link ../d/a",
            "/d/z three\n"
        ]
    );
    // A size that is not the payload's leads the reader astray, and it notices.
    let bytes = fs_err::read(&file).unwrap();
    let sizes = [4_u64, 4, 0, 5 << 30, 6, 6].map(u64::to_be_bytes).concat();
    let at = position(&bytes, &sizes);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.rpm");
    for (size, expected) in [
        (8_u64, "expected 070701 or 07070X, found "),
        (u64::MAX, "it was cut short"),
        (1 << 40, "it was cut short"),
    ] {
        let mut changed = bytes.clone();
        changed[at + 8..at + 16].copy_from_slice(&size.to_be_bytes());
        fs_err::write(&copy, changed).unwrap();
        let error = unsigned_file(&copy).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}
