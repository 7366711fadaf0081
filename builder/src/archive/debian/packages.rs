//! `Packages` indexes: what an archive offers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::Range;

use guestmark_measure::Sha256Digest;

use super::control::{ControlError, Paragraph, Paragraphs};
use super::relation::{Relation, is_name, parse_list};
use super::version::Version;
use crate::archive::solver::PackageId;
use crate::lock::ArchivePath;

/// The architecture of packages that fit every other one.
const ALL: &str = "all";

const FIELDS: &[&str] = &[
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Priority",
    "Filename",
    "Size",
    "SHA256",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Conflicts",
    "Breaks",
];

/// A package on offer.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) architecture: String,
    pub(crate) path: ArchivePath,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// Whether packages of other architectures may use it (`Multi-Arch: allowed`).
    pub(crate) allows_any: bool,
    /// What other packages it stands for.
    pub(crate) provides: Vec<Relation>,
    /// How early it is chosen among those that provide the same: smaller is earlier.
    rank: u8,
    // Read only for the packages that the solver comes across: most relations never matter.
    pub(crate) pre_depends: String,
    pub(crate) depends: String,
    pub(crate) conflicts: String,
    pub(crate) breaks: String,
}

impl Package {
    fn read(mut paragraph: Paragraph) -> Result<Self, ControlError> {
        let line = paragraph.line;
        let problem = |problem: String| ControlError::Line { line, problem };
        let needed = |paragraph: &mut Paragraph, name: &str| {
            paragraph
                .take(name)
                .ok_or_else(|| problem(format!("a package without field {name}")))
        };
        let name = needed(&mut paragraph, "Package")?;
        if !is_name(&name) {
            return Err(problem(format!("{name:?} is not a package's name")));
        }
        let of = |field: &str| format!("{field} of {name}");
        let version = needed(&mut paragraph, "Version")?
            .parse()
            .map_err(|error| problem(format!("{}: {error}", of("Version"))))?;
        let path = ArchivePath::try_from(needed(&mut paragraph, "Filename")?)
            .map_err(|error| problem(format!("{}: {error}", of("Filename"))))?;
        let size = needed(&mut paragraph, "Size")?
            .parse()
            .map_err(|error| problem(format!("{}: {error}", of("Size"))))?;
        let sha256 = needed(&mut paragraph, "SHA256")?
            .parse()
            .map_err(|error| problem(format!("{}: {error}", of("SHA256"))))?;
        let provides = parse_list(paragraph.get("Provides").unwrap_or_default())
            .map_err(|error| problem(format!("{}: {error}", of("Provides"))))?;
        let mut relations = |field| paragraph.take(field).unwrap_or_default();
        let (pre_depends, depends) = (relations("Pre-Depends"), relations("Depends"));
        let (conflicts, breaks) = (relations("Conflicts"), relations("Breaks"));
        Ok(Self {
            version,
            architecture: needed(&mut paragraph, "Architecture")?,
            path,
            size,
            sha256,
            allows_any: paragraph.get("Multi-Arch") == Some("allowed"),
            provides,
            rank: rank(paragraph.get("Essential"), paragraph.get("Priority")),
            pre_depends,
            depends,
            conflicts,
            breaks,
            name,
        })
    }
}

/// apt prefers essential providers, then those of the higher priority.
fn rank(essential: Option<&str>, priority: Option<&str>) -> u8 {
    match (essential, priority) {
        (Some("yes"), _) => 0,
        (_, Some("required")) => 1,
        (_, Some("important")) => 2,
        (_, Some("standard")) => 3,
        (_, Some("extra")) => 5,
        _ => 4,
    }
}

/// A package that stands for another name.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) package: PackageId,
    /// The name as it is provided: with a version, or without one.
    pub(crate) provides: Relation,
}

/// Everything that an archive offers for one architecture.
#[derive(Debug)]
pub(crate) struct PackageIndex {
    architecture: String,
    /// By name; of each name the newest version first.
    packages: Vec<Package>,
    providers: BTreeMap<String, Vec<Provider>>,
}

