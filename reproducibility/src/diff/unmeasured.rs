//! What differs and does not change the digest.

use std::collections::BTreeMap;

use guestmark_builder::build::Measurement;
use guestmark_measure::igvm::{Directive, IgvmFile, PlatformType};
use guestmark_measure::lanes::Page;
use guestmark_measure::{Gpa, Sha384Digest};
use sha2::{Digest, Sha384};

use super::explanation::FieldChange;

/// What `measurement.json` says of the guest besides its digest.
pub(super) fn of_measurements(old: &Measurement, new: &Measurement) -> Vec<FieldChange> {
    let hex = |bits: u64| format!("{bits:#x}");
    let fields = [
        ("recipe", old.recipe.clone(), new.recipe.clone()),
        ("policy", hex(old.policy.bits()), hex(new.policy.bits())),
        (
            "guest-svn",
            old.guest_svn.to_string(),
            new.guest_svn.to_string(),
        ),
        ("uvm-svn", old.uvm_svn.to_string(), new.uvm_svn.to_string()),
        (
            "family-id",
            old.family_id.to_string(),
            new.family_id.to_string(),
        ),
        (
            "image-id",
            old.image_id.to_string(),
            new.image_id.to_string(),
        ),
        ("disk", old.disk.clone(), new.disk.clone()),
        ("agent", agent(old), agent(new)),
    ];
    let differing = fields.into_iter().filter(|(_, old, new)| old != new);
    differing
        .map(|(name, old, new)| FieldChange::new(name, old, new))
        .collect()
}

fn agent(measurement: &Measurement) -> String {
    let agent = serde_json::to_value(&measurement.agent).unwrap_or_default();
    agent.to_string()
}

/// What two IGVM files have besides measured pages: policy, ID block, contents of pages that are
/// not measured.
pub(super) fn of_files(old: &IgvmFile<'_>, new: &IgvmFile<'_>) -> Vec<FieldChange> {
    let (before, after) = (facts(old), facts(new));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    differing
        .map(|name| {
            FieldChange::of(
                name.clone(),
                before.get(name).cloned(),
                after.get(name).cloned(),
            )
        })
        .collect()
}

fn facts(file: &IgvmFile<'_>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let Some(platform) = file.platform(PlatformType::SevSnp) else {
        return facts;
    };
    if let Some(policy) = file.guest_policy(platform.mask) {
        facts.insert("policy".to_owned(), format!("{policy:#x}"));
    }
    for directive in file.directives() {
        if !directive.applies_to(platform.mask) {
            continue;
        }
        match directive {
            Directive::SnpIdBlock(block) => {
                let mut add = |name: &str, value: String| {
                    facts.insert(format!("ID block, {name}"), value);
                };
                add("launch digest", block.launch_digest().to_string());
                add("family id", hex::encode(block.family_id));
                add("image id", hex::encode(block.image_id));
                add("guest SVN", block.guest_svn.get().to_string());
                add(
                    "ID key",
                    key(&[block.id_public_key.qx, block.id_public_key.qy]),
                );
                let signature = &block.id_key_signature;
                add("signature", key(&[signature.r, signature.s]));
                let author = &block.author_public_key;
                add("author key", key(&[author.qx, author.qy]));
            }
            Directive::PageData(page) => {
                let measured = page.data_type == guestmark_measure::igvm::PageDataType::Normal
                    && !page.flags.is_unmeasured();
                if !measured && let Some(data) = page.data {
                    facts.insert(unmeasured_name(page.gpa), contents(data));
                }
            }
            Directive::RequiredMemory(memory) => {
                let name = format!("required memory at {}", memory.gpa);
                facts.insert(name, format!("{} bytes", memory.size));
            }
            _ => {}
        }
    }
    facts
}

fn unmeasured_name(gpa: Gpa) -> String {
    format!("page at {gpa} whose contents are not measured")
}

fn contents(page: &Page) -> String {
    format!("sha384 {}", Sha384Digest::new(Sha384::digest(page).into()))
}

/// A key or a signature, hashed to what a person compares.
fn key(parts: &[[u8; 72]]) -> String {
    match parts.iter().flatten().all(|byte| *byte == 0) {
        true => "none".to_owned(),
        false => {
            let digest = Sha384Digest::new(Sha384::digest(parts.concat()).into());
            format!("sha384 {digest}")
        }
    }
}
