//! How an optimizer moves parameters: a rule for one value, carried out on all of them.
//!
//! A rule is written once, for anything that computes as a [`Value`] does. On the processor that is one `f32` after
//! another, in one pass over the parameter, its gradient and its moments; on a GPU whole tensors, one operation after
//! another, without a copy on the host. [`ElementwiseState`] makes an optimizer of it:
//!
//! ```
//! use gblend_core::schemars::JsonSchema;
//! use gblend_core::serde::{Deserialize, Serialize};
//! use gblend_core::update::{Elementwise, ElementwiseState, Rule, Step, Value};
//! use gblend_core::{Optimizer, OptimizerState, Result, typetag};
//!
//! /// Steps against the running average of the gradient.
//! #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
//! #[serde(crate = "gblend_core::serde", default)]
//! #[schemars(crate = "gblend_core::schemars")]
//! struct Smoothed {
//!     learning_rate: f64,
//! }
//!
//! struct Move {
//!     rate: f32,
//! }
//!
//! impl Rule<1> for Move {
//!     #[inline]
//!     fn apply<V: Value>(&self, parameter: V, gradient: V, [mean]: [V; 1]) -> (V, [V; 1]) {
//!         let mean = mean * 0.9 + gradient * 0.1;
//!         (parameter - mean.clone() * self.rate, [mean])
//!     }
//! }
//!
//! impl Elementwise<1> for Smoothed {
//!     const MOMENTS: [&'static str; 1] = ["mean"];
//!     type Rule = Move;
//!
//!     fn rule(&self, step: Step) -> Move {
//!         Move {
//!             rate: (step.share * step.learning_rate) as f32,
//!         }
//!     }
//! }
//!
//! #[typetag::serde(name = "smoothed")]
//! impl Optimizer for Smoothed {
//!     fn learning_rate(&self) -> f64 {
//!         self.learning_rate
//!     }
//!
//!     fn start(&self) -> Result<Box<dyn OptimizerState>> {
//!         Ok(Box::new(ElementwiseState::new(self.clone())))
//!     }
//! }
//!
//! gblend_core::register!(Optimizer, "smoothed" => Smoothed);
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::array::Array;
use crate::device::chosen;
use crate::error::{Error, Result};
use crate::optimizer::OptimizerState;
use crate::params::{ParamMut, ParamPath, with_param};
pub use crate::rule::{Rule, Value};
use crate::tensor::Gradients;

/// `N` moments of each parameter by name, of its shape, zeros at first. They live on the device.
#[derive(Debug)]
pub struct Moments<const N: usize> {
    names: [&'static str; N],
    kept: BTreeMap<ParamPath, [chosen::Moment; N]>,
}

impl<const N: usize> Moments<N> {
    /// Moments of these names, which a checkpoint tells them apart by.
    pub fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            kept: BTreeMap::new(),
        }
    }

    /// Moves the parameter at `path`, and its moments, as `rule` says.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn update(
        &mut self,
        path: &ParamPath,
        param: &mut ParamMut<'_>,
        gradients: &mut Gradients,
        rule: &impl Rule<N>,
    ) -> Result<()> {
        if !self.kept.contains_key(path) {
            self.keep(path, param, [None; N])?;
        }
        // It is there, from now on or from before.
        self.kept.get_mut(path).map_or(Ok(()), |moments| {
            with_param!(&mut param.0, tensor => {
                chosen::update(&mut tensor.0, &mut gradients.0, moments, rule)
            })
        })
    }

    /// Copies of the moments of the parameter at `path` by name.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn arrays(&self, path: &ParamPath, param: &ParamMut<'_>) -> Result<BTreeMap<&'static str, Array>> {
        let shape = param.shape();
        let Some(moments) = self.kept.get(path) else {
            return Ok(self.names.map(|name| (name, Array::zeros(shape.clone()))).into());
        };
        let named = self.names.iter().zip(moments);
        named
            .map(|(&name, moment)| Ok((name, chosen::read_moment(moment, shape.clone())?)))
            .collect()
    }

    /// Goes on with these moments of the parameter at `path`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if one is missing or of another shape, [`Error::Device`].
    pub fn restore(
        &mut self,
        path: &ParamPath,
        param: &ParamMut<'_>,
        moments: &BTreeMap<String, Array>,
    ) -> Result<()> {
        let stored = self.names.map(|name| moments.get(name));
        let problem = |problem: String| Error::Parameter {
            path: path.to_string(),
            problem,
        };
        for (name, array) in self.names.iter().zip(&stored) {
            let Some(array) = array else {
                let missing = format!("the stored optimizer state has no `{name}` for it");
                return Err(problem(missing));
            };
            let (expected, found) = (param.shape(), array.shape());
            if found != expected {
                return Err(problem(format!(
                    "stored `{name}`: expected {expected:?}, found {found:?}"
                )));
            }
        }
        self.keep(path, param, stored)
    }

    /// Keeps copies of these as the moments of a parameter, and zeros where there is none.
    fn keep(&mut self, path: &ParamPath, param: &ParamMut<'_>, arrays: [Option<&Array>; N]) -> Result<()> {
        let count = param.shape().iter().product();
        let moment = |array: Option<&Array>| {
            let values = array.map_or_else(|| vec![0.0; count], |array| array.values().to_vec());
            with_param!(&param.0, tensor => chosen::moment_of(&tensor.0, values))
        };
        let moments: Vec<_> = arrays.into_iter().map(moment).collect::<Result<_>>()?;
        // As many came out as went in.
        if let Ok(moments) = moments.try_into() {
            self.kept.insert(path.clone(), moments);
        }
        Ok(())
    }
}

