//! SHA-384 of four pages at once.

use std::arch::x86_64::{
    _mm_set_epi64x, _mm256_add_epi64, _mm256_broadcastsi128_si256, _mm256_or_si256,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_storeu_si256, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

use super::{Vector, choose, high_halves, load, low_halves, majority, xor};
use crate::lanes::constants::{K512, SHA384_START};
use crate::lanes::groups::{for_each_group, sha384_digests};
use crate::lanes::kernel::compression;
use crate::lanes::{Page, portable};
use crate::{PAGE_SIZE, Sha384Digest};

const LANES: usize = 4;

/// SHA-384 of each page.
#[target_feature(enable = "avx2")]
pub(in crate::lanes) fn pages(pages: &[&Page], digests: &mut [Sha384Digest]) {
    for_each_group(pages, digests, portable::sha384_page, |group| {
        four_pages(group)
    });
}

compression! { features: "avx2", round_constants: K512 }

#[target_feature(enable = "avx2")]
fn four_pages(pages: &[&Page; LANES]) -> [Sha384Digest; LANES] {
    let mut state = [_mm256_setzero_si256(); 8];
    for (vector, word) in state.iter_mut().zip(SHA384_START) {
        *vector = splat(word);
    }
    for block in 0..size_of::<Page>() / 128 {
        let mut words = [_mm256_setzero_si256(); 16];
        for (part, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
            *words = transposed(pages, 4 * block + part);
        }
        compress(&mut state, &mut words);
    }
    let mut padding = [_mm256_setzero_si256(); 16];
    padding[0] = splat(1 << 63);
    padding[15] = splat(PAGE_SIZE * 8);
    compress(&mut state, &mut padding);

    let mut words = [[0_u64; LANES]; 8];
    for (row, vector) in words.iter_mut().zip(state) {
        // SAFETY: the row is 32 writable bytes, and the instruction needs no alignment.
        unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), vector) };
    }
    sha384_digests(&words)
}

/// Four words of each page, from 32 * `part` bytes on: one vector for each word.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(pages: &[&Page; LANES], part: usize) -> [Vector; 4] {
    // Reverses the bytes of each word: SHA-2 is big-endian.
    let swap =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0809_0A0B_0C0D_0E0F, 0x0001_0203_0405_0607));
    let mut row = [_mm256_setzero_si256(); LANES];
    for (vector, page) in row.iter_mut().zip(pages) {
        *vector = _mm256_shuffle_epi8(load(&page.as_chunks().0[part]), swap);
    }
    let (even, even_2) = (
        _mm256_unpacklo_epi64(row[0], row[1]),
        _mm256_unpacklo_epi64(row[2], row[3]),
    );
    let (odd, odd_2) = (
        _mm256_unpackhi_epi64(row[0], row[1]),
        _mm256_unpackhi_epi64(row[2], row[3]),
    );
    [
        low_halves(even, even_2),
        low_halves(odd, odd_2),
        high_halves(even, even_2),
        high_halves(odd, odd_2),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> Vector {
    _mm256_set1_epi64x(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi64(a, b)
}

/// Rotates words right by `RIGHT` bits; `LEFT` is 64 less that.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const RIGHT: i32, const LEFT: i32>(x: Vector) -> Vector {
    const { assert!(RIGHT + LEFT == 64) };
    _mm256_or_si256(_mm256_srli_epi64::<RIGHT>(x), _mm256_slli_epi64::<LEFT>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_0(x: Vector) -> Vector {
    xor(
        rotate::<28, 36>(x),
        rotate::<34, 30>(x),
        rotate::<39, 25>(x),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_1(x: Vector) -> Vector {
    xor(
        rotate::<14, 50>(x),
        rotate::<18, 46>(x),
        rotate::<41, 23>(x),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_0(x: Vector) -> Vector {
    xor(
        rotate::<1, 63>(x),
        rotate::<8, 56>(x),
        _mm256_srli_epi64::<7>(x),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_1(x: Vector) -> Vector {
    xor(
        rotate::<19, 45>(x),
        rotate::<61, 3>(x),
        _mm256_srli_epi64::<6>(x),
    )
}
