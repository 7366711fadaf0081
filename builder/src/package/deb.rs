//! Debian binary packages (deb(5)): `debian-binary`, a control archive, a data archive.

use std::fs::File;
use std::path::Path;

use super::ar::{self, Member};
use super::{OpenedPackage, PackageError, PackageProblem, control};
use crate::lock::LockedPackage;
use crate::tree::section::{Codec, Section};
use crate::tree::tarball::{self, Entry};

/// The most that a control archive may unpack to.
const MAX_CONTROL_ARCHIVE: u64 = 32 << 20;
/// The most that the data of a package without Installed-Size may unpack to.
const MAX_UNDECLARED: u64 = 1 << 30;

/// Opens the package file that `locked` names. Its data archive is decompressed into an unlinked
/// file in `spool`, and contents are ranges of that file.
///
/// # Errors
/// The file is not a whole .deb, is not the locked package, or holds what a tree cannot. Data
/// that unpack to far more than the package declares are refused.
pub(super) fn open(
    file: &Path,
    locked: &LockedPackage,
    spool: &Path,
) -> Result<OpenedPackage, PackageError> {
    read(file, locked, spool).map_err(|problem| PackageError {
        name: locked.name.clone(),
        version: locked.version.clone(),
        file: file.display().to_string(),
        problem: Box::new(problem),
    })
}

fn read(
    file: &Path,
    locked: &LockedPackage,
    spool: &Path,
) -> Result<OpenedPackage, PackageProblem> {
    let file = File::open(file)
        .and_then(Section::whole)
        .map_err(PackageProblem::Read)?;
    let members = ar::members(&file).map_err(PackageProblem::Ar)?;
    // deb(5): a reader skips members whose names start with an underscore, and all that follow
    // the third.
    let mut members = members
        .into_iter()
        .filter(|member| !member.name.starts_with('_'));
    check_format(members.next())?;
    let (control, codec) = archive(members.next(), "control.tar")?;
    let entries = unpack(&control, codec, MAX_CONTROL_ARCHIVE, spool)?;
    let control = control::read(&entries, locked).map_err(|problem| PackageProblem::Control {
        member: control.name,
        problem,
    })?;
    let (data, codec) = archive(members.next(), "data.tar")?;
    Ok(OpenedPackage {
        entries: unpack(&data, codec, data_limit(control.installed_size), spool)?,
        ..control.package
    })
}

/// Installed-Size counts files in kibibytes and everything else as one (Debian Policy 5.6.20).
/// In a tar archive each may take headers of 512 bytes, long names and extended attributes
/// besides; four times as much and 64 MiB leaves room for all of it.
fn data_limit(installed_size: Option<u64>) -> u64 {
    installed_size.map_or(MAX_UNDECLARED, |size| {
        size.saturating_mul(4).saturating_add(64 << 20)
    })
}

fn check_format(member: Option<Member>) -> Result<(), PackageProblem> {
    let expected = "debian-binary";
    let member = match member {
        Some(member) if member.name == expected => member,
        other => return Err(out_of_order(other, expected)),
    };
    let mut text = vec![0; usize::try_from(member.data.len().min(16)).unwrap_or(16)];
    member
        .data
        .read_exact_at(&mut text, 0)
        .map_err(PackageProblem::Read)?;
    match text.starts_with(b"2.") {
        true => Ok(()),
        false => Err(PackageProblem::Format {
            found: String::from_utf8_lossy(&text).trim_end().to_owned(),
        }),
    }
}

fn archive(
    member: Option<Member>,
    expected: &'static str,
) -> Result<(Member, Codec), PackageProblem> {
    let Some(member) = member else {
        return Err(out_of_order(None, expected));
    };
    let Some(suffix) = member.name.strip_prefix(expected) else {
        return Err(out_of_order(Some(member), expected));
    };
    match Codec::of_suffix(suffix.as_bytes()) {
        Some(codec) => Ok((member, codec)),
        None => Err(PackageProblem::Compression {
            member: member.name,
        }),
    }
}

fn out_of_order(found: Option<Member>, expected: &'static str) -> PackageProblem {
    PackageProblem::MemberOrder {
        found: found.map_or_else(|| "the end".to_owned(), |member| member.name),
        expected,
    }
}

