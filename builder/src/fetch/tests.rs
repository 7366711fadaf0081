use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::archive::MirrorSettings;
use crate::archive::testing::{self, Fault, Key, Repository, Server};
use crate::lock::{ArchivePath, LOCK_VERSION, SignedIndex};
use crate::progress::Silent;
use crate::store::Begun;

/// A web server, a store, and a lock of the files that the server has.
struct World {
    folder: tempfile::TempDir,
    server: Server,
    store: Store,
    lock: Lock,
}

impl World {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("mirror/pool")).unwrap();
        let packages = files.iter().map(|(name, content)| {
            let path = format!("pool/{name}_1.0_all.deb");
            fs_err::write(folder.path().join("mirror").join(&path), content).unwrap();
            LockedPackage {
                name: (*name).to_owned(),
                version: "1.0".to_owned(),
                architecture: "all".to_owned(),
                archive: "debian".to_owned(),
                path: ArchivePath::try_from(path).unwrap(),
                size: content.len() as u64,
                sha256: testing::sha256(content),
                time: None,
                sets: vec!["rootfs".to_owned()],
            }
        });
        let index = SignedIndex {
            suite: "bookworm".to_owned(),
            date: "Sat, 11 Jul 2026 10:16:37 UTC".to_owned(),
            sha256: testing::sha256(b""),
            signed_by: Vec::new(),
            snapshot: None,
        };
        let lock = Lock {
            version: LOCK_VERSION,
            indexes: BTreeMap::from([("debian".to_owned(), index)]),
            requests: BTreeMap::new(),
            packages: packages.collect(),
        };
        Self {
            server: Server::start(folder.path().join("mirror")),
            store: Store::open(Some(&folder.path().join("store"))).unwrap(),
            lock,
            folder,
        }
    }

    fn recipe(&self) -> Recipe {
        testing::recipe(self.folder.path(), &[])
    }

    fn fetch_from(&self, url: &str, progress: &dyn Progress) -> Result<Fetched<'_>, FetchError> {
        let recipe = self.recipe();
        let mirrors = testing::mirrors(&recipe, url);
        let network = Network::Mirrors {
            mirrors: &mirrors,
            now: "2001-09-10T00:00:00Z".parse().unwrap(),
        };
        fetch(&recipe, &self.lock, &self.store, network, progress)
    }

    fn fetch(&self) -> Result<Fetched<'_>, FetchError> {
        self.fetch_from(&self.server.url(), &Silent)
    }

    fn fetch_offline(&self) -> Result<Fetched<'_>, FetchError> {
        let network = Network::Offline;
        fetch(&self.recipe(), &self.lock, &self.store, network, &Silent)
    }

    fn message(&self) -> String {
        self.fetch().unwrap_err().to_string()
    }

    /// Leaves in the store what a killed download of the first package leaves.
    fn interrupted(&self, bytes: &[u8]) {
        let package = &self.lock.packages[0];
        let Begun::Partial(mut partial) = self.store.begin(&package.sha256, package.size).unwrap()
        else {
            panic!("the store is empty");
        };
        partial.append(bytes).unwrap();
    }
}

/// Counts what it is told.
#[derive(Default)]
struct Count {
    announced: AtomicU64,
    received: AtomicU64,
}

impl Progress for Count {
    fn step(&self, _name: &str) {}
    fn downloads(&self, _files: usize, bytes: u64) {
        self.announced.fetch_add(bytes, Ordering::SeqCst);
    }
    fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::SeqCst);
    }
    fn warning(&self, _message: &str) {}
}

const A: &[u8] = b"the content of a";
const B: &[u8] = b"the content of b, which is longer";

#[test]
fn files_are_downloaded_once_and_found_in_the_store_afterwards() {
    let world = World::new(&[("a", A), ("b", B), ("empty", b"")]);
    let count = Count::default();
    let fetched = world.fetch_from(&world.server.url(), &count).unwrap();
    let read = |index: usize| fs_err::read(&fetched.packages()[index].path).unwrap();
    assert_eq!(
        (read(0), read(1), read(2)),
        (A.to_vec(), B.to_vec(), Vec::new())
    );
    assert_eq!(fetched.set("rootfs").count(), 3);
    assert_eq!(fetched.set("kernel").count(), 0);
    let bytes = (A.len() + B.len()) as u64;
    assert_eq!(count.announced.into_inner(), bytes);
    assert_eq!(count.received.into_inner(), bytes);

    let requests = world.server.requests().len();
    world.fetch_offline().unwrap();
    world.fetch().unwrap();
    assert_eq!(world.server.requests().len(), requests);
}

