use super::*;
use crate::archive::testing::{self, Fault, Key, Repository as Offered, Server, Signing};
use crate::lock::LockedPackage;
use crate::progress::Silent;

/// A mirror with one archive, a store, and a recipe that trusts key 1.
pub(super) struct Place {
    folder: tempfile::TempDir,
    pub(super) key: Key,
    pub(super) offered: Offered,
    store: Store,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new(1);
        fs_err::write(folder.path().join("key.asc"), key.armored()).unwrap();
        Self {
            offered: Offered::new(&folder.path().join("mirror")),
            store: Store::open(Some(&folder.path().join("store"))).unwrap(),
            folder,
            key,
        }
    }

    fn recipe(&self, names: &[&str]) -> Recipe {
        testing::recipe(self.folder.path(), names)
    }

    fn url(&self) -> String {
        format!("file://{}", self.offered.root.display())
    }

    fn release(&self) -> String {
        format!("{}/dists/bookworm/InRelease", self.url())
    }

    fn resolve_from(
        &self,
        url: &str,
        recipe: &Recipe,
        previous: Option<(&Lock, Versions)>,
    ) -> Result<Lock, ResolveError> {
        let (lock, versions) = previous.map_or((None, Versions::Locked), |(lock, versions)| {
            (Some(lock), versions)
        });
        resolve(
            recipe,
            &testing::mirrors(recipe, url),
            &self.store,
            "2001-09-10T00:00:00Z".parse().unwrap(),
            lock,
            versions,
            &Silent,
        )
    }

    pub(super) fn resolve(&self, names: &[&str]) -> Result<Lock, ResolveError> {
        self.resolve_from(&self.url(), &self.recipe(names), None)
    }

    fn message(&self) -> String {
        self.resolve(&["app"]).unwrap_err().to_string()
    }
}

fn versions(lock: &Lock) -> Vec<String> {
    let shown = |package: &LockedPackage| format!("{} {}", package.name, package.version);
    lock.packages.iter().map(shown).collect()
}

#[test]
fn a_lock_pins_the_closure_and_names_the_signed_index() {
    let mut place = Place::new();
    place
        .offered
        .add("app", "1.0", "Depends: lib (>= 2)\n")
        .add("lib", "2.0", "")
        .add("other", "1.0", "")
        .publish(&place.key);
    let recipe = place.recipe(&["app"]);
    let lock = place.resolve(&["app"]).unwrap();
    assert_eq!(versions(&lock), ["app 1.0", "lib 2.0"]);
    let lib = &lock.packages[1];
    assert_eq!(lib.path.as_str(), "pool/lib_2.0_amd64.deb");
    assert_eq!(lib.sha256, testing::sha256(b"the file of lib 2.0"));
    assert_eq!(
        (lib.size, lib.sets.as_slice()),
        (19, &["rootfs".to_owned()][..])
    );
    let index = &lock.indexes["debian"];
    assert_eq!(index.suite, "bookworm");
    assert_eq!(index.date, "Sun, 09 Sep 2001 01:46:40 UTC");
    assert_eq!(index.signed_by, [place.key.subkey()]);
    let signed = fs_err::read(place.offered.root.join("dists/bookworm/InRelease")).unwrap();
    assert_eq!(index.sha256, testing::sha256(&signed));
    lock.check_against(&recipe).unwrap();
    assert_eq!(Lock::parse(&lock.to_text(), "").unwrap(), lock);
}

#[test]
fn packages_of_several_sets_stand_once() {
    let mut place = Place::new();
    place
        .offered
        .add("app", "1.0", "Depends: lib\n")
        .add("linux", "6.1", "Depends: lib\n")
        .add("lib", "2.0", "")
        .publish(&place.key);
    let mut recipe = place.recipe(&["app"]);
    recipe.kernel.packages.names = vec!["linux".to_owned()];
    let lock = place.resolve_from(&place.url(), &recipe, None).unwrap();
    let sets: Vec<_> = lock
        .packages
        .iter()
        .map(|package| package.sets.join(" "))
        .collect();
    assert_eq!(versions(&lock), ["app 1.0", "lib 2.0", "linux 6.1"]);
    assert_eq!(sets, ["rootfs", "kernel rootfs", "kernel"]);
}

