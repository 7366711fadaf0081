//! The packages of a lock, opened, by set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::BuildError;
use crate::fetch::Fetched;
use crate::lock::Lock;
use crate::package::{self, Format, OpenedPackage};
use crate::recipe::Recipe;

/// The opened packages of each set, in the lock's order.
#[derive(Debug)]
pub(super) struct OpenedSets {
    pub(super) kernel: Vec<OpenedPackage>,
    pub(super) initrd: Vec<OpenedPackage>,
    pub(super) rootfs: Vec<OpenedPackage>,
}

impl OpenedSets {
    /// Opens every package once, several at a time, the largest first: the last one to finish is
    /// then a small one.
    pub(super) fn open(
        recipe: &Recipe,
        lock: &Lock,
        fetched: &Fetched<'_>,
        spool: &Path,
    ) -> Result<Self, BuildError> {
        let archives: BTreeSet<&str> = lock
            .packages
            .iter()
            .map(|package| package.archive.as_str())
            .collect();
        let formats: BTreeMap<&str, Format> = archives
            .into_iter()
            .map(|archive| Ok((archive, Format::of(recipe, lock, archive)?)))
            .collect::<Result<_, BuildError>>()?;
        let mut by_size: Vec<usize> = (0..fetched.packages().len()).collect();
        by_size.sort_by_key(|&index| std::cmp::Reverse(fetched.packages()[index].package.size));
        let mut opened: Vec<(usize, OpenedPackage)> = by_size
            .into_par_iter()
            .with_max_len(1)
            .map(|index| {
                let fetched = &fetched.packages()[index];
                let format = &formats[fetched.package.archive.as_str()];
                let opened = package::open(&fetched.path, fetched.package, format, spool)?;
                Ok((index, opened))
            })
            .collect::<Result<_, BuildError>>()?;
        opened.sort_by_key(|(index, _)| *index);
        let set = |name: &str| {
            let of_set = |index: &usize| {
                let sets = &fetched.packages()[*index].package.sets;
                sets.iter().any(|set| set == name)
            };
            let chosen = opened.iter().filter(|(index, _)| of_set(index));
            chosen.map(|(_, package)| package.clone()).collect()
        };
        Ok(Self {
            kernel: set("kernel"),
            initrd: set("initrd"),
            rootfs: set("rootfs"),
        })
    }
}