#[test]
fn a_folder_can_be_a_mirror() {
    let world = World::new(&[("a", A)]);
    let url = format!("file://{}", world.folder.path().join("mirror").display());
    world.interrupted(&A[..5]);
    let fetched = world.fetch_from(&url, &Silent).unwrap();
    assert_eq!(fs_err::read(&fetched.packages()[0].path).unwrap(), A);
}

#[test]
fn offline_the_missing_packages_are_listed() {
    let world = World::new(&[("a", A), ("b", B)]);
    let offline = || {
        let error = world.fetch_offline().unwrap_err();
        error.to_string()
    };
    let store = world.store.root().display();
    assert_eq!(
        offline(),
        format!(
            "the store {store} lacks 2 packages of the lock, and offline nothing may be \
             downloaded:\n  a 1.0\n  b 1.0\nrun the same once without --offline"
        )
    );
    world
        .store
        .insert(&world.lock.packages[0].sha256, 16, A)
        .unwrap();
    assert_eq!(
        offline(),
        format!(
            "the store {store} lacks 1 package of the lock, and offline nothing may be \
             downloaded:\n  b 1.0\nrun the same once without --offline"
        )
    );
}

#[test]
fn a_killed_download_goes_on_where_it_stopped() {
    let world = World::new(&[("a", A)]);
    world.interrupted(&A[..5]);
    world.fetch().unwrap();
    assert_eq!(world.server.requests(), ["/pool/a_1.0_all.deb 5-"]);
}

#[test]
fn a_partial_file_is_not_trusted() {
    let world = World::new(&[("a", A)]);
    world.interrupted(b"wrong");
    let fetched = world.fetch().unwrap();
    assert_eq!(fs_err::read(&fetched.packages()[0].path).unwrap(), A);
    assert_eq!(
        world.server.requests(),
        ["/pool/a_1.0_all.deb 5-", "/pool/a_1.0_all.deb"]
    );

    let whole = World::new(&[("a", A)]);
    whole.interrupted(&[b'x'; A.len()]);
    whole.fetch().unwrap();
    assert_eq!(whole.server.requests(), ["/pool/a_1.0_all.deb"]);
}

#[test]
fn a_server_without_ranges_sends_the_file_anew() {
    let world = World::new(&[("a", A)]);
    world.interrupted(&A[..5]);
    world
        .server
        .fail("/pool/a_1.0_all.deb", [Fault::Content(A.to_vec())]);
    world.fetch().unwrap();
    assert_eq!(world.server.requests(), ["/pool/a_1.0_all.deb 5-"]);
}

#[test]
fn transient_failures_are_retried() {
    let world = World::new(&[("a", A)]);
    world.server.fail(
        "/pool/a_1.0_all.deb",
        [Fault::Status(503), Fault::CutAfter(4), Fault::Status(429)],
    );
    let fetched = world.fetch().unwrap();
    assert_eq!(fs_err::read(&fetched.packages()[0].path).unwrap(), A);
    assert_eq!(
        world.server.requests(),
        [
            "/pool/a_1.0_all.deb",
            "/pool/a_1.0_all.deb",
            "/pool/a_1.0_all.deb 4-",
            "/pool/a_1.0_all.deb 4-",
        ]
    );
}

#[test]
fn failures_that_last_are_given_up() {
    let world = World::new(&[("a", A)]);
    let path = "/pool/a_1.0_all.deb";
    world.server.fail(path, vec![Fault::Status(503); 5]);
    let url = world.server.url();
    assert_eq!(
        world.message(),
        format!("a 1.0: {url}{path}: the mirror answers with HTTP status 503")
    );
    world.server.fail(path, [Fault::Status(403)]);
    assert_eq!(
        world.message(),
        format!("a 1.0: {url}{path}: the mirror answers with HTTP status 403")
    );
    assert_eq!(world.server.requests().len(), 6, "403 is not retried");
    let short = fs_err::read(world.folder.path().join("mirror").join(&path[1..])).unwrap();
    fs_err::write(
        world.folder.path().join("mirror").join(&path[1..]),
        &short[..7],
    )
    .unwrap();
    assert_eq!(
        world.message(),
        format!("a 1.0: {url}{path}: the mirror's file ends after 7 of 16 bytes")
    );
}

