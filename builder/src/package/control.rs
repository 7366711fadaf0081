//! The control archive of a .deb: the fields of its control file and its maintainer scripts.

use super::{MaintainerScript, OpenedPackage};
use crate::archive::debian::Paragraphs;
use crate::lock::LockedPackage;
use crate::tree::NodeKind;
use crate::tree::tarball::{Entry, EntryKind};

/// Control files take a few kilobytes.
const MAX_CONTROL: u64 = 1 << 20;

/// Why a control archive does not describe the locked package.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no `control` file.
    #[error("there is no control file in it")]
    Missing,
    /// The control file cannot be read or is not one.
    #[error("control: {0}")]
    Syntax(String),
    /// A field that the lock pins is absent or has another value.
    #[error("control: {field} is {found:?}, the lock says {locked:?}")]
    Differs {
        /// The field.
        field: &'static str,
        /// Its value; empty if it is absent.
        found: String,
        /// The lock's value.
        locked: String,
    },
}

/// What a control archive says.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) package: OpenedPackage,
    /// The sum of the package's file sizes as the package declares it, in bytes.
    pub(super) installed_size: Option<u64>,
}

/// Reads the entries of a control archive and compares them with the lock. The package comes
/// without entries.
pub(super) fn read(entries: &[Entry], locked: &LockedPackage) -> Result<Control, ControlError> {
    let file = |name: &str| {
        entries.iter().find_map(|entry| match &entry.kind {
            EntryKind::Inode {
                kind: NodeKind::File(content),
                ..
            } if entry.path.as_bytes() == name.as_bytes() => Some(content),
            _ => None,
        })
    };
    let content = file("control").ok_or(ControlError::Missing)?;
    if content.len() > MAX_CONTROL {
        return Err(ControlError::Syntax(format!(
            "{} bytes; the limit is {MAX_CONTROL}",
            content.len()
        )));
    }
    let syntax = |error: &dyn ToString| ControlError::Syntax(error.to_string());
    let bytes = content.to_vec().map_err(|error| syntax(&error))?;
    let paragraphs: Vec<_> = Paragraphs::new(&*bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| syntax(&error))?;
    let [paragraph] = &*paragraphs else {
        return Err(ControlError::Syntax(format!(
            "{} paragraphs instead of one",
            paragraphs.len()
        )));
    };
    for (field, pinned) in [
        ("Package", &locked.name),
        ("Version", &locked.version),
        ("Architecture", &locked.architecture),
    ] {
        let found = paragraph.get(field).unwrap_or_default();
        if found != pinned {
            return Err(ControlError::Differs {
                field,
                found: found.to_owned(),
                locked: pinned.clone(),
            });
        }
    }
    let installed_size = paragraph
        .get("Installed-Size")
        .and_then(|text| text.trim().parse::<u64>().ok())
        .and_then(|kibibytes| kibibytes.checked_mul(1024));
    Ok(Control {
        package: OpenedPackage {
            name: locked.name.clone(),
            version: locked.version.clone(),
            architecture: locked.architecture.clone(),
            scripts: MaintainerScript::DEBIAN
                .into_iter()
                .filter(|script| file(script.name()).is_some())
                .collect(),
            entries: Vec::new(),
            owners: Vec::new(),
            shares_equal_files: false,
        },
        installed_size,
    })
}
