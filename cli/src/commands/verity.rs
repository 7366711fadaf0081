//! `verity`: the hash tree of a file, as `veritysetup format` writes it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use fs_err::{File, OpenOptions};
use guestmark_builder::output::OutputFile;
use guestmark_builder::progress::Progress;
use guestmark_builder::verity::{self, BLOCK_SIZE, Data, HashArea, HashTree, Parameters};
use serde::Serialize;

use crate::args::Verity;
use crate::output::{Outcome, Output, table};

/// The values that a dm-verity table needs.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    root_hash: String,
    salt: String,
    data_blocks: u64,
    block_size: u64,
    algorithm: &'static str,
    hash_start_block: u64,
}

pub(crate) fn run(args: Verity, output: &Output) -> anyhow::Result<Outcome> {
    let parameters = Parameters {
        salt: args.salt.clone(),
        uuid: args.uuid,
    };
    let progress = output.progress();
    progress.step("Hashing");
    let tree = format(&args, &parameters)?;
    let report = Report {
        schema: "guestmark/verity/1",
        root_hash: tree.root_hash.to_string(),
        salt: parameters.salt.to_string(),
        data_blocks: tree.data_blocks,
        block_size: BLOCK_SIZE,
        algorithm: "sha256",
        hash_start_block: tree.tree_offset / BLOCK_SIZE,
    };
    drop(progress);
    output.print(&report, text)?;
    Ok(Outcome::Good)
}

/// A hash area inside an existing file is written in place; any other hash file appears whole.
fn format(args: &Verity, parameters: &Parameters) -> anyhow::Result<HashTree> {
    let input = File::open(&args.data)?;
    let data = match args.data_blocks {
        Some(blocks) => {
            let length = blocks
                .checked_mul(BLOCK_SIZE)
                .context("--data-blocks is too large")?;
            let there = input.metadata()?;
            // A block device has its length elsewhere.
            if there.is_file() && there.len() < length {
                anyhow::bail!(
                    "{}: --data-blocks {blocks} needs {length} bytes, the file has {}; give at \
                     most {}",
                    args.data.display(),
                    there.len(),
                    there.len() / BLOCK_SIZE
                );
            }
            Data::new(&input, 0, length)?
        }
        None => Data::whole(&input)?,
    };
    if args.hash_offset == 0 && is_same_file(&input, &args.hash) {
        anyhow::bail!(
            "{}: the hash tree would replace the data; give --hash-offset with a place after the \
             data, or another file",
            args.hash.display()
        );
    }
    if args.hash_offset > 0 && args.hash.exists() {
        let file = OpenOptions::new().read(true).write(true).open(&args.hash)?;
        let area = HashArea {
            file: &file,
            offset: args.hash_offset,
        };
        let tree = verity::format(data, area, parameters)?;
        file.sync_all()?;
        return Ok(tree);
    }
    let out = OutputFile::begin(&args.hash)?;
    let area = HashArea {
        file: out.file(),
        offset: args.hash_offset,
    };
    let tree = verity::format(data, area, parameters)?;
    out.commit()?;
    Ok(tree)
}

fn is_same_file(file: &File, path: &Path) -> bool {
    let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs_err::metadata(path)) {
        (Ok(file), Ok(other)) => place(file) == place(other),
        _ => false,
    }
}

fn text(report: &Report) -> String {
    table(
        ["", ""],
        [
            ["Root hash".to_owned(), report.root_hash.clone()],
            ["Salt".to_owned(), report.salt.clone()],
            ["Data blocks".to_owned(), report.data_blocks.to_string()],
            [
                "Hash start".to_owned(),
                format!("block {}", report.hash_start_block),
            ],
        ],
    )
}
