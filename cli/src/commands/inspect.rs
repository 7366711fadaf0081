//! `inspect`: what an artifact holds, as a person reads it.

mod disk;
mod files;
mod igvm;
mod measured_disk;

use guestmark_builder::inspect::{
    HashTreeCheck, IdBlockFacts, InspectError, Inspection, KernelFacts, MeasuredDiskFacts, Policy,
    hold_against_disk, inspect,
};
use guestmark_builder::progress::Progress;
use serde::Serialize;

use crate::args::Inspect;
use crate::output::{Outcome, Output, human_bytes, table};

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    #[serde(flatten)]
    inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_disk: Option<MeasuredDiskFacts>,
}

pub(crate) fn run(args: Inspect, output: &Output) -> anyhow::Result<Outcome> {
    let progress = output.progress();
    progress.step("Reading");
    let inspection = inspect(&args.file)?;
    let measured_disk = match (&args.disk, &inspection) {
        (None, _) => None,
        (Some(disk), Inspection::Igvm(igvm)) => {
            progress.step("Hashing the disk");
            Some(hold_against_disk(igvm, disk)?)
        }
        (Some(_), _) => return Err(InspectError::NotIgvm { path: args.file }.into()),
    };
    drop(progress);
    let report = Report {
        schema: "guestmark/inspect/1",
        file: args.file.display().to_string(),
        inspection,
        measured_disk,
    };
    output.print(&report, text)?;
    Ok(match disagrees(&report) {
        true => Outcome::Bad,
        false => Outcome::Good,
    })
}

/// Whether a hash tree does not match its data, or a disk the command line: the verdicts that are
/// asked for here.
fn disagrees(report: &Report) -> bool {
    if let Some(disk) = &report.measured_disk {
        return !disk.good;
    }
    match &report.inspection {
        Inspection::Disk(disk) => disk
            .hash_trees
            .iter()
            .any(|tree| matches!(tree.check, HashTreeCheck::Differs { .. })),
        _ => false,
    }
}

fn text(report: &Report) -> String {
    let disk = report.measured_disk.as_ref().map(measured_disk::text);
    let text = match &report.inspection {
        Inspection::Igvm(facts) => igvm::text(facts),
        Inspection::Disk(facts) => disk::text(facts),
        Inspection::MbrDisk(facts) => disk::mbr(facts),
        Inspection::Erofs(facts) => files::erofs(facts),
        Inspection::Ext4(facts) => files::ext4(facts),
        Inspection::Initrd(facts) => files::initrd(facts),
        Inspection::IdBlock(facts) => id_block(facts),
        Inspection::Kernel(facts) => kernel(facts),
        _ => String::new(),
    };
    text + &disk.unwrap_or_default()
}

/// A table of names and values.
fn values<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    table(
        ["", ""],
        rows.into_iter()
            .map(|(name, value)| [name.to_owned(), value]),
    )
}

/// A heading and a table, or nothing where there are no rows.
fn section<const N: usize>(title: &str, header: [&str; N], rows: Vec<[String; N]>) -> String {
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{title}\n{}", table(header, rows)),
    }
}

fn id_block(facts: &IdBlockFacts) -> String {
    values([
        (
            "Holds",
            format!("ID block, version {}, to be signed", facts.version),
        ),
        ("Launch digest", facts.launch_digest.to_string()),
        ("Family id", facts.family_id.clone()),
        ("Image id", facts.image_id.clone()),
        ("Guest SVN", facts.guest_svn.to_string()),
        ("Guest policy", policy(&facts.policy)),
    ])
}

fn kernel(facts: &KernelFacts) -> String {
    let relocatable = match facts.relocatable {
        true => format!(", relocatable by {:#x}", facts.alignment),
        false => String::new(),
    };
    let compressed = facts
        .compressed
        .as_ref()
        .map_or("not found".to_owned(), |compressed| {
            let compression = compressed.compression.map(|known| known.to_string());
            format!(
                "{}, {} at {:#x} of the payload",
                human_bytes(compressed.bytes),
                compression.as_deref().unwrap_or("unknown compression"),
                compressed.offset
            )
        });
    values([
        (
            "Holds",
            format!("Linux kernel, boot protocol {}", facts.boot_protocol),
        ),
        (
            "Version",
            facts
                .version
                .clone()
                .unwrap_or_else(|| "not given".to_owned()),
        ),
        (
            "Load address",
            format!("{}{relocatable}", facts.preferred_address),
        ),
        (
            "Memory needed",
            format!("{:#x} from there", facts.init_size),
        ),
        ("64-bit entry", facts.entry.to_string()),
        (
            "Command line",
            format!("at most {} bytes", facts.command_line_limit),
        ),
        ("Setup code", human_bytes(facts.setup_bytes)),
        ("Payload", human_bytes(facts.payload_bytes)),
        ("Compressed", compressed),
    ])
}

/// A guest policy in words. What is out of the ordinary comes last and is not to be overlooked.
fn policy(policy: &Policy) -> String {
    let mut words = vec![
        format!("firmware ABI {} or later", policy.minimum_abi),
        match policy.smt {
            true => "SMT allowed".to_owned(),
            false => "SMT forbidden".to_owned(),
        },
    ];
    let demands = [
        (policy.single_socket, "single socket"),
        (policy.migration_agent, "migration agent allowed"),
        (policy.cxl, "CXL allowed"),
        (policy.aes_256_xts, "AES-256-XTS required"),
        (policy.rapl_disabled, "RAPL off"),
        (policy.ciphertext_hiding, "ciphertext hiding required"),
        (policy.page_swap_disabled, "page swap forbidden"),
        (!policy.debug, "debugging forbidden"),
        (
            policy.debug,
            "DEBUGGING ALLOWED: the host can read the guest's memory",
        ),
    ];
    words.extend(
        demands
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, word)| (*word).to_owned()),
    );
    words.extend(policy.violations.iter().cloned());
    format!("{}: {}", policy.bits, words.join(", "))
}
