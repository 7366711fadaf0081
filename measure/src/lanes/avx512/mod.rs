//! AVX-512: 512-bit vectors, rotation and three-operand logic in one instruction each.

mod sha256;
mod sha384;

pub(super) use sha256::salted_blocks;
pub(super) use sha384::pages;

use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_shuffle_i64x2, _mm512_ternarylogic_epi64,
};

type Vector = __m512i;

/// Whether the processor has the instructions used here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> Vector {
    // SAFETY: the reference is to 64 readable bytes, and the instruction needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

// Ternary logic takes a truth table: bit (a << 2 | b << 1 | c) is the result.

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi64::<0b1100_1010>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi64::<0b1110_1000>(a, b, c)
}

/// Transposes the 128-bit quarters of four vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed_quarters([a, b, c, d]: [Vector; 4]) -> [Vector; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let ab_even = _mm512_shuffle_i64x2::<EVEN>(a, b);
    let cd_even = _mm512_shuffle_i64x2::<EVEN>(c, d);
    let ab_odd = _mm512_shuffle_i64x2::<ODD>(a, b);
    let cd_odd = _mm512_shuffle_i64x2::<ODD>(c, d);
    [
        _mm512_shuffle_i64x2::<EVEN>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<EVEN>(ab_odd, cd_odd),
        _mm512_shuffle_i64x2::<ODD>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<ODD>(ab_odd, cd_odd),
    ]
}
