//! The CPUID page: which leaves the guest asks the firmware to vouch for.
//!
//! Source: SEV-SNP Firmware ABI, section 8.17.2.6 "PAGE_TYPE_CPUID", tables CPUID_PAGE and
//! CPUID_FUNCTION.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// Entries that the page has room for.
const CAPACITY: usize = 64;
/// What `XCR0` is taken to be for the leaf that depends on it: x87 state only.
const X87_ONLY: u64 = 1;

/// The leaf of extended processor state, one subleaf a component.
const EXTENDED_STATE: u32 = 0xd;
/// Its subleaves for AVX-512; asking for them makes launches fail on newer hosts.
const LEFT_OUT: std::ops::RangeInclusive<u32> = 5..=7;

/// A leaf, and the last of its subleaves that are asked for.
const LEAVES: [(u32, u32); 24] = [
    (0x0, 0),
    (0x1, 0),
    (0x2, 0),
    (0x4, 2),
    (0x5, 0),
    (0x6, 0),
    (0x7, 0),
    (0x9, 0),
    (0xa, 0),
    (0xb, 1),
    (EXTENDED_STATE, 8),
    (0x8000_0000, 0),
    (0x8000_0001, 0),
    (0x8000_0002, 0),
    (0x8000_0003, 0),
    (0x8000_0004, 0),
    (0x8000_0005, 0),
    (0x8000_0006, 0),
    (0x8000_0007, 0),
    (0x8000_0008, 0),
    (0x8000_000a, 0),
    (0x8000_001d, 3),
    (0x8000_001e, 0),
    (0x8000_001f, 0),
];

/// One CPUID function: what is asked, and where the loader puts the answer.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
struct CpuidFunction {
    eax_in: U32,
    ecx_in: U32,
    xcr0_in: U64,
    xss_in: U64,
    eax: U32,
    ebx: U32,
    ecx: U32,
    edx: U32,
    _reserved: U64,
}

/// The page up to its last entry.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
pub(in crate::igvm) struct CpuidPage {
    count: U32,
    _reserved: U32,
    _reserved2: U64,
    functions: [CpuidFunction; CAPACITY],
}

const _: () = {
    assert!(size_of::<CpuidFunction>() == 48);
    assert!(size_of::<CpuidPage>() == 16 + CAPACITY * 48);
    assert!(size_of::<CpuidPage>() <= 4096);
};

impl CpuidPage {
    /// The page that asks for every leaf that guests need today.
    pub(in crate::igvm) fn new() -> Self {
        let asked = LEAVES
            .into_iter()
            .flat_map(|(leaf, last)| (0..=last).map(move |subleaf| (leaf, subleaf)))
            .filter(|(leaf, subleaf)| *leaf != EXTENDED_STATE || !LEFT_OUT.contains(subleaf));
        let mut page = Self::new_zeroed();
        for ((leaf, subleaf), function) in asked.zip(&mut page.functions) {
            function.eax_in.set(leaf);
            function.ecx_in.set(subleaf);
            if leaf == EXTENDED_STATE {
                function.xcr0_in.set(X87_ONLY);
            }
            page.count += 1;
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_for_every_leaf_but_the_avx_512_components() {
        let page = CpuidPage::new();
        let asked: Vec<_> = page.functions[..page.count.get() as usize]
            .iter()
            .map(|function| (function.eax_in.get(), function.ecx_in.get()))
            .collect();
        assert_eq!(asked.len(), 35);
        let extended_state: Vec<_> = asked.iter().filter(|(leaf, _)| *leaf == 0xd).collect();
        assert_eq!(
            extended_state,
            [
                &(0xd, 0),
                &(0xd, 1),
                &(0xd, 2),
                &(0xd, 3),
                &(0xd, 4),
                &(0xd, 8)
            ]
        );
        assert_eq!(asked.last(), Some(&(0x8000_001f, 0)));
        assert!(
            page.functions[35..]
                .iter()
                .all(|function| function.eax_in == 0)
        );
    }
}
