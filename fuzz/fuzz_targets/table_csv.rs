//! libFuzzer's way to the target `table_csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("table_csv", bytes));
