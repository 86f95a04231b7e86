//! libFuzzer's way to the target `depth_image`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("depth_image", bytes));
