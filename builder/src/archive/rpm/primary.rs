//! Primary metadata: what a repository offers.

mod file_lists;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;

use guestmark_measure::Sha256Digest;
use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::evr::Evr;
use super::relation::{Capability, Comparison};
use crate::archive::solver::PackageId;
use crate::lock::ArchivePath;

/// The architecture of packages that fit every other one.
const NOARCH: &str = "noarch";

/// Primary metadata, or file lists, that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}: {problem}")]
pub struct PrimaryError {
    /// Where, in bytes after decompression.
    pub offset: u64,
    /// What is wrong there.
    pub problem: String,
}

/// A package on offer.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: Box<str>,
    pub(crate) evr: Evr,
    pub(crate) architecture: Box<str>,
    pub(crate) path: ArchivePath,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// When the repository got the file.
    pub(crate) time: Timestamp,
    pub(crate) requires: Vec<Capability>,
    pub(crate) conflicts: Vec<Capability>,
    pub(crate) obsoletes: Vec<Capability>,
    /// Moved to the index by [`Index::finish`].
    provides: Vec<Capability>,
    files: Vec<Box<str>>,
}

/// Everything that a repository offers for one architecture.
#[derive(Debug)]
pub(crate) struct Index {
    architecture: String,
    /// Packages whose file is newer are passed over.
    snapshot: Option<Timestamp>,
    /// By name; of each name the newest version first.
    packages: Vec<Package>,
    providers: HashMap<Box<str>, Vec<(PackageId, Capability)>>,
    files: HashMap<Box<str>, Vec<PackageId>>,
    /// Who obsoletes versions of a name.
    obsoleters: HashMap<Box<str>, Vec<PackageId>>,
    /// Versions that are newer than the snapshot, by name, and when they came.
    late: BTreeMap<Box<str>, Vec<(Evr, Timestamp)>>,
    /// Whether `files` holds every path that a package of the index requires.
    complete: bool,
}

impl Index {
    pub(crate) fn new(architecture: &str, snapshot: Option<Timestamp>) -> Self {
        Self {
            architecture: architecture.to_owned(),
            snapshot,
            packages: Vec::new(),
            providers: HashMap::new(),
            files: HashMap::new(),
            obsoleters: HashMap::new(),
            late: BTreeMap::new(),
            complete: false,
        }
    }

    /// Adds what primary metadata list; paths of packages are relative to the mirror's `folder`.
    pub(crate) fn add(&mut self, reader: impl BufRead, folder: &str) -> Result<(), PrimaryError> {
        let mut reader = Reader::from_reader(reader);
        let mut buffer = Vec::new();
        let mut draft = Draft::default();
        loop {
            let offset = reader.buffer_position();
            let refused = |problem: String| PrimaryError { offset, problem };
            let event = reader
                .read_event_into(&mut buffer)
                .map_err(|error| refused(error.to_string()))?;
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    draft.start(&start).map_err(refused)?
                }
                Event::Text(text) if draft.listens => {
                    draft.text += &text.decode().map_err(|error| refused(error.to_string()))?;
                }
                Event::GeneralRef(reference) if draft.listens => {
                    draft.text.push(character(&reference).map_err(refused)?);
                }
                Event::End(end) => {
                    if end.local_name().as_ref() == b"package" {
                        let package = std::mem::take(&mut draft).finish(folder).map_err(refused)?;
                        self.take(package);
                    } else {
                        draft.end();
                    }
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
            buffer.clear();
        }
    }

    fn take(&mut self, package: Package) {
        if *package.architecture != *self.architecture && &*package.architecture != NOARCH {
            return;
        }
        match self.snapshot {
            Some(snapshot) if package.time > snapshot => {
                let late = self.late.entry(package.name).or_default();
                late.push((package.evr, package.time));
            }
            _ => self.packages.push(package),
        }
    }

