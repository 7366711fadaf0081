//! The SHA-2 compression function (FIPS 180-4, section 6) over vectors, written once.
//!
//! A vector holds the same word of several messages, one message a lane. What an instruction
//! set does with vectors is left to the module that calls [`compression!`].

/// Defines `compress(state: &mut [Vector; 8], block: &mut [Vector; 16])`.
///
/// The module that calls it has the type `Vector` and the functions `splat`, `add`,
/// `choose`, `majority`, `big_sigma_0`, `big_sigma_1`, `small_sigma_0` and `small_sigma_1`.
///
/// A macro and not a generic function: only a function that names its target features may call
/// vector instructions without `unsafe`, and a trait cannot name them.
macro_rules! compression {
    (features: $features:literal, round_constants: $constants:expr) => {
        /// Folds one block, a vector for each of its words, into the state. Overwrites `block`.
        #[target_feature(enable = $features)]
        fn compress(state: &mut [Vector; 8], block: &mut [Vector; 16]) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
            let (rounds, _) = $constants.as_chunks::<16>();
            for (group, constants) in rounds.iter().enumerate() {
                if group > 0 {
                    $crate::lanes::kernel::sixteen!(T => {
                        let near = small_sigma_0(block[(T + 1) % 16]);
                        let far = small_sigma_1(block[(T + 14) % 16]);
                        block[T] = add(add(block[T], near), add(block[(T + 9) % 16], far));
                    });
                }
                $crate::lanes::kernel::sixteen!(T => {
                    let keyed = add(add(h, block[T]), splat(constants[T]));
                    let t1 = add(add(keyed, choose(e, f, g)), big_sigma_1(e));
                    let t2 = add(big_sigma_0(a), majority(a, b, c));
                    (h, g, f, e) = (g, f, e, add(d, t1));
                    (d, c, b, a) = (c, b, a, add(t1, t2));
                });
            }
            for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                *word = add(*word, new);
            }
        }
    };
}

/// Repeats a block with the constant `$index` from 0 to 15. Compilers give up on unrolling a
/// loop of this size, and then keep in memory what should stay in registers.
macro_rules! sixteen {
    ($index:ident => $body:block) => {
        $crate::lanes::kernel::sixteen!(
            @ $index $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
        )
    };
    (@ $index:ident $body:block $($value:literal)*) => {
        $({
            const $index: usize = $value;
            $body
        })*
    };
}

pub(super) use {compression, sixteen};
