//! An IGVM file as tables.

use guestmark_builder::inspect::{IgvmFacts, KeyFacts, LinuxFacts, PageRange, SignedIdBlockFacts};

use super::{policy, section, values};
use crate::output::human_bytes;

pub(super) fn text(facts: &IgvmFacts) -> String {
    let mut rows = vec![(
        "Holds",
        format!(
            "IGVM file, revision {}, {}, {}",
            facts.revision,
            facts.architecture,
            human_bytes(facts.bytes)
        ),
    )];
    rows.extend(
        facts
            .version_string
            .iter()
            .map(|label| ("Label", label.clone())),
    );
    for platform in &facts.platforms {
        let name = platform.platform;
        rows.push(("Platform", format!("{name}, mask {}", platform.mask)));
        if let Some(found) = &platform.guest_policy {
            rows.push(("Guest policy", policy(found)));
        }
    }
    if facts.id_blocks.is_empty() {
        rows.push(("ID block", "none".to_owned()));
    }
    if let Some(linux) = &facts.linux {
        rows.extend(guest(linux));
    }
    let mut text = values(rows);
    for block in &facts.id_blocks {
        text.push_str("\nID block (signatures are not checked)\n");
        text.push_str(&id_block(block));
    }
    text.push_str(&pages(&facts.pages));
    text.push_str(&memory(facts));
    text.push_str(&processors(facts));
    if let Some(linux) = &facts.linux {
        text.push_str(&e820(linux));
    }
    text.push_str(&others(facts));
    text
}

fn guest(linux: &LinuxFacts) -> Vec<(&'static str, String)> {
    let not_found = || format!("not found; boot protocol {}", linux.boot_protocol);
    let line = linux
        .command_line
        .as_ref()
        .map_or("none".to_owned(), |line| {
            let cut = if line.complete {
                ""
            } else {
                " (the file does not hold its end)"
            };
            format!("{}{cut}", line.text)
        });
    let initrd = linux.initrd.as_ref().map_or("none".to_owned(), |initrd| {
        format!("{} bytes at {}", initrd.bytes, initrd.start)
    });
    vec![
        (
            "Kernel",
            linux.kernel_version.clone().unwrap_or_else(not_found),
        ),
        ("Command line", line),
        ("Initrd", initrd),
        ("boot_params", linux.boot_params.to_string()),
        ("ACPI RSDP", linux.acpi_rsdp.to_string()),
    ]
}

fn id_block(block: &SignedIdBlockFacts) -> String {
    let mut rows = vec![
        ("Launch digest", block.launch_digest.to_string()),
        ("Matches", matches(block)),
        ("Family id", block.family_id.clone()),
        ("Image id", block.image_id.clone()),
        ("Guest SVN", block.guest_svn.to_string()),
        ("ID key", key(&block.id_key)),
    ];
    rows.extend(
        block
            .author_key
            .iter()
            .map(|author| ("Author key", key(author))),
    );
    values(rows)
}

/// Which loaders would launch the file to the digest in its ID block.
fn matches(block: &SignedIdBlockFacts) -> String {
    let names = block.matching_loaders.iter().map(|loader| loader.name());
    match names.collect::<Vec<_>>()[..] {
        [] => "NO LOADER launches this file to that digest: the guest does not start".to_owned(),
        ref names => format!("this file, launched by {}", names.join(", ")),
    }
}

fn key(key: &KeyFacts) -> String {
    let algorithm = match (key.algorithm, key.curve) {
        (1, 2) => "ECDSA P-384".to_owned(),
        (algorithm, curve) => format!("algorithm {algorithm}, curve {curve}"),
    };
    let signature = if key.has_signature {
        ""
    } else {
        ", NOT SIGNED"
    };
    format!("{} ({algorithm}{signature})", key.digest)
}

fn pages(ranges: &[PageRange]) -> String {
    let rows = ranges.iter().map(|range| {
        // What the firmware fills has no data of its own.
        let is_normal = range.page_type == "normal";
        let notes = [
            (range.large, "2 MiB pages"),
            (range.unmeasured, "unmeasured"),
            (range.shared, "shared with the host"),
            (is_normal && range.pages_without_data > 0, "without data"),
        ];
        let notes = notes
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, note)| *note);
        [
            range.start.to_string(),
            range.page_type.to_owned(),
            range.pages.to_string(),
            match is_normal {
                true => range.zero_pages.to_string(),
                false => String::new(),
            },
            human_bytes(range.bytes),
            notes.collect::<Vec<_>>().join(", "),
        ]
    });
    let header = ["Start", "Type", "Pages", "Of zeros", "Size", ""];
    section("Pages", header, rows.collect())
}

fn memory(facts: &IgvmFacts) -> String {
    let required = facts.required_memory.iter().map(|range| {
        [
            range.start.to_string(),
            human_bytes(range.bytes),
            "required".to_owned(),
        ]
    });
    let areas = facts.parameter_areas.iter().map(|area| {
        let places = area
            .inserted_at
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        let parameters = area.parameters.iter();
        let parameters = parameters.map(|each| format!("{} at +{}", each.parameter, each.offset));
        [
            match places.is_empty() {
                true => "not inserted".to_owned(),
                false => places.join(", "),
            },
            human_bytes(area.bytes),
            format!("parameters: {}", parameters.collect::<Vec<_>>().join(", ")),
        ]
    });
    let rows = required.chain(areas).collect();
    section(
        "Memory that the loader provides",
        ["Start", "Size", ""],
        rows,
    )
}

fn processors(facts: &IgvmFacts) -> String {
    let rows = facts.vp_contexts.iter().map(|context| {
        let vp = context.vp_index.to_string();
        let gpa = context.gpa.to_string();
        match &context.registers {
            None => [
                vp,
                gpa,
                "not read".to_owned(),
                String::new(),
                String::new(),
                String::new(),
            ],
            Some(registers) => [
                vp,
                gpa,
                registers.vmpl.to_string(),
                format!("{} / {}", registers.rip, registers.rsi),
                format!("{} / {}", registers.cr3, registers.efer),
                format!(
                    "{} {}",
                    registers.sev_features.bits,
                    registers.sev_features.names.join(", ")
                ),
            ],
        }
    });
    let header = [
        "VP",
        "VMSA at",
        "VMPL",
        "RIP / RSI",
        "CR3 / EFER",
        "SEV_FEATURES",
    ];
    section("Virtual processors", header, rows.collect())
}

fn e820(linux: &LinuxFacts) -> String {
    let rows = linux.e820.iter().map(|range| {
        [
            range.start.to_string(),
            human_bytes(range.bytes),
            range.range_type.clone(),
        ]
    });
    section(
        "Memory map of the kernel (E820)",
        ["Start", "Size", "Type"],
        rows.collect(),
    )
}

fn others(facts: &IgvmFacts) -> String {
    let known = facts.other_headers.iter().map(|header| {
        [
            header.header.to_owned(),
            format!("mask {}", header.mask),
            String::new(),
        ]
    });
    let unknown = facts.unknown_headers.iter().map(|header| {
        [
            format!("unknown, type {}, optional", header.header_type),
            format!("at {:#x}", header.offset),
            human_bytes(header.bytes),
        ]
    });
    section(
        "Other headers",
        ["", "", ""],
        known.chain(unknown).collect(),
    )
}
