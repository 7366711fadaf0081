//! AVX2: 256-bit vectors. Rotations and the three-operand functions of SHA-2 take several
//! instructions each.

mod sha256;
mod sha384;

pub(super) use sha256::salted_blocks;
pub(super) use sha384::pages;

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_xor_si256,
};

type Vector = __m256i;

/// Whether the processor has the instructions used here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> Vector {
    // SAFETY: the reference is to 32 readable bytes, and the instruction needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

// `a ^ b` of one round is `b ^ c` of the next, which the compiler keeps.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: Vector, b: Vector, c: Vector) -> Vector {
    let differ = _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c));
    _mm256_xor_si256(b, differ)
}

/// The low halves of both vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn low_halves(a: Vector, b: Vector) -> Vector {
    _mm256_permute2x128_si256::<0x20>(a, b)
}

/// The high halves of both vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn high_halves(a: Vector, b: Vector) -> Vector {
    _mm256_permute2x128_si256::<0x31>(a, b)
}
