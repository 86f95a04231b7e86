//! Multilayer perceptrons.

use super::dropout::Dropout;
use super::linear::Linear;
use super::pointwise::relu;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// Linear layers with a ReLU, and dropout, between each two.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropouts: Vec<Dropout>,
}

impl Mlp {
    /// Layers from each of `sizes` to the next.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are fewer than two sizes, one is 0, or the dropout is not in `0..1`;
    /// [`Error::Device`].
    pub fn new(device: &AutoDevice, sizes: &[usize], dropout: f32, seed: Seed) -> Result<Self> {
        if sizes.len() < 2 {
            let expected = "at least the input's and the output's";
            return Err(Error::argument("multilayer perceptron", "sizes", sizes, expected));
        }
        let layers = sizes.windows(2).enumerate().map(|(index, pair)| {
            let seed = seed.derive("layer").nth(index as u64);
            Linear::new(device, pair[0], pair[1], seed)
        });
        let dropouts =
            (0..sizes.len() - 2).map(|index| Dropout::new(dropout, seed.derive("dropout").nth(index as u64)));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            dropouts: dropouts.collect::<Result<_>>()?,
        })
    }

    /// `[batch, first size]` to `[batch, last size]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows have another length, [`Error::Device`].
    pub fn forward(&self, mut features: Features, pass: &Pass) -> Result<Features> {
        for (index, layer) in self.layers.iter().enumerate() {
            features = layer.forward(features)?;
            if let Some(dropout) = self.dropouts.get(index) {
                features = dropout.forward(relu(features)?, pass)?;
            }
        }
        Ok(features)
    }
}

impl Module for Mlp {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.visit_params(&path.join(index), visitor)?;
        }
        Ok(())
    }
}