    /// Puts everything in order, after [`Index::add`].
    pub(crate) fn finish(mut self) -> Self {
        self.packages.sort_by(|a, b| {
            let newest_first = || b.evr.compare(&a.evr);
            let rest = || (&a.architecture, a.sha256).cmp(&(&b.architecture, b.sha256));
            a.name.cmp(&b.name).then_with(newest_first).then_with(rest)
        });
        for (number, package) in self.packages.iter_mut().enumerate() {
            let id = PackageId(u32::try_from(number).unwrap_or(u32::MAX));
            for capability in std::mem::take(&mut package.provides) {
                let name = capability.name.clone();
                self.providers
                    .entry(name)
                    .or_default()
                    .push((id, capability));
            }
            for file in std::mem::take(&mut package.files) {
                self.files.entry(file).or_default().push(id);
            }
            for entry in &package.obsoletes {
                let known = self.obsoleters.entry(entry.name.clone()).or_default();
                known.push(id);
            }
        }
        for late in self.late.values_mut() {
            late.sort_by(|(a, first), (b, second)| a.compare(b).then(first.cmp(second)));
        }
        self
    }

    /// How many packages there are.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.packages.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn snapshot(&self) -> Option<Timestamp> {
        self.snapshot
    }

    /// Versions of this name that came after the snapshot, the oldest first, and when.
    pub(crate) fn late(&self, name: &str) -> &[(Evr, Timestamp)] {
        self.late.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn package(&self, PackageId(number): PackageId) -> &Package {
        &self.packages[number as usize]
    }

    /// The packages of this name, the newest first.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = PackageId> {
        let start = self
            .packages
            .partition_point(|package| *package.name < *name);
        let end = self
            .packages
            .partition_point(|package| *package.name <= *name);
        (start..end).map(|number| PackageId(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// The versions of this name, the newest first.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        self.named(name)
            .map(|id| self.package(id).evr.to_string())
            .collect()
    }

    /// The packages that provide `name`, by name, and how.
    pub(crate) fn providers(&self, name: &str) -> &[(PackageId, Capability)] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The packages that obsolete versions of this name.
    pub(crate) fn obsoleters(&self, name: &str) -> &[PackageId] {
        self.obsoleters.get(name).map_or(&[], Vec::as_slice)
    }

    /// The packages that hold the file at `path`, as far as it is known.
    pub(crate) fn holders(&self, path: &str) -> &[PackageId] {
        self.files.get(path).map_or(&[], Vec::as_slice)
    }
}

/// A `<package>` as far as it is read.
#[derive(Default)]
struct Draft {
    fields: HashMap<&'static str, String>,
    evr: Option<Evr>,
    list: List,
    lists: HashMap<List, Vec<Capability>>,
    files: BTreeSet<Box<str>>,
    /// The element whose text is wanted.
    element: &'static str,
    listens: bool,
    text: String,
}

/// The lists of capabilities that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum List {
    #[default]
    Other,
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
}

