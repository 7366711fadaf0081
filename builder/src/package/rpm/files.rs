//! The files of an RPM package: the header says what they are, the payload holds their contents.

use std::collections::BTreeMap;

use super::RpmError;
use super::capabilities;
use super::header::{Header, HeaderError};
use crate::package::NamedOwner;
use crate::tree::section::Section;
use crate::tree::tarball::{Entry, EntryKind};
use crate::tree::{Device, Metadata, NodeKind, TreePath};

const SIZES: u32 = 1028;
const LONG_SIZES: u32 = 5008;
const MODES: u32 = 1030;
const DEVICE_NUMBERS: u32 = 1033;
const LINK_TARGETS: u32 = 1036;
const FLAGS: u32 = 1037;
const USERS: u32 = 1039;
const GROUPS: u32 = 1040;
const DEVICES: u32 = 1095;
const INODES: u32 = 1096;
const DIRECTORY_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIRECTORIES: u32 = 1118;
const CAPABILITIES: u32 = 5010;

/// A file that the package owns and does not bring (`%ghost`).
const GHOST: u64 = 1 << 6;

/// A file as the header lists it.
struct Listed<'a> {
    path: TreePath,
    size: u64,
    mode: u64,
    device_number: u64,
    target: &'a [u8],
    flags: u64,
    user: &'a [u8],
    group: &'a [u8],
    /// Files of the same one are hard links.
    inode: (u64, u64),
    capabilities: &'a [u8],
}

impl Listed<'_> {
    fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// What the package unpacks to, and whose it is where root does not own it.
pub(super) struct Files {
    pub(super) entries: Vec<Entry>,
    pub(super) owners: Vec<NamedOwner>,
}

/// The sum of the package's file sizes, and their number.
pub(super) fn extent(header: &Header) -> Result<(u64, u64), HeaderError> {
    let sizes = sizes(header)?;
    let sum = sizes
        .iter()
        .fold(0, |sum: u64, &size| sum.saturating_add(size));
    Ok((sum, sizes.len() as u64))
}

fn sizes(header: &Header) -> Result<Vec<u64>, HeaderError> {
    match header.has(LONG_SIZES) {
        true => header.numbers(LONG_SIZES),
        false => header.numbers(SIZES),
    }
}

/// Every file with its bytes in the payload, for payloads that do not say them themselves: those of
/// packages with files of 4 GiB and more.
pub(super) fn stripped(header: &Header) -> Result<Vec<(TreePath, u64)>, RpmError> {
    if !header.has(LONG_SIZES) {
        return Ok(Vec::new());
    }
    let listed = listed(header)?;
    let mut last_names = BTreeMap::new();
    let present = listed.iter().enumerate();
    for (index, file) in present.filter(|(_, file)| file.is_file() && file.flags & GHOST == 0) {
        last_names.insert(file.inode, index);
    }
    let size = |index: usize, file: &Listed<'_>| match file.mode & 0o170_000 {
        // The last one of hard links holds the content.
        0o100_000 if last_names.get(&file.inode) == Some(&index) => file.size,
        0o120_000 => file.target.len() as u64,
        _ => 0,
    };
    let sizes = listed.iter().enumerate();
    Ok(sizes
        .map(|(index, file)| (file.path.clone(), size(index, file)))
        .collect())
}

/// Puts `contents`, the payload, to the files of `header`.
pub(super) fn read(
    header: &Header,
    mut contents: BTreeMap<TreePath, Section>,
) -> Result<Files, RpmError> {
    let listed = listed(header)?;
    let mut present: Vec<&Listed<'_>> = listed
        .iter()
        .filter(|file| file.flags & GHOST == 0)
        .collect();
    // A directory comes before what it holds.
    present.sort_by(|a, b| a.path.cmp(&b.path));
    let mut inodes: BTreeMap<(u64, u64), Vec<&Listed<'_>>> = BTreeMap::new();
    for file in present.iter().filter(|file| file.is_file()) {
        inodes.entry(file.inode).or_default().push(file);
    }
    let mut files = Files {
        entries: Vec::new(),
        owners: Vec::new(),
    };
    for file in &present {
        let names = inodes.get(&file.inode).filter(|_| file.is_file());
        let kind = match names {
            Some(names) if names[0].path != file.path => EntryKind::HardLink {
                target: names[0].path.clone(),
            },
            names => {
                let names = names.map_or(&[][..], Vec::as_slice);
                EntryKind::Inode {
                    kind: node(file, names, &contents)?,
                    metadata: metadata(file)?,
                }
            }
        };
        let names = [file.user, file.group].map(String::from_utf8_lossy);
        if names.iter().any(|name| name != "root") && matches!(kind, EntryKind::Inode { .. }) {
            let [user, group] = names.map(std::borrow::Cow::into_owned);
            files.owners.push(NamedOwner {
                entry: files.entries.len(),
                user,
                group,
            });
        }
        files.entries.push(Entry {
            path: file.path.clone(),
            kind,
        });
    }
    for file in &present {
        contents.remove(&file.path);
    }
    match contents.into_keys().next() {
        Some(path) => Err(RpmError::Unlisted { path }),
        None => Ok(files),
    }
}

