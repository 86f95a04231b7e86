//! Which layers are run again together.

use std::ops::Range;

use super::recompute;
use crate::error::Result;
use crate::params::Module;
use crate::pass::Pass;
use crate::tensor::{Shape, Taped};

/// Values of a sample that a layer makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSize {
    /// Those that its backward pass needs, its output included where that is one of them.
    pub kept: u64,
    /// Those of its output.
    pub output: u64,
}

impl LayerSize {
    /// Of a token of this width, in an attention and a perceptron with so many hidden units.
    pub fn of_transformer(width: usize, hidden: usize) -> Self {
        let [width, hidden] = [width, hidden].map(|values| values as u64);
        Self {
            kept: width.saturating_mul(10).saturating_add(hidden.saturating_mul(2)),
            output: width,
        }
    }
}

/// Layers in a row, divided into runs, each of which is recomputed as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    runs: Vec<Range<usize>>,
    kept: u64,
    /// What a step keeps that recomputes nothing.
    all: u64,
}

impl Segments {
    /// Such that a step keeps least: the inputs of all runs but the first, and all that one run keeps while it is followed back,
    /// the largest of them.
    pub fn of(layers: &[LayerSize]) -> Self {
        let mut sums = vec![0_u64];
        for (index, layer) in layers.iter().enumerate() {
            sums.push(sums[index].saturating_add(layer.kept));
        }
        let kept = |from: usize, to: usize| sums[to].saturating_sub(sums[from]);
        let mut limits: Vec<u64> = (0..layers.len())
            .flat_map(|from| (from + 1..=layers.len()).map(move |to| (from, to)))
            .map(|(from, to)| kept(from, to))
            .collect();
        limits.sort_unstable();
        limits.dedup();
        let mut best: Option<Self> = None;
        for limit in limits {
            let Some((inputs, runs)) = least_inputs(layers, |from, to| kept(from, to) <= limit) else {
                continue;
            };
            let kept = inputs.saturating_add(limit);
            if best.as_ref().is_none_or(|best| kept < best.kept) {
                let all = sums[layers.len()];
                best = Some(Self { runs, kept, all });
            }
        }
        best.unwrap_or_default()
    }

    /// The runs of some of the layers: those that lie between, and the ends of those that do not as a whole.
    fn within(&self, layers: Range<usize>) -> Vec<Range<usize>> {
        let runs = self
            .runs
            .iter()
            .map(|run| run.start.max(layers.start)..run.end.min(layers.end));
        runs.filter(|run| !run.is_empty()).collect()
    }

    /// The values of a sample that a step keeps, in a pass that [recomputes](Pass::recomputes) or in one that does not.
    pub fn kept(&self, recomputes: bool) -> u64 {
        match recomputes {
            true => self.kept,
            false => self.all,
        }
    }

    /// Runs some of the layers, one after another: `layer` is the forward pass of each, on what the one before has made and said. A
    /// pass that [recomputes](Pass::recomputes) runs them again as they are divided; see [`recompute`].
    ///
    /// # Errors
    /// As [`recompute`].
    pub fn forward<M, S, X, F>(
        &self,
        layers: &mut [M],
        which: Range<usize>,
        (mut tensor, mut said): (Taped<S>, X),
        pass: &Pass,
        layer: F,
    ) -> Result<(Taped<S>, X)>
    where
        M: Module + Clone + 'static,
        S: Shape,
        X: Clone + 'static,
        F: Fn(&mut M, Taped<S>, X, &Pass) -> Result<(Taped<S>, X)> + Clone + 'static,
    {
        for run in self.within(which) {
            let (before, layer) = (said, layer.clone());
            let forward = move |layers: &mut [M], mut tensor: Taped<S>, pass: &Pass| {
                let mut said = before.clone();
                for one in layers {
                    (tensor, said) = layer(one, tensor, said, pass)?;
                }
                Ok((tensor, said))
            };
            (tensor, said) = recompute(&mut layers[run], tensor, pass, forward)?;
        }
        Ok((tensor, said))
    }
}

