//! RPM packages and repositories, made by rpm's own tools and signed with a key of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::lock::{ArchivePath, LockedPackage};

/// What is in the specifications of the packages, by name: version, head, install, files.
const SPECS: [(&str, &str, &str, &str, &str); 6] = [
    (
        "filesystem",
        "1.1-1",
        "Provides: /sbin/ldconfig",
        "mkdir -p %{buildroot}/etc %{buildroot}/usr/bin %{buildroot}/var/log\n\
         echo root:x:0:0::/:/bin/sh > %{buildroot}/etc/passwd\n\
         echo systemd-network:x:76:77::/:/bin/false >> %{buildroot}/etc/passwd\n\
         echo root:x:0: > %{buildroot}/etc/group\n\
         echo systemd-network:x:77: >> %{buildroot}/etc/group\n\
         echo 127.0.0.1 localhost > %{buildroot}/etc/hosts\n\
         touch %{buildroot}/var/log/lastlog",
        "%dir /usr\n%dir /usr/bin\n%dir /etc\n/etc/passwd\n/etc/group\n\
         %config(noreplace) /etc/hosts\n%ghost /var/log/lastlog\n\
         %pretrans -p <lua>\nposix.mkdir('/proc')",
    ),
    (
        "bash",
        "5.2.15-3",
        "Requires: filesystem\nProvides: /bin/sh",
        "mkdir -p %{buildroot}/usr/bin\necho bash > %{buildroot}/usr/bin/bash\n\
         chmod 755 %{buildroot}/usr/bin/bash\nln -s bash %{buildroot}/usr/bin/sh",
        "/usr/bin/bash\n/usr/bin/sh\n%post -p /sbin/ldconfig",
    ),
    (
        "systemd",
        "255-1",
        "Requires: filesystem >= 1.1, /bin/sh, /usr/bin/sh, (dash or bash), libfoo.so.6(V_2)(64bit)",
        "mkdir -p %{buildroot}/usr/lib/systemd %{buildroot}/usr/share\n\
         echo one > %{buildroot}/usr/lib/systemd/a\n\
         ln %{buildroot}/usr/lib/systemd/a %{buildroot}/usr/lib/systemd/b\n\
         ln %{buildroot}/usr/lib/systemd/a %{buildroot}/usr/share/c\n\
         echo net > %{buildroot}/usr/lib/systemd/networkd\n\
         : > %{buildroot}/usr/lib/systemd/empty",
        "%dir /usr/lib/systemd\n/usr/lib/systemd/a\n/usr/lib/systemd/b\n/usr/share/c\n\
         /usr/lib/systemd/empty\n\
         %attr(4750,systemd-network,root) %caps(cap_net_raw=ep) /usr/lib/systemd/networkd\n\
         %attr(2755,root,systemd-network) %dir /usr/lib/systemd/state\n\
         %dev(c,5,1) %attr(600,root,tty0) /console\n\
         %post\nsystemctl preset-all\n%triggerin -- bash >= 5\necho yes\n\
         %filetriggerin -- /usr/lib/systemd\necho no",
    ),
    (
        "libfoo",
        "1:2.0~rc1-1",
        "Provides: libfoo.so.6(V_2)(64bit)",
        "mkdir -p %{buildroot}/usr/lib\necho lib > %{buildroot}/usr/lib/libfoo.so.6",
        "/usr/lib/libfoo.so.6",
    ),
    (
        "kernel-uvm",
        "6.6.1-1",
        "",
        "mkdir -p %{buildroot}/usr/share\necho one > %{buildroot}/usr/share/bzImage",
        "/usr/share/bzImage",
    ),
    (
        "kata-packages-uvm",
        "1.0-1",
        "BuildArch: noarch\nRequires: systemd >= 255, kernel-uvm",
        "",
        "",
    ),
];

/// Makes packages and repositories. One key is enough for a run of the tests.
pub(crate) struct Factory {
    /// Below the folder of build artifacts: what all tests share lives until the next run.
    folder: PathBuf,
}

