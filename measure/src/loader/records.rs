//! From directives to page records, by the table of profiles.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::profile::{
    CpuidXf, EmptyPage, GuestPolicy, Inserted, LargePage, Order, Profile, SecondIdBlock,
    SharedPage, VpContexts,
};
use super::{KVM_VMSA_GPA, Refusal};
use crate::igvm::{
    CompatibilityMask, Directive, IgvmFile, PageData, PageDataType, ParameterInsert, PlatformType,
    VpContext,
};
use crate::{Gpa, PAGE_SIZE, PageId, PageRecord, UnreadPage};

/// A file as one loader sees it.
pub(super) struct Launch<'f> {
    pub(super) file: &'f IgvmFile<'f>,
    /// The page that each directive carries.
    pub(super) pages: &'f [PageId],
    pub(super) profile: &'static Profile,
    /// Processors created; `None` for one for each context in the file.
    pub(super) vcpus: Option<NonZeroU32>,
}

impl Launch<'_> {
    /// The records of all pages, in launch order.
    pub(super) fn records(&self) -> Result<Vec<PageRecord>, Refusal> {
        let platform = self.platform()?;
        self.check_headers(platform)?;
        let mut records = self.pages(platform)?;
        if self.profile.vp_context == VpContexts::LastAtKvmAddress {
            records.extend(self.kvm_vmsas(platform)?);
        }
        if self.profile.order == Order::Gpa {
            records.sort_by_key(PageRecord::gpa);
        }
        Ok(records)
    }

    fn platform(&self) -> Result<CompatibilityMask, Refusal> {
        let platform = self.file.platform(PlatformType::SevSnp);
        platform
            .map(|platform| platform.mask)
            .ok_or(Refusal::NotForSevSnp)
    }

    /// The directives that the loader obeys, with their places among all.
    fn directives(
        &self,
        platform: CompatibilityMask,
    ) -> impl Iterator<Item = (usize, &Directive<'_>)> {
        let directives = self.file.directives().iter().enumerate();
        directives.filter(move |(_, directive)| directive.applies_to(platform))
    }

    fn check_headers(&self, platform: CompatibilityMask) -> Result<(), Refusal> {
        let profile = self.profile;
        let no_policy = self.file.guest_policy(platform).is_none();
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
        for (_, directive) in self.directives(platform) {
            if (profile.refuses)(directive) {
                return Err(Refusal::UnsupportedHeader {
                    header: directive.name(),
                });
            }
            id_blocks += usize::from(matches!(directive, Directive::SnpIdBlock(_)));
        }
        if id_blocks > 1 && profile.second_id_block == SecondIdBlock::Refused {
            return Err(Refusal::SecondIdBlock);
        }
        Ok(())
    }

    /// The records of everything but the VMSAs that KVM launches.
    fn pages(&self, platform: CompatibilityMask) -> Result<Vec<PageRecord>, Refusal> {
        let mut launched = Vec::new();
        let mut pending = Batch::default();
        for (position, directive) in self.directives(platform) {
            if self.profile.order != Order::Batches {
                launched.append(&mut pending.records);
            }
            match directive {
                Directive::PageData(page) => {
                    if !pending.takes(position, page) {
                        launched.append(&mut pending.records);
                    }
                    self.push_page(page, self.pages[position], &mut pending.records)?;
                    pending.last = Some((position, *page));
                }
                Directive::ParameterInsert(insert) => launched.extend(self.inserted(insert)),
                Directive::VpContext(context) => {
                    launched.extend(self.vmsa_in_place(context, self.pages[position]));
                }
                _ => {}
            }
        }
        launched.append(&mut pending.records);
        Ok(launched)
    }

    fn push_page(
        &self,
        page: &PageData<'_>,
        contents: PageId,
        records: &mut Vec<PageRecord>,
    ) -> Result<(), Refusal> {
        let gpa = page.gpa;
        if let (SharedPage::Skipped, true) = (self.profile.shared_page, page.flags.is_shared()) {
            return Ok(());
        }
        let unread = match (page.data_type, self.profile.cpuid_xf) {
            (PageDataType::CpuidExtendedState, CpuidXf::Refused) => {
                return Err(Refusal::CpuidExtendedState { gpa });
            }
            (PageDataType::CpuidData | PageDataType::CpuidExtendedState, _) => {
                Some(UnreadPage::Cpuid)
            }
            (PageDataType::Secrets, _) => Some(UnreadPage::Secrets),
            (PageDataType::Normal, _) if page.flags.is_unmeasured() => Some(UnreadPage::Unmeasured),
            (PageDataType::Normal, _) => match (page.data, self.profile.empty_page) {
                (None, EmptyPage::Zero) => Some(UnreadPage::Zero),
                (None, EmptyPage::NormalOfZeros) | (Some(_), _) => None,
            },
        };
        let size = match self.profile.large_page {
            LargePage::OneSmallPage => PAGE_SIZE,
            LargePage::EverySmallPage => page.size(),
        };
        // A file carries 4 KiB of a large page at most; the rest is zeros.
        let contents = std::iter::once(contents).chain(std::iter::repeat(PageId::ZEROS));
        records.extend(
            small_pages(gpa, size)
                .zip(contents)
                .map(|(gpa, contents)| match unread {
                    Some(kind) => PageRecord::without_contents(gpa, kind),
                    None => PageRecord::normal(gpa, contents),
                }),
        );
        Ok(())
    }

    fn inserted(&self, insert: &ParameterInsert) -> impl Iterator<Item = PageRecord> + use<> {
        let size = match self.profile.parameter_insert {
            Inserted::EveryPage => insert.size,
            Inserted::FirstPage => PAGE_SIZE,
        };
        small_pages(insert.gpa, size)
            .map(|gpa| PageRecord::without_contents(gpa, UnreadPage::Unmeasured))
    }

    fn vmsa_in_place(&self, context: &VpContext<'_>, contents: PageId) -> Option<PageRecord> {
        match self.profile.vp_context {
            VpContexts::InPlaceFirstOnly if context.vp_index != 0 => {
                Some(PageRecord::vmsa(context.gpa, PageId::ZEROS))
            }
            VpContexts::InPlace | VpContexts::InPlaceFirstOnly => {
                Some(PageRecord::vmsa(context.gpa, contents))
            }
            VpContexts::LastAtKvmAddress => None,
        }
    }

    /// One VMSA for each processor created.
    fn kvm_vmsas(&self, platform: CompatibilityMask) -> Result<Vec<PageRecord>, Refusal> {
        let mut contexts = BTreeMap::new();
        for (position, directive) in self.directives(platform) {
            let Directive::VpContext(context) = directive else {
                continue;
            };
            let vp_index = context.vp_index;
            if contexts
                .insert(u32::from(vp_index), self.pages[position])
                .is_some()
            {
                return Err(Refusal::DuplicateVpContext { vp_index });
            }
        }
        let in_file = u32::try_from(contexts.len()).unwrap_or(u32::MAX);
        let vcpus = self.vcpus.map_or(in_file.max(1), NonZeroU32::get);
        (0..vcpus)
            .map(|vp_index| match contexts.get(&vp_index) {
                Some(contents) => Ok(PageRecord::vmsa(KVM_VMSA_GPA, *contents)),
                None => Err(Refusal::NoVpContext { vp_index, vcpus }),
            })
            .collect()
    }
}

/// Pages that QEMU holds back to launch them in one go.
#[derive(Default)]
struct Batch<'f> {
    records: Vec<PageRecord>,
    /// The last page taken, with its place among all directives.
    last: Option<(usize, PageData<'f>)>,
}

impl Batch<'_> {
    /// Whether `page`, the directive at `position`, belongs to the batch: directly after the
    /// last, in the file and in memory, and like it.
    fn takes(&self, position: usize, page: &PageData<'_>) -> bool {
        self.last.is_some_and(|(last_position, last)| {
            last_position + 1 == position
                && last.gpa.checked_add(last.size()) == Some(page.gpa)
                && last.flags == page.flags
                && last.data_type == page.data_type
                && last.mask == page.mask
                && last.data.is_some() == page.data.is_some()
        })
    }
}

/// The addresses of the 4 KiB pages in `size` bytes from `gpa` on.
fn small_pages(gpa: Gpa, size: u64) -> impl Iterator<Item = Gpa> {
    (0..size / PAGE_SIZE).map_while(move |page| gpa.checked_add(page * PAGE_SIZE))
}
