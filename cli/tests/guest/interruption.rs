//! Builds that are stopped, and what is in the way of builds.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::artifacts::artifacts;
use crate::program::{command, folder, offline_build, run};

/// A build that has begun to write into `folder`.
fn build_in_the_middle(folder: &Path) -> Child {
    // Whoever runs the tests may have taken the interrupt away from them.
    let mut line = vec!["env".into(), "--default-signal=INT".into()];
    line.extend(offline_build(&artifacts().store, &folder.join("guest")));
    let mut build = command(&line);
    let mut build = build
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !has_begun(folder) {
        let ended = build.try_wait().unwrap();
        assert_eq!(ended, None, "the build ended before it wrote anything");
        sleep(Duration::from_millis(5));
    }
    build
}

/// Whether there is a hidden folder with a file that is not empty.
fn has_begun(folder: &Path) -> bool {
    let staged = names(folder)
        .into_iter()
        .filter(|name| name.starts_with('.'));
    staged.map(|name| folder.join(name)).any(|staged| {
        let files = fs_err::read_dir(staged).unwrap().map(Result::unwrap);
        files
            .filter_map(|file| file.metadata().ok())
            .any(|file| file.len() > 0)
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn sums(directory: &Path) -> String {
    fs_err::read_to_string(directory.join("SHA256SUMS")).unwrap()
}

#[test]
fn an_interrupted_build_leaves_no_output_and_the_next_one_no_trace_of_it() {
    let folder = folder();
    let output = folder.path().join("guest");
    for signal in ["KILL", "INT"] {
        let mut build = build_in_the_middle(folder.path());
        let id = build.id().to_string();
        run(
            &mut command(&["sh", "-c", "kill -$0 $1", signal, &id]),
            "dash",
        );
        assert_eq!(build.wait().unwrap().code(), None, "ended by SIG{signal}");
        assert!(!output.exists(), "SIG{signal}");
    }
    run(
        &mut command(&offline_build(&artifacts().store, &output)),
        "",
    );
    assert_eq!(names(folder.path()), ["guest"]);
    assert_eq!(sums(&output), sums(&artifacts().directory));
}

#[test]
fn a_build_replaces_an_earlier_one_whatever_became_of_its_bytes() {
    let folder = folder();
    let output = folder.path().join("guest");
    fs_err::create_dir(&output).unwrap();
    for name in names(&artifacts().directory) {
        fs_err::write(output.join(name), "damaged").unwrap();
    }
    let list = sums(&artifacts().directory);
    fs_err::write(output.join("SHA256SUMS"), &list).unwrap();
    run(
        &mut command(&offline_build(&artifacts().store, &output)),
        "",
    );
    assert_eq!(names(folder.path()), ["guest"]);
    let mut check = command(&["sha256sum", "--strict", "--check", "SHA256SUMS"]);
    run(check.current_dir(&output), "coreutils");
    assert_eq!(sums(&output), list);
}

#[test]
fn a_directory_that_no_build_made_is_left_alone() {
    let folder = folder();
    let output = folder.path().join("guest");
    fs_err::create_dir(&output).unwrap();
    fs_err::write(output.join("letter"), "dear").unwrap();
    let build = command(&offline_build(&artifacts().store, &output))
        .output()
        .unwrap();
    assert_eq!(build.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(build.stderr).unwrap(),
        format!(
            "guestmark: {} is not an output of guestmark: it has no SHA256SUMS that lists \
             measurement.json; nothing was changed: remove it or choose another output\n",
            output.display()
        )
    );
    assert_eq!(names(folder.path()), ["guest"]);
    assert_eq!(
        fs_err::read_to_string(output.join("letter")).unwrap(),
        "dear"
    );
}
