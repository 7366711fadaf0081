//! Kernel modules with what they depend on, in the order in which they load.

use std::collections::{BTreeMap, BTreeSet};

use super::close_names::close_names;
use super::{InitrdError, elf};
use crate::tree::section::{Codec, unpack_to_vec};
use crate::tree::{Content, Node, NodeKind, Tree, TreePath};

/// Distributions put modules below either; the first is a link to the second where /usr is
/// merged.
const FOLDERS: [&[u8]; 2] = [b"lib/modules", b"usr/lib/modules"];
/// The largest modules take a few mebibytes.
const MAX_MODULE: u64 = 64 << 20;

/// A module to be loaded.
#[derive(Debug)]
pub(super) struct Module {
    /// The name, as in its file's name.
    pub(super) name: String,
    /// The uncompressed module.
    pub(super) node: Node,
}

/// The modules named and, before each, what it depends on (`depends` and `softdep pre` of its
/// own metadata). Modules that are built into the kernel need no file and are left out.
///
/// A soft dependency that is only another module's alias, and not the name of one, is not
/// followed: the kernel asks for it when it needs it, and most are built in.
pub(super) fn in_load_order(kernel: &Tree, names: &[String]) -> Result<Vec<Module>, InitrdError> {
    let modules = Modules::index(kernel)?;
    let mut order = Order {
        modules: &modules,
        done: BTreeSet::new(),
        path: Vec::new(),
        loaded: Vec::new(),
    };
    for name in names {
        order.require(name, None)?;
    }
    Ok(order.loaded)
}

/// The modules of a kernel, by name with `_` for `-`, as the kernel itself compares them.
struct Modules<'a> {
    files: BTreeMap<String, ModuleFile<'a>>,
    built_in: BTreeSet<String>,
}

struct ModuleFile<'a> {
    path: &'a TreePath,
    /// The name as the file has it.
    name: String,
    codec: Codec,
    content: &'a Content,
    node: &'a Node,
}

impl<'a> Modules<'a> {
    fn index(kernel: &'a Tree) -> Result<Self, InitrdError> {
        let folder = version_folder(kernel)?;
        let mut modules = Self {
            files: BTreeMap::new(),
            built_in: BTreeSet::new(),
        };
        for (path, _, node) in kernel.iter().filter(|(path, ..)| path.starts_with(&folder)) {
            let (NodeKind::File(content), Ok(file)) = (&node.kind, str::from_utf8(path.name()))
            else {
                continue;
            };
            if file == "modules.builtin" && path.parent().as_ref() == Some(&folder) {
                modules.read_built_in(path, content)?;
            }
            let Some((name, suffix)) = file.rsplit_once(".ko") else {
                continue;
            };
            let Some(codec) = Codec::of_suffix(suffix.as_bytes()) else {
                continue;
            };
            let found = ModuleFile {
                path,
                name: name.to_owned(),
                codec,
                content,
                node,
            };
            if let Some(other) = modules.files.insert(normal(name), found) {
                return Err(InitrdError::Module {
                    path: path.clone(),
                    reason: format!("has the same name as {}", other.path),
                });
            }
        }
        Ok(modules)
    }

    /// One path a line, such as `kernel/fs/ext4/ext4.ko`.
    fn read_built_in(&mut self, path: &TreePath, content: &Content) -> Result<(), InitrdError> {
        let fail = |reason: String| InitrdError::Module {
            path: path.clone(),
            reason,
        };
        let text = unpack_to_vec(content, Codec::Plain, MAX_MODULE)
            .map_err(|error| fail(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| fail(error.to_string()))?;
        self.built_in.extend(text.lines().filter_map(|line| {
            let file = line.rsplit('/').next()?;
            Some(normal(file.strip_suffix(".ko")?))
        }));
        Ok(())
    }
}

struct Order<'a> {
    modules: &'a Modules<'a>,
    done: BTreeSet<String>,
    /// The modules that wait for the one at hand, outermost first.
    path: Vec<String>,
    loaded: Vec<Module>,
}

impl Order<'_> {
    fn require(&mut self, name: &str, user: Option<&str>) -> Result<(), InitrdError> {
        let key = normal(name);
        if self.done.contains(&key) {
            return Ok(());
        }
        let Some(file) = self.modules.files.get(&key) else {
            if self.modules.built_in.contains(&key) {
                return Ok(());
            }
            let names = self.modules.files.values().map(|file| file.name.as_str());
            return Err(InitrdError::MissingModule {
                name: name.to_owned(),
                user: user.map_or_else(String::new, |user| format!(", which {user} depends on,")),
                close: close_names(name, names),
            });
        };
        let fail = |reason: String| InitrdError::Module {
            path: file.path.clone(),
            reason,
        };
        if self.path.contains(&key) {
            return Err(fail(format!(
                "depends on itself through {}",
                self.path.join(", ")
            )));
        }
        let bytes = unpack_to_vec(file.content, file.codec, MAX_MODULE)
            .map_err(|error| fail(error.to_string()))?;
        let info = elf::module_info(&bytes).map_err(fail)?;
        self.path.push(key.clone());
        for needed in soft_dependencies(&info) {
            if self.modules.files.contains_key(&normal(needed)) {
                self.require(needed, Some(&file.name))?;
            }
        }
        for needed in dependencies(&info) {
            self.require(needed, Some(&file.name))?;
        }
        self.path.pop();
        self.done.insert(key);
        let content = match file.codec {
            Codec::Plain => file.content.clone(),
            _ => Content::bytes(bytes),
        };
        self.loaded.push(Module {
            name: file.name.clone(),
            node: Node {
                kind: NodeKind::File(content),
                ..file.node.clone()
            },
        });
        Ok(())
    }
}

/// The one directory below `lib/modules`.
fn version_folder(kernel: &Tree) -> Result<TreePath, InitrdError> {
    let is_version = |path: &TreePath, node: &Node| {
        let parent = path.parent().unwrap_or_default();
        matches!(node.kind, NodeKind::Directory) && FOLDERS.contains(&parent.as_bytes())
    };
    let mut versions = kernel
        .iter()
        .filter(|(path, _, node)| is_version(path, node))
        .map(|(path, ..)| path.clone());
    match (versions.next(), versions.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(InitrdError::NoModules),
        (Some(first), Some(second)) => Err(InitrdError::TwoKernels { first, second }),
    }
}

fn dependencies(info: &[(String, String)]) -> impl Iterator<Item = &str> {
    info.iter()
        .filter(|(key, _)| key == "depends")
        .flat_map(|(_, value)| value.split(','))
        .filter(|name| !name.is_empty())
}

/// `softdep=pre: a b post: c` (modprobe.d(5)): `a` and `b`.
fn soft_dependencies(info: &[(String, String)]) -> impl Iterator<Item = &str> {
    info.iter()
        .filter(|(key, _)| key == "softdep")
        .filter_map(|(_, value)| value.split_once("pre:"))
        .map(|(_, names)| {
            names
                .split_once("post:")
                .map_or(names, |(before, _)| before)
        })
        .flat_map(str::split_ascii_whitespace)
}

fn normal(name: &str) -> String {
    name.replace('-', "_")
}
