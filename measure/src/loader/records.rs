//! Page records of a launch, made one at a time.

use std::slice;

use super::KVM_VMSA_GPA;
use super::launch::Launch;
use super::profile::{EmptyPage, Inserted, LargePage, VpContexts};
use crate::igvm::{Directive, PageData, PageDataType, ParameterInsert, VpContext};
use crate::{Gpa, PAGE_SIZE, PageId, PageRecord, UnreadPage};

/// The page records of a [`Launch`], in launch order.
#[derive(Debug, Clone)]
pub struct PageRecords<'l> {
    launch: &'l Launch<'l>,
    directives: slice::Iter<'l, u32>,
    run: Run,
    last: slice::Iter<'l, PageId>,
}

/// The pages that one directive launches.
#[derive(Debug, Clone)]
struct Run {
    /// The address of the next page.
    gpa: Gpa,
    /// Pages left.
    left: u64,
    kind: Kind,
}

/// How the pages of a run are launched.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Unread(UnreadPage),
    /// The first page holds this, the others zeros: a file carries 4 KiB of a large page at most.
    Normal(PageId),
    Vmsa(PageId),
}

impl Run {
    const EMPTY: Self = Self {
        gpa: Gpa::new(0),
        left: 0,
        kind: Kind::Unread(UnreadPage::Zero),
    };
}

impl Iterator for Run {
    type Item = PageRecord;

    fn next(&mut self) -> Option<PageRecord> {
        self.left = self.left.checked_sub(1)?;
        let gpa = self.gpa;
        // The reader takes no range that ends past the address space, so that only the page
        // after the last has no address.
        self.gpa = gpa.checked_add(PAGE_SIZE).unwrap_or(gpa);
        Some(match self.kind {
            Kind::Unread(kind) => PageRecord::without_contents(gpa, kind),
            Kind::Vmsa(contents) => PageRecord::vmsa(gpa, contents),
            Kind::Normal(contents) => {
                self.kind = Kind::Normal(PageId::ZEROS);
                PageRecord::normal(gpa, contents)
            }
        })
    }
}

impl<'l> PageRecords<'l> {
    pub(super) fn new(launch: &'l Launch<'l>) -> Self {
        Self {
            launch,
            directives: launch.order.iter(),
            run: Run::EMPTY,
            last: launch.last.iter(),
        }
    }
}

impl Iterator for PageRecords<'_> {
    type Item = PageRecord;

    fn next(&mut self) -> Option<PageRecord> {
        loop {
            if let Some(record) = self.run.next() {
                return Some(record);
            }
            match self.directives.next() {
                Some(position) => self.run = self.launch.run(*position),
                None => {
                    let contents = *self.last.next()?;
                    return Some(PageRecord::vmsa(KVM_VMSA_GPA, contents));
                }
            }
        }
    }
}

impl Launch<'_> {
    /// The pages that the directive at `position` launches.
    fn run(&self, position: u32) -> Run {
        let contents = self.pages[position as usize];
        match &self.file.directives()[position as usize] {
            Directive::PageData(page) => self.page(page, contents),
            Directive::ParameterInsert(insert) => self.inserted(insert),
            Directive::VpContext(context) => self.vmsa_in_place(context, contents),
            _ => Run::EMPTY,
        }
    }

    fn page(&self, page: &PageData<'_>, contents: PageId) -> Run {
        let kind = match page.data_type {
            PageDataType::CpuidData | PageDataType::CpuidExtendedState => {
                Kind::Unread(UnreadPage::Cpuid)
            }
            PageDataType::Secrets => Kind::Unread(UnreadPage::Secrets),
            PageDataType::Normal if page.flags.is_unmeasured() => {
                Kind::Unread(UnreadPage::Unmeasured)
            }
            PageDataType::Normal => match (page.data, self.profile.empty_page) {
                (None, EmptyPage::Zero) => Kind::Unread(UnreadPage::Zero),
                (None, EmptyPage::NormalOfZeros) | (Some(_), _) => Kind::Normal(contents),
            },
        };
        let size = match self.profile.large_page {
            LargePage::OneSmallPage => PAGE_SIZE,
            LargePage::EverySmallPage => page.size(),
        };
        let (gpa, left) = (page.gpa, size / PAGE_SIZE);
        Run { gpa, left, kind }
    }

    fn inserted(&self, insert: &ParameterInsert) -> Run {
        let size = match self.profile.parameter_insert {
            Inserted::EveryPage => insert.size,
            Inserted::FirstPage => PAGE_SIZE,
        };
        Run {
            gpa: insert.gpa,
            left: size / PAGE_SIZE,
            kind: Kind::Unread(UnreadPage::Unmeasured),
        }
    }

    fn vmsa_in_place(&self, context: &VpContext<'_>, contents: PageId) -> Run {
        let copied =
            self.profile.vp_context != VpContexts::InPlaceFirstOnly || context.vp_index == 0;
        Run {
            gpa: context.gpa,
            left: 1,
            kind: Kind::Vmsa(if copied { contents } else { PageId::ZEROS }),
        }
    }
}
