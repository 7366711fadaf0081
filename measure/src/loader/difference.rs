//! Where two loaders part, and which row of the table of profiles is the reason.

use std::fmt;

use serde::Serialize;

use super::Loader;
use super::launch::Launch;
use super::portability::Change;
use super::profile::{EmptyPage, Inserted, LargePage, Order, Row, SharedPage, VpContexts};
use crate::{Gpa, PageId, PageRecord, PageType};

/// The first page record at which one loader differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The other loader.
    pub from: Loader,
    /// How many records the two have in common before it.
    pub record: u64,
    /// The page.
    pub gpa: Gpa,
    /// What the loader does differently.
    #[serde(flatten)]
    pub difference: Difference,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.gpa, self.difference)
    }
}

/// What a loader does with a page that another does not: a row of the table of profiles, with
/// the loader's entry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Difference {
    /// Pages are launched as the file has them.
    FileOrder,
    /// Pages are launched by address.
    GpaOrder,
    /// Pages wait until their run ends, and parameters overtake them.
    BatchOrder,
    /// A page without data has another type.
    EmptyPage {
        /// The type.
        page_type: PageType,
    },
    /// A page with the SHARED flag is not launched.
    SharedSkipped,
    /// A page with the SHARED flag is launched like any other.
    SharedLaunched,
    /// Every page of a parameter area is launched.
    WholeParameterArea,
    /// Only the first page of a parameter area is launched.
    FirstParameterPage,
    /// A VMSA is launched where the file has it.
    VmsaInPlace,
    /// VMSAs are launched after all pages.
    VmsaLast,
    /// VMSAs are launched in another order.
    VmsaOrder,
    /// A VMSA is launched at another address.
    VmsaAddress,
    /// The VMSA of a processor that is not the first is launched with the file's content.
    VmsaCopied,
    /// The VMSA of a processor that is not the first is launched as zeros.
    VmsaZeros,
    /// As many VMSAs are launched as the guest has processors.
    VmsaPerProcessor,
    /// As many VMSAs are launched as the file has.
    VmsaPerContext,
    /// A 2 MiB page is launched as 512 pages.
    WholeLargePage,
    /// A 2 MiB page is launched as one page of 4 KiB.
    OneSmallPage,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileOrder => "pages are launched in the file's order",
            Self::GpaOrder => "pages are launched in the order of their addresses",
            Self::BatchOrder => "a parameter page is launched before the pages just before it",
            Self::EmptyPage { page_type } => return write!(f, "page without data is {page_type}"),
            Self::SharedSkipped => "page with the SHARED flag is not launched",
            Self::SharedLaunched => "page with the SHARED flag is launched like any other",
            Self::WholeParameterArea => "every page of a parameter area is launched",
            Self::FirstParameterPage => "only the first page of a parameter area is launched",
            Self::VmsaInPlace => "VMSA is launched where the file has it",
            Self::VmsaLast => "VMSA is launched after all pages",
            Self::VmsaOrder => "VMSAs are launched in another order",
            Self::VmsaAddress => "VMSA is launched at this address",
            Self::VmsaCopied => "VMSA of a later VP is launched as the file has it",
            Self::VmsaZeros => "VMSA of a later VP is launched as zeros",
            Self::VmsaPerProcessor => "one VMSA is launched for each vCPU",
            Self::VmsaPerContext => "one VMSA is launched for each VP context",
            Self::WholeLargePage => "2 MiB page is launched as 512 pages",
            Self::OneSmallPage => "2 MiB page is launched as one page of 4 KiB",
        })
    }
}

/// How one launch differs from another.
pub(super) struct Comparison {
    pub(super) divergence: Divergence,
    /// What to change in the file so that they agree.
    pub(super) changes: Vec<Change>,
}

