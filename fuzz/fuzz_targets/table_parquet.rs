//! libFuzzer's way to the target `table_parquet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gblend_fuzz::assert_holds("table_parquet", bytes));