#[test]
fn locked_versions_are_kept_until_an_update_or_until_they_are_gone() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "").publish(&place.key);
    let recipe = place.recipe(&["app"]);
    let first = place.resolve_from(&place.url(), &recipe, None).unwrap();

    place.offered.add("app", "1.1", "").publish(&place.key);
    let again = |previous| {
        let lock = place.resolve_from(&place.url(), &recipe, previous);
        versions(&lock.unwrap())
    };
    assert_eq!(again(Some((&first, Versions::Locked))), ["app 1.0"]);
    assert_eq!(again(Some((&first, Versions::Newest))), ["app 1.1"]);
    assert_eq!(again(None), ["app 1.1"]);

    let mut later = Offered::new(&place.offered.root);
    later.add("app", "1.2", "").publish(&place.key);
    assert_eq!(again(Some((&first, Versions::Locked))), ["app 1.2"]);
}

#[test]
fn a_recipe_that_asks_for_something_else_makes_the_lock_stale() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "").publish(&place.key);
    let lock = place.resolve(&["app"]).unwrap();
    let folder = place.folder.path().display();
    assert_eq!(
        lock.check_against(&place.recipe(&["app", "more"]))
            .unwrap_err()
            .to_string(),
        format!(
            "{folder}/recipe.lock.json: the recipe's rootfs.packages changed since; \
             run `guestmark lock {folder}`"
        )
    );
    let mut recipe = place.recipe(&["app"]);
    recipe.archives.get_mut("debian").unwrap().suite = "trixie".to_owned();
    assert_eq!(
        lock.check_against(&recipe).unwrap_err().to_string(),
        format!(
            "{folder}/recipe.lock.json: archive \"debian\" was locked from suite bookworm, \
             the recipe names trixie; run `guestmark lock {folder}`"
        )
    );
}

#[test]
fn an_unsatisfiable_dependency_is_told() {
    let mut place = Place::new();
    place
        .offered
        .add("app", "1.0", "Depends: lib (>= 2)\n")
        .add("lib", "1.0", "")
        .publish(&place.key);
    assert_eq!(
        place.message(),
        "rootfs.packages cannot be installed together:\n  \
         the recipe asks for app: app 1.0\n  \
         app 1.0 needs lib (>= 2), and the archive only offers lib 1.0\n\
         change them in recipe.toml"
    );
    assert_eq!(
        place.resolve(&["typo"]).unwrap_err().to_string(),
        "rootfs.packages cannot be installed together:\n  \
         the recipe asks for typo, and the archive offers no such package\n\
         change them in recipe.toml"
    );
    let mut recipe = place.recipe(&["app"]);
    recipe.rootfs.packages.provided = vec!["app".to_owned()];
    let both = place.resolve_from(&place.url(), &recipe, None).unwrap_err();
    assert_eq!(
        both.to_string(),
        "rootfs.packages: \"app\" stands in both names and provided; remove one"
    );
}

#[test]
fn a_bad_signature_on_inrelease_is_refused() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "");
    let signed = place.key.sign(&place.offered.release());
    place
        .offered
        .write_release(&signed.replace("Origin: Test", "Origin: Fake"));
    assert_eq!(
        place.message(),
        format!(
            "{}: bad signature by key {}: the text was changed after it was signed",
            place.release(),
            place.key.subkey()
        )
    );
}

#[test]
fn a_wrong_key_on_inrelease_is_refused() {
    let mut place = Place::new();
    let other = Key::new(2);
    place.offered.add("app", "1.0", "").publish(&other);
    assert_eq!(
        place.message(),
        format!(
            "{}: it is signed by key {}, which the recipe does not trust; it trusts key {}; \
             if the archive has new keys, add them to the recipe's archive keys",
            place.release(),
            other.subkey(),
            place.key.fingerprint()
        )
    );
}

#[test]
fn an_expired_signature_on_inrelease_is_refused() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "");
    let signing = Signing {
        lifetime: Some(60),
        ..Signing::default()
    };
    let signed = place.key.sign_as(&place.offered.release(), signing);
    place.offered.write_release(&signed);
    assert_eq!(
        place.message(),
        format!(
            "{}: the signature by key {} expired on 2001-09-09T01:47:40Z",
            place.release(),
            place.key.subkey()
        )
    );
}

#[test]
fn a_suite_that_is_out_of_date_or_another_one_is_refused() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "");
    place.offered.fields += "Valid-Until: Sun, 09 Sep 2001 02:00:00 UTC\n";
    place.offered.publish(&place.key);
    assert_eq!(
        place.message(),
        format!(
            "{}: it was valid until 2001-09-09T02:00:00Z, and now is 2001-09-10T00:00:00Z; \
             the mirror is out of date, use another",
            place.release()
        )
    );
    let other = place.offered.release().replace("bookworm", "trixie");
    place.offered.write_release(&place.key.sign(&other));
    assert_eq!(
        place.message(),
        format!(
            "{}: expected suite bookworm, found suite \"oldstable\" with codename \"trixie\"; \
             the mirror serves something else",
            place.release()
        )
    );
}