/// How `other` differs from `base`, the launch by `from`; `None` if both launch the same records.
///
/// The profile of `base` is turned into that of `other` row by row. The records change with
/// every row that matters to the file, and the row that changes the first record at which the
/// two differ is the reason for it.
pub(super) fn compare(
    (from, base): (Loader, &Launch<'_>),
    other: &Launch<'_>,
) -> Option<Comparison> {
    let (record, pair) = first_mismatch(base, other)?;
    let mut reason = Row::Order;
    let mut changes = Vec::new();
    let mut before = base.clone();
    for row in Row::ALL {
        let mut profile = before.profile;
        if !profile.adopt(row, &other.profile) {
            continue;
        }
        let last = match row {
            Row::VpContext => &other.last,
            _ => &before.last,
        };
        let after = before.with_profile(profile, last);
        if !after.records().eq(before.records()) {
            changes.extend(Change::of(row, base, other));
        }
        if after.records().nth(record) != before.records().nth(record) {
            reason = row;
        }
        before = after;
    }
    let difference = difference(reason, other, pair);
    let (theirs, ours) = pair;
    let page = match difference {
        // What the reader looks for is the page that is missing.
        Difference::SharedSkipped
        | Difference::FirstParameterPage
        | Difference::OneSmallPage
        | Difference::VmsaLast => theirs.or(ours),
        _ => ours.or(theirs),
    };
    let divergence = Divergence {
        from,
        record: record as u64,
        gpa: page?.gpa(),
        difference,
    };
    Some(Comparison {
        divergence,
        changes,
    })
}

/// A record of the base, and the other's in its place; one of them may have ended.
type Pair = (Option<PageRecord>, Option<PageRecord>);

fn first_mismatch(base: &Launch<'_>, other: &Launch<'_>) -> Option<(usize, Pair)> {
    let (mut base, mut other) = (base.records(), other.records());
    for number in 0.. {
        let pair = (base.next(), other.next());
        if pair.0 != pair.1 {
            return Some((number, pair));
        }
        if pair.0.is_none() {
            break;
        }
    }
    None
}

fn difference(row: Row, other: &Launch<'_>, (theirs, ours): Pair) -> Difference {
    let profile = &other.profile;
    match row {
        Row::Order => match profile.order {
            Order::Directives => Difference::FileOrder,
            Order::Gpa => Difference::GpaOrder,
            Order::Batches => Difference::BatchOrder,
        },
        Row::EmptyPage => Difference::EmptyPage {
            page_type: match profile.empty_page {
                EmptyPage::NormalOfZeros => PageType::Normal,
                EmptyPage::Zero => PageType::Zero,
            },
        },
        Row::SharedPage => match profile.shared_page {
            SharedPage::Skipped => Difference::SharedSkipped,
            SharedPage::Normal => Difference::SharedLaunched,
        },
        Row::ParameterInsert => match profile.parameter_insert {
            Inserted::EveryPage => Difference::WholeParameterArea,
            Inserted::FirstPage => Difference::FirstParameterPage,
        },
        Row::LargePage => match profile.large_page {
            LargePage::OneSmallPage => Difference::OneSmallPage,
            LargePage::EverySmallPage => Difference::WholeLargePage,
        },
        Row::VpContext => vmsa_difference(profile.vp_context, theirs, ours),
    }
}

fn vmsa_difference(
    contexts: VpContexts,
    theirs: Option<PageRecord>,
    ours: Option<PageRecord>,
) -> Difference {
    let is_last = contexts == VpContexts::LastAtKvmAddress;
    let is_vmsa = |record: &PageRecord| record.page_type() == PageType::Vmsa;
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if is_vmsa(&theirs) && is_vmsa(&ours) => {
            let zeros = Some(PageId::ZEROS);
            match (theirs.contents() == zeros, ours.contents() == zeros) {
                _ if theirs.gpa() != ours.gpa() => Difference::VmsaAddress,
                (false, true) => Difference::VmsaZeros,
                (true, false) => Difference::VmsaCopied,
                _ => Difference::VmsaOrder,
            }
        }
        (Some(_), Some(_)) if is_last => Difference::VmsaLast,
        (Some(_), Some(_)) => Difference::VmsaInPlace,
        _ if is_last => Difference::VmsaPerProcessor,
        _ => Difference::VmsaPerContext,
    }
}
