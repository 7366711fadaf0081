//! SHA-256 of a salt and sixteen blocks at once.

use std::arch::x86_64::{
    _mm_set_epi64x, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi32, _mm512_storeu_si512,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::{Vector, choose, load, majority, transposed_quarters, xor};
use crate::Sha256Digest;
use crate::lanes::constants::{K256, SHA256_START};
use crate::lanes::groups::{for_each_group, sha256_digests};
use crate::lanes::kernel::compression;
use crate::lanes::salted::SaltedMessage;
use crate::lanes::{Page, portable};

const LANES: usize = 16;

/// SHA-256 of the salt followed by each block.
#[target_feature(enable = "avx512f,avx512bw")]
pub(in crate::lanes) fn salted_blocks(salt: &[u8], blocks: &[Page], digests: &mut [Sha256Digest]) {
    let message = SaltedMessage::new(salt);
    let one = |block: &Page| portable::sha256_salted_block(salt, block);
    for_each_group(blocks, digests, one, |group| {
        sixteen_blocks(&message, group)
    });
}

compression! { features: "avx512f", round_constants: K256 }

#[target_feature(enable = "avx512f,avx512bw")]
fn sixteen_blocks(message: &SaltedMessage<'_>, blocks: &[&Page; LANES]) -> [Sha256Digest; LANES] {
    let mut state = [_mm512_setzero_si512(); 8];
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
        // SAFETY: the row is 64 writable bytes, and the instruction needs no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), vector) };
    }
    sha256_digests(&words)
}

/// The words of sixteen chunks: one vector for each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(chunks: &[&[u8; 64]; LANES]) -> [Vector; 16] {
    // Reverses the bytes of each word: SHA-2 is big-endian.
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0C0D_0E0F_0809_0A0B, 0x0405_0607_0001_0203));
    // Four rows at a time, so that each vector holds one word of four messages in each quarter.
    let mut fours = [[_mm512_setzero_si512(); 4]; 4];
    for (four, chunks) in fours.iter_mut().zip(chunks.as_chunks::<4>().0) {
        let [a, b, c, d] = [
            _mm512_shuffle_epi8(load(chunks[0]), swap),
            _mm512_shuffle_epi8(load(chunks[1]), swap),
            _mm512_shuffle_epi8(load(chunks[2]), swap),
            _mm512_shuffle_epi8(load(chunks[3]), swap),
        ];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *four = [
            _mm512_unpacklo_epi64(ab_low, cd_low),
            _mm512_unpackhi_epi64(ab_low, cd_low),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ];
    }
    let [a, b, c, d] = fours;
    let [w0, w4, w8, w12] = transposed_quarters([a[0], b[0], c[0], d[0]]);
    let [w1, w5, w9, w13] = transposed_quarters([a[1], b[1], c[1], d[1]]);
    let [w2, w6, w10, w14] = transposed_quarters([a[2], b[2], c[2], d[2]]);
    let [w3, w7, w11, w15] = transposed_quarters([a[3], b[3], c[3], d[3]]);
    [
        w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15,
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_0(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi32::<2>(x),
        _mm512_ror_epi32::<13>(x),
        _mm512_ror_epi32::<22>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_1(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi32::<6>(x),
        _mm512_ror_epi32::<11>(x),
        _mm512_ror_epi32::<25>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_0(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi32::<7>(x),
        _mm512_ror_epi32::<18>(x),
        _mm512_srli_epi32::<3>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_1(x: Vector) -> Vector {
    xor(
        _mm512_ror_epi32::<17>(x),
        _mm512_ror_epi32::<19>(x),
        _mm512_srli_epi32::<10>(x),
    )
}
