//! Input without variation: a silent recording, a black picture, a sensor that was not plugged in.
//!
//! What normalizes by a spread divides by zero there, and the derivative of a square root at zero is infinite.

use super::built::{Built, each_parameter};
use super::difference::all_finite;
use super::tensors::{finite, gradients_of};
use super::{Rule, Violation};
use crate::params::Module;
use crate::pass::Pass;
use crate::seed::Seed;

/// The values that all of an input has: constants, the smallest normal number, and denormal ones.
pub(super) const VALUES: [f32; 6] = [0.0, 1.0, -1.0, f32::MIN_POSITIVE, 1e-40, -1e-45];

impl<M: Module + ?Sized> Built<'_, M> {
    /// Its samples are flat.
    pub(super) fn check_flat(&self) -> Result<(), Violation> {
        let rule = Rule::FiniteOnFlatInput;
        let samples: Vec<usize> = (0..self.samples).collect();
        let mut module = self.module(Seed::new(1))?;
        let module = module.as_mut();
        // After a training pass running statistics tell of no variation either.
        for pass in [Pass::evaluate(), Pass::train(Seed::new(2)), Pass::evaluate()] {
            let what = || format!("a pass to {:?}", pass.mode());
            let features = rule.works(what(), (self.run)(module, &samples, &pass))?;
            let (batch, length) = *features.shape();
            all_finite(rule, "the output", &[batch, length], &features.to_vec())?;
        }
        let pass = Pass::train(Seed::new(3));
        let features = rule.works("a training pass", (self.run)(module, &samples, &pass))?;
        let mut gradients = rule.works("the backward pass", gradients_of(features))?;
        let mut odd = Vec::new();
        each_parameter(module, |path, param| {
            if !finite(param.gradient(&mut gradients)?.values()) {
                odd.push(path.to_string());
            }
            Ok(())
        })?;
        rule.holds(
            odd.is_empty(),
            "finite gradients",
            format!("others for {}", odd.join(", ")),
        )
    }
}
