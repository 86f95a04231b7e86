//! The operations behind the layers: one route against the other, against finite differences in `f64`,
//! against stored gradients of PyTorch, and against themselves at other numbers of threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adaptive_pool;
mod batch_parts;
mod finite_differences;
mod kept_maps;
mod layers;
mod operation;
mod operations;
mod programs;
mod pytorch;
mod recompute;
mod reference;
mod routes;
mod sequence_layer;
mod sequence_operation;
mod sequence_padding;
mod sequence_pytorch;
mod sequence_routes;
mod surprise;
mod threads;
mod transformer;
