//! Networks from pictures and sequences to feature vectors.

pub(crate) mod bert;
mod block_sizes;
mod convolution;
pub(crate) mod features;
mod panns;
mod picture;
mod resnet;
mod settings;
mod staged;
pub(crate) mod step_values;
pub(crate) mod steps;
mod transformer;
mod tubelets;

pub use convolution::Convolution;
pub use panns::{Panns, PannsDepth, PannsSettings};
pub use picture::{ConvolutionSettings, PictureEncoder, Pooling};
pub use resnet::{ResNet, ResNetDepth, ResNetSettings};
pub use settings::{EncoderSettings, Network};
pub use steps::{StepArchitecture, StepEncoderSettings, StepPooling};
pub use transformer::{AttentionKind, TransformerSettings, VideoTransformer};