#[test]
fn another_file_of_the_same_size_is_refused_and_not_stored() {
    let world = World::new(&[("a", A)]);
    let path = "/pool/a_1.0_all.deb";
    let forged = b"the forgery of a";
    fs_err::write(world.folder.path().join("mirror").join(&path[1..]), forged).unwrap();
    let expected = world.lock.packages[0].sha256;
    assert_eq!(
        world.message(),
        format!(
            "a 1.0: {}{path}: expected 16 bytes with SHA-256 {expected}, found SHA-256 {}; \
             nothing is stored; try another mirror with --mirror",
            world.server.url(),
            testing::sha256(forged)
        )
    );
    assert!(world.store.get(&expected).unwrap().is_none());
}

#[test]
fn a_file_longer_than_locked_is_refused() {
    let world = World::new(&[("a", A)]);
    let path = "/pool/a_1.0_all.deb";
    fs_err::write(
        world.folder.path().join("mirror").join(&path[1..]),
        vec![b'x'; 1 << 20],
    )
    .unwrap();
    assert_eq!(
        world.message(),
        format!(
            "a 1.0: {}{path}: expected at most 16 bytes, the mirror sends more; \
             nothing is stored; try another mirror with --mirror",
            world.server.url()
        )
    );
}

#[test]
fn two_builds_at_once_share_one_store() {
    let world = World::new(&[("a", A), ("b", B)]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| world.fetch().unwrap());
        }
    });
    assert_eq!(world.server.requests().len(), 2, "each file came once");
}

/// A mirror whose signed index offers newer versions than the lock's, and no longer the files.
#[test]
fn a_file_that_has_left_the_mirror_is_named_with_what_is_offered_and_the_remedies() {
    let world = World::new(&[("a", A), ("b", B), ("c", b"c")]);
    let mirror = world.folder.path().join("mirror");
    for name in ["a", "b"] {
        fs_err::remove_file(mirror.join(format!("pool/{name}_1.0_all.deb"))).unwrap();
    }
    let url = world.server.url();
    let folder = world.folder.path().display().to_string();
    let remedies = format!(
        "either name a mirror that keeps old files, with a snapshot of \
         Sat, 11 Jul 2026 10:16:37 UTC or later: --mirror debian=URL\n\
         or lock what is offered now: guestmark lock --update {folder}"
    );
    assert_eq!(
        world.message(),
        format!(
            "locked files have left the mirror {url}:\n  \
             a 1.0 (pool/a_1.0_all.deb)\n  \
             b 1.0 (pool/b_1.0_all.deb)\n\
             what it offers now cannot be told: {url}/dists/bookworm/InRelease: {folder}/key.asc: \
             No such file or directory (os error 2); expected OpenPGP certificates (public keys)\n\
             {remedies}"
        )
    );
    let key = Key::new(1);
    fs_err::write(world.folder.path().join("key.asc"), key.armored()).unwrap();
    Repository::new(&mirror)
        .add("a", "1.1", "")
        .add("a", "1.2", "")
        .publish(&key);
    assert_eq!(
        world.message(),
        format!(
            "locked files have left the mirror {url}:\n  \
             a 1.0 (pool/a_1.0_all.deb); offered now: 1.2, 1.1\n  \
             b 1.0 (pool/b_1.0_all.deb); no version is offered now\n\
             {remedies}"
        )
    );
}

#[test]
fn without_a_mirror_nothing_is_downloaded() {
    let world = World::new(&[("a", A)]);
    let recipe = world.recipe();
    let mirrors = Mirrors::find(&recipe, &[], &MirrorSettings::default()).unwrap();
    let network = Network::Mirrors {
        mirrors: &mirrors,
        now: Timestamp::UNIX_EPOCH,
    };
    let error = fetch(&recipe, &world.lock, &world.store, network, &Silent).unwrap_err();
    assert!(matches!(
        error,
        FetchError::Mirror(MirrorError::Unknown { .. })
    ));
    world
        .store
        .insert(&world.lock.packages[0].sha256, 16, A)
        .unwrap();
    fetch(&recipe, &world.lock, &world.store, network, &Silent).unwrap();
}
