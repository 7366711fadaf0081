#![no_main]

#[path = "../src/published.rs"]
#[allow(dead_code, unreachable_pub, reason = "it holds several targets")]
mod published;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| published::dsse(bytes));
