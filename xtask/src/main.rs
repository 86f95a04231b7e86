//! Project automation for gblend.
fn main() {}
