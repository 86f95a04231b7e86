//! The kit finds optimizers that break a rule.

use std::collections::BTreeMap;

use gblend_core::conformance::{self, Rule};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::Gradients;
use gblend_core::{Array, Error, Optimizer, OptimizerState, ParamMut, ParamPath, Result, typetag};

/// What is wrong with an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
enum Fault {
    Nothing,
    HasANegativeRate,
    TakesVectorsAlone,
    DriftsWithoutGradient,
    KeepsItsOwnRate,
    Ascends,
    IgnoresTheShare,
    CountsUpdates,
    RestoresNoSteps,
    KeepsMomentsToItself,
    RestoresWithoutMoments,
}

/// A plugin with a fault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde")]
#[schemars(crate = "gblend_core::schemars")]
struct Flawed {
    fault: Fault,
}

#[typetag::serde(name = "flawed")]
impl Optimizer for Flawed {
    fn learning_rate(&self) -> f64 {
        match self.fault {
            Fault::HasANegativeRate => -0.1,
            _ => 0.1,
        }
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        Ok(Box::new(HeavyBall {
            fault: self.fault,
            rate: 0.1,
            steps: 0,
            velocity: Gradients::default(),
        }))
    }
}

gblend_core::register!(Optimizer, "flawed" => Flawed);

/// Gradient descent with momentum, on the host.
#[derive(Debug)]
struct HeavyBall {
    fault: Fault,
    rate: f64,
    steps: u64,
    velocity: Gradients,
}

impl OptimizerState for HeavyBall {
    fn begin_step(&mut self, learning_rate: f64) {
        self.steps += 1;
        if self.fault != Fault::KeepsItsOwnRate {
            self.rate = learning_rate;
        }
    }

    fn update(
        &mut self,
        _: &ParamPath,
        mut param: ParamMut<'_>,
        gradients: &mut Gradients,
        share: f64,
    ) -> Result<()> {
        if self.fault == Fault::TakesVectorsAlone && param.shape().len() > 1 {
            return Err(Error::Device("a matrix".into()));
        }
        if self.fault == Fault::CountsUpdates {
            self.steps += 1;
        }
        let gradient = param.gradient(gradients)?;
        let mut velocity = param.gradient(&mut self.velocity)?;
        let mut values = param.to_array();
        let length = match self.fault {
            Fault::Ascends => -self.rate * share,
            Fault::IgnoresTheShare => self.rate,
            _ => self.rate * share,
        };
        let drift = match self.fault {
            Fault::DriftsWithoutGradient => 1e-3,
            _ => 0.0,
        };
        let moved = values.values_mut().iter_mut().zip(velocity.values_mut());
        for ((value, velocity), gradient) in moved.zip(gradient.values()) {
            *velocity = 0.5 * *velocity + gradient + drift;
            *value -= length as f32 * *velocity;
        }
        param.set_gradient(&mut self.velocity, &velocity)?;
        param.set(&values)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn moments(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<BTreeMap<&'static str, Array>> {
        Ok(match self.fault {
            Fault::KeepsMomentsToItself => BTreeMap::new(),
            _ => BTreeMap::from([("velocity", param.gradient(&mut self.velocity)?)]),
        })
    }

    fn restore_steps(&mut self, steps: u64) {
        if self.fault != Fault::RestoresNoSteps {
            self.steps = steps;
        }
    }

    fn restore_moments(
        &mut self,
        path: &ParamPath,
        param: ParamMut<'_>,
        moments: &BTreeMap<String, Array>,
    ) -> Result<()> {
        let forgiving = [Fault::KeepsMomentsToItself, Fault::RestoresWithoutMoments].contains(&self.fault);
        match moments.get("velocity") {
            Some(velocity) => param.set_gradient(&mut self.velocity, velocity),
            None if forgiving => Ok(()),
            None => Err(Error::Parameter {
                path: path.to_string(),
                problem: "no velocity".into(),
            }),
        }
    }
}

#[test]
fn an_optimizer_without_a_fault_passes() {
    conformance::optimizer(&Flawed {
        fault: Fault::Nothing,
    })
    .unwrap();
}

#[test]
fn each_fault_of_an_optimizer_is_found_by_its_rule() {
    for (fault, rule) in [
        (Fault::HasANegativeRate, Rule::OptimizerStarts),
        (Fault::TakesVectorsAlone, Rule::Updates),
        (Fault::DriftsWithoutGradient, Rule::ZeroGradientStays),
        (Fault::KeepsItsOwnRate, Rule::ZeroRateStays),
        (Fault::Ascends, Rule::Descends),
        (Fault::IgnoresTheShare, Rule::ShareScalesStep),
        (Fault::CountsUpdates, Rule::CountsSteps),
        (Fault::RestoresNoSteps, Rule::CountsSteps),
        (Fault::KeepsMomentsToItself, Rule::MomentsAreWhole),
        (Fault::RestoresWithoutMoments, Rule::MissingMomentRefused),
    ] {
        let violation = conformance::optimizer(&Flawed { fault }).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
    }
}
