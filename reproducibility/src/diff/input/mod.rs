//! What is compared: an output directory of a build, a release, a manifest beside its files, a
//! bare IGVM file or a bare disk image.

mod disk;
mod origins;

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err::File;
use guestmark_builder::build::{MEASUREMENT_NAME, Measurement, ORIGINS_NAME};
use guestmark_measure::LoaderVerdict;
use serde::de::DeserializeOwned;

pub(super) use disk::{Data, Disk, HashTree};
pub(super) use origins::{Origins, RegionOrigin};

use super::DiffError;

/// Ends the name of a hash partition that is kept in place of its disk.
const HASH_SUFFIX: &str = ".hash";

/// One side of a comparison.
#[derive(Debug)]
pub(super) struct Input {
    /// What was given.
    pub(super) path: PathBuf,
    pub(super) kind: &'static str,
    pub(super) measurement: Option<Measurement>,
    pub(super) origins: Option<Origins>,
    pub(super) guests: Vec<Guest>,
    pub(super) disk: Option<Disk>,
}

/// One IGVM file.
#[derive(Debug)]
pub(super) struct Guest {
    /// `production`, `debug`, or `guest` for a bare file.
    pub(super) name: String,
    /// The file's name.
    pub(super) file: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it holds; `None` if it is not there.
    pub(super) bytes: Option<Vec<u8>>,
    /// What its build says of it.
    pub(super) recorded: Vec<LoaderVerdict>,
    /// The command line that its build says.
    pub(super) command_line: Option<String>,
}

impl Input {
    /// Reads what stands at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, DiffError> {
        if path.is_dir() {
            return Self::directory(path, path);
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            return Self::directory(path, folder.unwrap_or(Path::new(".")));
        }
        let mut start = Vec::new();
        File::open(path)?.take(4).read_to_end(&mut start)?;
        let mut input = Self {
            path: path.to_owned(),
            kind: "an IGVM file",
            measurement: None,
            origins: None,
            guests: Vec::new(),
            disk: None,
        };
        if start == *b"IGVM" {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            input.guests.push(Guest {
                name: "guest".to_owned(),
                file: name.into_owned(),
                path: path.to_owned(),
                bytes: Some(fs_err::read(path)?),
                recorded: Vec::new(),
                command_line: None,
            });
            return Ok(input);
        }
        input.kind = "a disk image";
        input.disk = Disk::open(path, None)?;
        match input.disk.is_some() {
            true => Ok(input),
            false => Err(DiffError::Unknown {
                path: path.to_owned(),
            }),
        }
    }

    /// Reads an output directory. A release is one with a manifest.
    fn directory(path: &Path, folder: &Path) -> Result<Self, DiffError> {
        let place = folder.join(MEASUREMENT_NAME);
        if !place.exists() {
            return Err(DiffError::NotABuild {
                path: folder.to_owned(),
            });
        }
        let measurement: Measurement = document(&place, Measurement::SCHEMA)?;
        expect_schema(&place, &measurement.schema, Measurement::SCHEMA)?;
        let place = folder.join(ORIGINS_NAME);
        let origins = match place.exists() {
            true => {
                let origins: Origins = document(&place, Origins::SCHEMA)?;
                expect_schema(&place, &origins.schema, Origins::SCHEMA)?;
                origins.check(&place)?;
                Some(origins)
            }
            false => None,
        };
        let mut guests = Vec::new();
        for variant in &measurement.variants {
            let place = beside(folder, "variants.file", &variant.file)?;
            guests.push(Guest {
                name: variant.name.clone(),
                file: variant.file.clone(),
                bytes: place.exists().then(|| fs_err::read(&place)).transpose()?,
                path: place,
                recorded: variant.loaders.clone(),
                command_line: Some(variant.command_line.clone()),
            });
        }
        let place = beside(folder, "disk", &measurement.disk)?;
        let tree = folder.join(format!("{}{HASH_SUFFIX}", measurement.disk));
        let disk = match (place.exists(), tree.exists()) {
            (true, _) => Disk::open(&place, Some(&measurement.verity))?,
            (false, true) => Some(Disk::hash_partition(&tree, &measurement.verity)?),
            (false, false) => None,
        };
        Ok(Self {
            path: path.to_owned(),
            kind: "an output directory",
            measurement: Some(measurement),
            origins,
            guests,
            disk,
        })
    }
}

/// The file of this name in the folder of `measurement.json`, and not in another.
fn beside(folder: &Path, field: &'static str, name: &str) -> Result<PathBuf, DiffError> {
    match Path::new(name).file_name() {
        Some(plain) if plain == name => Ok(folder.join(name)),
        _ => Err(DiffError::Value {
            path: folder.join(MEASUREMENT_NAME),
            field,
            found: name.to_owned(),
            expected: "a file name without folders",
        }),
    }
}

fn document<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T, DiffError> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| DiffError::Document {
        path: path.to_owned(),
        expected,
        source,
    })
}

fn expect_schema(path: &Path, found: &str, expected: &'static str) -> Result<(), DiffError> {
    match found == expected {
        true => Ok(()),
        false => Err(DiffError::Schema {
            path: path.to_owned(),
            found: found.to_owned(),
            expected,
        }),
    }
}
