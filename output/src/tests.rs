use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

const MARK: &str = "origins.json";

/// The output directory that a test, run again in a process of its own, is to write.
const ROLE: &str = "GUESTMARK_TEST_OUTPUT";

/// This test program, running only the test `name`, through a shell that first does `before`.
fn rerun(name: &str, before: &str, output: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("tests::{name}")])
        .args(["--nocapture", "--test-threads=1"])
        .env(ROLE, output);
    command
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    (folder, path)
}

/// Every name in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn build(path: &Path, content: &str) -> Vec<Artifact> {
    let output = OutputDirectory::begin(path, MARK).unwrap();
    for name in ["rootfs.img", MARK] {
        output
            .create(name)
            .unwrap()
            .write_all(content.as_bytes())
            .unwrap();
    }
    output.commit().unwrap()
}

fn refusal(path: &Path) -> String {
    OutputDirectory::begin(path, MARK).unwrap_err().to_string()
}

#[test]
fn a_directory_appears_when_it_is_committed_and_not_before() {
    let (folder, path) = folder();
    let output = OutputDirectory::begin(&path, MARK).unwrap();
    output.create(MARK).unwrap().write_all(b"{}").unwrap();
    assert!(!path.exists());
    output.commit().unwrap();
    assert_eq!(names(&path), [SUMS_NAME, MARK]);
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn the_list_is_one_that_sha256sum_accepts() {
    let (_folder, path) = folder();
    let artifacts = build(&path, "content");
    let listed: Vec<_> = artifacts
        .iter()
        .map(|file| (&*file.name, file.size))
        .collect();
    assert_eq!(listed, [(MARK, 7), ("rootfs.img", 7)]);
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", SUMS_NAME])
        .current_dir(&path)
        .output()
        .expect("sha256sum runs (Debian package coreutils)");
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "origins.json: OK\nrootfs.img: OK\n"
    );
}

