//! Endorsements: vectors of others, what outside verifiers make of ours and we of theirs, and one
//! thing wrong at a time.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not what they call"
)]

mod authorities;
mod chain;
mod corim;
mod did;
mod meaning;
mod message;
mod refusals;
mod vectors;
mod verifiers;
mod written;
