//! Fusions, one per file.

mod concat;

pub use concat::Concat;
