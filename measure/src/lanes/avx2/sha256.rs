//! SHA-256 of a salt and eight blocks at once.

use std::arch::x86_64::{
    _mm_set_epi64x, _mm256_add_epi32, _mm256_broadcastsi128_si256, _mm256_or_si256,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::{Vector, choose, high_halves, load, low_halves, majority, xor};
use crate::Sha256Digest;
use crate::lanes::constants::{K256, SHA256_START};
use crate::lanes::groups::{for_each_group, sha256_digests};
use crate::lanes::kernel::compression;
use crate::lanes::salted::SaltedMessage;
use crate::lanes::{Page, portable};

const LANES: usize = 8;

/// SHA-256 of the salt followed by each block.
#[target_feature(enable = "avx2")]
pub(in crate::lanes) fn salted_blocks(salt: &[u8], blocks: &[Page], digests: &mut [Sha256Digest]) {
    let message = SaltedMessage::new(salt);
    let one = |block: &Page| portable::sha256_salted_block(salt, block);
    for_each_group(blocks, digests, one, |group| eight_blocks(&message, group));
}

compression! { features: "avx2", round_constants: K256 }

#[target_feature(enable = "avx2")]
fn eight_blocks(message: &SaltedMessage<'_>, blocks: &[&Page; LANES]) -> [Sha256Digest; LANES] {
    let mut state = [_mm256_setzero_si256(); 8];
    for (vector, word) in state.iter_mut().zip(SHA256_START) {
        *vector = splat(word);
    }
    for chunk in message.whole_salt() {
        compress(&mut state, &mut transposed(&[chunk; LANES]));
    }
    if let Some(first) = message.first(blocks) {
        compress(&mut state, &mut transposed(&first.each_ref()));
    }
    for chunk in 0..message.inner_chunks() {
        compress(&mut state, &mut transposed(&message.inner(blocks, chunk)));
    }
    for last in message.last(blocks) {
        compress(&mut state, &mut transposed(&last.each_ref()));
    }

    let mut words = [[0_u32; LANES]; 8];
    for (row, vector) in words.iter_mut().zip(state) {
        // SAFETY: the row is 32 writable bytes, and the instruction needs no alignment.
        unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), vector) };
    }
    sha256_digests(&words)
}

/// The words of eight chunks: one vector for each word.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(chunks: &[&[u8; 64]; LANES]) -> [Vector; 16] {
    let mut words = [_mm256_setzero_si256(); 16];
    for (half, words) in words.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let [first, last] = [&chunks[..4], &chunks[4..]]
            .map(|chunks| [0, 1, 2, 3].map(|row: usize| &chunks[row].as_chunks::<32>().0[half]));
        let first = four_rows(first);
        let last = four_rows(last);
        for word in 0..4 {
            words[word] = low_halves(first[word], last[word]);
            words[word + 4] = high_halves(first[word], last[word]);
        }
    }
    words
}

/// The eight words of four rows: vector n holds word n of each row in its low half, and word
/// n + 4 of each row in its high half.
#[inline]
#[target_feature(enable = "avx2")]
fn four_rows(rows: [&[u8; 32]; 4]) -> [Vector; 4] {
    // Reverses the bytes of each word: SHA-2 is big-endian.
    let swap =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0C0D_0E0F_0809_0A0B, 0x0405_0607_0001_0203));
    let [a, b, c, d] = [
        _mm256_shuffle_epi8(load(rows[0]), swap),
        _mm256_shuffle_epi8(load(rows[1]), swap),
        _mm256_shuffle_epi8(load(rows[2]), swap),
        _mm256_shuffle_epi8(load(rows[3]), swap),
    ];
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

/// Rotates words right by `RIGHT` bits; `LEFT` is 32 less that.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const RIGHT: i32, const LEFT: i32>(x: Vector) -> Vector {
    const { assert!(RIGHT + LEFT == 32) };
    _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(x), _mm256_slli_epi32::<LEFT>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_0(x: Vector) -> Vector {
    xor(rotate::<2, 30>(x), rotate::<13, 19>(x), rotate::<22, 10>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_1(x: Vector) -> Vector {
    xor(rotate::<6, 26>(x), rotate::<11, 21>(x), rotate::<25, 7>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_0(x: Vector) -> Vector {
    xor(
        rotate::<7, 25>(x),
        rotate::<18, 14>(x),
        _mm256_srli_epi32::<3>(x),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_1(x: Vector) -> Vector {
    xor(
        rotate::<17, 15>(x),
        rotate::<19, 13>(x),
        _mm256_srli_epi32::<10>(x),
    )
}
