use std::io::Read;
use std::path::PathBuf;

use super::choice::Choice;
use super::primary::Index;
use crate::archive::solver::solve;
use crate::archive::testing::{self, Factory, Key, Server, run};
use crate::archive::{ResolveError, Versions, resolve};
use crate::lock::Lock;
use crate::progress::Silent;
use crate::store::Store;

/// A mirror with one repository, a store, and a recipe that trusts the repository's key.
struct Place {
    folder: tempfile::TempDir,
    server: Server,
}

impl Place {
    fn new(files: &[PathBuf], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let factory = Factory::shared();
        factory.publish(&folder.path().join("mirror"), files, options);
        fs_err::write(folder.path().join("key.asc"), factory.certificate()).unwrap();
        let server = Server::start(folder.path().join("mirror"));
        Self { folder, server }
    }

    fn repodata(&self) -> PathBuf {
        self.folder.path().join("mirror/3.0/base/x86_64/repodata")
    }

    /// The file of primary metadata.
    fn primary(&self) -> PathBuf {
        let files = fs_err::read_dir(self.repodata()).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files
            .find(|path| path.to_string_lossy().contains("-primary.xml"))
            .unwrap()
    }

    /// Compresses primary metadata anew, which createrepo_c of some distributions cannot.
    fn use_zstd(&self) {
        let old = self.primary();
        let gzip = fs_err::read(&old).unwrap();
        let plain = flate2::read::GzDecoder::new(&gzip[..]);
        let zstd = zstd::encode_all(plain, 3).unwrap();
        let new = old.with_extension("zst");
        fs_err::write(&new, &zstd).unwrap();
        let repomd = self.repodata().join("repomd.xml");
        let mut text = fs_err::read_to_string(&repomd).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let element = |sha256| format!("<checksum type=\"sha256\">{sha256}</checksum>");
        let size = |length| format!("<size>{length}</size>");
        for (from, to) in [
            (name(&old), name(&new)),
            (
                element(testing::sha256(&gzip)),
                element(testing::sha256(&zstd)),
            ),
            (size(gzip.len()), size(zstd.len())),
        ] {
            assert!(text.contains(&from), "{text}");
            text = text.replacen(&from, &to, 1);
        }
        fs_err::write(&repomd, text).unwrap();
        Factory::shared().sign_repomd(&self.folder.path().join("mirror"));
    }

    fn resolve(
        &self,
        names: &[&str],
        versions: Versions,
        previous: Option<&Lock>,
    ) -> Result<Lock, ResolveError> {
        let recipe = testing::rpm_recipe(self.folder.path(), names);
        resolve(
            &recipe,
            &testing::mirrors(&recipe, &self.server.url()),
            &Store::open(Some(&self.folder.path().join("store"))).unwrap(),
            jiff::Timestamp::now(),
            previous,
            versions,
            &Silent,
        )
    }

    fn lock(&self, names: &[&str], versions: Versions) -> Lock {
        self.resolve(names, versions, None).unwrap()
    }

    fn message(&self, names: &[&str]) -> String {
        let error = self.resolve(names, Versions::Newest, None).unwrap_err();
        error.to_string().replace(&self.server.url(), "MIRROR")
    }
}

fn versions(lock: &Lock) -> Vec<String> {
    let shown = |package: &crate::lock::LockedPackage| {
        format!(
            "{} {} {}",
            package.name, package.version, package.architecture
        )
    };
    lock.packages.iter().map(shown).collect()
}

#[test]
fn a_lock_pins_a_closure_that_rpm_itself_finds_complete() {
    let factory = Factory::shared();
    for compression in ["gz", "xz", "zst"] {
        let option = match compression {
            "xz" => "--general-compress-type=xz",
            _ => "--general-compress-type=gz",
        };
        let place = Place::new(&factory.packages(), &[option]);
        if compression == "zst" {
            place.use_zstd();
        }
        let lock = place.lock(&["kata-packages-uvm"], Versions::Newest);
        assert_eq!(
            versions(&lock),
            [
                "bash 5.2.15-3 x86_64",
                "filesystem 1.1-1 x86_64",
                "kata-packages-uvm 1.0-1 noarch",
                "kernel-uvm 6.6.1-1 x86_64",
                "libfoo 1:2.0~rc1-1 x86_64",
                "systemd 255-1 x86_64",
            ]
        );
        let bash = &lock.packages[0];
        assert_eq!(
            bash.path.as_str(),
            "3.0/base/x86_64/Packages/bash-5.2.15-3.x86_64.rpm"
        );
        assert_eq!(bash.time.unwrap().as_second(), 1_000_000_001);
        let file = fs_err::read(place.folder.path().join("mirror").join(bash.path.as_str()));
        let file = file.unwrap();
        assert_eq!(
            (bash.size, bash.sha256),
            (file.len() as u64, testing::sha256(&file))
        );
        assert_eq!(Lock::parse(&lock.to_text(), "").unwrap(), lock);
        // rpm installs just this set, and misses something when one package is left out.
        let test = |skip: &str| {
            let mut rpm = std::process::Command::new("rpm");
            let root = tempfile::tempdir().unwrap();
            let paths = lock.packages.iter().filter(|package| package.name != skip);
            rpm.args([
                "-i",
                "--test",
                "--nosignature",
                "--nodigest",
                "--dbpath=/db",
                "--root",
            ])
            .arg(root.path())
            .args(paths.map(|package| {
                place
                    .folder
                    .path()
                    .join("mirror")
                    .join(package.path.as_str())
            }));
            rpm.output().unwrap()
        };
        let whole = test("");
        assert!(whole.status.success(), "{whole:?}");
        assert!(!test("libfoo").status.success());
    }
}