impl PackageIndex {
    pub(crate) fn new(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            packages: Vec::new(),
            providers: BTreeMap::new(),
        }
    }

    /// Adds what one `Packages` file offers; packages of other architectures are passed over.
    pub(crate) fn add(&mut self, reader: impl BufRead) -> Result<(), ControlError> {
        for paragraph in Paragraphs::only(reader, FIELDS) {
            let package = Package::read(paragraph?)?;
            if package.architecture == self.architecture || package.architecture == ALL {
                self.packages.push(package);
            }
        }
        Ok(())
    }

    /// Puts everything in order, after the last [`PackageIndex::add`].
    pub(crate) fn finish(mut self) -> Self {
        let order = |package: &Package| {
            let Package { name, version, .. } = package;
            (
                name.clone(),
                Reverse(version.clone()),
                package.architecture == ALL,
            )
        };
        self.packages.sort_by_cached_key(order);
        self.packages.dedup_by(|later, first| {
            (
                &later.name,
                &later.version,
                &later.architecture,
                &later.sha256,
            ) == (
                &first.name,
                &first.version,
                &first.architecture,
                &first.sha256,
            )
        });
        for (id, package) in (0..).map(PackageId).zip(&self.packages) {
            for provides in &package.provides {
                self.providers
                    .entry(provides.name.clone())
                    .or_default()
                    .push(Provider {
                        package: id,
                        provides: provides.clone(),
                    });
            }
        }
        for providers in self.providers.values_mut() {
            providers.sort_by_key(|one| self.packages[one.package.0 as usize].rank);
        }
        self
    }

    /// The archive's own word for the machine that packages are for.
    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// How many packages there are.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.packages.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.0 as usize]
    }

    /// The packages of a name, newest first.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = PackageId> + use<> {
        let start = self
            .packages
            .partition_point(|package| package.name.as_str() < name);
        let count = self.packages[start..].partition_point(|package| package.name == name);
        let range: Range<usize> = start..start + count;
        range.filter_map(|index| u32::try_from(index).ok().map(PackageId))
    }

    /// The versions of a name, newest first.
    pub(crate) fn versions(&self, name: &str) -> impl Iterator<Item = &str> {
        self.named(name).map(|id| self.package(id).version.as_str())
    }

    /// The packages that stand for a name, the one to prefer first.
    pub(crate) fn providers(&self, name: &str) -> &[Provider] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(name: &str, version: &str, more: &str) -> String {
        let sha256 = "ab".repeat(32);
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nSize: 1\n\
             Filename: pool/{name}.deb\nSHA256: {sha256}\n{more}\n"
        )
    }

    fn index(text: &str) -> PackageIndex {
        let mut index = PackageIndex::new("amd64");
        index.add(text.as_bytes()).unwrap();
        index.finish()
    }

    fn problem(text: &str) -> String {
        PackageIndex::new("amd64")
            .add(text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn packages_are_found_by_name_newest_first() {
        let text =
            paragraph("b", "1", "") + &paragraph("a", "1.9", "") + &paragraph("a", "1.10", "");
        let index = index(&(text.clone() + &text));
        assert_eq!(index.versions("a").collect::<Vec<_>>(), ["1.10", "1.9"]);
        assert_eq!(index.named("c").count(), 0);
    }

    #[test]
    fn other_architectures_are_passed_over() {
        let foreign = paragraph("a", "1", "").replace("amd64", "arm64");
        let all = paragraph("b", "1", "").replace("amd64", "all");
        let index = index(&(foreign + &all));
        assert_eq!((index.named("a").count(), index.named("b").count()), (0, 1));
    }

    #[test]
    fn providers_come_in_the_order_of_their_priority() {
        let text = paragraph("gawk", "1", "Provides: awk\nPriority: optional\n")
            + &paragraph("mawk", "1", "Provides: awk (= 2), x\nPriority: required\n");
        let index = index(&text);
        let names: Vec<_> = index
            .providers("awk")
            .iter()
            .map(|one| index.package(one.package).name.as_str())
            .collect();
        assert_eq!(names, ["mawk", "gawk"]);
    }

    #[test]
    fn what_is_missing_or_broken_is_named_with_its_line() {
        let good = paragraph("a", "1", "");
        assert_eq!(
            problem(&(good.clone() + &good.replace("Size: 1\n", ""))),
            "line 8: a package without field Size"
        );
        assert_eq!(
            problem(&good.replace("Version: 1", "Version: one")),
            "line 1: Version of a: \"one\" is not a Debian version"
        );
        assert_eq!(
            problem(&good.replace("pool/a", "../a")),
            "line 1: Filename of a: \"../a.deb\" is not a path in an archive: \
             expected names joined by \"/\", none of them \"..\""
        );
        assert_eq!(
            problem(&paragraph("a", "1", "Provides: b c\n")),
            "line 1: Provides of a: \"b c\" is not a relation to a package"
        );
    }
}
