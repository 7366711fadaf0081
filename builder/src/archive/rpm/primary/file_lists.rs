//! File lists: paths outside of those that primary metadata list, read when one is required.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Index, PrimaryError, attribute, character};
use crate::archive::rpm::relation::Capability;
use crate::archive::rpm::rich::Rich;
use crate::archive::solver::PackageId;

impl Index {
    /// Whether `name` is a path of which only file lists can tell, and they were not read.
    pub(in crate::archive::rpm) fn is_unlisted(&self, name: &str) -> bool {
        !self.complete && name.starts_with('/') && !is_listed_in_primary(name)
    }

    /// Paths that packages require and only file lists can tell of.
    fn unlisted(&self) -> HashSet<Box<str>> {
        let mut paths = HashSet::new();
        let required = self.packages.iter().flat_map(|package| &package.requires);
        for Capability { name, .. } in required {
            match name.starts_with('(').then(|| Rich::parse(name)) {
                Some(Ok(rich)) => {
                    let names = rich.capabilities().into_iter().map(|one| &one.name);
                    paths.extend(names.filter(|name| self.is_unlisted(name)).cloned());
                }
                None if self.is_unlisted(name) => {
                    paths.insert(name.clone());
                }
                _ => {}
            }
        }
        paths
    }

    /// Adds what file lists say of the paths that packages require. Of all others nothing is kept.
    pub(crate) fn add_file_lists(&mut self, reader: impl BufRead) -> Result<(), PrimaryError> {
        let wanted = self.unlisted();
        let numbers: HashMap<String, PackageId> = (0..)
            .zip(&self.packages)
            .map(|(number, package)| (package.sha256.to_string(), PackageId(number)))
            .collect();
        let mut reader = Reader::from_reader(reader);
        let mut buffer = Vec::new();
        let (mut package, mut listens) = (None, false);
        let mut path = String::new();
        loop {
            let offset = reader.buffer_position();
            let refused = |problem: String| PrimaryError { offset, problem };
            let event = reader
                .read_event_into(&mut buffer)
                .map_err(|error| refused(error.to_string()))?;
            match event {
                Event::Start(start) => match start.local_name().as_ref() {
                    b"package" => {
                        let sha256 = attribute(&start, "pkgid").map_err(refused)?;
                        package = sha256.and_then(|sha256| numbers.get(&sha256)).copied();
                    }
                    b"file" => {
                        listens = package.is_some();
                        path.clear();
                    }
                    _ => {}
                },
                Event::Text(text) if listens => {
                    path += &text.decode().map_err(|error| refused(error.to_string()))?;
                }
                Event::GeneralRef(reference) if listens => {
                    path.push(character(&reference).map_err(refused)?);
                }
                Event::End(_) if listens => {
                    listens = false;
                    if let (Some(package), Some(path)) = (package, wanted.get(path.as_str())) {
                        let holders = self.files.entry(path.clone()).or_default();
                        if !holders.contains(&package) {
                            holders.push(package);
                        }
                    }
                }
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        self.complete = true;
        Ok(())
    }
}

/// Whether primary metadata list every file of this path, as createrepo_c writes them.
fn is_listed_in_primary(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}
