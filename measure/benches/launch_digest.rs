//! From the bytes of an IGVM file to its launch digest, against the igvm crate in the same run.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::lanes::{Page, sha384_pages};
use guestmark_measure::{LaunchDigest, Loader, Sha384Digest, launch_digest, launch_digests};
use igvm::snp_defs::SevVmsa;
use igvm::{
    IgvmDirectiveHeader, IgvmInitializationHeader, IgvmPlatformHeader, IgvmRevision, IgvmSerializer,
};
use igvm_defs::{
    IGVM_VHS_SUPPORTED_PLATFORM, IgvmPageDataFlags, IgvmPageDataType, IgvmPlatformType,
};
use rayon::prelude::*;
use zerocopy::FromZeros;

fn main() {
    divan::main();
}

/// A file that the igvm crate wrote, of `records` pages of which `distinct` differ.
struct Sample {
    bytes: Vec<u8>,
    records: usize,
}

impl Sample {
    /// 128 MiB of different pages.
    fn of_128_mib() -> Self {
        Self::written(32_768, 32_768)
    }

    /// A guest with 512 MiB of memory in a file of about 19 MiB: most pages are one.
    fn of_512_mib_guest() -> Self {
        Self::written(131_072, 4_000)
    }

    /// A guest whose pages are all empty: nothing but records, to see how time grows with them.
    fn of_empty_guest(gibibytes: usize) -> Self {
        Self::written(gibibytes << 18, 0)
    }

    /// Writes `records` pages: `distinct` that differ, the rest zeros that the file stores once;
    /// with nothing to store, pages without data.
    fn written(records: usize, distinct: usize) -> Self {
        let mask = 1;
        let platform = IgvmPlatformHeader::SupportedPlatform(IGVM_VHS_SUPPORTED_PLATFORM {
            compatibility_mask: mask,
            highest_vtl: 0,
            platform_type: IgvmPlatformType::SEV_SNP,
            platform_version: 1,
            shared_gpa_boundary: 0,
        });
        let policy = IgvmInitializationHeader::GuestPolicy {
            policy: 0x3_001F,
            compatibility_mask: mask,
        };
        let page = |number: usize| {
            let mut data = vec![0; if distinct == 0 { 0 } else { 4096 }];
            if number < distinct {
                data[..8].copy_from_slice(&(number as u64).to_le_bytes());
            }
            IgvmDirectiveHeader::PageData {
                gpa: number as u64 * 4096,
                compatibility_mask: mask,
                flags: IgvmPageDataFlags::new(),
                data_type: IgvmPageDataType::NORMAL,
                data,
            }
        };
        let vmsa = IgvmDirectiveHeader::SnpVpContext {
            gpa: 0xFFFF_FFFF_F000,
            compatibility_mask: mask,
            vp_index: 0,
            vmsa: SevVmsa::new_box_zeroed().expect("memory for one page"),
        };
        let directives = (0..records).map(page).chain([vmsa]).collect();
        let file = igvm::IgvmFile::new(IgvmRevision::V1, vec![platform], vec![policy], directives)
            .expect("a valid file");
        let mut bytes = Vec::new();
        file.serialize(&mut bytes).expect("a file below 4 GiB");
        Self { bytes, records }
    }

    /// Bytes of guest memory measured.
    fn memory(&self) -> BytesCount {
        BytesCount::new(self.records * 4096)
    }
}

fn guestmark(file: &[u8], loader: Loader) -> LaunchDigest {
    let file = IgvmFile::parse(file).expect("a valid file");
    launch_digest(&file, loader, None).expect("a file that the loader loads")
}

fn igvm_crate(file: &[u8]) -> Vec<u8> {
    let file = igvm::IgvmFile::new_from_binary(file, None).expect("a valid file");
    let measured = IgvmSerializer::new(&file).expect("a file that can be measured");
    let measured = measured.measurement_for(IgvmPlatformType::SEV_SNP);
    measured.expect("a file for SEV-SNP").digest.clone()
}

macro_rules! compared {
    ($module:ident, $sample:expr) => {
        mod $module {
            use super::*;

            #[divan::bench]
            fn guestmark_spec(bencher: Bencher<'_, '_>) {
                let sample = $sample;
                assert_eq!(
                    guestmark(&sample.bytes, Loader::Spec).as_bytes()[..],
                    igvm_crate(&sample.bytes)
                );
                bencher
                    .counter(sample.memory())
                    .bench_local(|| guestmark(black_box(&sample.bytes), Loader::Spec));
            }

            #[divan::bench]
            fn guestmark_all_loaders(bencher: Bencher<'_, '_>) {
                let sample = $sample;
                bencher.counter(sample.memory()).bench_local(|| {
                    let file = IgvmFile::parse(black_box(&sample.bytes)).expect("a valid file");
                    launch_digests(&file, None)
                });
            }

            #[divan::bench]
            fn guestmark_parse(bencher: Bencher<'_, '_>) {
                let sample = $sample;
                bencher
                    .counter(sample.memory())
                    .bench_local(|| IgvmFile::parse(black_box(&sample.bytes)).is_ok());
            }

            #[divan::bench(sample_count = 10)]
            fn igvm_crate_spec(bencher: Bencher<'_, '_>) {
                let sample = $sample;
                bencher
                    .counter(sample.memory())
                    .bench_local(|| igvm_crate(black_box(&sample.bytes)));
            }
        }
    };
}

compared!(file_of_128_mib, Sample::of_128_mib());
compared!(guest_of_512_mib, Sample::of_512_mib_guest());

/// Time grows with the records and nothing else.
#[divan::bench(args = [1, 2, 4], sample_count = 5)]
fn empty_guest_of_gibibytes(bencher: Bencher<'_, '_>, gibibytes: usize) {
    let sample = Sample::of_empty_guest(gibibytes);
    bencher
        .counter(sample.memory())
        .bench_local(|| guestmark(black_box(&sample.bytes), Loader::Spec));
}

/// What hashing alone takes for 128 MiB on all cores: the bound for measuring.
#[divan::bench]
fn lanes_alone_128_mib(bencher: Bencher<'_, '_>) {
    let sample = Sample::of_128_mib();
    let pages: Vec<&Page> = sample
        .bytes
        .as_chunks()
        .0
        .iter()
        .take(sample.records)
        .collect();
    let mut digests = vec![Sha384Digest::new([0; 48]); pages.len()];
    bencher.counter(sample.memory()).bench_local(|| {
        pages
            .par_chunks(64)
            .zip(digests.par_chunks_mut(64))
            .for_each(|(pages, digests)| sha384_pages(pages, digests));
    });
}
