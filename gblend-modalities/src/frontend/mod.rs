//! Transforms from media to arrays, on the host.

pub mod depth_geometry;
pub mod frame_sampling;
pub mod hha;
pub mod log_mel;
pub mod logarithm;
pub mod mel;
pub(crate) mod moments;
pub mod optical_flow;
pub mod per_channel;
pub mod picture_augment;
pub mod pictures;
pub mod resample;
pub mod spec_augment;
pub mod spectrogram_noise;
pub mod waveform_noise;