#[test]
fn requirements_are_those_that_rpm_shows() {
    let factory = Factory::shared();
    let place = Place::new(&factory.packages(), &["--general-compress-type=gz"]);
    let reader = flate2::read::GzDecoder::new(fs_err::File::open(place.primary()).unwrap());
    let mut index = Index::new("x86_64", None);
    index.add(std::io::BufReader::new(reader), "x").unwrap();
    let index = index.finish();
    for file in factory.packages() {
        let locked = factory.locked(&file);
        let id = index.named(&locked.name).next().unwrap();
        let mut required: Vec<String> = index
            .package(id)
            .requires
            .iter()
            .map(ToString::to_string)
            .collect();
        required.sort();
        required.dedup();
        let ask = |what| {
            run(std::process::Command::new("rpm")
                .args(["-qp", what])
                .arg(&file))
        };
        let said = ask("--requires");
        let mut expected: Vec<&str> = said
            .lines()
            // createrepo_c leaves out features of rpm and what the package provides itself.
            .filter(|line| !line.starts_with("rpmlib("))
            .collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(required, expected, "{}", locked.name);
        for provided in ask("--provides").lines() {
            let name = provided.split(' ').next().unwrap();
            let known = index.providers(name).iter();
            let known: Vec<String> = known
                .filter(|(provider, _)| *provider == id)
                .map(|(_, capability)| capability.to_string())
                .collect();
            assert!(
                known.iter().any(|known| known == provided),
                "{provided}: {known:?}"
            );
        }
    }
}

