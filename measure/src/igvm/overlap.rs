//! Guest memory that a file loads twice.
//!
//! The format does not forbid it and the igvm crate 0.5 measures both. Launched guests cannot
//! have it: KVM populates a page once and fails with EEXIST (Linux, `kvm_gmem_populate`), which
//! stops QEMU and Cloud Hypervisor on KVM; Cloud Hypervisor tracks the ranges it imports, save
//! pages without data, and refuses one that overlaps another (`Loader::accept_new_range`).

use super::{CompatibilityMask, Directive, IgvmFile};
use crate::Gpa;

/// Two directives that load the same guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The first address that both load.
    pub gpa: Gpa,
    /// The places of the directives in [`IgvmFile::directives`], in ascending order.
    pub directives: [usize; 2],
}

/// What one directive loads.
#[derive(Clone, Copy)]
struct Loaded {
    start: u64,
    /// The last byte, because the end of the last page is no 64-bit number.
    last: u64,
    directive: usize,
}

impl IgvmFile<'_> {
    /// The lowest guest memory that page data and inserted parameter areas load twice on the
    /// platform with this mask. VP contexts do not count: on KVM they all have one address.
    ///
    /// Takes time n log n for n directives.
    pub fn overlap(&self, platform: CompatibilityMask) -> Option<Overlap> {
        let directives = self.directives().iter().enumerate();
        let mut loaded: Vec<Loaded> = directives
            .filter(|(_, directive)| directive.applies_to(platform))
            .filter_map(|(place, directive)| Loaded::by(place, directive))
            .collect();
        loaded.sort_unstable_by_key(|it| (it.start, it.directive));

        let mut rest = loaded.into_iter();
        let mut reaching = rest.next()?;
        for next in rest {
            if next.start <= reaching.last {
                let mut directives = [reaching.directive, next.directive];
                directives.sort_unstable();
                let gpa = Gpa::new(next.start);
                return Some(Overlap { gpa, directives });
            }
            reaching = next;
        }
        None
    }
}

impl Loaded {
    fn by(place: usize, directive: &Directive<'_>) -> Option<Self> {
        let (gpa, size) = match directive {
            Directive::PageData(page) => (page.gpa, page.size()),
            Directive::ParameterInsert(insert) => (insert.gpa, insert.size),
            _ => return None,
        };
        let start = gpa.get();
        // The reader has seen to it that the range ends inside the address space.
        let last = start.checked_add(size.checked_sub(1)?)?;
        Some(Self {
            start,
            last,
            directive: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[track_caller]
    fn overlap(sample: &Sample) -> Option<(u64, [usize; 2])> {
        let bytes = sample.bytes();
        let file = IgvmFile::parse(&bytes).unwrap();
        let found = file.overlap(CompatibilityMask::new(1))?;
        Some((found.gpa.get(), found.directives))
    }

    #[test]
    fn pages_beside_each_other_do_not_overlap() {
        let last_page = u64::MAX - 0xFFF;
        let sample = Sample::snp()
            .page(0x2000, 1, 0, 0)
            .page(0x1000, 1, 0, 0)
            .area(0, 0x2000)
            .insert(0, 0x3000)
            .page(last_page, 1, 0, 0);
        assert_eq!(overlap(&sample), None);
        assert_eq!(overlap(&Sample::snp()), None);
    }

    #[test]
    fn two_pages_at_one_address_overlap() {
        let sample = Sample::snp()
            .page(0x2000, 1, 0, 0)
            .page(0x1000, 1, 0, 0)
            .empty_page(0x2000, 0, 1);
        assert_eq!(overlap(&sample), Some((0x2000, [0, 2])));
    }

    #[test]
    fn areas_and_large_pages_overlap_with_all_their_memory() {
        let area = Sample::snp()
            .page(0x3000, 1, 0, 0)
            .area(0, 0x3000)
            .insert(0, 0x1000);
        assert_eq!(overlap(&area), Some((0x3000, [0, 2])));
        let large = Sample::snp()
            .empty_page(0, 1, 0)
            .empty_page(0x1F_F000, 0, 0);
        assert_eq!(overlap(&large), Some((0x1F_F000, [0, 1])));
    }

    #[test]
    fn empty_areas_vp_contexts_and_other_platforms_do_not_overlap() {
        let sample = Sample::default()
            .platform(1, 2)
            .platform(2, 3)
            .page(0x1000, 1, 0, 0)
            .area(0, 0)
            .insert(0, 0x1000)
            .vp_context(1, 0, 0x1000, &[0; 4096])
            .vp_context(1, 1, 0x1000, &[0; 4096])
            .area(1, 0x1000)
            .header(
                0x303,
                &[&0x1000_u64.to_le_bytes(), &[2, 0, 0, 0, 1, 0, 0, 0]],
            );
        assert_eq!(overlap(&sample), None);
    }
}
