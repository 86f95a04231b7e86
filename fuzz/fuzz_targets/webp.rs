//! libFuzzer's way to the target `webp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("webp", bytes));
