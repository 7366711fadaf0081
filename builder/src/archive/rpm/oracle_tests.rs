//! The same packages are chosen as libsolv and dnf choose, from repositories that rpmbuild and
//! createrepo_c made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::choice::Choice;
use super::primary::Index;
use crate::archive::solver::{Universe, solve};
use crate::archive::testing::run;

/// Packages as `name version: Tag: value; Tag: value`.
struct Small {
    folder: tempfile::TempDir,
    index: Index,
}

impl Small {
    fn new(packages: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path();
        // One specification holds a name once.
        let mut specs: Vec<Vec<&str>> = Vec::new();
        for package in packages {
            let same_name = |other: &&str| other.split(' ').next() == package.split(' ').next();
            match specs.iter_mut().find(|spec| !spec.iter().any(&same_name)) {
                Some(spec) => spec.push(package),
                None => specs.push(vec![package]),
            }
        }
        for (number, packages) in specs.iter().enumerate() {
            let mut text = "Name: none\nVersion: 1\nRelease: 1\nSummary: test\nLicense: none\n\
                            BuildArch: noarch\n%description\ntest\n"
                .to_owned();
            for package in packages {
                let (head, tags) = package.split_once(':').unwrap_or((package, ""));
                let (name, version) = head.split_once(' ').unwrap();
                write!(
                    text,
                    "%package -n {name}\nSummary: test\nVersion: {version}\n"
                )
                .unwrap();
                for tag in tags.split(';').map(str::trim) {
                    text += tag;
                    text += "\n";
                }
                write!(text, "%description -n {name}\ntest\n%files -n {name}\n").unwrap();
            }
            let spec = small.join(format!("{number}.spec"));
            fs_err::write(&spec, text).unwrap();
            run(Command::new("rpmbuild")
                .args(["-bb", "--quiet", "--define=_binary_payload w0.gzdio"])
                .arg(format!("--define=_topdir {}", small.display()))
                .arg(spec));
        }
        run(Command::new("createrepo_c").arg("--quiet").arg(small));
        let gzip = fs_err::File::open(file_of(small, "-primary.xml.gz")).unwrap();
        let mut index = Index::new("x86_64", None);
        let reader = std::io::BufReader::new(flate2::read::GzDecoder::new(gzip));
        index.add(reader, "x").unwrap();
        let index = index.finish();
        let primary = small.join("primary.solv");
        let converted = Command::new("sh")
            .args(["-c", "zcat \"$0\" | rpmmd2solv > \"$1\""])
            .arg(file_of(small, "-primary.xml.gz"))
            .arg(primary)
            .stdout(Stdio::null())
            .status();
        assert!(converted.unwrap().success(), "./test names the packages");
        Self { folder, index }
    }

    /// What guestmark chooses, as `name-version`.
    fn ours(&self, names: &[&str]) -> Option<Vec<String>> {
        let choice = Choice::new(&self.index, &[], &[]);
        let wanted: Vec<_> = names.iter().map(|name| choice.wanted(name)).collect();
        let chosen = solve(&choice, &wanted).ok()?.into_iter();
        let chosen = chosen.map(|id| choice.label(id).replace(' ', "-"));
        Some(chosen.collect())
    }

    /// What libsolv chooses; `None` if nothing fits.
    fn libsolv(&self, jobs: impl Iterator<Item = String>) -> Option<Vec<String>> {
        let mut case = "repo available 0 solv primary.solv\nsystem noarch rpm\n\
                        solverflags ignorerecommended\n"
            .to_owned();
        for job in jobs {
            writeln!(case, "job install {job}").unwrap();
        }
        case += "result transaction,problems\n";
        let path = self.folder.path().join("case.t");
        fs_err::write(&path, case).unwrap();
        let output = Command::new("testsolv")
            .arg("-r")
            .arg(path)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        if text.lines().any(|line| line.starts_with("problem ")) {
            return None;
        }
        let installed = text
            .lines()
            .filter_map(|line| line.strip_prefix("install "));
        let installed = installed.map(|one| one.replace(".noarch@available", ""));
        let mut installed: Vec<_> = installed.collect();
        installed.sort();
        Some(installed)
    }

