//! libFuzzer's way to the target `run_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("run_files", bytes));
