//! Heads in another order: a strategy that looks at a head's place is told apart from one that looks at what the
//! head does.

use std::cell::Cell;

use proptest::prelude::*;

use super::arbitrary::{Epoch, Step};
use super::difference::same_values;
use super::player::{Act, Player, start};
use super::{Rule, Violation, distinct, harness};
use crate::estimate::Estimate;
use crate::evidence::Observation;
use crate::ogr::{Movements, Symmetric};
use crate::seed::Seed;
use crate::strategy::{BlendStrategy, Heads};

/// Runs that are tried.
const CASES: u32 = 16;
/// How far weights and gradients may be apart, as a share of the largest: sums are added up in other orders.
const TOLERANCE: f64 = 1e-5;

/// Runs it with the heads as they are and in another order, on the same evidence for each head.
pub(super) fn check(strategy: &dyn BlendStrategy, heads: &Heads) -> Result<(), Violation> {
    let modalities = heads.joint();
    if modalities < 2 {
        return Ok(());
    }
    let order = Order((1..modalities).chain([0]).collect());
    let names = order.modalities(&heads.names()[..modalities]);
    let others = Rule::CasesExist.works("heads in another order", Heads::new(names))?;
    let play = |heads: &Heads, seed: Seed, epochs: &[Epoch]| -> Result<Vec<Act>, Violation> {
        let mut player = Player::new(start(strategy, heads)?, heads, seed, epochs.len())?;
        epochs.iter().try_for_each(|epoch| player.play(epoch))?;
        Ok(player.take_trace())
    };
    // Before any step there is no stream to draw from.
    let weights = |heads: &Heads| -> Result<Vec<Act>, Violation> {
        let blend = start(strategy, heads)?;
        Ok(vec![Act::Weighed(blend.weights().as_slice().to_vec())])
    };
    compare(&order, heads, &weights(heads)?, &weights(&others)?)
        .map_err(|violation| violation.with(&format_args!("no step yet")))?;
    let drawn = Cell::new(false);
    harness::for_each(CASES, runs(modalities), |(seed, epochs)| {
        let (one, other) = (
            play(heads, *seed, epochs)?,
            play(heads, seed.derive("another"), epochs)?,
        );
        if !one.iter().zip(&other).all(|(one, other)| one.is(other)) {
            drawn.set(true);
        }
        Ok(())
    })?;
    // What is drawn is drawn for places.
    if drawn.get() {
        return Ok(());
    }
    harness::for_each(CASES, runs(modalities), |(seed, epochs)| {
        let reordered: Vec<Epoch> = epochs.iter().map(|epoch| order.epoch(epoch)).collect();
        let expected = play(heads, *seed, epochs)?;
        compare(&order, heads, &expected, &play(&others, *seed, &reordered)?)
    })
}

/// Runs as they are drawn: in the simplest ones all heads are alike.
fn runs(modalities: usize) -> impl Strategy<Value = (Seed, Vec<Epoch>)> {
    let epochs = prop::collection::vec(distinct::epoch(modalities), 1..=3).boxed();
    (super::arbitrary::seed(), epochs).no_shrink()
}

fn compare(order: &Order, heads: &Heads, expected: &[Act], found: &[Act]) -> Result<(), Violation> {
    let rule = Rule::WeightsFollowHeads;
    rule.holds(
        expected.len() == found.len(),
        format!("{} weights and gradients", expected.len()),
        found.len(),
    )?;
    let names = order.heads(heads.names());
    for pair in expected.iter().zip(found) {
        match pair {
            (Act::Weighed(here), Act::Weighed(there)) => {
                let here = order.heads(here);
                let expected = format!(
                    "the weights {here:?} of {names:?}, as in the order {:?}",
                    heads.names()
                );
                rule.holds(close(&here, there), expected, there)?;
            }
            (Act::Moved(here), Act::Moved(there)) => {
                for ((name, here), there) in names.iter().zip(order.modalities(here)).zip(there) {
                    let what = format!("the gradient of {name} as in the order {:?}", heads.names());
                    let all = here.iter().chain(there);
                    let scale = all.fold(0.0, |most: f32, value| most.max(value.abs()));
                    same_values(rule, what, &here, there, |a, b| {
                        (a - b).abs() <= TOLERANCE as f32 * scale
                    })?;
                }
            }
            (here, there) => rule.holds(here == there, format!("{here:?}"), there)?,
        }
    }
    Ok(())
}

fn close(expected: &[f64], found: &[f64]) -> bool {
    let all = expected.iter().chain(found);
    let scale = all.fold(0.0, |most: f64, value| most.max(value.abs()));
    let mut pairs = expected.iter().zip(found);
    expected.len() == found.len() && pairs.all(|(a, b)| (a - b).abs() <= TOLERANCE * scale)
}

/// At each place the modality that comes there.
struct Order(Vec<usize>);

impl Order {
    /// One entry per modality.
    fn modalities<T: Clone>(&self, values: &[T]) -> Vec<T> {
        self.0.iter().map(|&modality| values[modality].clone()).collect()
    }

    /// One entry per modality and one for the joint head, which stays the last.
    fn heads<T: Clone>(&self, values: &[T]) -> Vec<T> {
        let mut reordered = self.modalities(values);
        reordered.extend(values.last().cloned());
        reordered
    }

    /// One entry for each subset of the modalities.
    fn subsets<T: Clone>(&self, values: &[T]) -> Vec<T> {
        let subset = |reordered: usize| {
            let places = self.0.iter().enumerate();
            let seen = places.filter(|(place, _)| reordered >> place & 1 == 1);
            seen.map(|(_, modality)| 1 << modality).sum::<usize>()
        };
        (0..values.len())
            .map(|mask| values[subset(mask)].clone())
            .collect()
    }

    fn movements(&self, movements: &Movements) -> Movements {
        let at = self.heads(&(0..movements.delta_o.len()).collect::<Vec<usize>>());
        Movements {
            delta_o: self.heads(&movements.delta_o),
            delta_g: self.heads(&movements.delta_g),
            covariance: Symmetric::from_fn(at.len(), |j, k| movements.covariance.get(at[j], at[k])),
        }
    }

    fn step(&self, step: &Step) -> Step {
        Step {
            observation: Observation {
                losses: self.heads(&step.observation.losses),
                scores: self.heads(&step.observation.scores),
                coalitions: self.subsets(&step.observation.coalitions),
            },
            losses_after: self.heads(&step.losses_after),
            encoders: self.modalities(&step.encoders),
        }
    }

    fn epoch(&self, epoch: &Epoch) -> Epoch {
        let estimate = &epoch.estimate;
        Epoch {
            estimate: Estimate {
                movements: self.movements(&estimate.movements),
                resampled: estimate.resampled.iter().map(|one| self.movements(one)).collect(),
                ..estimate.clone()
            },
            steps: epoch.steps.iter().map(|step| self.step(step)).collect(),
        }
    }
}
