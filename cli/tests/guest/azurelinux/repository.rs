//! The repository: stand-ins built by rpmbuild, signed with a throwaway key, listed by createrepo_c.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use guestmark_builder::lock::Lock;
use guestmark_builder::store::Store;

use super::packages::{PACKAGES, StandIn};
use crate::artifacts::artifacts;
use crate::program::{command, recipe, run};

/// The snapshot that the recipe's README names, and a day before and after it.
pub(super) const SNAPSHOT: &str = "2026-05-01T00:00:00Z";
const SECONDS_TO_SNAPSHOT: u64 = 1_777_593_600;
const DAY: u64 = 86_400;

/// A signed repository.
pub(super) struct Repository {
    /// The root of its mirror.
    pub(super) mirror: PathBuf,
    /// The certificate that it is signed with, armoured.
    pub(super) key: String,
}

/// The repository that all tests share.
pub(super) fn repository() -> &'static Repository {
    static REPOSITORY: OnceLock<Repository> = OnceLock::new();
    REPOSITORY.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let workshop = Workshop { home: home.path() };
        workshop.make()
    })
}

/// Where the repository is made, with its tools' configuration.
struct Workshop<'a> {
    home: &'a Path,
}

impl Workshop<'_> {
    fn make(&self) -> Repository {
        let mirror = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azurelinux.mirror");
        if mirror.exists() {
            fs_err::remove_dir_all(&mirror).unwrap();
        }
        let folder = mirror.join("azurelinux/3.0/prod/base/x86_64");
        fs_err::create_dir_all(folder.join("Packages")).unwrap();
        self.gpg(&[
            "--quick-generate-key",
            "Test",
            "ed25519",
            "sign,cert",
            "never",
        ]);

        self.unpack();
        let certificate = self.certificate();
        let bundle = format!(
            "/usr/share/pki/ca-trust-source/ca-bundle.trust.base.p11-kit = [p11-kit-object-v1]\\n\
             trusted: true\\nmodifiable: false\\n{}",
            certificate.trim_end().replace('\n', "\\n")
        );
        let mut spec = String::from(
            "Name: stand-ins\nVersion: 1\nRelease: 1\nSummary: test\nLicense: none\n\
             AutoReqProv: no\n%description\ntest\n",
        );
        let mut install = String::from("%install\nmkdir -p %{buildroot}\n");
        for package in PACKAGES {
            let more = (package.name == "ca-certificates").then_some(bundle.as_str());
            self.describe(package, more, &mut spec);
            let files = self.home.join("files").join(package.name);
            let _ = writeln!(install, "cp -a {}/. %{{buildroot}}/", files.display());
        }
        self.build(
            &format!("{spec}{install}"),
            &folder,
            SECONDS_TO_SNAPSHOT - DAY,
        );
        let newer = "Name: tzdata\nVersion: 2\nRelease: 1\nSummary: test\nLicense: none\n\
                     AutoReqProv: no\n%description\ntest\n%install\n\
                     mkdir -p %{buildroot}/usr/share/zoneinfo\n\
                     echo newer > %{buildroot}/usr/share/zoneinfo/UTC\n\
                     %files\n/usr/share/zoneinfo/UTC\n";
        self.build(newer, &folder, SECONDS_TO_SNAPSHOT + DAY);

        self.run("createrepo_c", &["--quiet", path(&folder)], "createrepo-c");
        let repomd = folder.join("repodata/repomd.xml");
        self.gpg(&["--armor", "--detach-sign", path(&repomd)]);
        let key = self.gpg(&["--armor", "--export"]);
        self.run("gpgconf", &["--kill", "all"], "gnupg");
        Repository { mirror, key }
    }

    /// Unpacks the Debian packages that stand-ins take files from, with /usr merged.
    fn unpack(&self) {
        let store = Store::open(Some(&artifacts().store)).unwrap();
        let lock = Lock::read(&recipe()).unwrap();
        let wanted: BTreeSet<&str> = PACKAGES
            .iter()
            .flat_map(|package| package.debian)
            .copied()
            .collect();
        for name in wanted {
            let locked = lock.packages.iter().find(|package| package.name == name);
            let file = store.get(&locked.unwrap().sha256).unwrap().unwrap();
            let folder = self.home.join("debian").join(name);
            for usual in ["usr/bin", "usr/sbin", "usr/lib"] {
                fs_err::create_dir_all(folder.join(usual)).unwrap();
            }
            for (link, target) in [
                ("bin", "usr/bin"),
                ("sbin", "usr/sbin"),
                ("lib", "usr/lib"),
                ("lib64", "usr/lib"),
            ] {
                std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
            }
            let mut unpack = command(&[
                "sh",
                "-c",
                "dpkg-deb --fsys-tarfile \"$0\" | tar --extract --keep-directory-symlink \
                 --no-same-owner --directory \"$1\"",
            ]);
            run(unpack.arg(file).arg(folder), "dpkg");
        }
    }

    /// A certificate authority's certificate, in PEM.
    fn certificate(&self) -> String {
        let key = self.home.join("ca.key");
        let mut request = command(&["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes"]);
        request.args([
            "-subj",
            "/CN=Test CA",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
        ]);
        run(request.arg("-keyout").arg(key), "openssl")
    }

    /// Lays out a stand-in's files, and writes its part of the spec.
    fn describe(&self, package: &StandIn, more: Option<&str>, spec: &mut String) {
        let name = package.name;
        let top = self.home.join("files").join(name);
        fs_err::create_dir_all(&top).unwrap();
        let mut listed = Vec::new();
        for debian in package.debian {
            self.take(
                package,
                &self.home.join("debian").join(debian),
                &top,
                &mut listed,
            );
        }
        for file in package.files.iter().copied().chain(more) {
            listed.push(place(&top, file));
        }
        let _ = write!(spec, "%package -n {name}\nSummary: test\nAutoReqProv: no\n");
        for (tag, value) in [
            ("Requires", package.requires),
            ("Provides", package.provides),
        ] {
            if !value.is_empty() {
                let _ = writeln!(spec, "{tag}: {value}");
            }
        }
        let _ = writeln!(spec, "%description -n {name}\ntest");
        for (section, text) in package.scriptlets {
            let (kind, condition) = match section.split_once(" -- ") {
                Some((kind, condition)) => (kind, format!(" -- {condition}")),
                None => (*section, String::new()),
            };
            let (kind, options) = kind.split_once(' ').unwrap_or((kind, ""));
            let between = if text.starts_with("-p ") { " " } else { "\n" };
            let _ = writeln!(
                spec,
                "%{kind} -n {name} {options}{condition}{between}{text}"
            );
        }
        let _ = writeln!(spec, "%files -n {name}\n%defattr(-,root,root)");
        listed.sort();
        for line in listed {
            match package.owned {
                Some((owned, attributes)) if owned == line => {
                    let _ = writeln!(spec, "%attr({attributes}) {line}");
                }
                _ => {
                    let _ = writeln!(spec, "{line}");
                }
            }
        }
    }

    /// Takes what the stand-in holds of a Debian package. Names that a spec's globs would read
    /// otherwise are left out.
    fn take(&self, package: &StandIn, folder: &Path, top: &Path, listed: &mut Vec<String>) {
        let mut find = command(&["find", ".", "-not", "-type", "d", "-printf", "%P\\n"]);
        let found = run(find.current_dir(folder), "findutils");
        for name in found
            .lines()
            .filter(|name| !name.contains(['\\', ' ', '*', '[']))
        {
            let outside = |link: &&str| ["bin", "sbin", "lib", "lib64"].contains(link);
            let only = package.only;
            let kept = only.is_empty() || only.iter().any(|start| name.starts_with(start));
            if !kept || outside(&name) {
                continue;
            }
            let target = match package.renamed {
                Some((start, target)) if name.starts_with(start) => target,
                _ => name,
            };
            let (from, to) = (folder.join(name), top.join(target));
            fs_err::create_dir_all(to.parent().unwrap()).unwrap();
            if to.symlink_metadata().is_err() {
                // A hard link to a symbolic link is that link.
                fs_err::hard_link(from, to).unwrap();
                listed.push(format!("/{target}"));
            }
        }
    }

    /// Builds what `spec` describes, signs it, and lets it come to the repository at a time.
    fn build(&self, spec: &str, repository: &Path, time: u64) {
        let file = self.home.join("packages.spec");
        fs_err::write(&file, spec).unwrap();
        let top = format!("_topdir {}", self.home.display());
        let mut arguments = vec!["-bb", "--quiet", "--target=x86_64"];
        for definition in [
            top.as_str(),
            "debug_package %{nil}",
            "__os_install_post %{nil}",
            "_build_id_links none",
            "_unpackaged_files_terminate_build 0",
            "_binary_payload w3.zstdio",
        ] {
            arguments.extend(["--define", definition]);
        }
        arguments.push(path(&file));
        self.run("rpmbuild", &arguments, "rpm");

        let folder = self.home.join("RPMS/x86_64");
        let built: Vec<PathBuf> = fs_err::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // rpm runs no program without its path.
        let gpg = run(&mut command(&["sh", "-c", "command -v gpg"]), "gnupg");
        let gpg = format!("__gpg {}", gpg.trim());
        let mut sign = vec!["--define", "_gpg_name Test", "--define", &gpg, "--define"];
        sign.push("_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback --passphrase=");
        sign.push("--addsign");
        sign.extend(built.iter().map(|file| path(file)));
        self.run("rpmsign", &sign, "rpm");
        for file in &built {
            let target = repository.join("Packages").join(file.file_name().unwrap());
            fs_err::copy(file, &target).unwrap();
            fs_err::remove_file(file).unwrap();
            let opened = std::fs::File::options().append(true).open(target).unwrap();
            let came = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
            opened.set_modified(came).unwrap();
        }
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let options = [
            "--batch",
            "--quiet",
            "--pinentry-mode=loopback",
            "--passphrase=",
        ];
        self.run("gpg", &[&options[..], arguments].concat(), "gnupg")
    }

    fn run(&self, program: &str, arguments: &[&str], package: &str) -> String {
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", self.home);
        run(command.env("GNUPGHOME", self.home), package)
    }
}

/// Makes a file as a stand-in writes it, and gives its line of the spec's list.
fn place(top: &Path, file: &str) -> String {
    let inside = |path: &str| top.join(path.trim_start_matches('/'));
    if let Some((link, target)) = file.split_once(" -> ") {
        fs_err::create_dir_all(inside(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, inside(link)).unwrap();
        return link.to_owned();
    }
    match file.split_once(" = ") {
        Some((path, text)) => {
            fs_err::create_dir_all(inside(path).parent().unwrap()).unwrap();
            fs_err::write(inside(path), format!("{}\n", text.replace("\\n", "\n"))).unwrap();
            path.to_owned()
        }
        None => {
            fs_err::create_dir_all(inside(file)).unwrap();
            format!("%dir {}", file.trim_end_matches('/'))
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
