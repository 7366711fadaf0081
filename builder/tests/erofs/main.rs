//! EROFS images: what is written is read back, leads back to its files, and is what the real
//! tools take for the same tree.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "what fails or does not fit fails the test, in its helpers too"
)]

mod map;
mod refusals;
mod round_trip;
mod sample;
mod tools;
