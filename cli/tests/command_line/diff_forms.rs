//! `diff` of what is not a whole build, and the forms in which it answers.

use std::path::Path;

use crate::diff::{diff, document, files};
use crate::diff_guests::{Guest, Seed, base};
use crate::guestmark;
use crate::tools::Tool;

#[test]
fn without_data_hash_trees_and_origins_are_enough() {
    let strip = |guest: &Guest, folder: &Path| {
        fs_err::create_dir(folder).unwrap();
        for name in ["measurement.json", "origins.json"] {
            fs_err::copy(guest.out().join(name), folder.join(name)).unwrap();
        }
        // Partition 2 of the disk: sectors as sfdisk prints them.
        let disk = fs_err::read(guest.out().join("tiny.img")).unwrap();
        let entry = &disk[2 * 512 + 128..];
        let sector = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
        let byte = |sector: u64| usize::try_from(sector).unwrap() * 512;
        let partition = &disk[byte(sector(32))..byte(sector(40) + 1)];
        fs_err::write(folder.join("tiny.img.hash"), partition).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[2].1[5000] ^= 1;
    strip(base(), &old);
    strip(&seed.build(), &new);
    let document = document(&old.join("measurement.json"), &new);
    let verdict = document["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("changed: 1 package: tiny-base 1.0 -> 1.1"),
        "{verdict}"
    );
    assert_eq!(document["rootfs"]["compared_by"], "hash-trees");
    assert_eq!(files(&document), [("/usr/lib/libbig.so", "changed")]);
    // What was not looked at is said.
    let unexplained = document["unexplained"][0].as_str().unwrap();
    assert!(
        unexplained.starts_with("tiny.igvm is not there on both sides"),
        "{unexplained}"
    );
}

#[test]
fn bare_files_are_told_apart_by_what_they_show() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[2].1[5000] ^= 1;
    let guest = seed.build();
    let file = |guest: &Guest, name: &str| guest.out().join(name);
    let disks = document(&file(base(), "tiny.img"), &file(&guest, "tiny.img"));
    let verdict = "root hash changed: file /usr/lib/libbig.so";
    assert_eq!(disks["verdict"], verdict);
    assert_eq!(disks["unexplained"], serde_json::json!([]));
    let igvm = document(&file(base(), "tiny.igvm"), &file(&guest, "tiny.igvm"));
    let verdict = igvm["verdict"].as_str().unwrap();
    let start = "launch digest under qemu-kvm changed: command line guest.verity=";
    assert!(verdict.starts_with(start), "{verdict}");
    assert_eq!(igvm["unexplained"], serde_json::json!([]));
}

#[test]
fn two_builds_of_one_recipe_are_the_same() {
    let (status, text) = diff(&base().out(), &base().out(), &[]);
    assert_eq!(status, 0);
    assert_eq!(text, "launch digest under qemu-kvm is the same\n");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let out = base().out();
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("notes.txt"), "no image").unwrap();
    let (igvm, disk) = (out.join("tiny.igvm"), out.join("tiny.img"));
    let refused = |old: &Path, new: &Path, message: &str| {
        let mut command = guestmark(folder.path());
        let assert = command
            .arg("diff")
            .arg(old)
            .arg(new)
            .assert()
            .code(2)
            .stdout("");
        assert.stderr(format!("guestmark: {message}\n"));
    };
    refused(
        Path::new("notes.txt"),
        &disk,
        "notes.txt: neither an IGVM file, a disk image with a GPT, an EROFS image nor a manifest; \
         give one of these, or the output directory of `guestmark build`",
    );
    refused(
        Path::new("."),
        &disk,
        ".: no measurement.json in this folder; give the output directory of `guestmark build`, a \
         release, an IGVM file or a disk image",
    );
    let message = format!(
        "{} is an IGVM file, {} is a disk image; compare two of one kind, or two output directories",
        igvm.display(),
        disk.display()
    );
    refused(&igvm, &disk, &message);
}

const CHROMIUM: Tool = Tool {
    command: "chromium",
    package: "chromium",
};

#[test]
fn the_page_stands_alone_and_a_browser_draws_it() {
    let mut seed = Seed::base().with("production = \"quiet ", "production = \"<quiet> ");
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[2].1.extend([7; 30_000]);
    let guest = seed.build();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("diff.html");
    let options = ["--html", page.to_str().unwrap(), "--markdown"];
    let (_, markdown) = diff(&base().out(), &guest.out(), &options);
    assert!(markdown.starts_with("### :warning: launch digest under qemu-kvm changed: "));
    assert!(
        markdown.contains("&lt;quiet&gt;") && !markdown.contains("<quiet>"),
        "{markdown}"
    );

    let text = fs_err::read_to_string(&page).unwrap();
    for foreign in [
        "<script", "http:", "https:", "<link", "@import", "src=", "<quiet>",
    ] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    let run = |options: &[&str]| {
        let address = format!("file://{}", page.display());
        let profile = format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        );
        let plain = ["--headless", "--no-sandbox", "--disable-gpu", &profile];
        let mut command = std::process::Command::new(CHROMIUM.command);
        command.args(plain).args(options).arg(address);
        CHROMIUM.succeeded(CHROMIUM.run(&mut command))
    };
    // What the browser made of it: every region and every package is an area.
    let drawn = run(&["--dump-dom"]);
    assert!(
        drawn.contains("<title>command line: changed</title>"),
        "{drawn}"
    );
    assert!(
        drawn.contains("<g class=\"changed\"><title>tiny-base: "),
        "{drawn}"
    );
    assert!(
        drawn.contains("<g class=\"same\"><title>tiny-data: "),
        "{drawn}"
    );
    assert!(drawn.trim_end().ends_with("</body></html>"), "{drawn}");
    let picture = folder.path().join("page.png");
    run(&[
        "--window-size=1240,1600",
        &format!("--screenshot={}", picture.display()),
    ]);
    let picture = fs_err::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    // An empty page of this size takes a few kilobytes.
    assert!(picture.len() > 40_000, "{} bytes", picture.len());
}
