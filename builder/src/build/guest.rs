//! The parts of a guest that every variant shares: kernel, initrd, root file system.

use super::BuildError;
use super::packages::OpenedSets;
use super::root::{self, Root};
use crate::initrd;
use crate::output::OutputDirectory;
use crate::progress::Progress;
use crate::recipe::{Compression, Initrd, Recipe};
use crate::rules;
use crate::tree::{Origin, Tree};

/// A kernel image.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) bytes: Vec<u8>,
    pub(super) origin: Origin,
}

/// An initrd, written.
#[derive(Debug)]
pub(super) struct BuiltInitrd {
    pub(super) tree: Tree,
    pub(super) bytes: Vec<u8>,
}

/// What both variants are assembled from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) kernel: Kernel,
    pub(super) initrd: Option<BuiltInitrd>,
    pub(super) root: Root,
}

impl Parts {
    /// Makes initrd and root file system side by side, and writes both to `output`.
    pub(super) fn build(
        recipe: &Recipe,
        opened: OpenedSets,
        output: &OutputDirectory,
        progress: &dyn Progress,
    ) -> Result<Self, BuildError> {
        progress.step("Writing the root file system and the initrd");
        let kernel_tree = rules::kernel_tree(recipe, opened.kernel)?;
        let (image, origin) = rules::kernel_image(recipe, &kernel_tree)?;
        let kernel = Kernel {
            bytes: image.to_vec()?,
            origin: origin.clone(),
        };
        let (root, initrd) = rayon::join(
            || root::write(recipe, &rules::root_tree(recipe, opened.rootfs)?, output),
            || {
                let wanted = recipe.initrd.as_ref();
                wanted
                    .map(|wanted| build_initrd(recipe, wanted, opened.initrd, &kernel_tree, output))
                    .transpose()
            },
        );
        Ok(Self {
            kernel,
            initrd: initrd?,
            root: root?,
        })
    }
}

fn build_initrd(
    recipe: &Recipe,
    wanted: &Initrd,
    packages: Vec<crate::package::OpenedPackage>,
    kernel: &Tree,
    output: &OutputDirectory,
) -> Result<BuiltInitrd, BuildError> {
    let programs = rules::program_tree(recipe, wanted, packages)?;
    let tree = initrd::tree(recipe, wanted, kernel, &programs)?;
    let mut bytes = Vec::new();
    initrd::write(
        &tree,
        wanted.compression,
        recipe.rootfs.timestamp,
        &mut bytes,
    )?;
    let name = match wanted.compression {
        Compression::None => "initrd.cpio",
        Compression::Gzip => "initrd.cpio.gz",
        Compression::Zstd => "initrd.cpio.zst",
    };
    std::io::Write::write_all(&mut output.create(name)?, &bytes)?;
    Ok(BuiltInitrd { tree, bytes })
}
