//! What the stages of convolutional encoders are made of.

/// How the stages of a convolutional encoder are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convolution {
    /// Plain 3 × 3 convolutions on each frame.
    #[default]
    Plain,
    /// Residual blocks on each frame.
    Residual,
    /// (2+1)D blocks: 3 × 3 within frames, then 3 over time.
    Factorized,
    /// R(2+1)D: residual blocks of two (2+1)D convolutions.
    FactorizedResidual,
}

impl Convolution {
    /// Whether frames are convolved, and by strides of 2 in part left out.
    pub(super) fn is_temporal(self) -> bool {
        matches!(self, Self::Factorized | Self::FactorizedResidual)
    }
}
