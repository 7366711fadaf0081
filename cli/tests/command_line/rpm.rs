//! `lock` and `build` of a recipe whose archive is an RPM repository, made with rpmbuild,
//! createrepo_c and gpg.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::archive::{PROGRAM, RECIPE};
use crate::schema::conforms;
use crate::tools::Tool;
use crate::{json, refused, stdout, vectors};

const RPMBUILD: Tool = Tool {
    command: "rpmbuild",
    package: "rpm",
};
const RPMSIGN: Tool = Tool {
    command: "rpmsign",
    package: "rpm",
};
const CREATEREPO: Tool = Tool {
    command: "createrepo_c",
    package: "createrepo-c",
};
const SH: Tool = Tool {
    command: "sh",
    package: "dash",
};
const GPG: Tool = Tool {
    command: "gpg",
    package: "gnupg",
};

/// A repository that all tests share, and the key that it is signed with.
struct Repository {
    mirror: PathBuf,
    key: String,
}

fn tool(tool: &Tool, home: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(tool.command);
    command.args(arguments);
    command.env("GNUPGHOME", home).env("HOME", home);
    tool.succeeded(tool.run(&mut command))
}

fn gpg(home: &Path, arguments: &[&str]) -> String {
    let options = [
        "--batch",
        "--quiet",
        "--pinentry-mode=loopback",
        "--passphrase=",
    ];
    tool(&GPG, home, &[&options[..], arguments].concat())
}

/// Builds a package whose files stand in a folder, has `signer` sign it, and puts it into the
/// repository.
fn package(home: &Path, repository: &Path, version: &str, name: &str, rest: &str, signer: &str) {
    let (top, files) = (home.display(), home.join("files"));
    let spec = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: test\nLicense: none\n\
         AutoReqProv: no\n%description\ntest\n%install\nmkdir -p %{{buildroot}}\n\
         cp -r {}/{name}/. %{{buildroot}}\n{rest}\n",
        files.display()
    );
    let path = home.join(format!("{name}.spec")).display().to_string();
    fs_err::write(&path, spec).unwrap();
    let top = format!("--define=_topdir {top}");
    let options = ["-bb", "--quiet", "--target=x86_64", &top];
    let options = [&options[..], &["--define=debug_package %{nil}", &path]].concat();
    let plain = [
        "--define=__os_install_post %{nil}",
        "--define=_binary_payload w3.zstdio",
    ];
    tool(&RPMBUILD, home, &[&plain[..], &options].concat());
    let file = format!("{name}-{version}-1.x86_64.rpm");
    let built = home.join("RPMS/x86_64").join(&file);
    let target = repository.join("Packages");
    fs_err::create_dir_all(&target).unwrap();
    let sign = "--define=_gpg_sign_cmd_extra_args --batch --pinentry-mode loopback --passphrase=";
    let built_text = built.display().to_string();
    // rpm runs no program without its path.
    let gpg = SH.stdout(&["-c", "command -v gpg"]);
    let gpg = format!("--define=__gpg {}", gpg.trim());
    let name = format!("--define=_gpg_name {signer}");
    tool(
        &RPMSIGN,
        home,
        &[&gpg, &name, sign, "--addsign", &built_text],
    );
    fs_err::copy(&built, target.join(&file)).unwrap();
    // The newer version came a day later.
    let day = if version == "2.0" { 86_400 } else { 0 };
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + day);
    let opened = std::fs::File::options()
        .append(true)
        .open(target.join(file))
        .unwrap();
    opened.set_modified(time).unwrap();
}

