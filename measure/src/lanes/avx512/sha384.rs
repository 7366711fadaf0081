//! SHA-384 of eight pages at once.

use std::arch::x86_64::{
    _mm_set_epi64x, _mm512_add_epi64, _mm512_broadcast_i32x4, _mm512_ror_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi64, _mm512_storeu_si512,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

use super::{Vector, choose, load, majority, transposed_quarters, xor};
use crate::lanes::constants::{K512, SHA384_START};
use crate::lanes::groups::{for_each_group, sha384_digests};
use crate::lanes::kernel::compression;
use crate::lanes::{Page, portable};
use crate::{PAGE_SIZE, Sha384Digest};

const LANES: usize = 8;

/// SHA-384 of each page.
#[target_feature(enable = "avx512f,avx512bw")]
pub(in crate::lanes) fn pages(pages: &[&Page], digests: &mut [Sha384Digest]) {
    for_each_group(pages, digests, portable::sha384_page, |group| {
        eight_pages(group)
    });
}

compression! { features: "avx512f", round_constants: K512 }

#[target_feature(enable = "avx512f,avx512bw")]
fn eight_pages(pages: &[&Page; LANES]) -> [Sha384Digest; LANES] {
    let mut state = [_mm512_setzero_si512(); 8];
    for (vector, word) in state.iter_mut().zip(SHA384_START) {
        *vector = splat(word);
    }
    for block in 0..size_of::<Page>() / 128 {
        let low = transposed(pages, 2 * block);
        let high = transposed(pages, 2 * block + 1);
        let mut words = [_mm512_setzero_si512(); 16];
        words[..8].copy_from_slice(&low);
        words[8..].copy_from_slice(&high);
        compress(&mut state, &mut words);
    }
    let mut padding = [_mm512_setzero_si512(); 16];
    padding[0] = splat(1 << 63);
    padding[15] = splat(PAGE_SIZE * 8);
    compress(&mut state, &mut padding);

    let mut words = [[0_u64; LANES]; 8];
    for (row, vector) in words.iter_mut().zip(state) {
        // SAFETY: the row is 64 writable bytes, and the instruction needs no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), vector) };
    }
    sha384_digests(&words)
}

/// Eight words of each page, from 64 * `part` bytes on: one vector for each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(pages: &[&Page; LANES], part: usize) -> [Vector; 8] {
    // Reverses the bytes of each word: SHA-2 is big-endian.
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0809_0A0B_0C0D_0E0F, 0x0001_0203_0405_0607));
    let mut row = [_mm512_setzero_si512(); 8];
    for (vector, page) in row.iter_mut().zip(pages) {
        *vector = _mm512_shuffle_epi8(load(&page.as_chunks().0[part]), swap);
    }
    let even = [
        _mm512_unpacklo_epi64(row[0], row[1]),
        _mm512_unpacklo_epi64(row[2], row[3]),
        _mm512_unpacklo_epi64(row[4], row[5]),
        _mm512_unpacklo_epi64(row[6], row[7]),
    ];
    let odd = [
        _mm512_unpackhi_epi64(row[0], row[1]),
        _mm512_unpackhi_epi64(row[2], row[3]),
        _mm512_unpackhi_epi64(row[4], row[5]),
        _mm512_unpackhi_epi64(row[6], row[7]),
    ];
    let [w0, w2, w4, w6] = transposed_quarters(even);
    let [w1, w3, w5, w7] = transposed_quarters(odd);
    [w0, w1, w2, w3, w4, w5, w6, w7]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> Vector {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi64(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_0(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi64::<28>(x),
        _mm512_ror_epi64::<34>(x),
        _mm512_ror_epi64::<39>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_1(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi64::<14>(x),
        _mm512_ror_epi64::<18>(x),
        _mm512_ror_epi64::<41>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_0(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi64::<1>(x),
        _mm512_ror_epi64::<8>(x),
        _mm512_srli_epi64::<7>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_1(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi64::<19>(x),
        _mm512_ror_epi64::<61>(x),
        _mm512_srli_epi64::<6>(x),
    )
}
