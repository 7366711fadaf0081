//! The IGVM files of a guest, production and debug, and the digest of each.

use std::io::Write;

use guestmark_measure::id_block::IdBlock;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LaunchDigest, Loader, LoaderVerdict, verdicts};
use serde::Serialize;

use super::BuildError;
use super::guest::Parts;
use super::records::{Variant, VariantMemory, VerityRecord};
use crate::acpi;
use crate::igvm::{self, Inputs, MemoryLayout, Part};
use crate::output::OutputDirectory;
use crate::recipe::{FileName, Layout, Recipe};
use crate::tree::Origin;

/// Both IGVM files, written: what is said of them, and what lies in their guests' memory.
pub(super) struct Written {
    pub(super) records: Vec<Variant>,
    pub(super) memory: Vec<VariantMemory>,
}

/// Assembles, measures and writes the production and the debug file.
pub(super) fn write_all(
    recipe: &Recipe,
    parts: &Parts,
    output: &OutputDirectory,
) -> Result<Written, BuildError> {
    let lines = &recipe.command_line;
    let igvm = &recipe.igvm;
    let production = Declared {
        name: "production",
        command_line: &lines.production,
        file: &igvm.file,
        measurement_file: igvm.measurement_file.as_ref(),
    };
    let debug = Declared {
        name: "debug",
        command_line: &lines.debug,
        file: &igvm.debug_file,
        measurement_file: igvm.debug_measurement_file.as_ref(),
    };
    let (production, debug) = rayon::join(
        || write(recipe, parts, output, &production),
        || write(recipe, parts, output, &debug),
    );
    let (records, memory) = [production?, debug?].into_iter().unzip();
    Ok(Written { records, memory })
}

/// What the recipe says of one IGVM file.
struct Declared<'a> {
    name: &'static str,
    command_line: &'a str,
    file: &'a FileName,
    measurement_file: Option<&'a FileName>,
}

fn write(
    recipe: &Recipe,
    parts: &Parts,
    output: &OutputDirectory,
    declared: &Declared<'_>,
) -> Result<(Variant, VariantMemory), BuildError> {
    let (name, file) = (declared.name, declared.file.as_str());
    let command_line = fill(declared.command_line, &parts.root.record);
    let tables = acpi::tables(&recipe.platform, recipe.igvm.layout)?;
    let inputs = Inputs {
        kernel: Part::new(&parts.kernel.bytes, parts.kernel.origin.clone()),
        command_line: Part::new(
            command_line.as_bytes(),
            Origin::rule(&format!("command-line.{name}")),
        ),
        initrd: parts
            .initrd
            .as_ref()
            .map(|initrd| Part::new(&initrd.bytes, Origin::rule("initrd"))),
        acpi: &tables,
        layout: MemoryLayout::from(&recipe.igvm),
    };
    let (memory, bytes) = igvm::assemble(&inputs, recipe.identity.policy)?;
    output.create(file)?.write_all(&bytes)?;
    let memory = serde_json::to_value(&memory).map_err(std::io::Error::from)?;

    // The digests are those of the bytes that were written, not of what was meant.
    let loaders = verdicts(&IgvmFile::parse(&bytes)?, None);
    let launch_digest = intended_digest(recipe.igvm.layout, &loaders)?;
    let id_block = id_block_name(file);
    let block = IdBlock {
        launch_digest,
        family_id: *recipe.identity.family_id.as_bytes(),
        image_id: *recipe.identity.image_id.as_bytes(),
        guest_svn: recipe.identity.guest_svn,
        policy: recipe.identity.policy.bits(),
    };
    output.create(&id_block)?.write_all(&block.to_bytes())?;
    if let Some(file) = declared.measurement_file {
        let text = reference_values(recipe.identity.uvm_svn, &launch_digest)
            .map_err(std::io::Error::from)?;
        output.create(file.as_str())?.write_all(text.as_bytes())?;
    }
    let variant = Variant {
        name: name.to_owned(),
        file: file.to_owned(),
        command_line,
        launch_digest,
        loaders,
        id_block,
    };
    let memory = VariantMemory {
        file: file.to_owned(),
        memory,
    };
    Ok((variant, memory))
}

/// The command line with the hash tree's values in place of their names.
fn fill(template: &str, verity: &VerityRecord) -> String {
    template
        .replace("{data_blocks}", &verity.data_blocks.to_string())
        .replace("{data_sectors}", &verity.data_sectors().to_string())
        .replace("{root_hash}", &verity.root_hash.to_string())
        .replace("{salt}", &verity.salt)
}

/// The reference values of an AKS guest before they are signed, byte for byte as igvmgen's
/// `-measurement_file` has them: this order, two spaces, no newline at the end.
fn reference_values(svn: u64, digest: &LaunchDigest) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct ReferenceValues {
        #[serde(rename = "x-ms-sevsnpvm-guestsvn")]
        guest_svn: String,
        #[serde(rename = "x-ms-sevsnpvm-launchmeasurement")]
        launch_measurement: String,
    }
    serde_json::to_string_pretty(&ReferenceValues {
        guest_svn: svn.to_string(),
        launch_measurement: digest.to_string(),
    })
}

/// The digest under the loader that the layout is made for.
fn intended_digest(layout: Layout, loaders: &[LoaderVerdict]) -> Result<LaunchDigest, BuildError> {
    let intended = match layout {
        Layout::Aks => Loader::CloudHypervisorMshv,
        Layout::Linux => Loader::QemuKvm,
    };
    let found = loaders.iter().find(|verdict| verdict.loader == intended);
    found
        .and_then(|verdict| verdict.launch_digest)
        .ok_or_else(|| BuildError::NoDigest {
            loader: intended,
            reason: found
                .and_then(|verdict| verdict.refused.clone())
                .unwrap_or_default(),
        })
}

/// The ID block of `kata-containers-igvm.img` is `kata-containers-igvm.idblock`.
fn id_block_name(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("{stem}.idblock")
}
