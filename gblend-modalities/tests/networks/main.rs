//! Fusions and encoders: the answers of PyTorch, what is refused, and what must stay as it was.
#![allow(clippy::unwrap_used)]

mod answers;
mod bert;
mod concat;
mod digests;
mod fusions;
mod mid_concat;
mod panns;
mod resnet;
mod transformer;
