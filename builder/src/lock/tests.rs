use super::*;

const LOCK: &str = r#"{
  "version": 1,
  "indexes": {
    "debian": {
      "suite": "bookworm",
      "date": "Sat, 11 Jul 2026 10:16:37 UTC",
      "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "signed_by": [
        "4D64FEC119C2029067D6E791F8D2585B8783D481"
      ]
    }
  },
  "requests": {
    "rootfs": {
      "archive": "debian",
      "names": [
        "base-files"
      ],
      "provided": []
    }
  },
  "packages": [
    {
      "name": "base-files",
      "version": "12.4+deb12u15",
      "architecture": "amd64",
      "archive": "debian",
      "path": "pool/main/b/base-files/base-files_12.4+deb12u15_amd64.deb",
      "size": 70744,
      "sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      "sets": [
        "rootfs"
      ]
    }
  ]
}
"#;

fn message(text: &str) -> String {
    Lock::parse(text, "recipe.lock.json")
        .unwrap_err()
        .to_string()
}

#[test]
fn a_lock_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Lock::parse(LOCK, "recipe.lock.json").unwrap();
    assert_eq!(lock.to_text(), LOCK);
    let path = lock.write(folder.path()).unwrap();
    lock.write(folder.path()).unwrap();
    assert_eq!(fs_err::read_to_string(path).unwrap(), LOCK);
    assert_eq!(Lock::read(folder.path()).unwrap(), lock);
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_lock_names_the_command_that_makes_it() {
    let error = Lock::read(Path::new("recipes/none")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "recipes/none/recipe.lock.json: no lock; run `guestmark lock recipes/none` first"
    );
}

#[test]
fn packages_stand_in_order_whatever_the_file_says() {
    let mut lock = Lock::parse(LOCK, "recipe.lock.json").unwrap();
    let mut second = lock.packages[0].clone();
    second.name = "adduser".to_owned();
    lock.packages.push(second);
    let read = Lock::parse(&lock.to_text(), "recipe.lock.json").unwrap();
    let names: Vec<_> = read.set("rootfs").map(|package| &package.name).collect();
    assert_eq!(names, ["adduser", "base-files"]);
}

#[test]
fn what_is_not_a_lock_is_refused() {
    assert_eq!(
        message(&LOCK.replace("\"size\": 70744", "\"size\": -1")),
        "recipe.lock.json:29:16: invalid value: integer `-1`, expected u64"
    );
    assert_eq!(
        message(&LOCK.replace("\"version\": 1,", "\"version\": 2, \"more\": 1,")),
        "recipe.lock.json: lock version 2, this guestmark reads version 1; use the guestmark that \
         wrote it, or remove the file and make it anew with `guestmark lock`"
    );
    assert_eq!(
        message(&LOCK.replace("pool/main", "pool/../..")),
        "recipe.lock.json:28:74: \"pool/../../b/base-files/base-files_12.4+deb12u15_amd64.deb\" is \
         not a path in an archive: expected names joined by \"/\", none of them \"..\""
    );
    assert_eq!(
        message(&LOCK.replace(
            "\"archive\": \"debian\",\n      \"path\"",
            "\"archive\": \"other\",\n      \"path\""
        )),
        "recipe.lock.json: base-files 12.4+deb12u15 comes from archive \"other\", which has no \
         entry in \"indexes\"; remove the file and make it anew with `guestmark lock`"
    );
}

#[test]
fn a_package_stands_once() {
    let mut lock = Lock::parse(LOCK, "recipe.lock.json").unwrap();
    lock.packages.push(lock.packages[0].clone());
    assert_eq!(
        message(&lock.to_text()),
        "recipe.lock.json: base-files 12.4+deb12u15 stands twice; remove the file and make it \
         anew with `guestmark lock`"
    );
}
