//! libFuzzer's way to the target `decoded_video`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("decoded_video", bytes));
