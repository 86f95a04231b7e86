//! The blended optimizer: weights, one backward pass, clipping, and what it reports.
#![allow(clippy::unwrap_used)]

use dfdx::prelude::TensorFromVec;
use gblend_core::nn::{Mlp, cross_entropy, fork};
use gblend_core::params::{Module, ParamPath, ParamVisitor, state_of};
use gblend_core::tensor::{Dims2, Loss, Plain};
use gblend_core::{AutoDevice, BlendWeights, Optimizer, Pass, Result, Seed};
use gblend_optim::schedule::{RunLength, Schedule};
use gblend_optim::{BlendedOptimizer, BlendedSettings, StepReport};
use proptest::prelude::*;

/// An encoder that two heads read.
struct Net {
    encoder: Mlp,
    heads: [Mlp; 2],
}

impl Net {
    fn new() -> Self {
        let mlp =
            |sizes: &[usize], seed| Mlp::new(&AutoDevice::default(), sizes, 0.0, Seed::new(seed)).unwrap();
        Self {
            encoder: mlp(&[4, 8, 6], 1),
            heads: [mlp(&[6, 3], 2), mlp(&[6, 5, 3], 3)],
        }
    }

    fn losses(&self) -> Vec<Option<Loss>> {
        let pass = Pass::train(Seed::new(0));
        let values: Vec<f32> = (0..20).map(|i| ((i * 7 % 13) as f32 - 6.0) / 5.0).collect();
        let data: Plain<Dims2> = AutoDevice::default().tensor_from_vec(values, (5, 4));
        use dfdx::prelude::PutTape;
        let features = self
            .encoder
            .forward(data.put_tape(pass.recorder()), &pass)
            .unwrap();
        let (own, joint) = fork(features);
        let loss =
            |head: &Mlp, features| cross_entropy(head.forward(features, &pass).unwrap(), &[0, 1, 2, 0, 1]);
        vec![
            Some(loss(&self.heads[0], own).unwrap()),
            Some(loss(&self.heads[1], joint).unwrap()),
        ]
    }
}

impl Module for Net {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.encoder.visit_params(&path.join("encoder"), visitor)?;
        for (index, head) in self.heads.iter_mut().enumerate() {
            head.visit_params(&path.join(format!("head{index}")), visitor)?;
        }
        Ok(())
    }
}

fn blended(optimizer: &str, clip_norm: Option<f64>) -> BlendedOptimizer {
    let optimizer: Box<dyn Optimizer> = serde_json::from_str(optimizer).unwrap();
    let settings = BlendedSettings {
        schedule: Schedule::default(),
        clip_norm,
        run: RunLength {
            steps_per_epoch: 1,
            epochs: 1,
        },
    };
    BlendedOptimizer::new(optimizer.as_ref(), settings).unwrap()
}

const SGD: &str = r#"{"kind": "sgd", "learning_rate": 0.5, "momentum": 0.0}"#;

/// How far one step moves every parameter.
fn movement(weights: [f64; 2], clip_norm: Option<f64>) -> (Vec<f64>, StepReport) {
    let mut net = Net::new();
    let before = state_of(&mut net).unwrap();
    let losses = net.losses();
    let weights = BlendWeights::new(weights).unwrap();
    let report = blended(SGD, clip_norm).step(&mut net, losses, &weights).unwrap();
    let after = state_of(&mut net).unwrap();
    let moved = before.iter().flat_map(|(path, array)| {
        let pairs = array.values().iter().zip(after[path].values());
        pairs
            .map(|(&a, &b)| f64::from(b) - f64::from(a))
            .collect::<Vec<_>>()
    });
    (moved.collect(), report)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_step_of_a_blend_is_the_blend_of_the_steps(weight in 0.0_f64..=1.0) {
        let (first, _) = movement([1.0, 0.0], None);
        let (second, _) = movement([0.0, 1.0], None);
        let (both, _) = movement([weight, 1.0 - weight], None);
        for ((a, b), both) in first.iter().zip(&second).zip(&both) {
            prop_assert!((weight * a + (1.0 - weight) * b - both).abs() < 1e-6);
        }
    }

    #[test]
    fn a_clipped_gradient_keeps_its_direction_and_has_at_most_the_limit(limit in 0.001_f64..2.0) {
        let (free, _) = movement([0.5, 0.5], None);
        let (clipped, report) = movement([0.5, 0.5], Some(limit));
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt() / 0.5;
        let found = report.gradient_norm.unwrap();
        prop_assert!((norm(&free) - found).abs() < 1e-3 * found);
        prop_assert!(norm(&clipped) <= limit.min(found) * 1.001);
        let dot: f64 = free.iter().zip(&clipped).map(|(a, b)| a * b).sum();
        prop_assert!(dot / (norm(&free) * norm(&clipped) * 0.25) > 0.999);
    }
}

#[test]
fn a_head_of_weight_zero_may_be_absent_and_a_weighted_one_may_not() {
    let mut net = Net::new();
    let weights = BlendWeights::new([1.0, 0.0]).unwrap();
    let mut losses = net.losses();
    losses[1] = None;
    assert!(blended(SGD, None).step(&mut net, losses, &weights).is_ok());
    let mut losses = net.losses();
    losses[0] = None;
    let error = blended(SGD, None)
        .step(&mut net, losses, &weights)
        .unwrap_err()
        .to_string();
    assert!(error.contains("head 0"), "{error}");
    let losses = net.losses();
    let three = BlendWeights::equal(3).unwrap();
    assert!(blended(SGD, None).step(&mut net, losses, &three).is_err());
}

#[test]
fn parameters_that_no_loss_reaches_are_reported_in_the_first_step_only() {
    let mut net = Net::new();
    let weights = BlendWeights::new([1.0, 0.0]).unwrap();
    let mut optimizer = blended(SGD, None);
    let losses = net.losses();
    let report = optimizer.step(&mut net, losses, &weights).unwrap();
    assert!(
        report
            .without_gradient
            .iter()
            .all(|path| path.starts_with("head1."))
    );
    assert_eq!(report.without_gradient.len(), 4);
    let losses = net.losses();
    let report = optimizer.step(&mut net, losses, &weights).unwrap();
    assert!(report.without_gradient.is_empty());
}

#[test]
fn a_gradient_that_is_not_finite_stops_before_any_parameter_moves() {
    let mut net = Net::new();
    let before = state_of(&mut net).unwrap();
    let mut losses = net.losses();
    losses[0] = losses[0].take().map(|loss| loss * f32::NAN);
    let weights = BlendWeights::new([0.5, 0.5]).unwrap();
    let error = blended(SGD, Some(1.0))
        .step(&mut net, losses, &weights)
        .unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert_eq!(state_of(&mut net).unwrap(), before);
}

#[test]
fn the_schedule_sets_the_rate_of_each_step() {
    let optimizer: Box<dyn Optimizer> = serde_json::from_str(SGD).unwrap();
    let settings = BlendedSettings {
        schedule: Schedule::Step {
            every_epochs: 1.0,
            factor: 0.1,
            warmup_epochs: 0.0,
        },
        clip_norm: None,
        run: RunLength {
            steps_per_epoch: 2,
            epochs: 2,
        },
    };
    let mut blended = BlendedOptimizer::new(optimizer.as_ref(), settings).unwrap();
    let mut net = Net::new();
    let weights = BlendWeights::equal(2).unwrap();
    let rates: Vec<f64> = (0..4)
        .map(|_| {
            let losses = net.losses();
            blended.step(&mut net, losses, &weights).unwrap().learning_rate
        })
        .collect();
    assert_eq!(rates, [0.5, 0.5, 0.05, 0.05]);
}
