//! A folder on disk as a tree.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, lgetxattr_query, llistxattr, llistxattr_query, major, minor};
use rustix::io::Errno;
use walkdir::WalkDir;

use super::{
    Content, Device, Metadata, Node, NodeKind, Origin, PathError, Tree, TreeError, TreePath,
};

/// Whom the files of a tree belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Whom they belong to on disk.
    AsFound,
    /// One user and group for all of them, such as root where an ordinary user packs.
    All {
        /// The owning user's id.
        uid: u32,
        /// The owning group's id.
        gid: u32,
    },
}

/// Why a folder cannot be read as a tree.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder or something in it cannot be read.
    #[error("{}: cannot {action}: {source}", path.display())]
    Read {
        /// What cannot be read.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file of a kind that Linux has no name for.
    #[error("{}: is no file, directory, link, device, pipe or socket", path.display())]
    UnknownKind {
        /// The path.
        path: PathBuf,
    },
    /// A name that has no place in a tree.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A path that has no place in the tree, because the folder changed while it was read.
    #[error("the folder changed while it was read: {0}")]
    Tree(#[from] TreeError),
}

/// Reads a folder and everything below it as a tree, on whatever file system it lies. Links are
/// not followed, except that `folder` itself may be one. Contents are not read until an image is
/// written; times are not kept.
///
/// Every entry gets this origin.
///
/// # Errors
/// Something cannot be read or has no place in a tree; the error names it.
pub fn read_directory(
    folder: &Path,
    owners: Owners,
    origin: &Origin,
) -> Result<Tree, DirectoryError> {
    let mut tree = Tree::new(origin.clone());
    let mut first_names: BTreeMap<(u64, u64), TreePath> = BTreeMap::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| walk_error(folder, error))?;
        // Only the folder itself may be a link: "/." is what it leads to.
        let folder_itself = (entry.depth() == 0).then(|| folder.join("."));
        let path = folder_itself.as_deref().unwrap_or(entry.path());
        let stat = path
            .symlink_metadata()
            .map_err(failed(path, "read the metadata"))?;
        let metadata = metadata(path, &stat, owners)?;
        if folder_itself.is_some() {
            if let Some(root) = tree.get_mut(&TreePath::root()) {
                root.metadata = metadata;
            }
            continue;
        }

        let relative = path.strip_prefix(folder).unwrap_or(path);
        let place = TreePath::parse(relative.as_os_str().as_bytes())?;
        if !stat.is_dir() && stat.nlink() > 1 {
            let inode = (stat.dev(), stat.ino());
            if let Some(first) = first_names.get(&inode) {
                tree.link(place, first)?;
                continue;
            }
            first_names.insert(inode, place.clone());
        }
        let node = Node {
            kind: kind(path, &stat)?,
            metadata,
            origin: origin.clone(),
        };
        tree.insert(place, node)?;
    }
    Ok(tree)
}

fn kind(path: &Path, stat: &std::fs::Metadata) -> Result<NodeKind, DirectoryError> {
    let device = || Device {
        major: major(stat.rdev()),
        minor: minor(stat.rdev()),
    };
    let file_type = stat.file_type();
    Ok(if file_type.is_dir() {
        NodeKind::Directory
    } else if file_type.is_file() {
        NodeKind::File(Content::Path {
            path: path.into(),
            length: stat.len(),
        })
    } else if file_type.is_symlink() {
        let target = path.read_link().map_err(failed(path, "read the link"))?;
        NodeKind::Symlink(target.into_os_string().into_vec())
    } else if file_type.is_char_device() {
        NodeKind::CharacterDevice(device())
    } else if file_type.is_block_device() {
        NodeKind::BlockDevice(device())
    } else if file_type.is_fifo() {
        NodeKind::Fifo
    } else if file_type.is_socket() {
        NodeKind::Socket
    } else {
        return Err(DirectoryError::UnknownKind { path: path.into() });
    })
}

fn metadata(
    path: &Path,
    stat: &std::fs::Metadata,
    owners: Owners,
) -> Result<Metadata, DirectoryError> {
    let (uid, gid) = match owners {
        Owners::AsFound => (stat.uid(), stat.gid()),
        Owners::All { uid, gid } => (uid, gid),
    };
    let permissions = stat.mode() & 0o7777;
    Ok(Metadata {
        mode: u16::try_from(permissions).unwrap_or(0o7777),
        uid,
        gid,
        xattrs: xattrs(path).map_err(failed(path, "read the extended attributes"))?,
    })
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let names = match sized(|| llistxattr_query(path), |buffer| llistxattr(path, buffer)) {
        // The file system has none.
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        names => names?,
    };
    names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let text = OsStr::from_bytes(name);
            let value = sized(
                || lgetxattr_query(path, text),
                |buffer| lgetxattr(path, text, buffer),
            )?;
            Ok((name.to_vec(), value))
        })
        .collect()
}

/// Asks for a size and reads that much, again if there is more by then.
fn sized(
    size: impl Fn() -> Result<usize, Errno>,
    read: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    loop {
        let mut buffer = vec![0; size()?];
        match read(&mut buffer) {
            Err(Errno::RANGE) => {}
            Err(error) => return Err(error),
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_path_buf();
    move |source| DirectoryError::Read {
        path,
        action,
        source,
    }
}

fn walk_error(folder: &Path, error: walkdir::Error) -> DirectoryError {
    let path = error.path().unwrap_or(folder).to_path_buf();
    failed(&path, "list the directory")(error.into())
}