    /// What dnf would install.
    fn dnf(&self, names: &[&str]) -> Vec<String> {
        let small = self.folder.path();
        let root = tempfile::tempdir().unwrap();
        let downloads = root.path().join("downloads");
        run(Command::new("dnf")
            .args([
                "-y",
                "--quiet",
                "--downloadonly",
                "--nogpgcheck",
                "--repo=small",
            ])
            .args(["--releasever=1", "--forcearch=x86_64"])
            .args([
                "--setopt=install_weak_deps=0",
                "--setopt=reposdir=/nonexistent",
            ])
            .arg(format!("--installroot={}", root.path().display()))
            .arg(format!("--setopt=cachedir={}/cache", root.path().display()))
            .arg(format!("--setopt=logdir={}", root.path().display()))
            .arg(format!("--destdir={}", downloads.display()))
            .arg(format!("--repofrompath=small,file://{}", small.display()))
            .arg("install")
            .args(names));
        let files = fs_err::read_dir(downloads).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.map(|name| name.replace(".noarch.rpm", "")).collect();
        names.sort();
        names
    }
}

fn file_of(folder: &Path, end: &str) -> PathBuf {
    let files = fs_err::read_dir(folder.join("repodata")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    paths
        .find(|path| path.to_string_lossy().ends_with(end))
        .unwrap()
}

fn by_name(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("name {name}")).collect()
}

/// Release 1 of version 1 of each: what these tests' packages mostly are.
fn first(names: &str) -> Vec<String> {
    names.split(' ').map(|name| format!("{name}-1-1")).collect()
}

#[test]
fn rich_dependencies_bring_what_libsolv_brings() {
    let expressions = [
        ("and", "Requires: (a and b)"),
        ("or", "Requires: (missing or b)"),
        ("if", "Requires: (a if b)"),
        ("else", "Requires: (b if d else c)"),
        ("nested", "Requires: ((a and c) if (b or d))"),
        ("deep", "Requires: ((a if b) and (c if (b and d)))"),
        ("with", "Requires: (cap with other)"),
        ("without", "Requires: (cap without other)"),
        ("version", "Requires: (cap >= 2 with other)"),
        ("self", "Provides: own; Requires: (a if own)"),
        ("not", "Conflicts: (a and b)"),
        ("unless", "Conflicts: (a unless b)"),
        ("selfless", "Provides: own; Conflicts: (own unless b)"),
        ("otherwise", "Conflicts: (a unless b else c)"),
        ("impossible", "Requires: (missing if (a or b))"),
        ("weak", "Recommends: a; Suggests: b; Supplements: c"),
    ];
    let mut packages = [
        "a 1",
        "b 1",
        "c 1: Provides: cap = 1",
        "d 1: Provides: other",
    ]
    .map(str::to_owned)
    .to_vec();
    packages.push("e 1: Provides: cap = 2; Provides: other".to_owned());
    packages.extend(expressions.map(|(name, tags)| format!("{name} 1: {tags}")));
    let small = Small::new(&packages);
    let (mut impossible, mut different) = (0, Vec::new());
    for (name, tags) in expressions {
        for more in [
            "", "a", "b", "c", "d", "a b", "b d", "c d", "a c", "a b c d",
        ] {
            let names: Vec<&str> = std::iter::once(name)
                .chain(more.split_whitespace())
                .collect();
            let ours = small.ours(&names);
            let theirs = small.libsolv(by_name(&names).into_iter());
            if ours != theirs {
                different.push(format!("{tags} with {more}: {ours:?}, {theirs:?}"));
            }
            impossible += usize::from(ours.is_none());
        }
    }
    assert_eq!(different, [""; 0]);
    assert_eq!(small.ours(&["if"]), Some(first("if")));
    assert_eq!(small.ours(&["if", "b"]), Some(first("a b if")));
    assert_eq!(small.ours(&["not", "a", "b"]), None);
    assert!((10..40).contains(&impossible), "{impossible}");
}

/// Expressions at random, of the forms that rpmbuild admits.
struct Expressions(u32);

impl Expressions {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % bound
    }

    fn capability(&mut self) -> String {
        const NAMES: [&str; 7] = ["a", "b", "c", "d", "ab", "bc = 2", "bc >= 1"];
        NAMES[self.below(7) as usize].to_owned()
    }

    /// A requirement; `or` admits no `if` within it.
    fn requires(&mut self, depth: u32, conditional: bool) -> String {
        if depth == 0 {
            return self.capability();
        }
        let inner = depth - 1;
        match self.below(if conditional { 6 } else { 4 }) {
            0 => format!(
                "({} and {})",
                self.requires(inner, conditional),
                self.requires(inner, conditional)
            ),
            1 => format!(
                "({} or {})",
                self.requires(inner, false),
                self.requires(inner, false)
            ),
            2 => format!("({} with {})", self.capability(), self.capability()),
            3 => format!("({} without {})", self.capability(), self.capability()),
            4 => format!(
                "({} if {})",
                self.requires(inner, true),
                self.requires(inner, false)
            ),
            _ => format!(
                "({} if {} else {})",
                self.requires(inner, true),
                self.requires(inner, false),
                self.requires(inner, true)
            ),
        }
    }

    fn conflicts(&mut self) -> String {
        match self.below(4) {
            0 => format!("({} and {})", self.capability(), self.requires(1, false)),
            1 => format!("({} or {})", self.capability(), self.capability()),
            2 => format!("({} unless {})", self.capability(), self.capability()),
            _ => format!(
                "({} unless {} else {})",
                self.capability(),
                self.capability(),
                self.capability()
            ),
        }
    }
}

