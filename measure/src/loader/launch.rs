//! What one loader launches of a file: which directives, in which order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::Refusal;
use super::profile::{CpuidXf, GuestPolicy, Order, Profile, SecondIdBlock, SharedPage, VpContexts};
use super::records::PageRecords;
use crate::igvm::{CompatibilityMask, Directive, IgvmFile, PageData, PageDataType, PlatformType};
use crate::{Gpa, PageId};

/// What one loader launches of a file. Page records are made as they are asked for: a file may
/// declare far more than it carries.
#[derive(Debug, Clone)]
pub struct Launch<'f> {
    pub(super) file: &'f IgvmFile<'f>,
    /// The page that each directive carries.
    pub(super) pages: &'f [PageId],
    pub(super) profile: Profile,
    platform: CompatibilityMask,
    /// Directives that launch pages, by their places among all, in launch order.
    pub(super) order: Vec<u32>,
    /// The VMSAs that come after all pages, in processor order.
    pub(super) last: Vec<PageId>,
}

impl<'f> Launch<'f> {
    /// What the loader with this profile launches of `file`, with `vcpus` processors or one for
    /// each context.
    pub(super) fn new(
        file: &'f IgvmFile<'f>,
        pages: &'f [PageId],
        profile: Profile,
        vcpus: Option<NonZeroU32>,
    ) -> Result<Self, Refusal> {
        let platform = file
            .platform(PlatformType::SevSnp)
            .ok_or(Refusal::NotForSevSnp)?
            .mask;
        let mut launch = Self {
            file,
            pages,
            profile,
            platform,
            order: Vec::new(),
            last: Vec::new(),
        };
        launch.check_headers()?;
        launch.order = launch.ordered();
        if profile.vp_context == VpContexts::LastAtKvmAddress {
            launch.last = launch.kvm_vmsas(vcpus)?;
        }
        Ok(launch)
    }

