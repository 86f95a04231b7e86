//! The blended optimizer: weights, one backward pass, clipping, and what it reports.
#![allow(clippy::unwrap_used)]

use gblend_core::nn::{Mlp, cross_entropy, fork, scale};
use gblend_core::params::{Module, ParamPath, ParamVisitor, State, state_of};
use gblend_core::tensor::{Features, Gradients, Loss, Plain};
use gblend_core::{
    AutoDevice, Blend, BlendStrategy, BlendedGradient, Evidence, GradientEvidence, Heads, Optimizer, Pass,
    Result, Seed,
};
use gblend_optim::schedule::{RunLength, Schedule};
use gblend_optim::{
    Apply, BlendedOptimizer, BlendedSettings, LossWeights, Network, Part, Scale, StepLosses, StepReport,
    each_gradient,
};
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

    fn features(&self, pass: &Pass) -> Features {
        let values: Vec<f32> = (0..20).map(|i| ((i * 7 % 13) as f32 - 6.0) / 5.0).collect();
        let data = Plain::new(&AutoDevice::default(), (5, 4), values).unwrap();
        self.encoder.forward(data.enter(pass.recorder()), pass).unwrap()
    }

    fn loss(&self, head: usize, features: Features, pass: &Pass) -> Loss {
        let logits = self.heads[head].forward(features, pass).unwrap();
        cross_entropy(logits, &[0, 1, 2, 0, 1]).unwrap()
    }

    /// Both losses of one forward pass.
    fn losses(&self) -> Vec<Option<Loss>> {
        let pass = Pass::train(Seed::new(0));
        let (own, joint) = fork(self.features(&pass));
        vec![Some(self.loss(0, own, &pass)), Some(self.loss(1, joint, &pass))]
    }

    /// One loss, of a forward pass of its own.
    fn loss_alone(&self, head: usize) -> Loss {
        let pass = Pass::train(Seed::new(0));
        self.loss(head, self.features(&pass), &pass)
    }
}

