//! `pack`: a folder or a tar archive becomes an EROFS image, alone or in a disk image.

use std::path::Path;

use guestmark_builder::disk::DiskWriter;
use guestmark_builder::erofs::{self, Options, VolumeName};
use guestmark_builder::output::OutputFile;
use guestmark_builder::progress::Progress;
use guestmark_builder::tree::tarball::read_tar;
use guestmark_builder::tree::{Origin, Tree, read_directory};
use guestmark_builder::verity::{Parameters, Salt};
use serde::Serialize;
use uuid::Uuid;

use crate::args::Pack;
use crate::output::{Outcome, Output, human_bytes, table};

/// What `pack` made.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    bytes: u64,
    entries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    verity: Option<VerityReport>,
}

#[derive(Debug, Serialize)]
struct VerityReport {
    root_hash: String,
    salt: String,
    data_blocks: u64,
    root_partition_uuid: Uuid,
    hash_partition_uuid: Uuid,
}

pub(crate) fn run(args: Pack, output: &Output) -> anyhow::Result<Outcome> {
    let progress = output.progress();
    progress.step("Reading the tree");
    let out = OutputFile::begin(&args.output)?;
    let tree = read_tree(&args)?;
    let options = Options {
        uuid: args.uuid.unwrap_or_default(),
        timestamp: args.timestamp,
        volume_name: VolumeName::default(),
    };
    progress.step("Writing the image");
    let verity = if args.verity {
        let salt = args.salt.clone().unwrap_or_default();
        Some(write_disk(&tree, &options, salt, &out)?)
    } else {
        erofs::write(&tree, &options, &mut out.file())?;
        None
    };
    let report = Report {
        schema: "guestmark/pack/1",
        file: args.output.display().to_string(),
        bytes: out.file().metadata()?.len(),
        entries: tree.len(),
        verity,
    };
    out.commit()?;
    drop(progress);
    output.print(&report, text)?;
    Ok(Outcome::Good)
}

fn read_tree(args: &Pack) -> anyhow::Result<Tree> {
    let origin = Origin::input("SOURCE");
    let mut tree = if args.source.is_dir() {
        read_directory(&args.source, &origin)?
    } else {
        let spool = args
            .output
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        read_tar(&args.source, spool.unwrap_or(Path::new(".")), origin)?
    };
    if args.root_owned {
        tree.give_to_root();
    }
    Ok(tree)
}

fn write_disk(
    tree: &Tree,
    options: &Options,
    salt: Salt,
    out: &OutputFile,
) -> anyhow::Result<VerityReport> {
    let disk = DiskWriter::new(out.file().try_clone()?, None)?;
    let length = erofs::write(tree, options, &mut disk.root())?.size;
    let parameters = Parameters { salt, uuid: None };
    let image = disk.finish(length, &parameters)?;
    Ok(VerityReport {
        root_hash: image.tree.root_hash.to_string(),
        salt: parameters.salt.to_string(),
        data_blocks: image.tree.data_blocks,
        root_partition_uuid: image.root_uuid,
        hash_partition_uuid: image.hash_uuid,
    })
}

fn text(report: &Report) -> String {
    let mut rows = vec![
        ["Image".to_owned(), report.file.clone()],
        ["Size".to_owned(), human_bytes(report.bytes)],
        ["Entries".to_owned(), report.entries.to_string()],
    ];
    if let Some(verity) = &report.verity {
        rows.push(["Root hash".to_owned(), verity.root_hash.clone()]);
        rows.push(["Salt".to_owned(), verity.salt.clone()]);
        rows.push(["Data blocks".to_owned(), verity.data_blocks.to_string()]);
    }
    table(["", ""], rows)
}
