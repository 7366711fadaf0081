//! Pages to hash, each one once however often a file loads it.

use std::num::NonZeroU32;

use crate::lanes::Page;

/// Names a page of a [`DistinctPages`].
///
/// Its place there, plus one: a record for each page of a guest adds up, and `Option<PageId>`
/// takes no more room than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(NonZeroU32);

impl PageId {
    /// The page of zeros, which every [`DistinctPages`] holds.
    pub const ZEROS: Self = Self(NonZeroU32::MIN);

    /// The page's place in [`DistinctPages::pages`].
    pub const fn index(self) -> usize {
        // Not truncated: the crate runs on targets with pointers of at least 32 bits.
        self.0.get() as usize - 1
    }
}

static ZEROS: Page = [0; 4096];

/// The different pages among those that a guest is launched with. Pages are the same if they
/// are at the same place in memory, so a page that a file stores once is hashed once.
#[derive(Debug, Clone)]
pub struct DistinctPages<'a> {
    pages: Vec<&'a Page>,
}

impl<'a> DistinctPages<'a> {
    /// Sorts out `pages`, where `None` stands for zeros; gives the name of each, in order.
    pub fn collect(pages: &[Option<&'a Page>]) -> (Self, Vec<PageId>) {
        let mut by_address: Vec<u32> = (0_u32..)
            .zip(pages)
            .filter_map(|(position, page)| page.is_some().then_some(position))
            .collect();
        let address = |position: u32| {
            pages[position as usize].map(|page: &'a Page| std::ptr::from_ref(page).addr())
        };
        by_address.sort_unstable_by_key(|position| address(*position));

        let mut distinct = vec![&ZEROS];
        let mut ids = vec![PageId::ZEROS; pages.len()];
        let mut last: Option<&Page> = None;
        let mut id = PageId::ZEROS;
        for position in by_address {
            let Some(page) = pages[position as usize] else {
                continue;
            };
            if !last.is_some_and(|last| std::ptr::eq(last, page)) {
                id = PageId(id.0.saturating_add(1));
                distinct.push(page);
                last = Some(page);
            }
            ids[position as usize] = id;
        }
        (Self { pages: distinct }, ids)
    }

    /// The pages, ascending in memory, after the page of zeros.
    pub fn pages(&self) -> &[&'a Page] {
        &self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stored_once_is_hashed_once() {
        let (a, b) = ([1; 4096], [2; 4096]);
        let (distinct, ids) =
            DistinctPages::collect(&[Some(&b), None, Some(&a), Some(&b), Some(&a)]);
        assert_eq!(distinct.pages().len(), 3);
        let pages: Vec<&Page> = ids.iter().map(|id| distinct.pages()[id.index()]).collect();
        assert_eq!(pages, [&b, &[0; 4096], &a, &b, &a]);
    }
}
