//! The end of every encoder.

use gblend_core::nn::{Dropout, Linear, relu};
use gblend_core::tensor::Features;
use gblend_core::{BuildContext, Module, ParamPath, ParamVisitor, Pass, Result};

use crate::range::{self, WIDTH, within};

/// A fully connected layer with ReLU where one is wanted, then dropout.
#[derive(Debug)]
pub(crate) struct FeatureVector {
    projection: Option<Linear>,
    dropout: Dropout,
    length: usize,
}

impl FeatureVector {
    /// From `pooled` values to `features`, or as many.
    ///
    /// # Errors
    /// [`Error::Setting`](gblend_core::Error::Setting) if there is to be no feature, or the dropout is no share; [`Error::Device`](gblend_core::Error::Device).
    pub(crate) fn new(
        pooled: usize,
        features: Option<usize>,
        dropout: f32,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let linear = |features| Linear::new(cx.device, pooled, features, cx.seed.derive("projection"));
        if let Some(features) = features {
            within("encoder.features", features, WIDTH)?;
        }
        Ok(Self {
            length: features.unwrap_or(pooled),
            projection: features.map(linear).transpose()?,
            dropout: Dropout::new(
                range::dropout("encoder.dropout", dropout)?,
                cx.seed.derive("dropout"),
            )?,
        })
    }

    /// The length of a feature vector.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// `[batch, pooled]` to `[batch, length]`.
    pub(crate) fn forward(&self, pooled: Features, pass: &Pass) -> Result<Features> {
        let features = match &self.projection {
            None => pooled,
            Some(projection) => relu(projection.forward(pooled)?)?,
        };
        self.dropout.forward(features, pass)
    }
}

impl Module for FeatureVector {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.projection {
            Some(projection) => projection.visit_params(&path.join("projection"), visitor),
            None => Ok(()),
        }
    }
}
