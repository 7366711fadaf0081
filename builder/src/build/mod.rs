//! The way of the data: from a recipe and its lock to an output directory.

mod error;
mod guest;
mod packages;
mod recipe_archive;
mod records;
mod root;
mod sbom;
mod variants;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::archive::{MirrorSettings, Mirrors, NamedMirror};
use crate::fetch::{Network, fetch};
use crate::lock::Lock;
use crate::output::{Artifact, OutputDirectory};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::store::Store;

pub use error::BuildError;
pub use records::{Measurement, Variant, VerityRecord};

use packages::OpenedSets;
use records::Origins;
use sbom::Sbom;

/// The file that says a directory is the output of a build.
pub const MEASUREMENT_NAME: &str = "measurement.json";
/// The file that says where every byte comes from.
pub const ORIGINS_NAME: &str = "origins.json";
/// The list of what the guest is made of.
pub const SBOM_NAME: &str = "sbom.spdx.json";
/// The archive of the recipe, its lock and the files that it names.
pub const RECIPE_ARCHIVE_NAME: &str = "recipe.tar";

/// What to build, and where.
#[derive(Debug)]
pub struct Request<'a> {
    /// The recipe's folder.
    pub recipe: &'a Path,
    /// The output directory; without one, the recipe's name in the current directory.
    pub output: Option<&'a Path>,
    /// The store's folder; without one, the user's.
    pub store: Option<&'a Path>,
    /// Where archives are fetched from, before anywhere else.
    pub mirrors: &'a [NamedMirror],
    /// What may be asked of the network; without it, nothing is fetched.
    pub online: Option<Online<'a>>,
}

/// What fetching needs to know of the machine and the hour. No artifact depends on either.
#[derive(Debug, Clone, Copy)]
pub struct Online<'a> {
    /// What the machine says about mirrors.
    pub settings: &'a MirrorSettings,
    /// The time, by which a mirror's index may have expired.
    pub now: Timestamp,
}

/// A finished build.
#[derive(Debug, Serialize)]
pub struct Build {
    /// The form of this document.
    pub schema: &'static str,
    /// The output directory.
    pub directory: PathBuf,
    /// Its files, sorted by name.
    pub artifacts: Vec<Artifact>,
    /// What `measurement.json` says.
    pub measurement: Measurement,
}

impl Build {
    /// [`Build::schema`] of this form.
    pub const SCHEMA: &str = "guestmark/build/1";
}

/// Builds a locked recipe. The output directory appears complete, or not at all.
///
/// # Errors
/// An input is wrong or missing, or output cannot be written; [`BuildError`] says which.
pub fn build(request: &Request<'_>, progress: &dyn Progress) -> Result<Build, BuildError> {
    let recipe = Recipe::read(request.recipe)?;
    let lock = Lock::read(request.recipe)?;
    lock.check_against(&recipe)?;
    let directory = request
        .output
        .unwrap_or(Path::new(&recipe.recipe.name))
        .to_owned();
    let output = OutputDirectory::begin(&directory, MEASUREMENT_NAME)?;
    let store = Store::open(request.store)?;
    let mirrors = match request.online {
        Some(online) => Some((
            Mirrors::find(&recipe, request.mirrors, online.settings)?,
            online.now,
        )),
        None => None,
    };
    let network = match &mirrors {
        Some((mirrors, now)) => Network::Mirrors { mirrors, now: *now },
        None => Network::Offline,
    };

    progress.step("Checking the locked packages");
    let fetched = fetch(&recipe, &lock, &store, network, progress)?;
    progress.step("Opening packages");
    let opened = OpenedSets::open(&recipe, &lock, &fetched, spool(&directory))?;
    let parts = guest::Parts::build(&recipe, opened, &output, progress)?;
    progress.step("Assembling and measuring");
    let variants = variants::write_all(&recipe, &parts, &output)?;

    let measurement = Measurement::new(&recipe, parts.root.record.clone(), variants.records)?;
    let origins = Origins::new(
        &lock.packages,
        variants.memory,
        parts.initrd.as_ref().map(|initrd| &initrd.tree),
        &parts.root.image,
    );
    write_json(&output, MEASUREMENT_NAME, &measurement)?;
    write_json(&output, ORIGINS_NAME, &origins)?;
    write_json(&output, SBOM_NAME, &Sbom::new(&recipe, &lock))?;
    recipe_archive::write(&recipe, output.create(RECIPE_ARCHIVE_NAME)?)?;
    progress.step("Writing to disk");
    let artifacts = output.commit()?;
    Ok(Build {
        schema: Build::SCHEMA,
        directory,
        artifacts,
        measurement,
    })
}

/// Where unpacked packages are spooled: on the file system that must hold the output anyway.
fn spool(output: &Path) -> &Path {
    match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_json(
    output: &OutputDirectory,
    name: &str,
    document: &impl Serialize,
) -> Result<(), BuildError> {
    let mut file = std::io::BufWriter::new(output.create(name)?);
    serde_json::to_writer_pretty(&mut file, document).map_err(std::io::Error::from)?;
    std::io::Write::write_all(&mut file, b"\n")?;
    std::io::Write::flush(&mut file)?;
    Ok(())
}
