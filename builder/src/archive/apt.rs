//! The system's own apt sources, as a place where a mirror may be named: one-line `.list` files
//! and deb822 `.sources` files (sources.list(5)).

use std::fs;
use std::path::{Path, PathBuf};

use super::debian::Paragraphs;
use super::location::MirrorUrl;
use super::mirror::{Mirror, MirrorSource};
use crate::recipe::Archive;

/// The first source in the apt configuration directory `apt` that is a Debian archive and offers
/// the suite and the components of `archive`. Files that cannot be read and entries that make no
/// sense are apt's affair and passed over.
pub(super) fn find(apt: &Path, archive: &Archive) -> Option<Mirror> {
    files(apt).into_iter().find_map(|file| {
        let text = fs::read_to_string(&file).ok()?;
        let sources = match file.extension()?.to_str()? {
            "list" => one_line(&text),
            _ => deb822(&text),
        };
        let url = sources
            .into_iter()
            .filter(|source| source.offers(archive))
            .flat_map(|source| source.addresses)
            .filter_map(|address| address.parse::<MirrorUrl>().ok())
            .find(MirrorUrl::names_debian)?;
        Some(Mirror {
            url,
            source: MirrorSource::Apt(file),
        })
    })
}

struct Source {
    addresses: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Source {
    fn offers(&self, archive: &Archive) -> bool {
        self.suites.contains(&archive.suite)
            && archive
                .components
                .iter()
                .all(|component| self.components.contains(component))
    }
}

/// The files in the order in which apt reads them.
fn files(apt: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            matches!(extension, Some("list" | "sources"))
        })
        .collect();
    parts.sort();
    let mut files = vec![apt.join("sources.list")];
    files.append(&mut parts);
    files
}

fn one_line(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next()?.trim();
            let rest = line.strip_prefix("deb")?;
            let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
            let rest = match rest.strip_prefix('[') {
                Some(options) => options.split_once(']')?.1,
                None => rest,
            };
            let mut words = rest.split_whitespace().map(str::to_owned);
            Some(Source {
                addresses: vec![words.next()?],
                suites: vec![words.next()?],
                components: words.collect(),
            })
        })
        .collect()
}

fn deb822(text: &str) -> Vec<Source> {
    Paragraphs::new(text.as_bytes())
        .map_while(Result::ok)
        .filter_map(|paragraph| {
            let words = |field| -> Vec<String> {
                let value = paragraph.get(field).unwrap_or_default();
                value.split_whitespace().map(str::to_owned).collect()
            };
            let enabled = !matches!(paragraph.get("Enabled"), Some("no" | "false" | "0"));
            let binary = words("Types").iter().any(|kind| kind == "deb");
            (enabled && binary).then(|| Source {
                addresses: words("URIs"),
                suites: words("Suites"),
                components: words("Components"),
            })
        })
        .collect()
}