/// createrepo_c leaves features of rpm out; other tools list them.
#[test]
fn features_of_rpm_are_looked_at_where_metadata_list_them() {
    let place = Place::new(&Factory::shared().packages(), &[]);
    let mut text = String::new();
    let gzip = fs_err::File::open(place.primary()).unwrap();
    flate2::read::GzDecoder::new(gzip)
        .read_to_string(&mut text)
        .unwrap();
    let entry = "<rpm:entry name=\"filesystem\"/>";
    assert!(text.contains(entry));
    for (feature, expected) in [
        ("rpmlib(PayloadIsZstd)", Ok(2)),
        (
            "rpmlib(FutureThing)",
            Err(
                "bash 5.2.15-3 cannot be used: Requires: rpmlib(FutureThing) is a feature of rpm \
                 that guestmark does not have",
            ),
        ),
    ] {
        let with = format!("<rpm:entry name=\"{feature}\" flags=\"LE\" ver=\"5\" rel=\"1\"/>");
        let mut index = Index::new("x86_64", None);
        index
            .add(text.replace(entry, &with).as_bytes(), "x")
            .unwrap();
        let index = index.finish();
        let choice = Choice::new(&index, &[], &[]);
        let chosen = solve(&choice, &[choice.wanted("bash")]).map(|chosen| chosen.len());
        let chosen = chosen.map_err(|error| error.to_string());
        match (chosen, expected) {
            (Ok(chosen), expected) => assert_eq!(Ok(chosen), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }
}

#[test]
fn a_snapshot_takes_the_newest_version_that_was_there_and_is_kept() {
    let factory = Factory::shared();
    let mut files = factory.packages();
    let later = "mkdir -p %{buildroot}/usr/share\necho two > %{buildroot}/usr/share/bzImage";
    for version in ["6.6.2-1", "6.6.10-1"] {
        files.push(factory.build(
            "kernel-uvm",
            version,
            "",
            later,
            "/usr/share/bzImage",
            "w3.zstdio",
        ));
    }
    let place = Place::new(&files, &[]);
    let until = |second| Versions::Until(jiff::Timestamp::from_second(second).unwrap());
    // Files are dated by their place: 4 is the first kernel, 6 the second, 7 the third.
    for (versions_wanted, version) in [
        (until(1_000_000_005), "6.6.1-1"),
        (until(1_000_000_006), "6.6.2-1"),
        (until(1_000_000_007), "6.6.10-1"),
        (Versions::Newest, "6.6.10-1"),
    ] {
        let lock = place.lock(&["kernel-uvm"], versions_wanted);
        assert_eq!(versions(&lock), [format!("kernel-uvm {version} x86_64")]);
    }
    let first = place.lock(&["kernel-uvm"], until(1_000_000_005));
    assert_eq!(
        first.indexes["debian"].snapshot.unwrap().to_string(),
        "2001-09-09T01:46:45Z"
    );
    let again = |names: &[&str], versions| place.resolve(names, versions, Some(&first)).unwrap();
    assert_eq!(again(&["kernel-uvm"], Versions::Locked), first);
    let newest = again(&["kernel-uvm"], Versions::Newest);
    assert_eq!(newest.indexes["debian"].snapshot, None);
    assert_eq!(versions(&newest), ["kernel-uvm 6.6.10-1 x86_64"]);
    let error = place
        .resolve(&["kernel-uvm"], until(999_999_999), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "rootfs.packages cannot be installed together:\n  \
         the recipe asks for kernel-uvm, and the archive offers no such package until \
         2001-09-09T01:46:39Z; it got 6.6.1-1 at 2001-09-09T01:46:44Z, 6.6.2-1 at \
         2001-09-09T01:46:46Z, 6.6.10-1 at 2001-09-09T01:46:47Z\n\
         change them in recipe.toml"
    );
}

#[test]
fn a_repository_that_is_not_what_its_key_signed_is_refused() {
    let place = Place::new(
        &Factory::shared().packages(),
        &["--general-compress-type=gz"],
    );
    let lock = place.lock(&["bash"], Versions::Newest);
    let signer = lock.indexes["debian"].signed_by[0].clone();

    let mut replayed = lock.clone();
    replayed.indexes.get_mut("debian").unwrap().date = "2100-01-01T00:00:00Z".to_owned();
    let error = place
        .resolve(&["bash"], Versions::Newest, Some(&replayed))
        .unwrap_err();
    let date = &lock.indexes["debian"].date;
    assert_eq!(
        error.to_string().replace(&place.server.url(), "MIRROR"),
        format!(
            "MIRROR: its index of suite 3.0/base/x86_64 is dated {date}, older than the lock's, \
             2100-01-01T00:00:00Z: the mirror is behind, or someone replays an old index; use \
             another mirror, or remove the lock to go back to the older index"
        )
    );

    let repomd = place.repodata().join("repomd.xml");
    let whole = fs_err::read_to_string(&repomd).unwrap();
    fs_err::write(&repomd, whole.replace("primary", "primarx")).unwrap();
    let file = "MIRROR/3.0/base/x86_64/repodata";
    assert_eq!(
        place.message(&["bash"]),
        format!(
            "{file}/repomd.xml: bad signature by key {signer}: the text was changed after it was \
             signed"
        )
    );
    fs_err::write(&repomd, whole).unwrap();

    let other = Key::new(2);
    let key = place.folder.path().join("key.asc");
    fs_err::write(&key, other.armored()).unwrap();
    assert_eq!(
        place.message(&["bash"]),
        format!(
            "{file}/repomd.xml: it is signed by key {signer}, which the recipe does not trust; it \
             trusts key {}; if the archive has new keys, add them to the recipe's archive keys",
            other.fingerprint()
        )
    );
    fs_err::write(&key, Factory::shared().certificate()).unwrap();

    fs_err::remove_dir_all(place.folder.path().join("store")).unwrap();
    let primary = place.primary();
    let mut bytes = fs_err::read(&primary).unwrap();
    let expected = testing::sha256(&bytes);
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&primary, &bytes).unwrap();
    assert_eq!(
        place.message(&["bash"]),
        format!(
            "{file}/{expected}-primary.xml.gz: expected {} bytes with SHA-256 {expected}, found \
             SHA-256 {}; nothing is stored; try another mirror with --mirror",
            bytes.len(),
            testing::sha256(&bytes)
        )
    );
    fs_err::remove_file(place.repodata().join("repomd.xml.asc")).unwrap();
    assert_eq!(
        place.message(&["bash"]),
        format!("{file}/repomd.xml.asc: the mirror does not have this file")
    );
}

#[test]
fn what_cannot_be_satisfied_is_told() {
    let factory = Factory::shared();
    let mut files = factory.packages();
    for (name, head) in [
        ("wants-newer", "Requires: systemd >= 256"),
        ("wants-rich", "Requires: (bash >= 7 if filesystem)"),
        ("wants-file", "Requires: /usr/share/unlisted"),
        ("hates-bash", "Conflicts: bash < 6"),
        ("after-foo", "Obsoletes: libfoo < 1:3"),
    ] {
        files.push(factory.build(name, "1-1", head, "", "", "w1.xzdio"));
    }
    let place = Place::new(&files, &[]);
    for (names, reasons) in [
        (
            &["wants-newer"][..],
            "the recipe asks for wants-newer: wants-newer 1-1\n  \
             wants-newer 1-1 needs systemd >= 256, and the archive only offers systemd 255-1",
        ),
        (
            &["wants-rich", "filesystem"],
            "the recipe asks for wants-rich: wants-rich 1-1\n  \
             the recipe asks for filesystem: filesystem 1.1-1\n  \
             wants-rich 1-1 excludes filesystem 1.1-1 (Requires: (bash >= 7 if filesystem))",
        ),
        (
            &["wants-file"],
            "the recipe asks for wants-file: wants-file 1-1\n  \
             wants-file 1-1 needs /usr/share/unlisted, and the archive offers no such package",
        ),
        (
            &["hates-bash", "bash"],
            "the recipe asks for hates-bash: hates-bash 1-1\n  \
             the recipe asks for bash: bash 5.2.15-3\n  \
             hates-bash 1-1 excludes bash 5.2.15-3 (Conflicts: bash < 6)",
        ),
        (
            &["systemd", "after-foo"],
            "the recipe asks for systemd: systemd 255-1\n  \
             the recipe asks for after-foo: after-foo 1-1\n  \
             systemd 255-1 needs libfoo.so.6(V_2)(64bit): libfoo 1:2.0~rc1-1\n  \
             after-foo 1-1 excludes libfoo 1:2.0~rc1-1 (Obsoletes: libfoo < 1:3)",
        ),
    ] {
        assert_eq!(
            place.message(names),
            format!(
                "rootfs.packages cannot be installed together:\n  {reasons}\n\
                 change them in recipe.toml"
            )
        );
    }
}

#[test]
fn a_file_that_primary_metadata_do_not_list_is_looked_up_in_file_lists() {
    let factory = Factory::shared();
    let mut files = factory.packages();
    for (name, path) in [
        ("wants-image", "/usr/share/bzImage"),
        ("wants-folder", "/usr/lib/systemd/state"),
        ("wants-ghost", "/var/log/lastlog"),
    ] {
        let head = format!("Requires: ({path} or missing)");
        files.push(factory.build(name, "1-1", &head, "", "", "w1.xzdio"));
    }
    let place = Place::new(&files, &[]);
    let file_lists = || {
        let files = fs_err::read_dir(place.repodata()).unwrap();
        let mut paths = files.map(|file| file.unwrap().path());
        paths.find(|path| path.to_string_lossy().contains("-filelists.xml"))
    };
    // They are not even there, and nothing needs them.
    let path = file_lists().unwrap();
    let aside = place.folder.path().join("aside");
    fs_err::rename(&path, &aside).unwrap();
    place.lock(&["kata-packages-uvm"], Versions::Newest);
    let message = place.message(&["wants-image"]);
    assert!(
        message.starts_with("MIRROR/3.0/base/x86_64/repodata/")
            && message.ends_with("-filelists.xml.gz: the mirror does not have this file"),
        "{message}"
    );
    fs_err::rename(&aside, &path).unwrap();
    for (name, holder) in [
        ("wants-image", "kernel-uvm 6.6.1-1 x86_64"),
        ("wants-folder", "systemd 255-1 x86_64"),
        ("wants-ghost", "filesystem 1.1-1 x86_64"),
    ] {
        let lock = place.lock(&[name], Versions::Newest);
        let versions = versions(&lock);
        assert!(versions.iter().any(|one| one == holder), "{versions:?}");
    }
    // A repository may have none.
    let repomd = place.repodata().join("repomd.xml");
    let text = fs_err::read_to_string(&repomd).unwrap();
    fs_err::write(&repomd, text.replace("\"filelists\"", "\"filelistx\"")).unwrap();
    factory.sign_repomd(&place.folder.path().join("mirror"));
    assert_eq!(
        place.message(&["wants-image"]),
        "MIRROR/3.0/base/x86_64/repodata/repomd.xml: a package requires a file that only file \
         lists tell of, and it lists none; add the file to provided and the package that holds it \
         to names"
    );
}
