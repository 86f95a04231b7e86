//! The gblend command line.
fn main() {}