/// What fits is found if libsolv finds anything, and libsolv agrees that it fits.
#[test]
fn rich_dependencies_at_random_are_satisfied_when_libsolv_can_satisfy_them() {
    let mut expressions = Expressions(7);
    let mut packages = [
        "a 1: Provides: ab; Provides: bc = 1",
        "b 1: Provides: ab; Provides: bc = 2",
        "c 1: Provides: bc = 3",
        "d 1: Conflicts: c",
        "d 2: Requires: (a if c)",
    ]
    .map(str::to_owned)
    .to_vec();
    let names: Vec<String> = (0..40).map(|number| format!("app{number}")).collect();
    for name in &names {
        let requires = loop {
            let text = expressions.requires(2, true);
            if text.starts_with('(') {
                break text;
            }
        };
        let conflicts = expressions.conflicts();
        packages.push(format!(
            "{name} 1: Requires: {requires}; Conflicts: {conflicts}"
        ));
    }
    let small = Small::new(&packages);
    let mut impossible = 0;
    for number in 0..names.len() {
        let second = (number * 7 + 1) % names.len();
        for more in [
            &[][..],
            &["a"],
            &["b"],
            &["c", "d"],
            &[names[second].as_str()],
        ] {
            let wanted = [&[names[number].as_str()], more].concat();
            let shown = format!(
                "{wanted:?}: {:?}",
                [&packages[number + 5], &packages[second + 5]]
            );
            let theirs = small.libsolv(by_name(&wanted).into_iter());
            let ours = small.ours(&wanted);
            assert_eq!(
                ours.is_some(),
                theirs.is_some(),
                "{shown}: {ours:?}, {theirs:?}"
            );
            if let Some(ours) = ours {
                let jobs = ours.iter().map(|label| {
                    let (name, version) = label.split_once('-').unwrap();
                    format!("name {name} = {version}")
                });
                assert_eq!(small.libsolv(jobs), Some(ours.clone()), "{shown}");
            } else {
                impossible += 1;
            }
        }
    }
    assert!((10..150).contains(&impossible), "{impossible}");
}

#[test]
fn obsolete_packages_give_way_as_they_do_in_dnf() {
    let small = Small::new(
        &[
            "old 1",
            "new 1: Obsoletes: old < 2",
            "given 1",
            "giver 1: Obsoletes: given < 2; Provides: given = 2",
            "part 1",
            "part 3",
            "heir 1: Obsoletes: part < 2",
            "early 1",
            "early 3",
            "late-heir 1: Obsoletes: early < 2",
            "twice 1",
            "one-heir 1: Obsoletes: twice",
            "other-heir 2: Obsoletes: twice",
            "wants-old 1: Requires: old",
            "wants-given 1: Requires: given",
            "wants-part 1: Requires: part >= 3",
            "hates-given 1: Conflicts: given >= 2",
        ]
        .map(str::to_owned),
    );
    for (names, expected) in [
        (&["old"][..], &["new-1-1"][..]),
        (&["given"], &["giver-1-1"]),
        (&["part"], &["heir-1-1"]),
        (&["early"], &["early-3-1"]),
        (&["twice"], &["one-heir-1-1"]),
        (&["wants-old"], &["old-1-1", "wants-old-1-1"]),
        (&["wants-given"], &["giver-1-1", "wants-given-1-1"]),
        (&["wants-part"], &["part-3-1", "wants-part-1-1"]),
        (
            &["hates-given", "wants-given"],
            &["given-1-1", "hates-given-1-1", "wants-given-1-1"],
        ),
    ] {
        assert_eq!(small.dnf(names), expected, "{names:?}");
        assert_eq!(small.ours(names).unwrap(), expected, "{names:?}");
    }
    assert_eq!(small.ours(&["wants-old", "new"]), None);
    let jobs = by_name(&["wants-old", "new"]);
    assert_eq!(small.libsolv(jobs.into_iter()), None);
}
