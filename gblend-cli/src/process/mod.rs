//! The process: what asks it to end, and what it takes.

mod interrupt;
mod memory;

pub use interrupt::Interrupt;
pub(crate) use memory::peak_rss_bytes;
