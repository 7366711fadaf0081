//! Programs with the shared libraries that they need, as the dynamic loader finds them.

use std::collections::BTreeSet;

use super::InitrdError;
use super::copy::{self, Resolved};
use super::elf::{self, Linkage};
use crate::tree::{NodeKind, Tree, TreePath};

/// Where the dynamic loader of Debian and of other distributions looks for libraries.
const LIBRARY_PATH: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib",
    "/usr/lib",
    "/lib64",
    "/usr/lib64",
];

/// Copies `programs` from the tree of packages `from` into `target`, and all that they are
/// linked with. Libraries that a program opens at run time (dlopen(3)) are not seen.
pub(super) fn add(from: &Tree, programs: &[String], target: &mut Tree) -> Result<(), InitrdError> {
    let mut closure = Closure {
        from,
        target,
        done: BTreeSet::new(),
        waiting: Vec::new(),
    };
    for program in programs {
        let found =
            copy::resolve(from, program.as_bytes()).ok_or_else(|| InitrdError::Program {
                program: program.clone(),
                reason: "none of the initrd's packages brings it".to_owned(),
            })?;
        closure.take(&found)?;
    }
    while let Some(path) = closure.waiting.pop() {
        closure.follow(&path)?;
    }
    Ok(())
}

struct Closure<'a> {
    from: &'a Tree,
    target: &'a mut Tree,
    /// Files that were taken.
    done: BTreeSet<TreePath>,
    /// Files whose libraries are still to be taken.
    waiting: Vec<TreePath>,
}

impl Closure<'_> {
    fn take(&mut self, found: &Resolved) -> Result<(), InitrdError> {
        copy::copy(self.from, found, self.target)?;
        if self.done.insert(found.path.clone()) {
            self.waiting.push(found.path.clone());
        }
        Ok(())
    }

    fn follow(&mut self, path: &TreePath) -> Result<(), InitrdError> {
        let Linkage {
            interpreter,
            needed,
            run_path,
        } = self.read(path)?;
        if let Some(interpreter) = interpreter {
            let found = copy::resolve(self.from, &interpreter);
            let found = found.ok_or_else(|| missing(path, &interpreter))?;
            self.take(&found)?;
        }
        for library in needed {
            let found = self.find(path, &library, &run_path);
            let found = found.ok_or_else(|| missing(path, &library))?;
            self.take(&found)?;
        }
        Ok(())
    }

    fn read(&self, path: &TreePath) -> Result<Linkage, InitrdError> {
        let fail = |reason: String| InitrdError::Program {
            program: path.to_string(),
            reason,
        };
        match self.from.get(path).map(|node| &node.kind) {
            Some(NodeKind::File(content)) => {
                let bytes = content.to_vec().map_err(|error| fail(error.to_string()))?;
                elf::linkage(&bytes).map_err(fail)
            }
            Some(other) => Err(fail(format!("is {}", other.noun()))),
            None => Err(fail("is not there".to_owned())),
        }
    }

    /// The order of ld.so(8): a name with a slash is a path; otherwise the file's own run path,
    /// then the default directories.
    fn find(&self, user: &TreePath, library: &[u8], run_path: &[u8]) -> Option<Resolved> {
        if library.contains(&b'/') {
            return self.file(library);
        }
        let origin = user.parent().unwrap_or_default().to_string().into_bytes();
        let own = run_path
            .split(|&byte| byte == b':')
            .filter(|folder| !folder.is_empty())
            .map(|folder| replace_origin(folder, &origin));
        own.chain(LIBRARY_PATH.map(|folder| folder.as_bytes().to_vec()))
            .find_map(|folder| self.file(&[&folder[..], b"/", library].concat()))
    }

    fn file(&self, path: &[u8]) -> Option<Resolved> {
        let found = copy::resolve(self.from, path)?;
        let kind = &self.from.get(&found.path)?.kind;
        matches!(kind, NodeKind::File(_)).then_some(found)
    }
}

/// `$ORIGIN` stands for the directory of the file that needs the library.
fn replace_origin(folder: &[u8], origin: &[u8]) -> Vec<u8> {
    for token in [&b"${ORIGIN}"[..], b"$ORIGIN"] {
        if let Some(rest) = folder.strip_prefix(token) {
            return [origin, rest].concat();
        }
    }
    folder.to_vec()
}

fn missing(user: &TreePath, library: &[u8]) -> InitrdError {
    InitrdError::Library {
        user: user.clone(),
        library: String::from_utf8_lossy(library).into_owned(),
    }
}
