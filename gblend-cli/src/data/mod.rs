//! From a dataset to batches: streams bound to modalities, typed splits, prepared samples, loader threads.
//! The datasets that gblend brings along are here too, one folder each.

pub mod avmnist;
pub mod binding;
pub(crate) mod cache;
pub mod export;
mod labels;
pub mod loader;
pub mod manifest;
mod open_segments;
pub mod position;
pub mod prepared;
pub mod scene;
pub mod split;
mod stratify;
