//! libFuzzer's way to the target `model_weights`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("model_weights", bytes));
