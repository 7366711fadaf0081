//! From everything that differs to what somebody changed.

use std::collections::BTreeMap;

use guestmark_builder::tree::Origin;

use super::explanation::{Cause, CauseKind, FieldChange, RegionChange, RootfsChange, Status};
use super::input::Input;
use super::inside::initrd::MemberChange;
use super::inside::is_of_kernel;
use super::variant::{Compared, is_consequence};
use super::{lock, rootfs};

/// Parts that a cause names; the number of files is exact.
const PARTS: usize = 8;

/// Causes by kind and name.
#[derive(Debug, Default)]
pub(super) struct Causes(BTreeMap<(CauseKind, String), Cause>);

impl Causes {
    /// The causes, by kind and name.
    pub(super) fn into_sorted(self) -> Vec<Cause> {
        self.0.into_values().collect()
    }

    fn add(&mut self, kind: CauseKind, name: &str, place: &str) -> &mut Cause {
        let cause = self
            .0
            .entry((kind, name.to_owned()))
            .or_insert_with(|| Cause {
                kind,
                name: name.to_owned(),
                old: None,
                new: None,
                parts: Vec::new(),
                files: 0,
                places: Vec::new(),
            });
        if !cause.places.iter().any(|known| known == place) {
            cause.places.push(place.to_owned());
        }
        cause
    }

    /// A file, or something made of one, that changed with where it comes from.
    fn add_origin(&mut self, sides: Sides<'_>, origin: &Origin, part: &str, place: &str) {
        let (kind, name) = match origin {
            Origin::Package { name, .. } => (CauseKind::Package, name.clone()),
            Origin::RecipeFile { path } => (CauseKind::RecipeFile, path.clone()),
            Origin::Rule { name } => (CauseKind::Rule, name.clone()),
            Origin::Input { .. } | Origin::Layout { .. } => (CauseKind::Files, String::new()),
        };
        let cause = self.add(kind, &name, place);
        if kind == CauseKind::Package {
            cause.old = lock::version(sides.old, &name).map(str::to_owned);
            cause.new = lock::version(sides.new, &name).map(str::to_owned);
        }
        let part = part.to_owned();
        if !cause.parts.contains(&part) {
            cause.files += 1;
            if cause.parts.len() < PARTS {
                cause.parts.push(part);
            }
        }
    }

    /// What changed in the root file system.
    pub(super) fn add_rootfs(&mut self, sides: Sides<'_>, change: &RootfsChange) {
        const PLACE: &str = "root file system";
        for file in &change.files {
            let same_origin = file.old_origin == file.new_origin;
            if file.status == Status::Unknown && same_origin {
                continue;
            }
            let mut origins: Vec<_> = file.old_origin.iter().chain(&file.new_origin).collect();
            origins.dedup_by_key(|origin| rootfs::origin_name(origin));
            for origin in &origins {
                self.add_origin(sides, origin, &file.path, PLACE);
            }
            if origins.is_empty() {
                let cause = self.add(CauseKind::Files, "", PLACE);
                cause.files += 1;
                if cause.parts.len() < PARTS {
                    cause.parts.push(file.path.clone());
                }
            }
        }
        for field in &change.superblock {
            let cause = self.add(CauseKind::FileSystem, &field.name, PLACE);
            (cause.old, cause.new) = (field.old.clone(), field.new.clone());
        }
    }

    /// What changed in guest memory.
    pub(super) fn add_variant(&mut self, sides: Sides<'_>, compared: &Compared) {
        let variant = &compared.change.name;
        let changed = compared.change.regions.iter();
        for region in changed.filter(|region| !is_consequence(region)) {
            let place = match &variant[..] {
                "guest" => region.name.clone(),
                variant => format!("{} ({variant})", region.name),
            };
            match &region.name[..] {
                "command line" => self.add_words(region, &place),
                "kernel" => self.add_kernel(sides, region, &place),
                "boot parameters" => self.add_header(sides, compared, region, &place),
                "initrd" => self.add_initrd(sides, compared, region, &place),
                name if name.starts_with("ACPI") => {
                    self.add_fields(CauseKind::Acpi, region, &place)
                }
                "VMSA" => self.add_fields(CauseKind::Vmsa, region, &place),
                _ => self.add_fields(CauseKind::Memory, region, &place),
            }
        }
    }

    fn add_words(&mut self, region: &RegionChange, place: &str) {
        let words = region.details.iter();
        for word in words.filter(|word| word.follows_from.is_none() && word.name != "size") {
            let cause = self.add(CauseKind::CommandLine, &word.name, place);
            (cause.old, cause.new) = (word.old.clone(), word.new.clone());
        }
    }

    fn add_kernel(&mut self, sides: Sides<'_>, region: &RegionChange, place: &str) {
        let origins = region.old_origin.iter().chain(&region.new_origin);
        let mut from: Vec<&Origin> = origins.collect();
        from.dedup_by_key(|origin| rootfs::origin_name(origin));
        for origin in &from {
            self.add_origin(sides, origin, "kernel", place);
        }
        if from.is_empty() {
            self.add_fields(CauseKind::Kernel, region, place);
            let banner = region.details.iter().find(|detail| detail.name == "banner");
            if let Some(FieldChange { old, new, .. }) = banner {
                let cause = self.add(CauseKind::Kernel, &region.name, place);
                (cause.old, cause.new) = (old.clone(), new.clone());
            }
        }
    }

