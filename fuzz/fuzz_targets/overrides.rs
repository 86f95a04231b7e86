//! libFuzzer's way to the target `overrides`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("overrides", bytes));
