//! Digests of guests that start in firmware, beside those of the Python package
//! `sev-snp-measure`.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not what they call"
)]

mod damaged;
mod images;
mod matrix;
mod oracle;
mod refusals;
