//! Layer normalization.

use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{HasErr, PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, SumTo, TryAdd, TryDiv, TryMul, TrySub};

use super::init::extents;
use crate::device::Chosen;
use crate::engine::TapedOn;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::tensor::{AutoDevice, Dims1, Dims2, Features, Plain};

/// Added to the variance.
const EPSILON: f32 = 1e-5;

/// Normalization of each sample over its features (Ba, Kiros and Hinton, 2016).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gamma: Plain<Dims1>,
    beta: Plain<Dims1>,
}

impl LayerNorm {
    /// Normalization of vectors of `features` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature, [`Error::Device`].
    pub fn new(device: &AutoDevice, features: usize) -> Result<Self> {
        let [features] = extents("layer normalization", [("features", features)])?;
        Ok(Self {
            gamma: Plain::filled(device, (features,), 1.0)?,
            beta: Plain::filled(device, (features,), 0.0)?,
        })
    }

    /// Normalizes `[batch, features]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other features, [`Error::Device`].
    pub fn forward(&self, input: Features) -> Result<Features> {
        let &(batch, features) = input.shape();
        if features != self.gamma.shape().0 {
            return Err(Error::shape(
                "layer normalization",
                format!("[batch, {}]", self.gamma.shape().0),
                [batch, features],
            ));
        }
        input.run(|input| self.normalize(input))
    }

    fn normalize(
        &self,
        input: TapedOn<Dims2, Chosen>,
    ) -> std::result::Result<TapedOn<Dims2, Chosen>, <Chosen as HasErr>::Err> {
        let shape = *input.shape();
        let share = 1.0 / shape.1 as f32;
        let (input, recorder) = input.split_tape();
        let sums: TapedOn<Dims1, Chosen> = input
            .clone()
            .put_tape(recorder.branch())
            .try_sum::<_, Axis<1>>()?;
        let mean = sums.try_mul(share)?.try_broadcast_like::<_, Axis<1>>(&shape)?;
        let (centered, recorder) = input.put_tape(recorder).try_sub(mean)?.split_tape();
        let squares = centered.clone().put_tape(recorder.branch()).try_square()?;
        let sums: TapedOn<Dims1, Chosen> = squares.try_sum::<_, Axis<1>>()?;
        let deviation = sums.try_mul(share)?.try_add(EPSILON).and_then(Tensor::try_sqrt)?;
        let deviation: TapedOn<Dims2, Chosen> = deviation.try_broadcast_like::<_, Axis<1>>(&shape)?;
        let normalized = centered.put_tape(recorder).try_div(deviation)?;
        let gamma: TapedOn<Dims2, Chosen> = self
            .gamma
            .parameter()
            .into_engine()
            .try_broadcast_like::<_, Axis<0>>(&shape)?;
        let beta: TapedOn<Dims2, Chosen> = self
            .beta
            .parameter()
            .into_engine()
            .try_broadcast_like::<_, Axis<0>>(&shape)?;
        normalized.try_mul(gamma)?.try_add(beta)
    }
}

impl Module for LayerNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())
    }
}
