//! libFuzzer's way to the target `number_lists`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("number_lists", bytes));