fn node(
    file: &Listed<'_>,
    names: &[&Listed<'_>],
    contents: &BTreeMap<TreePath, Section>,
) -> Result<NodeKind, RpmError> {
    let device = || Device {
        major: u32::try_from(file.device_number >> 8).unwrap_or(u32::MAX),
        minor: u32::try_from(file.device_number & 0xff).unwrap_or(u32::MAX),
    };
    Ok(match file.mode & 0o170_000 {
        0o040_000 => NodeKind::Directory,
        0o100_000 => {
            // Of hard links, the last one in the payload holds the content.
            let found = names.iter().filter_map(|name| contents.get(&name.path));
            let content =
                found
                    .max_by_key(|content| content.len())
                    .ok_or_else(|| RpmError::Missing {
                        path: file.path.clone(),
                    })?;
            if content.len() != file.size {
                return Err(RpmError::Size {
                    path: file.path.clone(),
                    listed: file.size,
                    found: content.len(),
                });
            }
            NodeKind::File(content.content())
        }
        0o120_000 => NodeKind::Symlink(file.target.to_vec()),
        0o020_000 => NodeKind::CharacterDevice(device()),
        0o060_000 => NodeKind::BlockDevice(device()),
        0o010_000 => NodeKind::Fifo,
        0o140_000 => NodeKind::Socket,
        _ => {
            return Err(RpmError::Mode {
                path: file.path.clone(),
                mode: file.mode,
            });
        }
    })
}

/// Root's, until the owner's name is looked up.
fn metadata(file: &Listed<'_>) -> Result<Metadata, RpmError> {
    let mode = u16::try_from(file.mode & 0o7777).unwrap_or_default();
    let mut metadata = Metadata::root_owned(mode);
    let text = String::from_utf8_lossy(file.capabilities);
    if !text.is_empty() {
        let value = capabilities::attribute(&text).ok_or_else(|| RpmError::Capabilities {
            path: file.path.clone(),
            text: text.into_owned(),
        })?;
        metadata
            .xattrs
            .insert(b"security.capability".to_vec(), value);
    }
    Ok(metadata)
}

fn listed(header: &Header) -> Result<Vec<Listed<'_>>, RpmError> {
    let names = header.strings(BASE_NAMES)?;
    let directories = header.strings(DIRECTORIES)?;
    let directory_of = header.numbers(DIRECTORY_INDEXES)?;
    let (sizes, modes) = (sizes(header)?, header.numbers(MODES)?);
    let (numbers, flags) = (header.numbers(DEVICE_NUMBERS)?, header.numbers(FLAGS)?);
    let (devices, inodes) = (header.numbers(DEVICES)?, header.numbers(INODES)?);
    let (users, groups) = (header.strings(USERS)?, header.strings(GROUPS)?);
    let targets = header.strings(LINK_TARGETS)?;
    let capabilities = header.strings(CAPABILITIES)?;
    let file = |index: usize| {
        let directory = directories.get(usize::try_from(*directory_of.get(index)?).ok()?)?;
        let path = [*directory, names[index]].concat();
        let path = TreePath::parse(&path).map_err(RpmError::Path);
        Some(path.map(|path| Listed {
            path,
            size: sizes[index],
            mode: modes[index],
            device_number: numbers[index],
            target: targets[index],
            flags: flags[index],
            user: users[index],
            group: groups[index],
            inode: (devices[index], inodes[index]),
            capabilities: capabilities.get(index).copied().unwrap_or_default(),
        }))
    };
    let lengths = [
        sizes.len(),
        modes.len(),
        numbers.len(),
        flags.len(),
        devices.len(),
        inodes.len(),
        users.len(),
        groups.len(),
        targets.len(),
    ];
    if lengths.iter().any(|&length| length != names.len()) {
        return Err(RpmError::Lists);
    }
    (0..names.len())
        .map(|index| file(index).unwrap_or(Err(RpmError::Lists)))
        .collect()
}