/// Moves a parameter towards another of its shape, whose values these are: `m · own + (1 − m) · other`.
///
/// # Errors
/// [`Error::Shape`] if it is of another shape, [`Error::Device`] if the device has no memory for it.
pub fn follow(param: &mut ParamMut<'_>, other: &Array, momentum: f64) -> Result<()> {
    let mut store = Gradients::default();
    // What a rule takes for the gradient is where the parameter goes.
    param.set_gradient(&mut store, other)?;
    let rule = Follow {
        own: momentum as f32,
        other: (1.0 - momentum) as f32,
    };
    with_param!(&mut param.0, tensor => {
        chosen::update(&mut tensor.0, &mut store.0, &mut [], &rule)
    })
}

struct Follow {
    own: f32,
    other: f32,
}

impl Rule<0> for Follow {
    #[inline]
    fn apply<V: Value>(&self, parameter: V, gradient: V, _: [V; 0]) -> (V, [V; 0]) {
        (parameter * self.own + gradient * self.other, [])
    }
}

/// The step that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// See [`OptimizerState::update`].
    pub share: f64,
    /// Counted from 1.
    pub number: u64,
}

/// The settings of an optimizer that moves each value by itself.
pub trait Elementwise<const N: usize>: Debug {
    /// What is kept of each value, by the names that a checkpoint has for it.
    const MOMENTS: [&'static str; N];
    /// How a value moves.
    type Rule: Rule<N>;

    /// The rule of one step.
    fn rule(&self, step: Step) -> Self::Rule;
}

/// An optimizer with these settings at work.
#[derive(Debug)]
pub struct ElementwiseState<S, const N: usize> {
    settings: S,
    learning_rate: f64,
    steps: u64,
    moments: Moments<N>,
}

impl<S: Elementwise<N>, const N: usize> ElementwiseState<S, N> {
    /// Before its first step.
    pub fn new(settings: S) -> Self {
        Self {
            settings,
            learning_rate: 0.0,
            steps: 0,
            moments: Moments::new(S::MOMENTS),
        }
    }
}

impl<S: Elementwise<N>, const N: usize> OptimizerState for ElementwiseState<S, N> {
    fn begin_step(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
        self.steps += 1;
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.learning_rate = learning_rate;
        Ok(())
    }

    fn update(
        &mut self,
        path: &ParamPath,
        mut param: ParamMut<'_>,
        gradients: &mut Gradients,
        share: f64,
    ) -> Result<()> {
        let rule = self.settings.rule(Step {
            learning_rate: self.learning_rate,
            share,
            number: self.steps,
        });
        self.moments.update(path, &mut param, gradients, &rule)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn moments(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<BTreeMap<&'static str, Array>> {
        self.moments.arrays(path, &param)
    }

    fn restore_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn restore_moments(
        &mut self,
        path: &ParamPath,
        param: ParamMut<'_>,
        moments: &BTreeMap<String, Array>,
    ) -> Result<()> {
        self.moments.restore(path, &param, moments)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::{AutoDevice, Plain};
    use proptest::prelude::*;

    fn followed(own: &[f32], other: &[f32], momentum: f64) -> Vec<f32> {
        let mut plain = Plain::new(&AutoDevice::default(), (own.len(),), own.to_vec()).unwrap();
        let other = Array::new([other.len()], other.to_vec()).unwrap();
        follow(&mut (&mut plain).into(), &other, momentum).unwrap();
        plain.to_vec()
    }

    proptest! {
        #[test]
        fn what_follows_stays_with_1_is_there_with_0_and_between_them_otherwise(
            values in prop::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0), 1..20), momentum in 0.01_f64..0.99,
        ) {
            let (own, other): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            prop_assert_eq!(followed(&own, &other, 1.0), own.clone());
            prop_assert_eq!(followed(&own, &other, 0.0), other.clone());
            for ((own, other), found) in own.iter().zip(&other).zip(followed(&own, &other, momentum)) {
                let expected = momentum * f64::from(*own) + (1.0 - momentum) * f64::from(*other);
                prop_assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_parameter_does_not_follow_one_of_another_shape() {
        let mut plain = Plain::new(&AutoDevice::default(), (2,), vec![0.0; 2]).unwrap();
        assert!(follow(&mut (&mut plain).into(), &Array::zeros([3]), 0.5).is_err());
    }
}