fn repository() -> &'static Repository {
    static REPOSITORY: OnceLock<Repository> = OnceLock::new();
    REPOSITORY.get_or_init(|| {
        let mirror = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny-rpm");
        if mirror.exists() {
            fs_err::remove_dir_all(&mirror).unwrap();
        }
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for name in ["Tiny", "Stranger"] {
            let kind = ["ed25519", "sign,cert", "never"];
            gpg(home, &[&["--quick-generate-key", name], &kind[..]].concat());
        }
        let kernel = vectors("builder").join("aks-layout/kernel-cmdline/kernel");
        let kernel = fs_err::read(kernel).unwrap();
        for (path, bytes) in [
            ("tiny-base/etc/os-release", &b"NAME=Tiny\n"[..]),
            ("tiny-base/var/lib/state", b"state\n"),
            ("tiny-kernel/boot/vmlinuz-1", &kernel),
            ("tiny-tool/bin/tool", PROGRAM),
            ("tiny-twin/etc/os-release", b"NAME=Tiny\n"),
            ("tiny-clash/etc/os-release", b"NAME=tiny\n"),
            ("tiny-stranger/etc/stranger", b"strange\n"),
        ] {
            let path = home.join("files").join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
        let folder = mirror.join("3/x86_64");
        for version in ["1.0", "2.0"] {
            let base = "%files\n/etc/os-release\n%attr(0640,daemon,daemon) /var/lib/state\n\
                        %post -p <lua>\nprint('x')";
            package(home, &folder, version, "tiny-base", base, "Tiny");
        }
        for (name, files, signer) in [
            ("tiny-twin", "/etc/os-release", "Tiny"),
            ("tiny-clash", "/etc/os-release", "Tiny"),
            ("tiny-stranger", "/etc/stranger", "Stranger"),
            ("tiny-kernel", "/boot/vmlinuz-1", "Tiny"),
            ("tiny-tool", "%attr(0755,root,root) /bin/tool", "Tiny"),
        ] {
            let files = format!("%files\n{files}");
            package(home, &folder, "1.0", name, &files, signer);
        }
        // The same repository, as it was described earlier.
        let old = mirror.join("old/3/x86_64");
        fs_err::create_dir_all(old.join("Packages")).unwrap();
        for file in fs_err::read_dir(folder.join("Packages")).unwrap() {
            let file = file.unwrap();
            fs_err::copy(file.path(), old.join("Packages").join(file.file_name())).unwrap();
        }
        let earlier = ["--revision=1600000000", "--set-timestamp-to-revision"];
        for (folder, options) in [(&folder, &[][..]), (&old, &earlier)] {
            let path = folder.display().to_string();
            tool(&CREATEREPO, home, &[&["--quiet", &path], options].concat());
            let repomd = folder.join("repodata/repomd.xml").display().to_string();
            let sign = ["--armor", "--local-user=Tiny", "--detach-sign", &repomd];
            gpg(home, &sign);
        }
        let key = gpg(home, &["--armor", "--export", "Tiny"]);
        let mut end = Command::new("gpgconf");
        GPG.run(end.args(["--kill", "all"]).env("GNUPGHOME", home));
        Repository { mirror, key }
    })
}

/// The tiny recipe, from RPM packages.
struct Tiny {
    folder: TempDir,
    mirror: String,
}

const USERS: &str = "[[rootfs.user]]\nname = \"daemon\"\nuid = 7\ngid = 8\nhome = \"/\"\n\
                     shell = \"/bin/false\"\n\n[[rootfs.group]]\nname = \"daemon\"\ngid = 8\n\n";
const SCRIPTS: &str = "[rootfs.maintainer-scripts]\ntiny-base = \"It prints a letter.\"\n\n";

