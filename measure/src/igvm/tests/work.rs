//! Work and memory stay within what a file holds plus what it may declare, counted and not timed:
//! each page record is one link of a chain, each distinct page one page hashed.

use super::*;
use crate::{LaunchPages, Loader, PAGE_SIZE};

/// Page records that the limit on declared memory allows beside those with a header each.
const DECLARED: usize = (IgvmFile::DECLARED_MEMORY_LIMIT / PAGE_SIZE) as usize;

/// The most records that any loader makes of `sample` beside the state of a processor, and the
/// pages to hash beside that and the page of zeros.
fn work(sample: &Sample) -> (usize, usize) {
    let state = [0xEE; 4096];
    let bytes = sample
        .clone()
        .vp_context(1, 0, 0xFFFF_FFFF_F000, &state)
        .bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let pages = LaunchPages::of(&file);
    let records = Loader::ALL.map(|loader| {
        let launched = pages.records(loader, None);
        launched.map_or(0, |records| records.len())
    });
    let hashed = pages.distinct().pages().len();
    (records.into_iter().max().unwrap() - 1, hashed - 2)
}

#[test]
fn sixteen_gib_in_a_small_file_are_refused_before_anything_is_made_of_them() {
    let area = Sample::snp().area(0, 16 << 30).insert(0, 0);
    assert_eq!(
        refused(&area.bytes()),
        "offset 0x48: parameter areas and 2 MiB pages add up to 0x400000000 bytes of memory that \
         the file does not carry, expected at most 0x40000000"
    );

    let mut pages = Sample::snp();
    for page in 0..256 {
        pages = pages.empty_page(page << 21, 1, 0);
    }
    let half = pages.clone().area(0, 1 << 29);
    assert_eq!(work(&half), (DECLARED / 2, 0));
    assert_eq!(
        refused(&half.empty_page(1 << 30, 1, 0).bytes()),
        "offset 0x2060: parameter areas and 2 MiB pages add up to 0x40200000 bytes of memory \
         that the file does not carry, expected at most 0x40000000"
    );
}

#[test]
fn an_area_at_the_limit_is_launched_once_however_often_it_is_inserted() {
    // Once for each platform, of which one is measured, and for no platform as often as it likes.
    let insert = |mask: u32| [u64s(&[0x1000]), u32s(&[mask, 7])].concat();
    let mut sample = Sample::default();
    for (bit, platform) in (0..).zip([2, 0, 1, 3, 4, 5]) {
        sample = sample.platform(1 << bit, platform);
    }
    sample = sample
        .header(0x101, &[&u64s(&[0x3_001F]), &u32s(&[1, 0])])
        .area(7, 1 << 30);
    for bit in 0..6 {
        sample = sample.header(0x303, &[&insert(1 << bit)]);
    }
    for _ in 0..100 {
        sample = sample.header(0x303, &[&insert(0)]);
    }
    assert_eq!(work(&sample), (DECLARED, 0));
}

#[test]
fn a_page_record_takes_a_header_or_declared_memory() {
    // Pages whose contents overlap byte by byte, which no sharing of pages helps against.
    let mut sample = Sample::snp();
    let start = sample.data(&[7; 4096 + 200]);
    for page in 0..200_u32 {
        sample = sample.page_at(u64::from(page) << 12, start + page, 0, 0);
    }
    let size = sample.bytes().len();
    let (records, hashed) = work(&sample.area(0, 1 << 30).insert(0, 1 << 30));
    assert_eq!((records, hashed), (200 + DECLARED, 200));
    assert!(records <= size / 32 + DECLARED);
}

#[test]
fn what_is_kept_of_a_header_is_in_proportion_to_it() {
    // The shortest headers: an unknown one of 8 bytes, and a parameter of 16.
    assert!(size_of::<UnknownHeader>() <= 3 * 8);
    assert!(size_of::<Directive<'_>>() <= 4 * 16);
    assert!(size_of::<Initialization<'_>>() <= 4 * 8);
}
