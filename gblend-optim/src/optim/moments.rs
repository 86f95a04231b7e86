//! Arrays that an optimizer keeps for each parameter.

use std::collections::BTreeMap;

use dfdx::tensor_ops::WeightDecay;
use gblend_core::tensor::Gradients;
use gblend_core::{Array, Error, ParamMut, ParamPath, Result};

/// `N` arrays of the shape of each parameter, zeros at first.
///
/// dfdx's store of gradients serves as the map: it is keyed by parameter and lives on the device.
#[derive(Debug)]
pub(super) struct Moments<const N: usize> {
    names: [&'static str; N],
    pub(super) stores: [Gradients; N],
}

impl<const N: usize> Moments<N> {
    pub(super) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            stores: std::array::from_fn(|_| Gradients::leaky()),
        }
    }

    pub(super) fn arrays(&mut self, param: &ParamMut<'_>) -> Result<BTreeMap<&'static str, Array>> {
        let stores = self.names.iter().zip(&mut self.stores);
        stores
            .map(|(&name, store)| Ok((name, param.gradient(store)?)))
            .collect()
    }

    pub(super) fn restore(
        &mut self,
        path: &ParamPath,
        param: &ParamMut<'_>,
        moments: &BTreeMap<String, Array>,
    ) -> Result<()> {
        for (name, store) in self.names.iter().zip(&mut self.stores) {
            let problem = |problem: String| Error::Parameter {
                path: path.to_string(),
                problem,
            };
            let array = moments
                .get(*name)
                .ok_or_else(|| problem(format!("the stored optimizer state has no `{name}` for it")))?;
            param
                .set_gradient(store, array)
                .map_err(|error| problem(format!("stored `{name}`: {error}")))?;
        }
        Ok(())
    }
}

/// The weight decay of an update whose learning rate has a factor: it must not feel the factor.
pub(super) fn shared_decay(decay: Option<WeightDecay>, share: f64) -> Option<WeightDecay> {
    decay.map(|decay| match decay {
        WeightDecay::L2(decay) => WeightDecay::L2(decay / share),
        WeightDecay::Decoupled(decay) => WeightDecay::Decoupled(decay / share),
    })
}

/// The part of [`OptimizerState`](gblend_core::OptimizerState) that is the same for all.
macro_rules! keep_moments {
    () => {
        fn begin_step(&mut self, learning_rate: f64) {
            self.rule.lr = learning_rate;
            self.steps += 1;
        }

        fn steps(&self) -> u64 {
            self.steps
        }

        fn moments(
            &mut self,
            _: &gblend_core::ParamPath,
            param: gblend_core::ParamMut<'_>,
        ) -> gblend_core::Result<std::collections::BTreeMap<&'static str, gblend_core::Array>> {
            self.moments.arrays(&param)
        }

        fn restore_steps(&mut self, steps: u64) {
            self.steps = steps;
        }

        fn restore_moments(
            &mut self,
            path: &gblend_core::ParamPath,
            param: gblend_core::ParamMut<'_>,
            moments: &std::collections::BTreeMap<String, gblend_core::Array>,
        ) -> gblend_core::Result<()> {
            self.moments.restore(path, &param, moments)
        }
    };
}
pub(super) use keep_moments;
