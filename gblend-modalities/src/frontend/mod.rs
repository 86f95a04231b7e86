//! Transforms from media to arrays, on the host.

pub mod depth_image;
pub mod log_mel;
pub mod mel;
pub mod pictures;
pub mod spec_augment;
