//! Networks from pictures to feature vectors.

mod features;
mod picture;
mod settings;
mod transformer;
mod tubelets;

pub use picture::{Convolution, ConvolutionSettings, PictureEncoder, Pooling};
pub use settings::{EncoderSettings, Network};
pub use transformer::{AttentionKind, TransformerSettings, VideoTransformer};
