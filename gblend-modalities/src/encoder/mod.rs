//! Networks from pictures to feature vectors.

mod picture;

pub use picture::{Architecture, EncoderSettings, PictureEncoder};
