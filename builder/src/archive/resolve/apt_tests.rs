//! The same packages are chosen as apt chooses, from an excerpt of the real index.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

use super::tests::Place;

/// 155 packages of Debian 12.15 (suite bookworm, component main, 2026-07-11): what the requests
/// below need, the other alternatives and providers that they could need instead. Only the fields
/// that an index needs.
const EXCERPT: &[u8] = include_bytes!("testdata/bookworm-packages.xz");

const REQUESTS: &[&str] = &[
    "systemd systemd-sysv udev qemu-guest-agent usr-is-merged base-files base-passwd",
    "systemd systemd-sysv udev qemu-guest-agent base-files base-passwd",
    "busybox-static dmsetup",
    "linux-image-cloud-amd64",
    "linux-image-cloud-amd64 apparmor chrony",
    "exim4",
    "openssh-server nginx",
];

/// apt with an archive and a state of its own, as if nothing were installed.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    /// Reads the archive, and checks its signature with the key in `key.asc` beside it.
    fn new(folder: &'a Path, archive: &Path) -> Self {
        for path in ["lists/partial", "archives/partial"] {
            fs_err::create_dir_all(folder.join(path)).unwrap();
        }
        let source = format!(
            "deb [signed-by={}] file:{} bookworm main\n",
            archive.with_file_name("key.asc").display(),
            archive.display()
        );
        fs_err::write(folder.join("sources.list"), source).unwrap();
        fs_err::write(folder.join("status"), "").unwrap();
        let apt = Self { folder };
        apt.run(&["update", "--error-on=any"]);
        apt
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let at =
            |option: &str, path: &str| format!("-o{option}={}", self.folder.join(path).display());
        let output = Command::new("apt-get")
            .args([
                at("Dir::Etc::SourceList", "sources.list"),
                at("Dir::State", ""),
                at("Dir::State::status", "status"),
                at("Dir::Cache", ""),
                "-oDir::Etc::SourceParts=/dev/null".to_owned(),
                "-oAPT::Architecture=amd64".to_owned(),
                "-oAPT::Sandbox::User=".to_owned(),
                "-oAcquire::Languages=none".to_owned(),
                "-oDebug::NoLocking=1".to_owned(),
            ])
            .args(arguments)
            .env("LC_ALL", "C")
            .output()
            .expect("the test needs apt-get, of the Debian package apt");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// The packages that apt would install, one `name version` a line, sorted by name.
    fn closure(&self, names: &[&str]) -> String {
        let mut arguments = vec!["install", "--simulate", "--no-install-recommends"];
        arguments.extend(names);
        let output = String::from_utf8(self.run(&arguments).stdout).unwrap();
        let mut installed: Vec<_> = output
            .lines()
            .filter_map(|line| {
                let mut words = line.strip_prefix("Inst ")?.split(' ');
                Some((words.next()?, words.next()?.trim_start_matches('(')))
            })
            .collect();
        installed.sort_unstable();
        lines(installed.into_iter())
    }
}

fn lines<'a>(packages: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    packages.fold(String::new(), |mut text, (name, version)| {
        writeln!(text, "{name} {version}").unwrap();
        text
    })
}

#[test]
fn the_same_packages_are_chosen_as_apt_chooses() {
    let mut excerpt = String::new();
    liblzma::read::XzDecoder::new(EXCERPT)
        .read_to_string(&mut excerpt)
        .unwrap();
    let mut place = Place::new();
    // apt overlooks an index that is not listed uncompressed as well.
    place.offered.suffixes = vec![".xz", ""];
    place.offered.add_index(&excerpt).publish(&place.key);
    let folder = tempfile::tempdir().unwrap();
    let apt = Apt::new(folder.path(), &place.offered.root);
    for request in REQUESTS {
        let names: Vec<_> = request.split(' ').collect();
        let lock = place.resolve(&names).unwrap();
        let chosen = lock
            .packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()));
        assert_eq!(lines(chosen), apt.closure(&names), "{request}");
    }
}