/// The least sum of the inputs of all runs but the first, and the runs, where only such as `fits` are allowed.
fn least_inputs(
    layers: &[LayerSize],
    fits: impl Fn(usize, usize) -> bool,
) -> Option<(u64, Vec<Range<usize>>)> {
    // Of the layers up to each: the least sum, and where the last run begins.
    let mut least: Vec<Option<(u64, usize)>> = vec![Some((0, 0))];
    for to in 1..=layers.len() {
        let ways = (0..to).filter(|&from| fits(from, to)).filter_map(|from| {
            let input = match from.checked_sub(1) {
                Some(before) => layers[before].output,
                None => 0,
            };
            Some((least[from]?.0.saturating_add(input), from))
        });
        // Of equal ones that with the fewest runs, as far as one step can see.
        least.push(ways.min());
    }
    let total = least[layers.len()]?.0;
    let (mut runs, mut to) = (Vec::new(), layers.len());
    while to > 0 {
        let from = least[to]?.1;
        runs.push(from..to);
        to = from;
    }
    runs.reverse();
    Some((total, runs))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn cost(layers: &[LayerSize], runs: &[Range<usize>]) -> u64 {
        let inputs = runs.iter().skip(1).map(|run| layers[run.start - 1].output);
        let kept = runs
            .iter()
            .map(|run| layers[run.clone()].iter().map(|layer| layer.kept).sum::<u64>());
        inputs.sum::<u64>() + kept.max().unwrap_or(0)
    }

    fn layers() -> impl Strategy<Value = Vec<LayerSize>> {
        let layer = (0_u64..20, 0_u64..20).prop_map(|(kept, output)| LayerSize { kept, output });
        proptest::collection::vec(layer, 0..9)
    }

    proptest! {
        #[test]
        fn no_other_division_keeps_less(layers in layers()) {
            let segments = Segments::of(&layers);
            let covered: Vec<usize> = segments.runs.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..layers.len()).collect::<Vec<_>>());
            prop_assert_eq!(segments.kept(true), cost(&layers, &segments.runs));
            prop_assert_eq!(segments.kept(false), layers.iter().map(|layer| layer.kept).sum::<u64>());
            let cuts = layers.len().saturating_sub(1);
            for division in 0_u32..1 << cuts {
                let mut runs = Vec::new();
                let mut from = 0;
                for at in (0..layers.len()).filter(|&at| at == cuts || division >> at & 1 == 1) {
                    runs.push(from..at + 1);
                    from = at + 1;
                }
                prop_assert!(segments.kept(true) <= cost(&layers, &runs), "{runs:?} keeps less than {segments:?}");
            }
        }

        #[test]
        fn some_of_the_layers_are_divided_where_all_of_them_are(layers in layers(), from in 0_usize..9, to in 0_usize..9) {
            let segments = Segments::of(&layers);
            let (from, to) = (from.min(layers.len()), to.min(layers.len()));
            let runs = segments.within(from..to);
            let covered: Vec<usize> = runs.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (from..to).collect::<Vec<_>>());
            let begins = |at: usize| segments.runs.iter().any(|run| run.start == at);
            prop_assert!(runs.iter().skip(1).all(|run| begins(run.start)));
        }
    }

    #[test]
    fn equal_layers_are_divided_by_the_root_of_their_number() {
        let layer = LayerSize { kept: 4, output: 4 };
        assert_eq!(Segments::of(&[layer; 16]).runs.len(), 4);
    }

    #[test]
    fn sizes_beyond_any_number_are_divided_somehow() {
        let layer = LayerSize {
            kept: u64::MAX,
            output: u64::MAX,
        };
        assert_eq!(Segments::of(&[layer; 3]).within(0..3).last().unwrap().end, 3);
    }
}
