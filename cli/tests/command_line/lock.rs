//! `lock` of a recipe whose archive is a folder.

use crate::archive::Tiny;
use crate::schema::conforms;
use crate::{guestmark, json, refused, stdout};

#[test]
fn a_lock_pins_every_package_and_names_the_key_that_signed() {
    let tiny = Tiny::new();
    let document = json(tiny.path(), &tiny.lock(&[]));
    conforms(&document, "lock");
    assert_eq!(document["packages"], 3);
    assert_eq!(document["file"], "tiny/recipe.lock.json");
    let changes = document["changes"].as_array().unwrap();
    let names: Vec<_> = changes.iter().map(|change| change["package"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny-base", "tiny-kernel", "tiny-tool"]);
    let key = document["indexes"][0]["signed_by"][0].as_str().unwrap();
    assert!(tiny.read("recipe.lock.json").contains(key));
}

#[test]
fn locking_again_changes_nothing_and_says_so_in_80_columns() {
    let tiny = Tiny::locked();
    let before = tiny.read("recipe.lock.json");
    let said = stdout(tiny.path(), &tiny.lock(&[]));
    assert_eq!(tiny.read("recipe.lock.json"), before);
    assert!(said.starts_with("tiny tiny of Sat, 11 Jul 2026 10:00:00 UTC, signed by\n  "), "{said}");
    assert!(said.contains("\nNo package changed.\n3 packages, "), "{said}");
    assert!(said.ends_with("pinned in tiny/recipe.lock.json\n"), "{said}");
    assert!(said.lines().all(|line| line.len() <= 80), "{said}");
}

#[test]
fn a_folder_without_a_recipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["lock", "build"] {
        refused(
            folder.path(),
            &[command, "missing"],
            "missing/recipe.toml: no recipe; give the folder that holds one",
        );
    }
}

#[test]
fn an_unknown_key_of_a_recipe_is_refused_with_its_place() {
    let tiny = Tiny::new();
    tiny.change("recipe.toml", "\nname = \"tiny\"\n", "\nname = \"tiny\"\ncolour = \"red\"\n");
    let message = "tiny/recipe.toml:3:1: unknown field `colour`, expected one of `name`, \
                   `description`, `architecture`";
    refused(tiny.path(), &tiny.lock(&[]), message);
    refused(tiny.path(), &tiny.build(&[]), message);
}

#[test]
fn an_archive_without_a_mirror_is_refused_with_all_four_ways_to_name_one() {
    let tiny = Tiny::new();
    let configuration = tiny.path().join("config/guestmark/config.toml");
    refused(
        tiny.path(),
        &["lock", "tiny", "--store", "store"],
        &format!(
            "no mirror is known for archive \"tiny\" (suite tiny); give one in one of four ways:\n  \
             --mirror tiny=URL\n  \
             the environment variable GUESTMARK_MIRROR_TINY=URL\n  \
             tiny = \"URL\" under [mirrors] in {}\n  \
             on Debian-like systems, the suite tiny of a Debian archive in the apt sources",
            configuration.display()
        ),
    );
}

#[test]
fn an_index_signed_by_a_stranger_is_refused_and_nothing_is_locked() {
    let tiny = Tiny::new();
    tiny.write("key.asc", include_str!("../../../recipes/debian-12/keys/debian-release-bookworm.asc"));
    let assert = guestmark(tiny.path()).args(tiny.lock(&[])).assert().code(2).stdout("");
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(said.contains("dists/tiny/InRelease: ") && said.contains("sign"), "{said}");
    assert!(!tiny.path().join("tiny/recipe.lock.json").exists());
}

#[test]
fn a_package_that_the_archive_lacks_is_refused() {
    let tiny = Tiny::new();
    tiny.change("recipe.toml", "names = [\"tiny-base\"]", "names = [\"tiny-bass\"]");
    let assert = guestmark(tiny.path()).args(tiny.lock(&[])).assert().code(2).stdout("");
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(said.starts_with("guestmark: rootfs.packages cannot be installed together:\n"), "{said}");
    assert!(said.contains("tiny-bass"), "{said}");
}
