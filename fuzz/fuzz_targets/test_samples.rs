//! libFuzzer's way to the target `test_samples`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("test_samples", bytes));