    /// The kernel's own header lies in `boot_params`, apart from the kernel.
    fn add_header(
        &mut self,
        sides: Sides<'_>,
        compared: &Compared,
        region: &RegionChange,
        place: &str,
    ) {
        let mut own = region
            .details
            .iter()
            .filter(|detail| detail.follows_from.is_none());
        let mut regions = compared.change.regions.iter();
        match regions.find(|region| region.name == "kernel") {
            Some(kernel) if own.all(|detail| is_of_kernel(&detail.name)) => {
                self.add_kernel(sides, kernel, place);
            }
            _ => self.add_fields(CauseKind::Memory, region, place),
        }
    }

    fn add_initrd(
        &mut self,
        sides: Sides<'_>,
        compared: &Compared,
        region: &RegionChange,
        place: &str,
    ) {
        let only_time = |member: &&MemberChange| {
            let mut details = member.details.iter();
            !member.details.is_empty() && details.all(|detail| detail.name == "mtime")
        };
        let (times, others): (Vec<_>, Vec<_>) = compared.members.iter().partition(only_time);
        let mut named = false;
        if let Some(detail) = times.first().and_then(|member| member.details.first()) {
            let cause = self.add(CauseKind::Initrd, "times in the initrd", place);
            (cause.old, cause.new) = (detail.old.clone(), detail.new.clone());
            cause.files = times.len() as u64;
            named = true;
        }
        for member in others {
            let origin = |input: &'_ Input| {
                let path = member.path.as_ref()?;
                input.origins.as_ref()?.initrd_entry(path).cloned()
            };
            let mut origins: Vec<Origin> = [origin(sides.old), origin(sides.new)]
                .into_iter()
                .flatten()
                .collect();
            origins.dedup_by_key(|origin| rootfs::origin_name(origin));
            for origin in &origins {
                self.add_origin(sides, origin, &member.name, place);
                named = true;
            }
        }
        if !named {
            self.add_fields(CauseKind::Initrd, region, place);
        }
    }

    fn add_fields(&mut self, kind: CauseKind, region: &RegionChange, place: &str) {
        let cause = self.add(kind, &region.name, place);
        let own = region
            .details
            .iter()
            .filter(|detail| detail.follows_from.is_none());
        for name in own.map(|detail| &detail.name) {
            if cause.parts.len() < PARTS && !cause.parts.contains(name) {
                cause.parts.push(name.clone());
            }
        }
    }
}

/// Both sides, for what their locks say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) old: &'a Input,
    pub(super) new: &'a Input,
}

/// A cause in a few words.
pub(super) fn words(cause: &Cause) -> String {
    let Cause { name, old, new, .. } = cause;
    let change = match (old, new) {
        (Some(old), Some(new)) if old == new => format!(" {new} (same version, other files)"),
        (Some(old), Some(new)) => format!(" {old} -> {new}"),
        (Some(old), None) => format!(" {old} removed"),
        (None, Some(new)) => format!(" {new} added"),
        (None, None) => String::new(),
    };
    let parts = || match cause.parts.len() {
        0 => String::new(),
        _ => format!(" ({})", listed(cause)),
    };
    match cause.kind {
        CauseKind::Package => format!("package {name}{change}"),
        CauseKind::RecipeFile => format!("recipe file {name}{}", parts()),
        CauseKind::Rule => format!("rule {name}{}", parts()),
        CauseKind::Files => match cause.files {
            1 => format!("file {}", listed(cause)),
            files => format!("{files} files ({})", listed(cause)),
        },
        CauseKind::FileSystem => format!("file system {name}{change}"),
        CauseKind::CommandLine => match (old, new) {
            (Some(old), Some(new)) => format!("command line {old} -> {new}"),
            (Some(old), None) => format!("command line without {old}"),
            (None, Some(new)) => format!("command line with {new}"),
            (None, None) => format!("command line: {name}"),
        },
        CauseKind::Kernel if old.is_some() || new.is_some() => format!("kernel{change}"),
        CauseKind::Initrd if old.is_some() => format!("{name}{change}"),
        CauseKind::Kernel | CauseKind::Initrd => format!("{name}{}", parts()),
        CauseKind::Acpi | CauseKind::Vmsa | CauseKind::Memory => format!("{name}{}", parts()),
    }
}

/// The first parts, and how many more there are.
fn listed(cause: &Cause) -> String {
    const SHOWN: usize = 3;
    let shown = cause.parts.len().min(SHOWN);
    let all = usize::try_from(cause.files)
        .unwrap_or(usize::MAX)
        .max(cause.parts.len());
    let mut text = cause.parts[..shown].join(", ");
    if all > shown {
        text.push_str(&format!(", {} more", all - shown));
    }
    text
}