#[test]
fn an_abandoned_output_leaves_nothing_and_changes_nothing() {
    let (folder, path) = folder();
    build(&path, "earlier");
    let output = OutputDirectory::begin(&path, MARK).unwrap();
    output.create(MARK).unwrap().write_all(b"half").unwrap();
    drop(output);
    assert_eq!(fs_err::read(path.join(MARK)).unwrap(), b"earlier");
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn an_earlier_output_is_replaced_whole() {
    let (folder, path) = folder();
    build(&path, "earlier");
    let output = OutputDirectory::begin(&path, MARK).unwrap();
    output.create(MARK).unwrap().write_all(b"later").unwrap();
    output.commit().unwrap();
    assert_eq!(fs_err::read(path.join(MARK)).unwrap(), b"later");
    assert_eq!(names(&path), [SUMS_NAME, MARK]);
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn an_empty_directory_is_replaced() {
    let (_folder, path) = folder();
    fs_err::create_dir(&path).unwrap();
    build(&path, "content");
    assert!(path.join(MARK).exists());
}

#[test]
fn what_guestmark_did_not_write_is_refused() {
    let (_folder, path) = folder();
    let shown = path.display();
    let expected = |found: &str| {
        format!("{shown} {found}; nothing was changed: remove it or choose another output")
    };

    fs_err::write(&path, "a file").unwrap();
    assert_eq!(
        refusal(&path),
        expected("is not a directory, and the output is one")
    );
    fs_err::remove_file(&path).unwrap();

    fs_err::create_dir(&path).unwrap();
    fs_err::write(path.join("thesis.tex"), "").unwrap();
    let no_list =
        expected("is not an output of guestmark: it has no SHA256SUMS that lists origins.json");
    assert_eq!(refusal(&path), no_list);

    // Somebody else's downloads, with their list.
    let list = format!("{}  thesis.tex\n", "a5".repeat(32));
    fs_err::write(path.join(SUMS_NAME), list).unwrap();
    assert_eq!(refusal(&path), no_list);
    fs_err::remove_dir_all(&path).unwrap();

    build(&path, "content");
    fs_err::write(path.join("notes.txt"), "").unwrap();
    assert_eq!(
        refusal(&path),
        expected(
            "is not an output of guestmark: it holds notes.txt, which SHA256SUMS does not list"
        )
    );
    fs_err::remove_file(path.join("notes.txt")).unwrap();
    fs_err::create_dir(path.join("keys")).unwrap();
    assert_eq!(
        refusal(&path),
        expected("is not an output of guestmark: it holds keys, which is no file")
    );
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let (folder, path) = folder();
    let target = folder.path().join("target");
    fs_err::create_dir(&target).unwrap();
    symlink(&target, &path).unwrap();
    let expected = format!(
        "{} is a symbolic link, which is not followed; nothing was changed: remove it or choose \
         another output",
        path.display()
    );
    assert_eq!(refusal(&path), expected);
    assert_eq!(OutputFile::begin(&path).unwrap_err().to_string(), expected);
    assert!(names(&target).is_empty());
}

#[test]
fn what_comes_into_the_way_during_a_build_is_kept() {
    let (folder, path) = folder();
    let output = OutputDirectory::begin(&path, MARK).unwrap();
    output.create(MARK).unwrap();
    fs_err::create_dir(&path).unwrap();
    fs_err::write(path.join("thesis.tex"), "").unwrap();
    assert!(matches!(output.commit(), Err(OutputError::InTheWay { .. })));
    assert_eq!(names(&path), ["thesis.tex"]);
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn only_plain_names_enter_an_output_directory() {
    let (_folder, path) = folder();
    let output = OutputDirectory::begin(&path, MARK).unwrap();
    assert_eq!(
        output.create("../escape").unwrap_err().to_string(),
        "\"../escape\" is not a plain file name; output directories hold plain files only"
    );
}

#[test]
fn a_path_without_a_name_is_refused() {
    for path in ["/", "..", "out/.."] {
        assert!(
            matches!(
                OutputFile::begin(Path::new(path)),
                Err(OutputError::NoName(_) | OutputError::InTheWay { .. })
            ),
            "{path}"
        );
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let missing = Path::new("/nonexistent/out");
    let unwritable = Path::new("/sys/out");
    for path in [missing, unwritable] {
        let expected = format!("cannot write beside {}: ", path.display());
        for message in [
            refusal(path),
            OutputFile::begin(path).unwrap_err().to_string(),
        ] {
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}

#[test]
fn a_file_appears_when_it_is_committed_and_replaces_an_earlier_one() {
    let (folder, path) = folder();
    for content in ["earlier", "later"] {
        let output = OutputFile::begin(&path).unwrap();
        output.file().write_all(content.as_bytes()).unwrap();
        assert!(fs_err::read_to_string(&path).unwrap_or_default() != content);
        output.commit().unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), content);
    }
    drop(OutputFile::begin(&path).unwrap());
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "later");
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    if let Some(path) = env::var_os(ROLE) {
        build(Path::new(&path), "content");
        let file = OutputFile::begin(&Path::new(&path).with_extension("img")).unwrap();
        return file.commit().unwrap();
    }
    for umask in ["000", "077"] {
        let (folder, path) = folder();
        let before = format!("umask {umask};");
        let child = rerun("modes_do_not_depend_on_the_umask", &before, &path).output();
        assert!(child.unwrap().status.success());
        let mode = |path: &Path| fs_err::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&path), 0o755);
        assert_eq!(mode(&folder.path().join("out.img")), 0o644);
        for name in names(&path) {
            assert_eq!(mode(&path.join(&name)), 0o644, "{name}");
        }
    }
}

#[test]
fn what_a_killed_build_leaves_is_removed_by_the_next_and_never_taken_for_output() {
    if let Some(path) = env::var_os(ROLE) {
        let output = OutputDirectory::begin(Path::new(&path), MARK).unwrap();
        output.create(MARK).unwrap().write_all(b"half").unwrap();
        println!("\nwritten");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let (folder, path) = folder();
    let name = "what_a_killed_build_leaves_is_removed_by_the_next_and_never_taken_for_output";
    let mut child = rerun(name, "", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "written"));

    // While it lives, another build of the same output leaves its work alone.
    build(&path, "other");
    assert_eq!(names(folder.path()).len(), 2);

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(fs_err::read(path.join(MARK)).unwrap(), b"other");

    build(&path, "next");
    assert_eq!(names(folder.path()), ["out"]);
    assert_eq!(fs_err::read(path.join(MARK)).unwrap(), b"next");
}

#[test]
fn a_full_disk_leaves_nothing_and_the_message_names_the_file() {
    if let Some(path) = env::var_os(ROLE) {
        let path = Path::new(&path);
        let output = OutputDirectory::begin(path, MARK).unwrap();
        let mut file = output.create("rootfs.img").unwrap();
        let error = (0..64)
            .try_for_each(|_| file.write_all(&[0x5a; 1 << 16]))
            .unwrap_err();
        drop((file, output));
        let left = names(path.parent().unwrap());
        println!("\nfull: {error}; left: {left:?}");
        return;
    }
    let (folder, path) = folder();
    // A small tmpfs in a mount namespace; where mounting is not allowed, a limit on the size of
    // files, which stops the same write.
    let place = folder.path().display();
    let tmpfs = format!("mount -t tmpfs -o size=256k tmpfs {place}");
    let unshare = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let may_mount = Command::new("unshare").args(unshare).arg(&tmpfs).status();
    let may_mount = may_mount.expect("unshare runs (Debian package util-linux)");

    let name = "a_full_disk_leaves_nothing_and_the_message_names_the_file";
    let (mut child, reason) = if may_mount.success() {
        let inner = rerun(name, &format!("{tmpfs} &&"), &path);
        let mut child = Command::new("unshare");
        child.args(&unshare[..3]).arg(inner.get_program());
        child.args(inner.get_args()).env(ROLE, &path);
        (child, "No space left on device")
    } else {
        let limit = "trap '' XFSZ; ulimit -f 256;";
        (rerun(name, limit, &path), "File too large")
    };
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.lines().find(|line| line.starts_with("full: "));
    let said = said.unwrap_or_else(|| panic!("{output:?}"));
    let file = path.join("rootfs.img").display().to_string();
    assert!(said.contains(&file) && said.contains(reason), "{said}");
    assert!(said.ends_with("left: []"), "{said}");
}
