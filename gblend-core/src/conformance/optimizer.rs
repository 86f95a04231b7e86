//! Checks of optimizers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::difference::{same_array, same_values};
use super::tensors::Owned;
use super::{Rule, Violation, arbitrary, config, harness, registration};
use crate::array::Array;
use crate::error::Result;
use crate::optimizer::{Optimizer, OptimizerState};
use crate::params::ParamPath;
use crate::role::Role;
use crate::tensor::{AutoDevice, Gradients};

const CASES: u32 = 24;
/// The largest rate that the checks use: a quadratic is descended at any rate below.
const LARGEST_RATE: f64 = 0.01;
/// Steps down the quadratic.
const STEPS: usize = 30;
/// How far the length of a step may be from its share.
const TOLERANCE: f32 = 1e-4;

/// Checks an optimizer.
///
/// Weight decay is told apart by where it does nothing: at parameters of zeros.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn optimizer(optimizer: &dyn Optimizer) -> Result<(), Violation> {
    harness::of_plugin(optimizer.typetag_name(), || {
        registration::check(Role::Optimizer, optimizer.typetag_name())?;
        config::survives_json::<_, Box<dyn Optimizer>>(optimizer.typetag_name(), optimizer)?;
        let rate = optimizer.learning_rate();
        let expected = "a finite learning rate that is not negative";
        Rule::OptimizerStarts.holds(rate.is_finite() && rate >= 0.0, expected, rate)?;
        harness::for_each(CASES, cases(), |case| {
            let checked = Checked { optimizer, case };
            checked.check_repeats()?;
            checked.check_zeros()?;
            checked.check_zero_rate()?;
            checked.check_descent()?;
            checked.check_share()?;
            checked.check_checkpoint()
        })
    })
}

/// Parameters and what moves them.
#[derive(Clone, Debug)]
struct Case {
    params: Vec<Param>,
    share: f64,
}

#[derive(Clone, Debug)]
struct Param {
    start: Array,
    /// Of each step.
    gradients: Vec<Array>,
}

const GRADIENTS: usize = 6;

fn cases() -> impl Strategy<Value = Case> {
    let param = arbitrary::shape().prop_flat_map(|shape| {
        let gradients = prop::collection::vec(arbitrary::array(shape.clone()), GRADIENTS);
        (arbitrary::array(shape), gradients).prop_map(|(start, gradients)| Param { start, gradients })
    });
    let params = prop::collection::vec(param, 1..=3);
    (params, 0.05..0.95_f64).prop_map(|(params, share)| Case { params, share })
}

/// An optimizer at work on parameters.
struct Descent {
    state: Box<dyn OptimizerState>,
    params: Vec<Owned>,
}

impl Descent {
    /// Moves each parameter against its gradient.
    fn step(&mut self, rate: f64, gradients: &[Array], share: f64) -> Result<(), Violation> {
        let rule = Rule::Updates;
        self.state.begin_step(rate);
        let mut store = Gradients::default();
        for (param, gradient) in self.params.iter_mut().zip(gradients) {
            let set = param.param().set_gradient(&mut store, gradient);
            Rule::CasesExist.works("making gradients", set)?;
        }
        for (index, param) in self.params.iter_mut().enumerate() {
            let updated = self.state.update(&path(index), param.param(), &mut store, share);
            rule.works("an update", updated)?;
        }
        Ok(())
    }

    fn values(&mut self) -> Vec<Array> {
        self.params.iter_mut().map(Owned::array).collect()
    }
}

fn path(index: usize) -> ParamPath {
    ParamPath::root().join("encoder").join(format!("weight{index}"))
}

struct Checked<'a> {
    optimizer: &'a dyn Optimizer,
    case: &'a Case,
}

