use super::*;

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::new(Sha256::digest(bytes).into())
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Some(folder.path())).unwrap();
    (folder, store)
}

/// Every file below `folder`, relative, sorted.
fn files(folder: &Path) -> Vec<String> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap();
            path.display().to_string()
        })
        .collect()
}

#[test]
fn what_is_inserted_is_found_under_its_digest() {
    let (_folder, store) = store();
    let wanted = digest(b"package");
    assert!(store.get(&wanted).unwrap().is_none());
    let path = store.insert(&wanted, 7, &b"package"[..]).unwrap();
    assert_eq!(store.get(&wanted).unwrap(), Some(path.clone()));
    assert_eq!(fs_err::read(path).unwrap(), b"package");
    let name = wanted.to_string();
    assert_eq!(
        files(store.root()),
        [format!("sha256/{}/{name}", &name[..2])]
    );
}

#[test]
fn another_hash_is_never_stored() {
    let (_folder, store) = store();
    let wanted = digest(b"package");
    let error = store.insert(&wanted, 7, &b"forgery"[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "expected 7 bytes with SHA-256 {wanted}, found SHA-256 {}; nothing is stored",
            digest(b"forgery")
        )
    );
    assert!(store.get(&wanted).unwrap().is_none());
    assert_eq!(fs_err::read(store.partial_place(&wanted)).unwrap(), b"");
}

#[test]
fn longer_and_shorter_content_is_refused() {
    let (_folder, store) = store();
    let wanted = digest(b"package");
    let longer = store.insert(&wanted, 7, &b"packages"[..]).unwrap_err();
    assert_eq!(
        longer.to_string(),
        "expected 7 bytes, found 8; nothing is stored"
    );
    let shorter = store.insert(&wanted, 7, &b"pack"[..]).unwrap_err();
    assert_eq!(
        shorter.to_string(),
        "expected 7 bytes, found 4; nothing is stored"
    );
    assert!(store.get(&wanted).unwrap().is_none());
}

#[test]
fn a_file_damaged_on_disk_counts_as_missing() {
    let (_folder, store) = store();
    let wanted = digest(b"package");
    let path = store.insert(&wanted, 7, &b"package"[..]).unwrap();
    fs_err::remove_file(&path).unwrap();
    fs_err::write(&path, b"pockage").unwrap();
    assert!(store.get(&wanted).unwrap().is_none());
    store.insert(&wanted, 7, &b"package"[..]).unwrap();
    assert!(store.get(&wanted).unwrap().is_some());
}

#[test]
fn an_interrupted_attempt_is_continued_but_not_trusted() {
    let (_folder, store) = store();
    let wanted = digest(b"package");
    let Begun::Partial(mut partial) = store.begin(&wanted, 7).unwrap() else {
        panic!("the store is empty");
    };
    partial.append(b"pack").unwrap();
    drop(partial);
    assert!(store.get(&wanted).unwrap().is_none());

    let Begun::Partial(mut partial) = store.begin(&wanted, 7).unwrap() else {
        panic!("the file is not whole yet");
    };
    assert_eq!(partial.length(), 4);
    partial.append(b"age").unwrap();
    assert!(matches!(partial.finish().unwrap(), Finished::Whole(_)));

    let other = digest(b"another");
    fs_err::write(store.partial_place(&other), b"anything").unwrap();
    let Begun::Partial(partial) = store.begin(&other, 7).unwrap() else {
        panic!("a partial file is never the file itself");
    };
    assert_eq!(partial.length(), 0, "longer than the file can be");
}

#[test]
fn several_writers_of_one_file_agree() {
    let (_folder, store) = store();
    let content = vec![7; 3 * CHUNK];
    let wanted = digest(&content);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let path = store
                    .insert(&wanted, content.len() as u64, &content[..])
                    .unwrap();
                assert_eq!(fs_err::read(path).unwrap(), content);
            });
        }
    });
    assert!(store.get(&wanted).unwrap().is_some());
}
