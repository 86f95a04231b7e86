//! Transforms from media to arrays, on the host.

pub mod flo;
pub mod log_mel;
pub mod mel;
pub mod optical_flow;
pub mod pictures;
pub mod spec_augment;