#[test]
fn an_index_that_was_rolled_back_is_refused() {
    let mut place = Place::new();
    place.offered.add("app", "1.0", "").publish(&place.key);
    let mut lock = place.resolve(&["app"]).unwrap();
    lock.indexes.get_mut("debian").unwrap().date = "Sun, 09 Sep 2001 12:00:00 UTC".to_owned();
    let recipe = place.recipe(&["app"]);
    let error = place
        .resolve_from(&place.url(), &recipe, Some((&lock, Versions::Newest)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: its index of suite bookworm is dated Sun, 09 Sep 2001 01:46:40 UTC, older than \
             the lock's, Sun, 09 Sep 2001 12:00:00 UTC: the mirror is behind, or someone replays \
             an old index; use another mirror, or remove the lock to go back to the older index",
            place.url()
        )
    );
}

#[test]
fn an_index_with_another_hash_is_refused_before_it_is_read() {
    let mut place = Place::new();
    place.offered.suffixes = vec![""];
    place.offered.add("app", "1.0", "").publish(&place.key);
    let path = place
        .offered
        .root
        .join("dists/bookworm/main/binary-amd64/Packages");
    let index = fs_err::read_to_string(&path).unwrap();
    let forged = index.replace("app", "evl");
    fs_err::write(&path, &forged).unwrap();
    assert_eq!(
        place.message(),
        format!(
            "{}/dists/bookworm/main/binary-amd64/Packages: expected {} bytes with SHA-256 {}, \
             found SHA-256 {}; nothing is stored; try another mirror with --mirror",
            place.url(),
            index.len(),
            testing::sha256(index.as_bytes()),
            testing::sha256(forged.as_bytes())
        )
    );
}

#[test]
fn a_missing_component_or_release_file_is_told() {
    let place = Place::new();
    assert_eq!(
        place.message(),
        format!("{}: the mirror does not have this file", place.release())
    );
    let release = place
        .offered
        .release()
        .replace("main/binary", "contrib/binary");
    place.offered.write_release(&place.key.sign(&release));
    assert_eq!(
        place.message(),
        format!(
            "{}: suite bookworm has no component \"main\" for architecture amd64; \
             change the recipe's archive",
            place.release()
        )
    );
}

#[test]
fn a_broken_index_is_named_with_its_line() {
    let mut place = Place::new();
    place
        .offered
        .add_index("Package: app\nVersion: 1\n")
        .publish(&place.key);
    assert_eq!(
        place.message(),
        format!(
            "{}/dists/bookworm/main/binary-amd64/Packages.xz: line 1: \
             a package without field Filename",
            place.url()
        )
    );
}

#[test]
fn indexes_come_compressed_as_the_archive_has_them() {
    for suffix in [".xz", ".gz", ""] {
        let mut place = Place::new();
        place.offered.suffixes = vec![suffix];
        place.offered.add("app", "1.0", "").publish(&place.key);
        assert_eq!(versions(&place.resolve(&["app"]).unwrap()), ["app 1.0"]);
    }
}

#[test]
fn an_index_is_asked_for_by_its_hash_where_the_archive_offers_that() {
    let mut place = Place::new();
    place.offered.fields += "Acquire-By-Hash: yes\n";
    place.offered.add("app", "1.0", "").publish(&place.key);
    let server = Server::start(&place.offered.root);
    let recipe = place.recipe(&["app"]);
    let folder = "/dists/bookworm/main/binary-amd64";
    let release = place.offered.release();
    let hash = release.lines().last().unwrap().split(' ').nth(1).unwrap();
    let by_hash = format!("{folder}/by-hash/SHA256/{hash}");
    // A mirror may have dropped it: the plain name is the second way.
    server.fail(&by_hash, [Fault::Status(404)]);
    place.resolve_from(&server.url(), &recipe, None).unwrap();
    assert_eq!(
        server.requests(),
        [
            "/dists/bookworm/InRelease".to_owned(),
            by_hash,
            format!("{folder}/Packages.xz"),
        ]
    );
    // The index is in the store now.
    place.resolve_from(&server.url(), &recipe, None).unwrap();
    assert_eq!(server.requests().len(), 4);
}