impl Draft {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let local = start.local_name();
        self.listens = false;
        match local.as_ref() {
            b"name" => self.listen("name"),
            b"arch" => self.listen("arch"),
            b"checksum" => {
                self.keep("checksum type", start, "type")?;
                self.listen("checksum");
            }
            b"file" => self.listen("file"),
            b"version" => self.evr = Some(evr(start)?),
            b"time" => self.keep("time", start, "file")?,
            b"size" => self.keep("size", start, "package")?,
            b"location" => {
                self.keep("location", start, "href")?;
                self.keep("base", start, "xml:base")?;
            }
            b"provides" => self.list = List::Provides,
            b"requires" => self.list = List::Requires,
            b"conflicts" => self.list = List::Conflicts,
            b"obsoletes" => self.list = List::Obsoletes,
            b"entry" if self.list != List::Other => {
                let entry = entry(start)?;
                self.lists.entry(self.list).or_default().push(entry);
            }
            b"entry" => {}
            _ => self.list = List::Other,
        }
        Ok(())
    }

    fn listen(&mut self, element: &'static str) {
        self.element = element;
        self.listens = true;
        self.text.clear();
    }

    fn keep(
        &mut self,
        field: &'static str,
        start: &BytesStart<'_>,
        name: &str,
    ) -> Result<(), String> {
        if let Some(value) = attribute(start, name)? {
            self.fields.insert(field, value);
        }
        Ok(())
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.listens) {
            let text = self.text.trim();
            if self.element == "file" {
                self.files.insert(text.into());
            } else {
                self.fields.insert(self.element, text.to_owned());
            }
        }
    }

    fn finish(mut self, folder: &str) -> Result<Package, String> {
        let name = self.fields.remove("name").unwrap_or_default();
        let mut needed = |field: &str| {
            let found = self.fields.remove(field);
            found.ok_or_else(|| format!("package {name:?} has no {field}"))
        };
        let refused = |field: &str, found: &str| format!("{field} of {name}: found {found:?}");
        let kind = needed("checksum type")?;
        let checksum = needed("checksum")?;
        if kind != "sha256" {
            return Err(format!(
                "checksum of {name}: expected type \"sha256\", found {kind:?}"
            ));
        }
        let sha256 = checksum
            .parse()
            .map_err(|_| refused("checksum", &checksum))?;
        let size = needed("size")?;
        let time = needed("time")?;
        let location = needed("location")?;
        let architecture = needed("arch")?.into();
        if let Some(base) = self.fields.get("base") {
            return Err(format!(
                "{name} lies outside of the repository (xml:base {base:?}), which is not supported"
            ));
        }
        let path = ArchivePath::try_from(format!("{folder}/{location}"))
            .map_err(|error| format!("location of {name}: {error}"))?;
        let seconds = time
            .parse()
            .ok()
            .and_then(|time| Timestamp::from_second(time).ok());
        let mut list = |list: List| self.lists.remove(&list).unwrap_or_default();
        Ok(Package {
            evr: self
                .evr
                .ok_or_else(|| format!("package {name:?} has no version"))?,
            architecture,
            path,
            size: size.parse().map_err(|_| refused("size", &size))?,
            sha256,
            time: seconds.ok_or_else(|| refused("time", &time))?,
            requires: list(List::Requires),
            conflicts: list(List::Conflicts),
            obsoletes: list(List::Obsoletes),
            provides: list(List::Provides),
            files: self.files.into_iter().collect(),
            name: name.into(),
        })
    }
}

fn entry(start: &BytesStart<'_>) -> Result<Capability, String> {
    let name = attribute(start, "name")?.ok_or("an entry without a name")?;
    let bound = match attribute(start, "flags")? {
        None => None,
        Some(flags) => Some((
            Comparison::parse(&flags).ok_or_else(|| format!("{name}: flags {flags:?}"))?,
            evr(start)?,
        )),
    };
    Ok(Capability {
        name: name.into(),
        bound,
    })
}

/// The attributes `epoch`, `ver` and `rel`.
fn evr(start: &BytesStart<'_>) -> Result<Evr, String> {
    let epoch = attribute(start, "epoch")?.unwrap_or_else(|| "0".to_owned());
    Ok(Evr {
        epoch: epoch.parse().map_err(|_| format!("epoch {epoch:?}"))?,
        version: attribute(start, "ver")?.unwrap_or_default().into(),
        release: attribute(start, "rel")?.map(Into::into),
    })
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = start
        .try_get_attribute(name)
        .map_err(|error| error.to_string())?;
    found
        .map(|found| found.unescape_value().map(std::borrow::Cow::into_owned))
        .transpose()
        .map_err(|error| error.to_string())
}

/// The character that a reference such as `&amp;` stands for.
fn character(reference: &BytesRef<'_>) -> Result<char, String> {
    let resolved = reference.resolve_char_ref();
    if let Some(character) = resolved.map_err(|error| error.to_string())? {
        return Ok(character);
    }
    match &**reference {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        other => Err(format!(
            "unknown reference &{};",
            String::from_utf8_lossy(other)
        )),
    }
}