fn unpack(
    member: &Member,
    codec: Codec,
    limit: u64,
    spool: &Path,
) -> Result<Vec<Entry>, PackageProblem> {
    let archive =
        member
            .data
            .unpack(codec, limit, spool)
            .map_err(|problem| PackageProblem::Unpack {
                member: member.name.clone(),
                problem,
            })?;
    tarball::entries(&archive).map_err(|problem| PackageProblem::Tar {
        member: member.name.clone(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::PathBuf;
    use std::process::Command;

    use super::super::MaintainerScript;
    use super::*;
    use crate::tree::tarball::EntryKind;
    use crate::tree::{NodeKind, TreePath};

    const CONTROL: &str = "Package: hello\nVersion: 1:2-3\nArchitecture: amd64\n\
        Installed-Size: 1\nMaintainer: nobody\nDescription: says hello\n with a second line\n";

    fn locked() -> LockedPackage {
        LockedPackage {
            name: "hello".to_owned(),
            version: "1:2-3".to_owned(),
            architecture: "amd64".to_owned(),
            archive: "debian".to_owned(),
            path: "pool/main/h/hello/hello_2-3_amd64.deb"
                .to_owned()
                .try_into()
                .unwrap(),
            size: 0,
            sha256: guestmark_measure::Sha256Digest::new([0; 32]),
            time: None,
            sets: vec!["rootfs".to_owned()],
        }
    }

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        liblzma::read::XzEncoder::new(bytes, 6)
            .read_to_end(&mut packed)
            .unwrap();
        packed
    }

    fn deb(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut builder = ::ar::Builder::new(Vec::new());
        for (name, data) in members {
            let header = ::ar::Header::new(name.as_bytes().to_vec(), data.len() as u64);
            builder.append(&header, &data[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn good_members() -> [(&'static str, Vec<u8>); 3] {
        [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.xz", xz(&tar(&[("./control", CONTROL)]))),
            ("data.tar", tar(&[("./usr/bin/hello", "content")])),
        ]
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("hello.deb")
        }

        fn open(&self, locked: &LockedPackage) -> Result<OpenedPackage, String> {
            open(&self.file(), locked, self.0.path()).map_err(|error| {
                let file = format!(" ({})", self.file().display());
                error.to_string().replace(&file, "")
            })
        }
    }

    fn open_bytes(bytes: &[u8]) -> Result<OpenedPackage, String> {
        let folder = Folder::new();
        std::fs::write(folder.file(), bytes).unwrap();
        folder.open(&locked())
    }

    fn refusal(members: &[(&str, Vec<u8>)]) -> String {
        let error = open_bytes(&deb(members)).unwrap_err();
        error
            .strip_prefix("package hello 1:2-3: ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn packages_of_dpkg_deb_open_whatever_their_compression() {
        let source = tempfile::tempdir().unwrap();
        let root = source.path().join("root");
        for folder in ["DEBIAN", "usr/bin"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("DEBIAN/control"), CONTROL).unwrap();
        for script in ["postinst", "preinst"] {
            use std::os::unix::fs::PermissionsExt;
            let path = root.join("DEBIAN").join(script);
            std::fs::write(&path, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::write(root.join("DEBIAN/triggers"), "activate-noawait ldconfig\n").unwrap();
        std::fs::write(root.join("usr/bin/hello"), b"content").unwrap();
        for compression in ["none", "gzip", "xz", "zstd"] {
            let folder = Folder::new();
            let output = Command::new("dpkg-deb")
                .args(["--root-owner-group", "-Z", compression, "--build"])
                .args([&root, &folder.file()])
                .output()
                .expect("dpkg-deb: install the Debian package dpkg");
            assert!(output.status.success(), "{output:?}");
            let opened = folder.open(&locked()).unwrap();
            assert_eq!(
                opened.scripts,
                [MaintainerScript::Preinst, MaintainerScript::Postinst]
            );
            assert_eq!(opened.origin().to_string(), "package hello 1:2-3");
            let last = opened.entries.last().unwrap();
            assert_eq!(last.path, TreePath::parse(b"usr/bin/hello").unwrap());
            let EntryKind::Inode {
                kind: NodeKind::File(content),
                metadata,
            } = &last.kind
            else {
                panic!("{compression}: not a file")
            };
            assert_eq!((metadata.uid, metadata.gid), (0, 0));
            assert_eq!(content.to_vec().unwrap(), b"content");
        }
    }

    #[test]
    fn a_package_cut_short_anywhere_is_an_error() {
        let whole = deb(&good_members());
        assert!(open_bytes(&whole).is_ok());
        for length in (0..whole.len()).step_by(97) {
            assert!(open_bytes(&whole[..length]).is_err(), "{length} bytes");
        }
        let data = whole.len() - good_members()[2].1.len();
        assert_eq!(
            open_bytes(&whole[..data + 300]).unwrap_err(),
            format!(
                "package hello 1:2-3: data.tar: 2048 bytes from byte {data} on, but the file ends \
                 at byte {}; it was cut short",
                data + 300
            )
        );
        assert_eq!(
            open_bytes(&whole[..90]).unwrap_err(),
            "package hello 1:2-3: ar header at byte 72: the file ends within it; it was cut short"
        );
    }

    #[test]
    fn what_is_not_a_package_is_refused() {
        assert_eq!(
            open_bytes(b"<html>404</html>").unwrap_err(),
            "package hello 1:2-3: not a .deb: it does not start with \"!<arch>\""
        );
        let mut members = good_members();
        members[0].1 = b"3.0\n".to_vec();
        assert_eq!(
            refusal(&members),
            "debian-binary: format \"3.0\"; guestmark reads format 2.0"
        );
    }

    #[test]
    fn members_have_an_order_and_known_compressions() {
        let [format, control, data] = good_members();
        assert_eq!(
            refusal(&[format.clone(), data.clone(), control.clone()]),
            "data.tar where the member control.tar should be (deb(5))"
        );
        assert_eq!(
            refusal(&[format.clone(), control.clone()]),
            "the end where the member data.tar should be (deb(5))"
        );
        let lzma = ("data.tar.lzma", data.1.clone());
        assert_eq!(
            refusal(&[format.clone(), control.clone(), lzma]),
            "data.tar.lzma: unknown compression; guestmark reads none, .gz, .xz and .zst"
        );
        let (extra, later) = (("_extra", Vec::new()), ("later", Vec::new()));
        assert!(open_bytes(&deb(&[format, extra, control, data, later])).is_ok());
    }

    #[test]
    fn another_package_than_the_lock_names_is_refused() {
        let folder = Folder::new();
        std::fs::write(folder.file(), deb(&good_members())).unwrap();
        let other = LockedPackage {
            version: "1:2-4".to_owned(),
            ..locked()
        };
        assert_eq!(
            folder.open(&other).unwrap_err(),
            "package hello 1:2-4: control.tar.xz: control: Version is \"1:2-3\", the lock says \
             \"1:2-4\""
        );
        let mut members = good_members();
        members[1] = ("control.tar", tar(&[("./md5sums", "")]));
        assert_eq!(
            refusal(&members),
            "control.tar: there is no control file in it"
        );
    }

    #[test]
    fn damage_is_named_with_its_member_and_entry() {
        let mut members = good_members();
        members[2] = ("data.tar.xz", {
            let mut packed = xz(&members[2].1);
            let middle = packed.len() / 2;
            packed[middle] ^= 0x10;
            packed
        });
        let error = refusal(&members);
        let expected = "data.tar.xz: the xz data are damaged or cut short: ";
        assert!(error.starts_with(expected), "{error}");
        members[2] = ("data.tar", tar(&[("./../../etc/passwd", "root")]));
        assert_eq!(
            refusal(&members),
            "data.tar: tar entry at byte 0: path \"./../../etc/passwd\" has a \"..\" component, \
             which leads out of the tree"
        );
    }

    #[test]
    fn a_package_may_not_unpack_to_far_more_than_it_declares() {
        let mut members = good_members();
        members[2] = ("data.tar.xz", xz(&vec![0; 70 << 20]));
        assert_eq!(
            refusal(&members),
            "data.tar.xz: unpacks to more than the 67112960 bytes it may hold"
        );
    }
}