impl Factory {
    /// The one that all tests share; it has made every package of [`SPECS`], signed.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Factory> = OnceLock::new();
        SHARED.get_or_init(|| {
            let program = std::env::current_exe().unwrap();
            let folder = program.ancestors().nth(3).unwrap().join("tmp/rpm");
            if folder.exists() {
                fs_err::remove_dir_all(&folder).unwrap();
            }
            fs_err::create_dir_all(folder.join("keys")).unwrap();
            let factory = Self { folder };
            let agent = Agent::start(&factory);
            agent.gpg(&[
                "--quick-generate-key",
                "RPM test",
                "ed25519",
                "sign,cert",
                "never",
            ]);
            copy_files(agent.home.path(), &factory.keys());
            drop(agent);
            // Each compression that packages come in.
            let payloads = ["w9.gzdio", "w1.xzdio", "w3.zstdio"];
            for (number, (name, version, head, install, files)) in SPECS.into_iter().enumerate() {
                factory.build(name, version, head, install, files, payloads[number % 3]);
            }
            factory
        })
    }

    /// Builds and signs a package; the file is then in [`Factory::packages`].
    pub(crate) fn build(
        &self,
        name: &str,
        version: &str,
        head: &str,
        install: &str,
        files: &str,
        payload: &str,
    ) -> PathBuf {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (version, release) = rest.split_once('-').unwrap();
        let spec = format!(
            "Name: {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\nSummary: test\n\
             License: none\nAutoReqProv: no\n{head}\n%description\ntest\n%install\n\
             mkdir -p %{{buildroot}}/usr/lib/systemd/state\n{install}\n%files\n{files}\n"
        );
        let spec = spec.replace("Epoch: 0\n", "");
        let path = self.folder.join(format!("{name}.spec"));
        fs_err::write(&path, spec).unwrap();
        let top = self.folder.display().to_string();
        run(self.command("rpmbuild").args([
            "-bb",
            "--quiet",
            "--target=x86_64",
            &format!("--define=_topdir {top}"),
            &format!("--define=_binary_payload {payload}"),
            "--define=debug_package %{nil}",
            "--define=__os_install_post %{nil}",
            "--define=_unpackaged_files_terminate_build 0",
            &path.display().to_string(),
        ]));
        let architecture = if head.contains("noarch") {
            "noarch"
        } else {
            "x86_64"
        };
        let file = self.folder.join(format!(
            "RPMS/{architecture}/{name}-{version}-{release}.{architecture}.rpm"
        ));
        self.sign(&file);
        file
    }

    pub(crate) fn sign(&self, file: &Path) {
        let agent = Agent::start(self);
        // rpm runs no program without its path.
        let gpg = run(Command::new("sh").args(["-c", "command -v gpg"]));
        run(agent.command("rpmsign").args([
            &format!("--define=__gpg {}", gpg.trim()),
            "--define=_gpg_name RPM test",
            "--define=_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback --passphrase=",
            "--addsign",
            &file.display().to_string(),
        ]));
    }

    /// The files of all packages that every test may use.
    pub(crate) fn packages(&self) -> Vec<PathBuf> {
        SPECS
            .iter()
            .map(|(name, version, head, ..)| {
                let architecture = if head.contains("noarch") {
                    "noarch"
                } else {
                    "x86_64"
                };
                let version = version.split_once(':').map_or(*version, |(_, rest)| rest);
                self.folder.join(format!(
                    "RPMS/{architecture}/{name}-{version}.{architecture}.rpm"
                ))
            })
            .collect()
    }

    /// Makes a signed repository of `files` below the mirror `root`; each file's time is second
    /// 1,000,000,000 plus its place in the list.
    pub(crate) fn publish(&self, root: &Path, files: &[PathBuf], options: &[&str]) {
        let folder = root.join("3.0/base/x86_64");
        fs_err::create_dir_all(folder.join("Packages")).unwrap();
        for (number, file) in files.iter().enumerate() {
            let copy = folder.join("Packages").join(file.file_name().unwrap());
            fs_err::copy(file, &copy).unwrap();
            let time = std::time::UNIX_EPOCH
                + std::time::Duration::from_secs(1_000_000_000 + number as u64);
            let opened = std::fs::File::options().append(true).open(&copy).unwrap();
            opened.set_modified(time).unwrap();
        }
        run(self
            .command("createrepo_c")
            .arg("--quiet")
            .args(options)
            .arg(&folder));
        self.sign_repomd(root);
    }

    /// Signs what is in the repository below the mirror `root`.
    pub(crate) fn sign_repomd(&self, root: &Path) {
        let repomd = root.join("3.0/base/x86_64/repodata/repomd.xml");
        let repomd = repomd.display().to_string();
        self.gpg(&["--yes", "--armor", "--detach-sign", &repomd]);
    }

    /// The certificate, ASCII-armoured.
    pub(crate) fn certificate(&self) -> String {
        self.gpg(&["--armor", "--export"])
    }

    /// What a lock says of a package file.
    pub(crate) fn locked(&self, file: &Path) -> LockedPackage {
        let format = "%{name}\n%|epoch?{%{epoch}:}|%{version}-%{release}\n%{arch}";
        let said = run(Command::new("rpm").args(["-qp", "--qf", format]).arg(file));
        let [name, version, architecture] = said.lines().collect::<Vec<_>>()[..] else {
            panic!("{said}");
        };
        let bytes = fs_err::read(file).unwrap();
        LockedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            archive: "debian".to_owned(),
            path: ArchivePath::try_from("a.rpm".to_owned()).unwrap(),
            size: bytes.len() as u64,
            sha256: super::sha256(&bytes),
            time: None,
            sets: vec!["rootfs".to_owned()],
        }
    }

    fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        Agent::start(self).gpg(arguments)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", &self.folder);
        command
    }
}

/// gpg's home, with a short path for its sockets, while one test at a time uses it. gpg leaves a
/// server behind, which ends with it.
struct Agent {
    home: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Agent {
    fn start(factory: &Factory) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let agent = Self {
            home: tempfile::tempdir().unwrap(),
            _alone: ALONE.lock().unwrap_or_else(|held| held.into_inner()),
        };
        copy_files(&factory.keys(), agent.home.path());
        agent
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        run(self
            .command("gpg")
            .args([
                "--batch",
                "--quiet",
                "--pinentry-mode=loopback",
                "--passphrase=",
            ])
            .args(arguments))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("GNUPGHOME", self.home.path());
        command.env("HOME", self.home.path());
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A test that fails for another reason should say that one.
        let _ = self.command("gpgconf").args(["--kill", "all"]).output();
    }
}

/// Copies regular files, and those of folders; gpg's home holds sockets besides.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            fs_err::create_dir_all(&target).unwrap();
            copy_files(&entry.path(), &target);
        } else if kind.is_file() {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a tool prints when all goes well.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; ./test names the packages"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
