//! The loaders as one table: how each makes page records of an IGVM file.
//!
//! Read from the sources of the igvm crate 0.5.0, Cloud Hypervisor (`vmm/src/igvm`), QEMU
//! (`backends/igvm.c`, `target/i386/sev.c`) and OpenVMM (`vm_loaders/igvm.rs`).

use super::Loader;
use crate::igvm::{Directive, Initialization, ParameterKind};

/// One column of the table.
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
    /// Initialization headers that the loader stops at.
    pub(super) refuses_initialization: fn(&Initialization<'_>) -> bool,
    /// Directives that the loader stops at.
    pub(super) refuses: fn(&Directive<'_>) -> bool,
}

/// The order in which pages are launched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As the file has them.
    Directives,
    /// By address; pages at one address as the file has them.
    Gpa,
    /// Runs of like pages wait for the page that ends them, and parameters overtake them.
    Batches,
}

#[derive(Clone, Copy)]
pub(super) enum EmptyPage {
    NormalOfZeros,
    Zero,
}

#[derive(Clone, Copy)]
pub(super) enum SharedPage {
    Skipped,
    /// The flag is ignored.
    Normal,
}

#[derive(Clone, Copy)]
pub(super) enum CpuidXf {
    Cpuid,
    Refused,
}

/// The pages of a parameter area that are launched, as UNMEASURED.
#[derive(Clone, Copy)]
pub(super) enum Inserted {
    EveryPage,
    FirstPage,
}

/// How the states of virtual processors are launched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VpContexts {
    /// Where the file puts them.
    InPlace,
    /// Where the file puts them, and zeros for every processor but the first.
    InPlaceFirstOnly,
    /// After all pages, one for each processor created, in processor order, at the address that
    /// KVM has fixed.
    LastAtKvmAddress,
}

#[derive(Clone, Copy)]
pub(super) enum LargePage {
    /// The flag is ignored.
    OneSmallPage,
    EverySmallPage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondIdBlock {
    Ignored,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GuestPolicy {
    Optional,
    Needed,
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
