//! Pages that two files do not launch alike.

use std::cmp::Ordering;

use guestmark_measure::{Gpa, PAGE_SIZE};

use super::explanation::{PageChange, PageDifference};
use super::memory::{GuestPages, LaunchedPage};

/// The pages that differ, in ascending order, like neighbours folded.
pub(super) fn compare(old: &GuestPages<'_>, new: &GuestPages<'_>) -> Vec<PageChange> {
    let mut changes = Changes::default();
    let (mut left, mut right) = (old.pages.iter().peekable(), new.pages.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return changes.0,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => one.gpa.cmp(&two.gpa),
        };
        let one = (order != Ordering::Greater).then(|| left.next()).flatten();
        let two = (order != Ordering::Less).then(|| right.next()).flatten();
        match (one, two) {
            (Some(one), Some(two)) => {
                if let Some(difference) = difference(one, two) {
                    changes.push(one.gpa, difference);
                }
            }
            (Some(one), None) => changes.push(one.gpa, PageDifference::Removed),
            (None, Some(two)) => changes.push(two.gpa, PageDifference::Added),
            (None, None) => return changes.0,
        }
    }
}

fn difference(old: &LaunchedPage<'_>, new: &LaunchedPage<'_>) -> Option<PageDifference> {
    if old.page_type != new.page_type {
        return Some(PageDifference::Type);
    }
    let same = match (old.data, new.data) {
        (None, None) => true,
        (Some(one), Some(two)) => std::ptr::eq(one, two) || one == two,
        _ => false,
    };
    (!same).then_some(PageDifference::Contents)
}

#[derive(Default)]
struct Changes(Vec<PageChange>);

impl Changes {
    fn push(&mut self, gpa: Gpa, difference: PageDifference) {
        if let Some(last) = self.0.last_mut()
            && last.difference == difference
            && last.start.checked_add(last.pages.saturating_mul(PAGE_SIZE)) == Some(gpa)
        {
            last.pages += 1;
            return;
        }
        self.0.push(PageChange {
            start: gpa,
            pages: 1,
            difference,
        });
    }
}
