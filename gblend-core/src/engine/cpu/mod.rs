//! Kernels on slices of host memory, in the layout with the batch innermost.
//!
//! All of them give the same bits at any number of threads: work is divided into parts whose number
//! depends on the sizes alone, and partial sums are added in the order of the parts.

#[macro_use]
mod vectorized;

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod axis_sum;
pub(super) mod conv;
pub(super) mod dense;
mod direct;
pub(super) mod elementwise;
pub(super) mod gather;
pub(super) mod gru;
pub(super) mod kept_maps;
mod lanes;
pub(super) mod norm;
mod outer;
mod packed_pixels;
mod packed_weights;
pub(super) mod pixel_rows;
pub(super) mod pool;
mod products;
pub(crate) mod raw;
pub(super) mod row_norm;
mod short_attention;
mod softmax;
pub(super) mod step_conv;
pub(super) mod step_conv_size;
pub(super) mod step_pool;
pub(super) mod surprise;
mod tiles;
pub(super) mod transpose;
pub(super) mod weight_gradient;
#[cfg(test)]
mod whole_numbers;
mod whole_steps;
mod window_groups;
mod window_runs;