impl Tiny {
    fn new(tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipe = RECIPE
            .replace(
                "kind = \"debian\"\nsuite = \"tiny\"\ncomponents = [\"main\"]",
                "kind = \"rpm\"\nsuite = \"3/x86_64\"",
            )
            .replace("architecture = \"amd64\"", "architecture = \"x86_64\"")
            .replace("[[rootfs.file]]", &format!("{tables}[[rootfs.file]]"));
        fs_err::create_dir(folder.path().join("tiny")).unwrap();
        fs_err::write(folder.path().join("tiny/recipe.toml"), recipe).unwrap();
        fs_err::write(folder.path().join("tiny/key.asc"), &repository().key).unwrap();
        fs_err::write(folder.path().join("tiny/init"), "#!/bin/tool\n").unwrap();
        Self {
            folder,
            mirror: format!("tiny=file://{}", repository().mirror.display()),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn arguments<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let all = [
            command,
            "tiny",
            "--store",
            "store",
            "--mirror",
            &self.mirror,
        ];
        [&all[..], more].concat()
    }
}

#[test]
fn a_snapshot_is_locked_built_and_built_again_offline() {
    let tiny = Tiny::new(&format!("{SCRIPTS}{USERS}"));
    let snapshot = ["--snapshot", "2023-11-15T00:00:00Z"];
    let document = json(tiny.path(), &tiny.arguments("lock", &snapshot));
    conforms(&document, "lock");
    assert_eq!(document["packages"], 3);
    assert_eq!(document["indexes"][0]["snapshot"], "2023-11-15T00:00:00Z");
    let lock = || fs_err::read_to_string(tiny.path().join("tiny/recipe.lock.json")).unwrap();
    let first = lock();
    assert!(
        first.contains("\"time\": \"2023-11-14T22:13:20Z\""),
        "{first}"
    );
    assert!(
        first.contains("\"version\": \"1.0-1\"") && !first.contains("2.0-1"),
        "{first}"
    );
    // Without --update the lock stays as it is, snapshot and all.
    let said = stdout(tiny.path(), &tiny.arguments("lock", &[]));
    assert!(
        said.contains(", files until 2023-11-15T00:00:00Z, signed by\n"),
        "{said}"
    );
    assert_eq!(lock(), first);

    stdout(tiny.path(), &tiny.arguments("build", &["-o", "one"]));
    let offline = [
        "build",
        "tiny",
        "--store",
        "store",
        "--offline",
        "-o",
        "two",
    ];
    stdout(tiny.path(), &offline);
    for name in ["tiny.img", "tiny.igvm", "origins.json"] {
        let read = |folder: &str| fs_err::read(tiny.path().join(folder).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
    }
    let origins = fs_err::read_to_string(tiny.path().join("one/origins.json")).unwrap();
    assert!(origins.contains("\"tiny-base\"") && origins.contains("\"1.0-1\""));

    let newest = json(tiny.path(), &tiny.arguments("lock", &["--update"]));
    assert_eq!(newest["changes"][0]["new"], "2.0-1");
    assert_eq!(newest["indexes"][0].get("snapshot"), None);
}

#[test]
fn scriptlets_and_owners_that_the_recipe_does_not_answer_for_stop_the_build() {
    for (tables, message) in [
        (
            USERS,
            "rootfs.scriptlet: scriptlets never run here, and nothing stands in for these:\n\
             tiny-base 2.0-1: post by <lua>\n    print('x')\n  not covered:\n    print('x')\n\
             read them; for each command that is not covered add [[rootfs.scriptlet]] with \
             packages, kinds, commands (globs, each may be left out) and because, or name the \
             package in rootfs.maintainer-scripts",
        ),
        (
            SCRIPTS,
            "package tiny-base 2.0-1: /var/lib/state belongs to user \"daemon\", which \
             rootfs.user does not have; add it to rootfs.user",
        ),
    ] {
        let tiny = Tiny::new(tables);
        stdout(tiny.path(), &tiny.arguments("lock", &[]));
        refused(
            tiny.path(),
            &tiny.arguments("build", &["-o", "out"]),
            message,
        );
    }
}

/// The tiny recipe with one more package.
fn with_package(name: &str) -> Tiny {
    let tiny = Tiny::new(&format!("{SCRIPTS}{USERS}"));
    let path = tiny.path().join("tiny/recipe.toml");
    let recipe = fs_err::read_to_string(&path).unwrap();
    let names = format!("names = [\"tiny-base\", {name:?}]");
    fs_err::write(&path, recipe.replace("names = [\"tiny-base\"]", &names)).unwrap();
    stdout(tiny.path(), &tiny.arguments("lock", &[]));
    tiny
}

/// Holds that a build is refused with a message of these parts, in this order.
fn refused_in_parts(tiny: &Tiny, parts: &[&str]) {
    let mut command = crate::guestmark(tiny.path());
    let build = command.args(tiny.arguments("build", &["-o", "out"]));
    let output = build.assert().code(2).stdout("").get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    let mut rest = message.as_str();
    for part in parts {
        let found = rest.split_once(part);
        (_, rest) = found.unwrap_or_else(|| panic!("{part:?} is not in {message}"));
    }
    assert!(!tiny.path().join("out").exists());
}

#[test]
fn packages_share_files_that_are_equal_and_clash_over_others() {
    let tiny = with_package("tiny-twin");
    stdout(tiny.path(), &tiny.arguments("build", &["-o", "out"]));
    refused_in_parts(
        &with_package("tiny-clash"),
        &[
            "guestmark: ",
            "file conflict at /etc/os-release: a file of package tiny-base 2.0-1 and a file of \
             package tiny-clash 1.0-1; leave one of them out\n",
        ],
    );
}

#[test]
fn packages_that_a_stranger_signed_or_that_were_swapped_are_refused() {
    refused_in_parts(
        &with_package("tiny-stranger"),
        &[
            "guestmark: package tiny-stranger 1.0-1 (",
            "): signature over its header: it is signed by key ",
            ", which the recipe does not trust; it trusts key ",
        ],
    );
    // The mirror has other bytes of the same name, version and length.
    let mut tiny = Tiny::new(&format!("{SCRIPTS}{USERS}"));
    stdout(tiny.path(), &tiny.arguments("lock", &[]));
    let file = "3/x86_64/Packages/tiny-base-2.0-1.x86_64.rpm";
    let swapped = tiny.path().join("swapped");
    let packages = swapped.join("3/x86_64/Packages");
    fs_err::create_dir_all(&packages).unwrap();
    for entry in fs_err::read_dir(repository().mirror.join("3/x86_64/Packages")).unwrap() {
        let entry = entry.unwrap();
        fs_err::copy(entry.path(), packages.join(entry.file_name())).unwrap();
    }
    let mut bytes = fs_err::read(swapped.join(file)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(swapped.join(file), &bytes).unwrap();
    tiny.mirror = format!("tiny=file://{}", swapped.display());
    refused_in_parts(
        &tiny,
        &[
            file,
            &format!(": expected {} bytes with SHA-256 ", bytes.len()),
            ", found SHA-256 ",
            "; nothing is stored; try another mirror with --mirror\n",
        ],
    );
}

#[test]
fn an_index_older_than_the_locks_is_refused() {
    let mut tiny = Tiny::new("");
    let document = json(tiny.path(), &tiny.arguments("lock", &[]));
    let locked = document["indexes"][0]["date"].as_str().unwrap().to_owned();
    let old = repository().mirror.join("old");
    let url = format!("file://{}", old.display());
    tiny.mirror = format!("tiny={url}");
    refused(
        tiny.path(),
        &tiny.arguments("lock", &["--update"]),
        &format!(
            "{url}: its index of suite 3/x86_64 is dated 2020-09-13T12:26:40Z, older than the \
             lock's, {locked}: the mirror is behind, or someone replays an old index; use another \
             mirror, or remove the lock to go back to the older index"
        ),
    );
}

#[test]
fn a_snapshot_before_every_version_is_told_when_they_came() {
    let tiny = Tiny::new("");
    refused(
        tiny.path(),
        &tiny.arguments("lock", &["--snapshot", "2023-11-14T00:00:00Z"]),
        "kernel.packages cannot be installed together:\n  \
         the recipe asks for tiny-kernel, and the archive offers no such package until \
         2023-11-14T00:00:00Z; it got 1.0-1 at 2023-11-14T22:13:20Z\n\
         change them in recipe.toml",
    );
}

#[test]
fn a_snapshot_of_a_debian_archive_is_refused() {
    let tiny = crate::archive::Tiny::new();
    refused(
        tiny.path(),
        &tiny.lock(&["--snapshot", "2026-05-01T00:00:00Z"]),
        "archive \"tiny\" is of kind debian, whose indexes hold no file times: leave --snapshot \
         out and name a mirror that shows the archive as it was, --mirror tiny=URL",
    );
}

#[test]
fn a_repository_without_a_mirror_is_refused_and_apt_is_not_spoken_of() {
    let tiny = Tiny::new("");
    let configuration = tiny.path().join("config/guestmark/config.toml");
    refused(
        tiny.path(),
        &["lock", "tiny", "--store", "store"],
        &format!(
            "no mirror is known for archive \"tiny\" (suite 3/x86_64); give one in one of three \
             ways:\n  \
             --mirror tiny=URL\n  \
             the environment variable GUESTMARK_MIRROR_TINY=URL\n  \
             tiny = \"URL\" under [mirrors] in {}",
            configuration.display()
        ),
    );
}
