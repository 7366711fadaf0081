#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guestmark_fuzz::report(bytes));
