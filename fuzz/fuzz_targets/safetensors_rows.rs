//! libFuzzer's way to the target `safetensors_rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("safetensors_rows", bytes));