impl Checked<'_> {
    fn rate(&self) -> f64 {
        match self.optimizer.learning_rate() {
            0.0 => LARGEST_RATE,
            rate => rate.min(LARGEST_RATE),
        }
    }

    fn state(&self) -> Result<Box<dyn OptimizerState>, Violation> {
        let started = self.optimizer.start();
        let started = started.map_err(|error| error.of_plugin(self.optimizer, Role::Optimizer.name()));
        Rule::OptimizerStarts.works("the start", started)
    }

    fn descent(&self, values: &[Array]) -> Result<Descent, Violation> {
        let device = AutoDevice::default();
        let params: Result<Vec<Owned>> = values.iter().map(|array| Owned::new(&device, array)).collect();
        Ok(Descent {
            state: self.state()?,
            params: Rule::CasesExist.works("making parameters", params)?,
        })
    }

    fn starts(&self) -> Vec<Array> {
        self.case.params.iter().map(|param| param.start.clone()).collect()
    }

    fn zeros(&self) -> Vec<Array> {
        let shapes = self.case.params.iter().map(|param| param.start.shape());
        shapes.map(Array::zeros).collect()
    }

    /// The gradients of all parameters in one step.
    fn gradients(&self, step: usize) -> Vec<Array> {
        self.case
            .params
            .iter()
            .map(|param| param.gradients[step].clone())
            .collect()
    }

    fn check_repeats(&self) -> Result<(), Violation> {
        let run = || {
            let mut descent = self.descent(&self.starts())?;
            for step in 0..GRADIENTS {
                descent.step(self.rate(), &self.gradients(step), 1.0)?;
                let (steps, expected) = (descent.state.steps(), step as u64 + 1);
                Rule::CountsSteps.holds(steps == expected, format!("{expected} steps"), steps)?;
            }
            Ok(descent.values())
        };
        same(
            Rule::GradientsDecide,
            "what it did the first time",
            &run()?,
            &run()?,
        )
    }

    fn check_zeros(&self) -> Result<(), Violation> {
        let zeros = self.zeros();
        let mut descent = self.descent(&zeros)?;
        descent.step(self.rate(), &zeros, 1.0)?;
        let found = descent.values();
        let mut pairs = zeros.iter().zip(&found);
        pairs.try_for_each(|(zeros, found)| {
            let same = |zero: f32, found: f32| zero == found;
            same_values(
                Rule::ZeroGradientStays,
                "zeros",
                zeros.values(),
                found.values(),
                same,
            )
        })
    }

    fn check_zero_rate(&self) -> Result<(), Violation> {
        let starts = self.starts();
        let mut descent = self.descent(&starts)?;
        for step in 0..2 {
            descent.step(0.0, &self.gradients(step), 1.0)?;
        }
        same(
            Rule::ZeroRateStays,
            "the parameters as they were",
            &starts,
            &descent.values(),
        )
    }

    /// Down `½ ‖p − t‖²` from 0, where decay pulls no other way than to the start.
    fn check_descent(&self) -> Result<(), Violation> {
        let targets = self.starts();
        let mut descent = self.descent(&self.zeros())?;
        let loss = |values: &[Array]| -> f64 {
            let pairs = values
                .iter()
                .zip(&targets)
                .flat_map(|(p, t)| p.values().iter().zip(t.values()));
            pairs.map(|(&p, &t)| 0.5 * f64::from(p - t).powi(2)).sum()
        };
        let before = loss(&descent.values());
        for _ in 0..STEPS {
            let mut gradients = descent.values();
            for (gradient, target) in gradients.iter_mut().zip(&targets) {
                for (value, &target) in gradient.values_mut().iter_mut().zip(target.values()) {
                    *value -= target;
                }
            }
            descent.step(self.rate(), &gradients, 1.0)?;
        }
        let after = loss(&descent.values());
        let expected = format!(
            "a loss below {before} after {STEPS} steps at rate {}",
            self.rate()
        );
        Rule::Descends.holds(after < before, expected, after)
    }

    fn check_share(&self) -> Result<(), Violation> {
        let moved = |share| {
            let mut descent = self.descent(&self.zeros())?;
            descent.step(self.rate(), &self.gradients(0), share)?;
            Ok(descent.values())
        };
        let share = self.case.share;
        for (whole, part) in moved(1.0)?.iter().zip(&moved(share)?) {
            let scale = whole
                .values()
                .iter()
                .fold(0.0_f32, |most, value| value.abs().max(most));
            let expected: Vec<f32> = whole.values().iter().map(|whole| whole * share as f32).collect();
            same_values(
                Rule::ShareScalesStep,
                format!("{share} of the whole step"),
                &expected,
                part.values(),
                |expected, found| (expected - found).abs() <= TOLERANCE * scale,
            )?;
        }
        Ok(())
    }

    fn check_checkpoint(&self) -> Result<(), Violation> {
        let (rate, share) = (self.rate(), self.case.share);
        let mut descent = self.descent(&self.starts())?;
        for step in 0..GRADIENTS / 2 {
            descent.step(rate, &self.gradients(step), share)?;
        }
        let mut resumed = self.descent(&descent.values())?;
        resumed.state.restore_steps(descent.state.steps());
        let (steps, expected) = (resumed.state.steps(), descent.state.steps());
        Rule::CountsSteps.holds(
            steps == expected,
            format!("{expected} steps after a checkpoint"),
            steps,
        )?;
        for index in 0..descent.params.len() {
            let told = descent.state.moments(&path(index), descent.params[index].param());
            let moments: BTreeMap<String, Array> = Rule::MomentsRestored
                .works("telling the moments", told)?
                .into_iter()
                .map(|(name, array)| (name.to_owned(), array))
                .collect();
            let (path, param) = (path(index), &mut resumed.params[index]);
            let restored = resumed.state.restore_moments(&path, param.param(), &moments);
            Rule::MomentsRestored.works("restoring the moments", restored)?;
            for missing in moments.keys() {
                let mut fewer = moments.clone();
                fewer.remove(missing);
                let restored = self.state()?.restore_moments(&path, param.param(), &fewer);
                Rule::MissingMomentRefused.refused(format!("a checkpoint without `{missing}`"), restored)?;
            }
        }
        for step in GRADIENTS / 2..GRADIENTS {
            for descent in [&mut descent, &mut resumed] {
                descent.step(rate, &self.gradients(step), share)?;
            }
        }
        let expected = "what it does if it does not stop";
        same(
            Rule::MomentsAreWhole,
            expected,
            &descent.values(),
            &resumed.values(),
        )
    }
}

fn same(rule: Rule, what: &str, expected: &[Array], found: &[Array]) -> Result<(), Violation> {
    let mut pairs = expected.iter().zip(found);
    pairs.try_for_each(|(expected, found)| same_array(rule, what, expected, found))
}
