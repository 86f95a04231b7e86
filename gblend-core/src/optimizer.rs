//! Optimizers: how a parameter follows its gradient.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::params::{ParamMut, ParamPath};
use crate::tensor::Gradients;

/// An optimizer as configured: plain data, read from the `[optimizer]` table.
#[typetag::serde(tag = "kind")]
pub trait Optimizer: Debug + Send + Sync {
    /// The learning rate before any schedule.
    fn learning_rate(&self) -> f64;

    /// Starts with no state.
    ///
    /// # Errors
    /// [`Error::Setting`] if a value is out of its range.
    fn start(&self) -> Result<Box<dyn OptimizerState>>;
}

/// An optimizer at work: its moments for every parameter that it has met.
///
/// Where each value moves by itself, [`ElementwiseState`](crate::update::ElementwiseState) does all of this with a rule.
pub trait OptimizerState: Debug {
    /// Begins a step; every parameter is then updated once.
    fn begin_step(&mut self, learning_rate: f64);

    /// Changes the learning rate of the step that has begun, for the parameters that are updated from here on: parts of a
    /// network may have rates of their own. Where it stays at that of [`begin_step`](Self::begin_step), this is not called.
    ///
    /// # Errors
    /// [`Error::Setting`] if the optimizer has one rate for all, as by default.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        let expected = "no multiple of it, as this optimizer has one rate for all parameters";
        Err(Error::setting("learning_rate", learning_rate, expected))
    }

    /// Moves one parameter by `share` times what the rule makes of its gradient. `share` is above 0, and 1
    /// where nothing is blended. It is a factor of the learning rate that weight decay does not feel, unless it is
    /// part of a gradient whose scale the rule takes out: a part of the network that a loss of small weight trains forgets no faster than others.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    fn update(
        &mut self,
        path: &ParamPath,
        param: ParamMut<'_>,
        gradients: &mut Gradients,
        share: f64,
    ) -> Result<()>;

    /// The number of steps begun.
    fn steps(&self) -> u64;

    /// The moments of one parameter by name, for a checkpoint.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    fn moments(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<BTreeMap<&'static str, Array>>;

    /// Goes on from a checkpoint: the number of steps begun.
    fn restore_steps(&mut self, steps: u64);

    /// Goes on from a checkpoint: the moments of one parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a moment is missing or of another shape.
    fn restore_moments(
        &mut self,
        path: &ParamPath,
        param: ParamMut<'_>,
        moments: &BTreeMap<String, Array>,
    ) -> Result<()>;
}
