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
pub fn read_directory(folder: &Path, origin: &Origin) -> Result<Tree, DirectoryError> {
    let mut tree = Tree::new(origin.clone());
    let mut first_names: BTreeMap<(u64, u64), TreePath> = BTreeMap::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| walk_error(folder, error))?;
        // Only the folder itself may be a link: "/." is what it leads to.
        let folder_itself = (entry.depth() == 0).then(|| folder.join("."));
        let path = folder_itself.as_deref().unwrap_or(entry.path());
        let stat = path
            .symlink_metadata()
            .map_err(failed(entry.path(), "read the metadata"))?;
        let metadata = metadata(path, &stat)?;
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

fn metadata(path: &Path, stat: &std::fs::Metadata) -> Result<Metadata, DirectoryError> {
    let permissions = stat.mode() & 0o7777;
    Ok(Metadata {
        mode: u16::try_from(permissions).unwrap_or(0o7777),
        uid: stat.uid(),
        gid: stat.gid(),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn read(folder: &Path) -> Result<Tree, DirectoryError> {
        read_directory(folder, &Origin::input("folder"))
    }

    fn path(bytes: &[u8]) -> TreePath {
        TreePath::parse(bytes).unwrap()
    }

    #[test]
    fn a_folder_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        std::fs::create_dir(at(b"directory")).unwrap();
        std::fs::write(at(b"directory/not-utf8-\xff"), b"content").unwrap();
        std::fs::set_permissions(at(b"directory"), PermissionsExt::from_mode(0o1751)).unwrap();
        symlink("/nowhere", at(b"link")).unwrap();
        symlink("directory", at(b"link-to-directory")).unwrap();
        std::fs::hard_link(at(b"directory/not-utf8-\xff"), at(b"same")).unwrap();
        let _socket = UnixListener::bind(at(b"socket")).unwrap();

        let tree = read(folder.path()).unwrap();
        let paths: Vec<String> = tree.iter().map(|(path, ..)| path.to_string()).collect();
        assert_eq!(
            paths,
            [
                "/",
                "/directory",
                "/directory/not-utf8-\\xff",
                "/link",
                "/link-to-directory",
                "/same",
                "/socket",
            ]
        );
        let kind = |name: &[u8]| &tree.get(&path(name)).unwrap().kind;
        assert!(matches!(kind(b"link"), NodeKind::Symlink(target) if target == b"/nowhere"));
        assert!(matches!(kind(b"link-to-directory"), NodeKind::Symlink(_)));
        assert!(matches!(kind(b"socket"), NodeKind::Socket));
        let NodeKind::File(content) = kind(b"same") else {
            panic!("not a file");
        };
        assert_eq!(content.to_vec().unwrap(), b"content");

        let directory = &tree.get(&path(b"directory")).unwrap().metadata;
        assert_eq!(directory.mode, 0o1751);
        assert_eq!(directory.uid, rustix::process::geteuid().as_raw());
        let ids: Vec<_> = tree
            .iter()
            .filter(|(path, ..)| path.name() == b"same" || path.name().ends_with(b"\xff"))
            .map(|(_, id, _)| id)
            .collect();
        assert_eq!(ids[0], ids[1], "hard links are one inode");
    }

    #[test]
    fn the_folder_itself_may_be_a_link_and_gives_the_root_its_metadata() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("file"), b"").unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o711)).unwrap();
        let link = folder.path().join("link");
        symlink("real", &link).unwrap();
        let tree = read(&link).unwrap();
        assert_eq!(tree.len(), 2);
        let root = tree.get(&TreePath::root()).unwrap();
        assert_eq!(root.metadata.mode, 0o711);
    }

    #[test]
    fn what_is_no_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let missing = folder.path().join("missing");
        assert_eq!(
            read(&file).unwrap_err().to_string(),
            format!(
                "{}: cannot read the metadata: Not a directory (os error 20)",
                file.display()
            )
        );
        let message = read(&missing).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!(
                "{}: cannot list the directory: ",
                missing.display()
            )),
            "{message}"
        );
    }
}
