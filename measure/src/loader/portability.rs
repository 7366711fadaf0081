//! What makes a file's digest differ between loaders, and how to change that.

use std::fmt;

use serde::Serialize;

use super::launch::Launch;
use super::profile::{Order, Row, VpContexts};

/// A change to a file so that loaders come to one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// For loaders that sort pages.
    OrderByGpa,
    /// For QEMU, where parameters overtake the pages before them.
    ParametersFirst,
    /// For KVM, where a page without data has a type of its own.
    GiveZerosData,
    /// For loaders that ignore the SHARED flag.
    DropSharedFlag,
    /// For Cloud Hypervisor on the Microsoft hypervisor, which launches the first page.
    OnePageParameterAreas,
    /// For KVM, which launches VMSAs after all pages, at its own address.
    VpContextsLast,
    /// For Cloud Hypervisor on the Microsoft hypervisor, which copies the first.
    OneVpContext,
    /// For loaders that ignore the 2 MiB flag.
    SmallPages,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrderByGpa => "order pages and VP contexts by GPA",
            Self::ParametersFirst => {
                "put parameter inserts before all pages, at the lowest addresses"
            }
            Self::GiveZerosData => "give pages without data explicit zeros",
            Self::DropSharedFlag => "drop the SHARED flag of pages",
            Self::OnePageParameterAreas => "make parameter areas one page each",
            Self::VpContextsLast => {
                "put VP contexts last, in the order of processors, at GPA 0xfffffffff000"
            }
            Self::OneVpContext => "keep the VP context of processor 0 only",
            Self::SmallPages => "use 4 KiB pages instead of 2 MiB pages",
        })
    }
}

impl Change {
    /// The change that makes `row` matter no more; `None` if none to the file does.
    pub(super) fn of(row: Row, base: &Launch<'_>, other: &Launch<'_>) -> Option<Self> {
        let either =
            |contexts| base.profile.vp_context == contexts || other.profile.vp_context == contexts;
        Some(match row {
            Row::Order if [base.profile.order, other.profile.order].contains(&Order::Gpa) => {
                Self::OrderByGpa
            }
            Row::Order => Self::ParametersFirst,
            Row::EmptyPage => Self::GiveZerosData,
            Row::SharedPage => Self::DropSharedFlag,
            Row::ParameterInsert => Self::OnePageParameterAreas,
            Row::VpContext if !either(VpContexts::LastAtKvmAddress) => Self::OneVpContext,
            // Fewer processors than contexts were asked for: no fault of the file.
            Row::VpContext if base.vp_contexts() != other.vp_contexts() => return None,
            Row::VpContext => Self::VpContextsLast,
            Row::LargePage => Self::SmallPages,
        })
    }
}