    /// The page records, in launch order.
    pub fn records(&self) -> PageRecords<'_> {
        PageRecords::new(self)
    }

    /// How many VMSAs are launched.
    pub(super) fn vp_contexts(&self) -> usize {
        let contexts = self.launching();
        let in_place = contexts.filter(|(_, it)| matches!(it, Directive::VpContext(_)));
        in_place.count() + self.last.len()
    }

    /// The same with another profile, which launches `last` after all pages.
    pub(super) fn with_profile(&self, profile: Profile, last: &[PageId]) -> Self {
        let mut launch = Self {
            profile,
            last: last.to_vec(),
            ..self.clone()
        };
        launch.order = launch.ordered();
        launch
    }

    /// The directives that the loader obeys, with their places among all.
    fn directives(&self) -> impl Iterator<Item = (u32, &'f Directive<'f>)> {
        let platform = self.platform;
        let directives = (0_u32..).zip(self.file.directives());
        directives.filter(move |(_, directive)| directive.applies_to(platform))
    }

    fn check_headers(&self) -> Result<(), Refusal> {
        let profile = self.profile;
        let no_policy = self.file.guest_policy(self.platform).is_none();
        if profile.guest_policy == GuestPolicy::Needed && no_policy {
            return Err(Refusal::NoGuestPolicy);
        }
        let initializations = self.file.initializations();
        if let Some(header) = initializations
            .iter()
            .find(|it| (profile.refuses_initialization)(it))
        {
            return Err(Refusal::UnsupportedHeader {
                header: header.name(),
            });
        }
        let mut id_blocks = 0;
        for (_, directive) in self.directives() {
            if (profile.refuses)(directive) {
                return Err(Refusal::UnsupportedHeader {
                    header: directive.name(),
                });
            }
            match directive {
                Directive::SnpIdBlock(_) => id_blocks += 1,
                Directive::PageData(page)
                    if page.data_type == PageDataType::CpuidExtendedState
                        && profile.cpuid_xf == CpuidXf::Refused =>
                {
                    return Err(Refusal::CpuidExtendedState { gpa: page.gpa });
                }
                _ => {}
            }
        }
        if id_blocks > 1 && profile.second_id_block == SecondIdBlock::Refused {
            return Err(Refusal::SecondIdBlock);
        }
        Ok(())
    }

    /// The directives that launch pages, in launch order.
    fn ordered(&self) -> Vec<u32> {
        match self.profile.order {
            Order::Directives => self.launching().map(|(position, _)| position).collect(),
            Order::Gpa => {
                let mut by_gpa: Vec<u32> = self.launching().map(|(position, _)| position).collect();
                by_gpa.sort_by_key(|position| self.gpa(*position));
                by_gpa
            }
            Order::Batches => self.batched(),
        }
    }

    /// The directives that launch pages, as the file has them.
    fn launching(&self) -> impl Iterator<Item = (u32, &'f Directive<'f>)> {
        let profile = self.profile;
        self.directives()
            .filter(move |(_, directive)| match directive {
                Directive::PageData(page) => {
                    profile.shared_page == SharedPage::Normal || !page.flags.is_shared()
                }
                Directive::ParameterInsert(_) => true,
                Directive::VpContext(_) => profile.vp_context != VpContexts::LastAtKvmAddress,
                _ => false,
            })
    }

    /// Where the directive at `position` launches its first page.
    fn gpa(&self, position: u32) -> Option<Gpa> {
        match self.file.directives().get(position as usize)? {
            Directive::PageData(page) => Some(page.gpa),
            Directive::ParameterInsert(insert) => Some(insert.gpa),
            Directive::VpContext(context) => Some(context.gpa),
            _ => None,
        }
    }

    /// QEMU's order: runs of like pages are held back to be launched in one go, until a page
    /// comes that does not belong to them. Parameters do not wait, so they overtake a run.
    fn batched(&self) -> Vec<u32> {
        let mut launched = Vec::new();
        let mut pending: Vec<u32> = Vec::new();
        let mut last: Option<(u32, &PageData<'_>)> = None;
        for (position, directive) in self.launching() {
            let Directive::PageData(page) = directive else {
                if matches!(directive, Directive::VpContext(_)) {
                    launched.append(&mut pending);
                }
                launched.push(position);
                continue;
            };
            if !last.is_some_and(|last| belongs((position, page), last)) {
                launched.append(&mut pending);
            }
            pending.push(position);
            last = Some((position, page));
        }
        launched.append(&mut pending);
        launched
    }

    /// One VMSA for each processor created.
    fn kvm_vmsas(&self, vcpus: Option<NonZeroU32>) -> Result<Vec<PageId>, Refusal> {
        let mut contexts = BTreeMap::new();
        for (position, directive) in self.directives() {
            let Directive::VpContext(context) = directive else {
                continue;
            };
            let vp_index = context.vp_index;
            let page = self.pages[position as usize];
            if contexts.insert(u32::from(vp_index), page).is_some() {
                return Err(Refusal::DuplicateVpContext { vp_index });
            }
        }
        let in_file = u32::try_from(contexts.len()).unwrap_or(u32::MAX);
        let vcpus = vcpus.map_or(in_file.max(1), NonZeroU32::get);
        (0..vcpus)
            .map(|vp_index| {
                let context = contexts.get(&vp_index).copied();
                context.ok_or(Refusal::NoVpContext { vp_index, vcpus })
            })
            .collect()
    }
}

/// Whether `page` belongs to the batch that ends with `last`: directly after it, in the file and
/// in memory, and like it.
fn belongs((position, page): (u32, &PageData<'_>), last: (u32, &PageData<'_>)) -> bool {
    let (last_position, last) = last;
    last_position + 1 == position
        && last.gpa.checked_add(last.size()) == Some(page.gpa)
        && last.flags == page.flags
        && last.data_type == page.data_type
        && last.mask == page.mask
        && last.data.is_some() == page.data.is_some()
}
