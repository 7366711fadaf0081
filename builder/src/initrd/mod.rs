//! The initrd: programs with their libraries, kernel modules in load order, an init script.

mod close_names;
mod copy;
mod cpio;
mod elf;
mod error;
mod modules;
mod programs;

use std::io::Write;

use crate::recipe::{Compression, Initrd, Recipe};
use crate::tree::{Content, Device, Metadata, Node, NodeKind, Origin, Tree, TreePath};

pub(crate) use copy::resolve;
pub use error::{InitrdError, WriteError};

/// The gzip level. The kernel takes any; more makes no difference that matters.
const GZIP_LEVEL: u32 = 9;
/// The Zstandard level: the next ones take twice the time for one percent less. Its window of
/// 4 MiB is well below the 128 MiB that the kernel allows.
const ZSTD_LEVEL: i32 = 9;

/// The tree of the initrd that `initrd` declares: its programs and their libraries from the tree
/// of packages `programs`, modules from the tree of packages `kernel` as
/// `/modules/NNN-NAME.ko` in load order, the init script as `/init`, and empty places to mount
/// on.
///
/// # Errors
/// A program, library, module or the init script is missing, or is not what it should be.
pub fn tree(
    recipe: &Recipe,
    initrd: &Initrd,
    kernel: &Tree,
    programs: &Tree,
) -> Result<Tree, InitrdError> {
    let rule = Origin::rule("initrd");
    let mut tree = Tree::new(rule.clone());
    programs::add(programs, &initrd.programs, &mut tree)?;
    for name in ["dev", "proc", "root", "run", "sys"] {
        add_directory(&mut tree, name.as_bytes(), &rule)?;
    }
    // The kernel opens it before anything is mounted on /dev.
    let console = Node {
        kind: NodeKind::CharacterDevice(Device { major: 5, minor: 1 }),
        metadata: Metadata::root_owned(0o600),
        origin: rule,
    };
    insert(&mut tree, b"dev/console", console)?;
    add_modules(&mut tree, kernel, &initrd.modules)?;
    add_init(&mut tree, recipe, initrd)?;
    Ok(tree)
}

/// Writes `tree` as a compressed cpio archive, the same bytes for the same tree. Every file's
/// time is `timestamp`, in seconds since 1970-01-01T00:00:00Z.
///
/// # Errors
/// The tree holds what a cpio archive cannot, or reading or writing fails.
pub fn write<W: Write>(
    tree: &Tree,
    compression: Compression,
    timestamp: u64,
    out: &mut W,
) -> Result<(), WriteError> {
    match compression {
        Compression::None => {
            let mut out = std::io::BufWriter::new(out);
            cpio::write(tree, timestamp, &mut out)?;
            out.flush()?;
        }
        Compression::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            let mut out = flate2::GzBuilder::new().mtime(0).write(out, level);
            cpio::write(tree, timestamp, &mut out)?;
            out.finish()?;
        }
        Compression::Zstd => {
            let mut out = zstd::Encoder::new(out, ZSTD_LEVEL)?;
            out.include_checksum(true)?;
            cpio::write(tree, timestamp, &mut out)?;
            out.finish()?;
        }
    }
    Ok(())
}

fn add_modules(tree: &mut Tree, kernel: &Tree, names: &[String]) -> Result<(), InitrdError> {
    // A kernel that has everything built in may come without a folder of modules.
    if names.is_empty() {
        return Ok(());
    }
    let modules = modules::in_load_order(kernel, names)?;
    add_directory(tree, b"modules", &Origin::rule("initrd.modules"))?;
    for (number, module) in modules.into_iter().enumerate() {
        let path = format!("modules/{number:03}-{}.ko", module.name);
        insert(tree, path.as_bytes(), module.node)?;
    }
    Ok(())
}

fn add_init(tree: &mut Tree, recipe: &Recipe, initrd: &Initrd) -> Result<(), InitrdError> {
    let script = initrd.init.to_string_lossy();
    let content = recipe.companion(&initrd.init)?;
    check_interpreter(tree, &content).map_err(|reason| InitrdError::Init {
        script: script.to_string(),
        reason,
    })?;
    let init = Node {
        kind: NodeKind::File(content),
        metadata: Metadata::root_owned(0o755),
        origin: Origin::recipe_file(&script),
    };
    insert(tree, b"init", init)
}

/// A script whose interpreter is missing is found out about only when the guest boots.
fn check_interpreter(tree: &Tree, script: &Content) -> Result<(), String> {
    let text = script.to_vec().map_err(|error| error.to_string())?;
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let interpreter = line
        .strip_prefix(b"#!")
        .map(<[u8]>::trim_ascii_start)
        .and_then(|rest| rest.split(u8::is_ascii_whitespace).next())
        .ok_or("does not start with \"#!\" and the path of its interpreter")?;
    let found = copy::resolve(tree, interpreter).and_then(|found| tree.get(&found.path));
    match found.map(|node| &node.kind) {
        Some(NodeKind::File(_)) => Ok(()),
        _ => Err(format!(
            "its interpreter {} is not in the initrd; add it to initrd.programs",
            String::from_utf8_lossy(interpreter)
        )),
    }
}

fn add_directory(tree: &mut Tree, path: &[u8], origin: &Origin) -> Result<(), InitrdError> {
    let path = TreePath::parse(path)?;
    if matches!(tree.get(&path), Some(node) if matches!(node.kind, NodeKind::Directory)) {
        return Ok(());
    }
    let node = Node {
        kind: NodeKind::Directory,
        metadata: Metadata::root_owned(0o755),
        origin: origin.clone(),
    };
    tree.insert(path, node)?;
    Ok(())
}

fn insert(tree: &mut Tree, path: &[u8], node: Node) -> Result<(), InitrdError> {
    tree.insert(TreePath::parse(path)?, node)?;
    Ok(())
}

#[cfg(test)]
mod made_up_elf;
#[cfg(test)]
mod tests;
