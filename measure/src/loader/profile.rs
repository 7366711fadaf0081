//! The loaders as one table: how each makes page records of an IGVM file.
//!
//! Read from the sources of the igvm crate 0.5.0, Cloud Hypervisor (`vmm/src/igvm`), QEMU
//! (`backends/igvm.c`, `target/i386/sev.c`) and OpenVMM (`vm_loaders/igvm.rs`).

use super::Loader;
use crate::igvm::{Directive, Initialization, ParameterKind};

/// One column of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) order: Order,
    /// NORMAL page without data.
    pub(super) empty_page: EmptyPage,
    /// Page with the SHARED flag.
    pub(super) shared_page: SharedPage,
    /// Page of type CPUID_XF.
    pub(super) cpuid_xf: CpuidXf,
    pub(super) parameter_insert: Inserted,
    pub(super) vp_context: VpContexts,
    /// Page with the 2 MiB flag.
    pub(super) large_page: LargePage,
    pub(super) second_id_block: SecondIdBlock,
    /// Whether a file must have a guest policy.
    pub(super) guest_policy: GuestPolicy,
    /// The policy that a guest is launched with.
    pub(super) policy: Policy,
    /// Initialization headers that the loader stops at.
    pub(super) refuses_initialization: fn(&Initialization<'_>) -> bool,
    /// Directives that the loader stops at.
    pub(super) refuses: fn(&Directive<'_>) -> bool,
}

/// The order in which pages are launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As the file has them.
    Directives,
    /// By address; pages at one address as the file has them.
    Gpa,
    /// Runs of like pages wait for the page that ends them, and parameters overtake them.
    Batches,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyPage {
    NormalOfZeros,
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SharedPage {
    Skipped,
    /// The flag is ignored.
    Normal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CpuidXf {
    Cpuid,
    Refused,
}

/// The pages of a parameter area that are launched, as UNMEASURED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    EveryPage,
    FirstPage,
}

/// How the states of virtual processors are launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VpContexts {
    /// Where the file puts them.
    InPlace,
    /// Where the file puts them, and zeros for every processor but the first.
    InPlaceFirstOnly,
    /// After all pages, one for each processor created, in processor order, at the address that
    /// KVM has fixed.
    LastAtKvmAddress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LargePage {
    /// The flag is ignored.
    OneSmallPage,
    EverySmallPage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondIdBlock {
    Ignored,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuestPolicy {
    Optional,
    Needed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// The file's guest policy.
    OfFile,
    /// This one, whatever the file says.
    Always(u64),
}

pub(super) static SPEC: Profile = Profile {
    name: "spec",
    order: Order::Directives,
    empty_page: EmptyPage::NormalOfZeros,
    shared_page: SharedPage::Skipped,
    cpuid_xf: CpuidXf::Cpuid,
    parameter_insert: Inserted::EveryPage,
    vp_context: VpContexts::InPlace,
    large_page: LargePage::OneSmallPage,
    second_id_block: SecondIdBlock::Ignored,
    guest_policy: GuestPolicy::Needed,
    policy: Policy::OfFile,
    refuses_initialization: |_| false,
    refuses: |_| false,
};

pub(super) static CLOUD_HYPERVISOR_MSHV: Profile = Profile {
    name: "cloud-hypervisor-mshv",
    order: Order::Gpa,
    empty_page: EmptyPage::NormalOfZeros,
    shared_page: SharedPage::Normal,
    cpuid_xf: CpuidXf::Refused,
    parameter_insert: Inserted::FirstPage,
    vp_context: VpContexts::InPlaceFirstOnly,
    large_page: LargePage::OneSmallPage,
    second_id_block: SecondIdBlock::Refused,
    guest_policy: GuestPolicy::Optional,
    policy: Policy::Always(0x3_001F),
    refuses_initialization: |_| false,
    refuses: cloud_hypervisor_refuses,
};

pub(super) static CLOUD_HYPERVISOR_KVM: Profile = Profile {
    name: "cloud-hypervisor-kvm",
    order: Order::Directives,
    empty_page: EmptyPage::Zero,
    shared_page: SharedPage::Normal,
    cpuid_xf: CpuidXf::Refused,
    parameter_insert: Inserted::EveryPage,
    vp_context: VpContexts::LastAtKvmAddress,
    large_page: LargePage::OneSmallPage,
    second_id_block: SecondIdBlock::Refused,
    guest_policy: GuestPolicy::Optional,
    policy: Policy::OfFile,
    refuses_initialization: |_| false,
    refuses: cloud_hypervisor_refuses,
};

pub(super) static QEMU_KVM: Profile = Profile {
    name: "qemu-kvm",
    order: Order::Batches,
    empty_page: EmptyPage::Zero,
    shared_page: SharedPage::Normal,
    cpuid_xf: CpuidXf::Cpuid,
    parameter_insert: Inserted::EveryPage,
    vp_context: VpContexts::LastAtKvmAddress,
    large_page: LargePage::EverySmallPage,
    second_id_block: SecondIdBlock::Refused,
    guest_policy: GuestPolicy::Optional,
    policy: Policy::OfFile,
    refuses_initialization: |header| !matches!(header, Initialization::GuestPolicy { .. }),
    refuses: qemu_refuses,
};

/// Only the order is told by the reference; the other rows follow OpenVMM's loader, which is
/// the same for all its hypervisors. Its own part for MSHV is not public.
pub(super) static OPENVMM_MSHV: Profile = Profile {
    name: "openvmm-mshv",
    order: Order::Directives,
    empty_page: EmptyPage::NormalOfZeros,
    shared_page: SharedPage::Skipped,
    cpuid_xf: CpuidXf::Cpuid,
    parameter_insert: Inserted::EveryPage,
    vp_context: VpContexts::InPlace,
    large_page: LargePage::OneSmallPage,
    second_id_block: SecondIdBlock::Refused,
    guest_policy: GuestPolicy::Optional,
    policy: Policy::OfFile,
    refuses_initialization: |_| false,
    refuses: |directive| matches!(directive, Directive::VbsMeasurement { .. }),
};

/// Cloud Hypervisor panics with `todo!` at these.
fn cloud_hypervisor_refuses(directive: &Directive<'_>) -> bool {
    match directive {
        Directive::Parameter(parameter) => !matches!(
            parameter.kind,
            ParameterKind::VpCount | ParameterKind::MemoryMap | ParameterKind::CommandLine
        ),
        Directive::ErrorRange(_) | Directive::VbsMeasurement { .. } => true,
        _ => false,
    }
}

/// QEMU has no handler for these.
fn qemu_refuses(directive: &Directive<'_>) -> bool {
    match directive {
        Directive::Parameter(parameter) => !matches!(
            parameter.kind,
            ParameterKind::VpCount
                | ParameterKind::MemoryMap
                | ParameterKind::EnvironmentInfo
                | ParameterKind::Madt
        ),
        Directive::ErrorRange(_) | Directive::VbsMeasurement { .. } => true,
        _ => false,
    }
}

impl Loader {
    pub(super) const fn profile(self) -> &'static Profile {
        match self {
            Self::Spec => &SPEC,
            Self::CloudHypervisorMshv => &CLOUD_HYPERVISOR_MSHV,
            Self::CloudHypervisorKvm => &CLOUD_HYPERVISOR_KVM,
            Self::QemuKvm => &QEMU_KVM,
            Self::OpenvmmMshv => &OPENVMM_MSHV,
        }
    }
}

/// A row of the table by which two loaders that load a file may launch it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    VpContext,
    Order,
    EmptyPage,
    SharedPage,
    ParameterInsert,
    LargePage,
}

impl Row {
    /// All rows, first the one that says which pages there are to be ordered.
    pub(super) const ALL: [Self; 6] = [
        Self::VpContext,
        Self::Order,
        Self::EmptyPage,
        Self::SharedPage,
        Self::ParameterInsert,
        Self::LargePage,
    ];
}

impl Profile {
    /// Takes over one row of `other`; gives whether it was another.
    pub(super) fn adopt(&mut self, row: Row, other: &Self) -> bool {
        fn replace<T: PartialEq>(mine: &mut T, theirs: T) -> bool {
            std::mem::replace(mine, theirs) != *mine
        }
        match row {
            Row::VpContext => replace(&mut self.vp_context, other.vp_context),
            Row::Order => replace(&mut self.order, other.order),
            Row::EmptyPage => replace(&mut self.empty_page, other.empty_page),
            Row::SharedPage => replace(&mut self.shared_page, other.shared_page),
            Row::ParameterInsert => replace(&mut self.parameter_insert, other.parameter_insert),
            Row::LargePage => replace(&mut self.large_page, other.large_page),
        }
    }
}