impl Network for Net {
    fn visit_parts(
        &mut self,
        visit: &mut dyn FnMut(Part, &ParamPath, &mut dyn Module) -> Result<()>,
    ) -> Result<()> {
        let root = ParamPath::root();
        visit(Part::Encoder(0), &root.join("encoder"), &mut self.encoder)?;
        let [own, joint] = &mut self.heads;
        visit(Part::Head(0), &root.join("head0"), own)?;
        visit(Part::Joint, &root.join("head1"), joint)
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

/// A strategy with these weights, for one modality and the joint head.
fn weighted(weights: [f64; 2]) -> Box<dyn Blend> {
    let json = serde_json::json!({ "kind": "fixed", "weights": { "own": weights[0], "joint": weights[1] } });
    let strategy: Box<dyn BlendStrategy> = serde_json::from_value(json).unwrap();
    strategy.start(&Heads::new(["own".to_owned()]).unwrap()).unwrap()
}

fn blended(optimizer: &str, clip_norm: Option<f64>) -> BlendedOptimizer {
    applying(Apply::Losses, optimizer, clip_norm)
}

fn applying(apply: Apply, optimizer: &str, clip_norm: Option<f64>) -> BlendedOptimizer {
    scaled(Scale::Sum, apply, optimizer, clip_norm)
}

fn scaled(scale: Scale, apply: Apply, optimizer: &str, clip_norm: Option<f64>) -> BlendedOptimizer {
    let optimizer: Box<dyn Optimizer> = serde_json::from_str(optimizer).unwrap();
    let settings = BlendedSettings {
        schedule: Schedule::default(),
        clip_norm,
        apply,
        scale,
        first_step: 0,
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
    moved_by(blended(SGD, clip_norm), weights)
}

/// How far the first step of an optimizer moves every parameter.
fn moved_by(mut optimizer: BlendedOptimizer, weights: [f64; 2]) -> (Vec<f64>, StepReport) {
    let mut net = Net::new();
    let before = state_of(&mut net).unwrap();
    let losses = StepLosses::Blended(net.losses());
    let report = optimizer
        .step(&mut net, losses, weighted(weights).as_mut())
        .unwrap();
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

const DECAYING: &str = r#"{"kind": "sgd", "learning_rate": 0.5, "momentum": 0.0, "weight_decay": 0.1}"#;
const ADAM: &str = r#"{"kind": "adam", "learning_rate": 0.01}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn shares_times_heads_are_steps_as_many_times_as_long_under_plain_descent(weight in 0.01_f64..0.99) {
        for apply in [Apply::Losses, Apply::Updates] {
            let weights = [weight, 1.0 - weight];
            let (sum, _) = moved_by(scaled(Scale::Sum, apply, SGD, None), weights);
            let (heads, _) = moved_by(scaled(Scale::Heads, apply, SGD, None), weights);
            for (sum, heads) in sum.iter().zip(&heads) {
                prop_assert!((2.0 * sum - heads).abs() < 1e-6, "{apply:?}: {sum} {heads}");
            }
        }
    }

    #[test]
    fn scaled_updates_of_adam_are_as_many_times_as_long(weight in 0.01_f64..0.99) {
        let weights = [weight, 1.0 - weight];
        let (sum, _) = moved_by(scaled(Scale::Sum, Apply::Updates, ADAM, None), weights);
        let (heads, _) = moved_by(scaled(Scale::Heads, Apply::Updates, ADAM, None), weights);
        for (sum, heads) in sum.iter().zip(&heads) {
            prop_assert!((2.0 * sum - heads).abs() < 1e-5, "{sum} {heads}");
        }
    }

    #[test]
    fn a_limit_of_the_gradient_holds_for_the_scaled_one(limit in 0.001_f64..2.0) {
        let (_, free) = moved_by(scaled(Scale::Sum, Apply::Losses, SGD, Some(1e9)), [0.5, 0.5]);
        for apply in [Apply::Losses, Apply::Updates] {
            let (moved, report) = moved_by(scaled(Scale::Heads, apply, SGD, Some(limit)), [0.5, 0.5]);
            let found = report.gradient_norm.unwrap();
            prop_assert!((found - 2.0 * free.gradient_norm.unwrap()).abs() < 1e-3 * found);
            let length = moved.iter().map(|x| x * x).sum::<f64>().sqrt() / 0.5;
            prop_assert!(length <= limit.min(found) * 1.001, "{apply:?}: {length} {limit}");
        }
    }
}

#[test]
fn equal_shares_times_heads_are_plain_losses_and_decay_is_not_scaled() {
    for apply in [Apply::Losses, Apply::Updates] {
        for optimizer in [SGD, DECAYING] {
            let alone = |weights| moved_by(scaled(Scale::Sum, apply, optimizer, None), weights).0;
            let (own, joint) = (alone([1.0, 0.0]), alone([0.0, 1.0]));
            let (both, _) = moved_by(scaled(Scale::Heads, apply, optimizer, None), [0.5, 0.5]);
            let none = Net::new();
            let decay = if optimizer == DECAYING { 0.1 * 0.5 } else { 0.0 };
            let parameters = parameters(none);
            for (position, both) in both.iter().enumerate() {
                // Parts that a loss does not reach stay where they are, without decay; where both do, it counts once.
                let reached = [own[position], joint[position]]
                    .iter()
                    .filter(|moved| **moved != 0.0)
                    .count();
                let once = if reached == 2 {
                    decay * parameters[position]
                } else {
                    0.0
                };
                let expected = own[position] + joint[position] + once;
                assert!(
                    (both - expected).abs() < 1e-6,
                    "{apply:?} {optimizer}: {both} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_head_alone_moves_by_the_same_bits_under_every_scale() {
    for apply in [Apply::Losses, Apply::Updates] {
        for optimizer in [SGD, DECAYING, ADAM] {
            for weights in [[1.0, 0.0], [0.0, 1.0]] {
                let moved = |scale| moved_by(scaled(scale, apply, optimizer, Some(1.0)), weights).0;
                assert_eq!(moved(Scale::Heads), moved(Scale::Sum));
            }
        }
    }
}

/// Every parameter, one value after another.
fn parameters(mut net: Net) -> Vec<f64> {
    let state = state_of(&mut net).unwrap();
    let values = state.values().flat_map(|array| array.values());
    values.map(|&value| f64::from(value)).collect()
}

#[test]
fn a_head_may_be_absent_and_all_heads_may_not() {
    let mut net = Net::new();
    let mut step = |blend: [f64; 2], absent: &[usize]| {
        let mut losses = net.losses();
        absent.iter().for_each(|&head| losses[head] = None);
        let losses = StepLosses::Blended(losses);
        blended(SGD, None).step(&mut net, losses, weighted(blend).as_mut())
    };
    assert!(step([1.0, 0.0], &[1]).is_ok());
    assert!(step([0.5, 0.5], &[0]).is_ok());
    assert!(step([0.5, 0.5], &[0, 1]).is_err());
    let mut losses = net.losses();
    losses.push(None);
    let losses = StepLosses::Blended(losses);
    assert!(
        blended(SGD, None)
            .step(&mut net, losses, weighted([0.5, 0.5]).as_mut())
            .is_err()
    );
}

#[test]
fn parameters_that_no_loss_reaches_are_reported_in_the_first_step_only() {
    let mut net = Net::new();
    let mut blend = weighted([1.0, 0.0]);
    let mut optimizer = blended(SGD, None);
    let losses = net.losses();
    let report = optimizer
        .step(&mut net, StepLosses::Blended(losses), blend.as_mut())
        .unwrap();
    assert!(
        report
            .without_gradient
            .iter()
            .all(|path| path.starts_with("head1."))
    );
    assert_eq!(report.without_gradient.len(), 4);
    let losses = net.losses();
    let report = optimizer
        .step(&mut net, StepLosses::Blended(losses), blend.as_mut())
        .unwrap();
    assert!(report.without_gradient.is_empty());
}

#[test]
fn a_gradient_that_is_not_finite_stops_before_any_parameter_moves() {
    let mut net = Net::new();
    let before = state_of(&mut net).unwrap();
    let mut losses = net.losses();
    losses[0] = losses[0].take().map(|loss| scale(loss, f32::NAN).unwrap());
    let mut blend = weighted([0.5, 0.5]);
    let error = blended(SGD, Some(1.0))
        .step(&mut net, StepLosses::Blended(losses), blend.as_mut())
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
        apply: Apply::default(),
        scale: Scale::Sum,
        first_step: 0,
        run: RunLength {
            steps_per_epoch: 2,
            epochs: 2,
        },
    };
    let mut blended = BlendedOptimizer::new(optimizer.as_ref(), settings).unwrap();
    let mut net = Net::new();
    let mut blend = weighted([0.5, 0.5]);
    let rates: Vec<f64> = (0..4)
        .map(|_| {
            let losses = net.losses();
            blended
                .step(&mut net, StepLosses::Blended(losses), blend.as_mut())
                .unwrap()
                .learning_rate
        })
        .collect();
    assert_eq!(rates, [0.5, 0.5, 0.05, 0.05]);
}

/// The parameters after some steps from the same start, by path.
fn after_steps(apply: Apply, optimizer: &str, weights: [f64; 2], steps: usize) -> State {
    let mut net = Net::new();
    let mut blended = applying(apply, optimizer, None);
    let mut blend = weighted(weights);
    for _ in 0..steps {
        let losses = StepLosses::Blended(net.losses());
        blended.step(&mut net, losses, blend.as_mut()).unwrap();
    }
    state_of(&mut net).unwrap()
}

fn largest_difference(a: &State, b: &State) -> f64 {
    let pairs = a
        .iter()
        .flat_map(|(path, array)| array.values().iter().zip(b[path].values()));
    pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn under_sgd_weights_on_updates_are_weights_on_losses(
        weight in 0.02_f64..0.98, momentum in prop_oneof![Just(0.0), Just(0.9)], decay in prop_oneof![Just(0.0), Just(0.1)]
    ) {
        let sgd = serde_json::json!({
            "kind": "sgd", "learning_rate": 0.1, "momentum": momentum, "weight_decay": decay
        }).to_string();
        let weights = [weight, 1.0 - weight];
        let losses = after_steps(Apply::Losses, &sgd, weights, 5);
        let updates = after_steps(Apply::Updates, &sgd, weights, 5);
        prop_assert!(largest_difference(&losses, &updates) < 2e-6);
    }

    #[test]
    fn under_adam_weights_on_updates_scale_the_step_of_a_head_and_weights_on_losses_do_not(weight in 0.1_f64..0.9) {
        // Adam's first step is the learning rate in each direction, whatever the gradient's scale.
        const ADAM: &str = r#"{"kind": "adam", "learning_rate": 0.01}"#;
        let start = state_of(&mut Net::new()).unwrap();
        let step = |apply, path: &str| {
            let after = after_steps(apply, ADAM, [weight, 1.0 - weight], 1);
            let pairs = after[path].values().iter().zip(start[path].values());
            pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
        };
        for (path, share) in [
            ("head0.0.weight", weight), ("head1.0.weight", 1.0 - weight), ("encoder.0.weight", 1.0),
        ] {
            prop_assert!((step(Apply::Losses, path) - 0.01).abs() < 1e-5);
            prop_assert!((step(Apply::Updates, path) - 0.01 * share).abs() < 1e-5);
        }
    }

    #[test]
    fn gradients_per_head_that_nobody_changes_give_the_step_of_the_blended_loss(weight in 0.1_f64..0.9) {
        /// Wants gradients per head and leaves them alone.
        #[derive(Debug)]
        struct Looking(Box<dyn Blend>);
        impl Blend for Looking {
            fn weights(&self) -> &gblend_core::BlendWeights {
                self.0.weights()
            }
            fn evidence(&self) -> Evidence {
                Evidence { gradients: GradientEvidence::PerHead, ..Evidence::default() }
            }
        }
        let weights = [weight, 1.0 - weight];
        let mut net = Net::new();
        let losses = StepLosses::PerHead { own: vec![Some(net.loss_alone(0))], joint: Some(net.loss_alone(1)) };
        blended(SGD, None).step(&mut net, losses, &mut Looking(weighted(weights))).unwrap();
        let apart = state_of(&mut net).unwrap();
        prop_assert!(largest_difference(&apart, &after_steps(Apply::Losses, SGD, weights, 1)) < 1e-6);
    }
}

#[test]
fn a_modulated_gradient_is_the_one_that_the_encoder_follows() {
    /// Doubles every encoder's gradient.
    #[derive(Debug)]
    struct Doubling(Box<dyn Blend>);
    impl Blend for Doubling {
        fn weights(&self) -> &gblend_core::BlendWeights {
            self.0.weights()
        }
        fn evidence(&self) -> Evidence {
            Evidence {
                gradients: GradientEvidence::Blended,
                ..Evidence::default()
            }
        }
        fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
            for encoder in encoders {
                assert_eq!(encoder.parameters.iter().sum::<usize>(), encoder.values.len());
                encoder.values.iter_mut().for_each(|value| *value *= 2.0);
            }
            Ok(())
        }
    }
    let start = state_of(&mut Net::new()).unwrap();
    let plain = after_steps(Apply::Losses, SGD, [0.5, 0.5], 1);
    let mut net = Net::new();
    let losses = StepLosses::Blended(net.losses());
    let mut blend = Doubling(weighted([0.5, 0.5]));
    blended(SGD, None).step(&mut net, losses, &mut blend).unwrap();
    let doubled = state_of(&mut net).unwrap();
    for (path, start) in &start {
        let factor = if path.starts_with("encoder") { 2.0 } else { 1.0 };
        for ((s, p), d) in start
            .values()
            .iter()
            .zip(plain[path].values())
            .zip(doubled[path].values())
        {
            assert!((factor * (p - s) - (d - s)).abs() < 1e-6, "{path}");
        }
    }
}

/// The gradients of a step that is not taken yet, by path.
fn gradients_by_path(net: &mut Net, gradients: &mut Gradients) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    each_gradient(net, gradients, |_, path, mut gradient| {
        gradient.read(|values| all.push((path.to_string(), values.to_vec())))
    })
    .unwrap();
    all
}

#[test]
fn a_gradient_that_is_changed_between_the_halves_of_a_step_is_the_one_that_is_followed() {
    const STILL: &str = "encoder.1.weight";
    let mut net = Net::new();
    let before = state_of(&mut net).unwrap();
    let losses = StepLosses::Blended(net.losses());
    let mut blend = weighted([0.25, 0.75]);
    let mut gradients = gblend_optim::gradients(&mut net, losses, blend.as_mut(), Scale::Sum).unwrap();
    let whole = gradients_by_path(&mut net, &mut gradients);
    each_gradient(&mut net, &mut gradients, |_, path, mut gradient| {
        gradient.scale(0.5)?;
        match path.as_str() {
            STILL => gradient.edit(|values| values.fill(0.0)),
            _ => Ok(()),
        }
    })
    .unwrap();
    let mut optimizer = blended(SGD, None);
    optimizer
        .apply(&mut net, gradients, &LossWeights::of(blend.as_ref(), Scale::Sum))
        .unwrap();
    assert_eq!(optimizer.steps(), 1);
    let after = state_of(&mut net).unwrap();
    assert_eq!(whole.len(), before.len());
    for (path, gradient) in whole {
        assert!(gradient.iter().any(|&value| value != 0.0), "{path}");
        let still = path == STILL;
        let expected = before[&path].values().iter().zip(gradient);
        // Half of the gradient, times the learning rate of a half.
        let expected: Vec<f32> = expected
            .map(|(&before, g)| if still { before } else { before - 0.5 * g * 0.5 })
            .collect();
        assert_eq!(after[&path].values(), expected, "{path}");
    }
}

#[test]
fn gradients_go_through_flat_buckets_and_come_back_with_their_bits() {
    const BUCKET: usize = 7;
    const ADAM: &str = r#"{"kind": "adam", "learning_rate": 0.01}"#;
    let weights = [0.3, 0.7];
    let mut net = Net::new();
    let losses = StepLosses::Blended(net.losses());
    let mut blend = weighted(weights);
    let mut gradients = gblend_optim::gradients(&mut net, losses, blend.as_mut(), Scale::Sum).unwrap();
    let bits = |all: Vec<(String, Vec<f32>)>| -> Vec<(String, Vec<u32>)> {
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
        all.into_iter()
            .map(|(path, values)| (path, bits(values)))
            .collect()
    };
    let sent = bits(gradients_by_path(&mut net, &mut gradients));
    let mut buckets: Vec<Vec<f32>> = vec![Vec::with_capacity(BUCKET)];
    each_gradient(&mut net, &mut gradients, |_, _, mut gradient| {
        gradient.read(|values| {
            for &value in values {
                if buckets.last().is_none_or(|bucket| bucket.len() == BUCKET) {
                    buckets.push(Vec::with_capacity(BUCKET));
                }
                buckets.last_mut().unwrap().push(value);
            }
        })
    })
    .unwrap();
    assert!(buckets.len() > 10 && buckets.iter().rev().skip(1).all(|bucket| bucket.len() == BUCKET));
    // Where another machine's buckets arrive there is nothing yet.
    let mut received = Gradients::default();
    let mut rest = buckets.iter().flatten().copied();
    each_gradient(&mut net, &mut received, |_, _, mut gradient| {
        let count = gradient.shape().iter().product();
        gradient.set(&rest.by_ref().take(count).collect::<Vec<f32>>())
    })
    .unwrap();
    assert_eq!(rest.next(), None);
    assert_eq!(bits(gradients_by_path(&mut net, &mut received)), sent);
    let mut optimizer = applying(Apply::Updates, ADAM, Some(0.5));
    let report = optimizer
        .apply(&mut net, received, &LossWeights::of(blend.as_ref(), Scale::Sum))
        .unwrap();
    // And the step is the one that is taken at once.
    let mut other = Net::new();
    let losses = StepLosses::Blended(other.losses());
    let at_once = applying(Apply::Updates, ADAM, Some(0.5))
        .step(&mut other, losses, weighted(weights).as_mut())
        .unwrap();
    assert_eq!(report, at_once);
    assert_eq!(state_of(&mut net).unwrap(), state_of(&mut other).unwrap());
}

#[test]
fn a_gradient_of_another_length_is_not_taken() {
    let mut net = Net::new();
    let mut gradients = Gradients::default();
    let error = each_gradient(&mut net, &mut gradients, |_, _, mut gradient| {
        gradient.set(&[1.0])
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("32 values") && error.contains("[8, 4]"), "{error}");
}
