//! Objectives: what heads are asked, and how their answers are judged.
//!
//! Everything else, blending included, knows losses alone. An [`Objective`] is configured; the [`Criterion`] that it
//! starts says how wide a head's output is, what loss it has, and what the output means.

use std::fmt::Debug;
use std::num::NonZeroUsize;

use crate::array::Array;
use crate::class_weights::ClassWeights;
use crate::error::{Error, Result};
use crate::fusion::{FusionContext, FusionModule};
use crate::keys::{KeyQueue, Keys};
use crate::label::LabelKind;
use crate::labels::Labels;
use crate::look::Look;
use crate::metric::{Axes, MetricKind};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pool::Pooling;
use crate::sameness::Sameness;
use crate::score_function::ScoreFunction;
use crate::seed::Seed;
use crate::strategy::JOINT;
use crate::targets::Targets;
use crate::tensor::{AutoDevice, Logits, Loss};

/// An objective as configured: plain data, read from the `[objective]` table, or for a modality's own head from
/// `[modality.NAME.objective]`.
#[typetag::serde(tag = "kind")]
pub trait Objective: Debug + Send + Sync {
    /// Starts it for one head.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Data`] if it is not for such labels, or not for this head.
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>>;

    /// Whether a sample without a label tells its heads nothing. Default: it does not.
    fn needs_label(&self) -> bool {
        true
    }

    /// What a modality's own head is shown of a sample. Default: its feature vector.
    fn look(&self) -> Look {
        Look::Once
    }

    /// The share of the blend that a modality's own head has whatever the strategy finds, from 0 to below 1; with 0 it is not
    /// trained. For a loss that begins at its least, so that no gain can be measured. A strategy that trains one head alone
    /// trains none beside it. Default: the strategy decides.
    fn share(&self) -> Option<f64> {
        None
    }

    /// What makes two samples the same to it, which [`Targets::identities`] then tells. Default: nothing.
    fn sameness(&self) -> Sameness {
        Sameness::Sample
    }

    /// The queue of keys that the loss of the joint head takes into account in training, if it does: then slowly following copies of
    /// encoders and joint head make keys of every batch, and [`Criterion::loss_among`] is told of them. It is for a joint head of the
    /// objective's own. Default: there is none.
    fn queue(&self) -> Option<KeyQueue> {
        None
    }

    /// How samples are divided, so that a share of them is like the whole. Default: without regard to labels.
    ///
    /// Called before the division, with the labels of the samples that are to be divided; the others are missing.
    fn strata(&self, labels: &Labels) -> Strata {
        let _ = labels;
        Strata::Whole
    }
}

/// What an objective is started for.
#[derive(Clone, Copy, Debug)]
pub struct ObjectiveContext<'a> {
    /// The head: a modality's name, or `joint`.
    pub head: &'a str,
    /// The names of the classes; none where labels are numbers.
    pub classes: &'a [String],
    /// The labels of the training split alone, for what is fitted to them: those of other splits decide nothing.
    pub labels: &'a Labels,
    /// The device that parameters live on.
    pub device: &'a AutoDevice,
    /// The random stream of its initial parameters.
    pub seed: Seed,
}

impl ObjectiveContext<'_> {
    /// Whether the head is the joint one.
    pub fn is_joint(&self) -> bool {
        self.head == JOINT
    }

    /// Refuses labels of another kind than the objective `kind` is for.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn expect_labels(&self, kind: &str, expected: LabelKind) -> Result<()> {
        let found = self.labels.kind();
        if found == expected {
            return Ok(());
        }
        let expected = format!(
            "one for labels that are {found}, such as \"{}\"; this one is for {expected}",
            found.objective()
        );
        Err(Error::setting("kind", format!("\"{kind}\""), expected))
    }
}

/// Which samples belong together when some are set aside: each part gets its share of every stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strata {
    /// There is one stratum, of all samples.
    Whole,
    /// The stratum of each sample; those without one are a further stratum.
    One(Vec<Option<u32>>),
    /// Each sample's strata, of which it may have any number (Sechidis, Tsoumakas, Vlahavas, "On the Stratification of
    /// Multi-Label Data", ECML PKDD 2011).
    Several(Vec<Vec<u32>>),
}

/// What a head says of a sample.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// It has these classes, in ascending order; none if a score is not a number.
    Classes(Vec<usize>),
    /// It has this number.
    Number(f64),
    /// Nothing that a label could say.
    Nothing,
}

/// An objective at work at one head: its loss, and what the head's output means.
///
/// Outputs are `[batch, width]`. Scores are what they mean: of each sample the probability of each class, or the number
/// in the unit of the labels. In every list of figures `None` stands for a sample without a label.
pub trait Criterion {
    /// The width of a head's output. A joint head of the objective's own decides that itself.
    fn width(&self) -> usize;

    /// The joint head, where it is not the configured fusion and fully connected layers on top of it, because the loss
    /// reads several feature vectors at once. Its fused vector is the output: a loss that matches modalities gets their
    /// projections side by side. Default: there is none.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Shape`] if there is none for feature vectors of these lengths.
    fn joint_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        let _ = cx;
        Ok(None)
    }

    /// A modality's own head, where it is not one fully connected layer on the feature vector. It gets what
    /// [`Objective::look`] asks for, one feature vector each, and `feature_dims` has their lengths; its fused vector is the
    /// output. Default: there is none.
    ///
    /// # Errors
    /// As [`joint_head`](Self::joint_head).
    fn own_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        let _ = cx;
        Ok(None)
    }

    /// The mean loss of the samples that have a label, on the tape.
    ///
    /// # Errors
    /// [`Error::Shape`] if the output has another shape, [`Error::Data`] or [`Error::NonFinite`] if a label is of another
    /// kind, out of range or not finite, or none is there; [`Error::Device`].
    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss>;

    /// As [`loss`](Self::loss), with the right one to be found among keys; what made them learns nothing. Default: they are not
    /// looked at.
    ///
    /// # Errors
    /// As [`loss`](Self::loss), and [`Error::Shape`] if keys are of another width.
    fn loss_among(&mut self, output: Logits, targets: &Targets, keys: &Keys) -> Result<Loss> {
        let _ = keys;
        self.loss(output, targets)
    }

    /// Among how many samples the loss of one is measured in evaluation, for a loss that compares samples with each
    /// other. Default: each has a loss of its own.
    fn block(&self) -> Option<NonZeroUsize> {
        None
    }

    /// The loss of one that knows nothing, among `samples` samples: for classes the logarithm of their number. Where heads have
    /// objectives of different kinds their losses are blended in this unit. Default: 1, for a loss that has been given a unit.
    fn chance(&self, samples: usize) -> f64 {
        let _ = samples;
        1.0
    }

    /// The loss of each sample in `f64`; of a loss that compares samples, among all of these. [`losses_of_all`] deals
    /// them into blocks.
    ///
    /// # Errors
    /// As [`loss`](Self::loss); without any label every loss is `None`.
    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>>;

    /// As [`losses`](Self::losses), of what [`loss_among`](Self::loss_among) is the mean of.
    ///
    /// # Errors
    /// As [`loss_among`](Self::loss_among).
    fn losses_among(&self, output: &Array, targets: &Targets, keys: &Keys) -> Result<Vec<Option<f64>>> {
        let _ = keys;
        self.losses(output, targets)
    }

    /// The scores of each sample.
    ///
    /// # Errors
    /// [`Error::Shape`] if the output has another shape.
    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>>;

    /// The same as a function that other programs can be told, such as those that read an exported model. One that takes heads
    /// together by another [`pool`](Self::pool) than the default has none. Default: there is none, and a model whose predictions
    /// come of it is not exported.
    fn score_function(&self) -> Option<ScoreFunction> {
        None
    }

    /// An output with these scores, which may be means over views of a sample. It is finite.
    ///
    /// # Errors
    /// [`Error::Shape`] if a row has another length.
    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array>;

    /// The loss of each sample in `f64` from its scores. It is finite.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>>;

    /// How sure the head is of what is right, 0 to 1: the probability of the right class, or what stands for it.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>>;

    /// The scores of several heads taken together: of each its share, which add up to 1, and its scores of the sample
    /// unless it does not see it. `None` if no head that has a share sees it, or heads cannot be taken together.
    /// Default: [`weighted_mean`].
    fn pool(&self, heads: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        weighted_mean(heads)
    }

    /// How a pool that is fitted on validation samples takes several heads together, where predictions are those of a pool.
    /// Default: not at all, and the joint head predicts.
    fn pooling(&self) -> Pooling {
        Pooling::Never
    }

    /// By what its losses are weighted, where samples count by their classes: a pool of heads is fitted under the same
    /// weights. Default: by nothing.
    fn class_weights(&self) -> Option<&ClassWeights> {
        None
    }

    /// What the scores of a sample say.
    fn answer(&self, scores: &[f64]) -> Answer;

    /// Whether the head is right about each sample, where that can be said. Default: it cannot.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn right(&self, output: &Array, targets: &Targets) -> Result<Option<Vec<Option<bool>>>> {
        let _ = (output, targets);
        Ok(None)
    }

    /// The figures that say how good it is, the first one the main figure of tables, charts and comparisons. The mean
    /// loss is told beside them and is none of them.
    fn metric_kinds(&self) -> &[MetricKind];

    /// Which of these figures selects the best epoch: the first in this order that has a value. Default: the main one.
    fn selection(&self) -> &[usize] {
        &[0]
    }

    /// As [`selection`](Self::selection), where training draws rare classes as often as frequent ones, so that they are meant
    /// to count as much. Default: the same.
    fn balanced_selection(&self) -> &[usize] {
        self.selection()
    }

    /// The figures for some samples, in the order of [`metric_kinds`](Self::metric_kinds), from their scores and losses;
    /// `None` for one that they do not define. Samples without a label do not count.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn metrics(
        &self,
        scores: &[Vec<f64>],
        losses: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Vec<Option<f64>>>;

    /// The main figure, the first of [`metric_kinds`](Self::metric_kinds), sample by sample: numbers whose mean over the
    /// samples that have one is what [`metrics`](Self::metrics) tells, 1 and 0 of what is right or wrong. From them
    /// comparisons learn what other test samples would have found.
    ///
    /// Of a figure that is no mean, the figure and what the sample moves it by (the delta method): of the root of a mean
    /// square `r` these are `r + (e² − r²) / 2r`. Default: nothing is known of samples, and intervals are over seeds alone.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        losses: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        let _ = (scores, losses, targets);
        Ok(None)
    }

    /// What a report calls its axes.
    fn axes(&self) -> Axes;

    /// Shows what was learned and, as buffers, what was fitted when it started. Default: there is nothing.
    ///
    /// # Errors
    /// The visitor's.
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let _ = (path, visitor);
        Ok(())
    }
}

impl Module for dyn Criterion + '_ {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        Criterion::visit_params(self, path, visitor)
    }
}

/// The mean of the heads' scores by their shares; the shares of those that see the sample make up for the others'.
/// `None` if none sees it.
pub fn weighted_mean(heads: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
    let mut mean: Option<Vec<f64>> = None;
    let mut missing = 0.0;
    for &(share, scores) in heads {
        let Some(scores) = scores else {
            missing += share;
            continue;
        };
        let mean = mean.get_or_insert_with(|| vec![0.0; scores.len()]);
        let scores = scores.iter();
        mean.iter_mut()
            .zip(scores)
            .for_each(|(mean, score)| *mean += share * score);
    }
    if let Some(mean) = &mut mean
        && missing > 0.0
    {
        mean.iter_mut().for_each(|mean| *mean /= 1.0 - missing);
    }
    mean
}

/// The loss of each sample in `f64`, whatever number of samples: a loss that compares samples is measured in blocks of
/// [`Criterion::block`] samples. A block has samples from everywhere, since a table may be sorted by what they are. Those that
/// are left, if they are too few for a block, are measured among others, so that every loss is one among equally many.
///
/// # Errors
/// As [`Criterion::losses`].
pub fn losses_of_all(
    criterion: &dyn Criterion,
    output: &Array,
    targets: &Targets,
) -> Result<Vec<Option<f64>>> {
    let samples = targets.len();
    if samples == 0 {
        return Ok(Vec::new());
    }
    let size = criterion.block().map_or(samples, NonZeroUsize::get);
    if samples <= size {
        return criterion.losses(output, targets);
    }
    let &[rows, width] = output.shape() else {
        return Err(Error::shape("a head's output", "[batch, width]", output.shape()));
    };
    if rows != samples {
        let expected = format!("one row for each of {samples} labels");
        return Err(Error::shape("a head's output", expected, [rows, width]));
    }
    // Neighbors are as far from each other as there are blocks.
    let blocks = samples.div_ceil(size);
    let order: Vec<usize> = (0..blocks)
        .flat_map(|first| (first..samples).step_by(blocks))
        .collect();
    let mut losses = vec![None; samples];
    let mut done = 0;
    while done < samples {
        let start = done.min(samples - size);
        let block = &order[start..start + size];
        let values = block
            .iter()
            .flat_map(|&sample| &output.values()[sample * width..][..width]);
        let values = values.copied().collect();
        let of_block = criterion.losses(&Array::new([size, width], values)?, &targets.select(block))?;
        if of_block.len() != size {
            return Err(Error::shape(
                "losses of a block",
                format!("{size}"),
                [of_block.len()],
            ));
        }
        for (&sample, loss) in block.iter().zip(of_block).skip(done - start) {
            losses[sample] = loss;
        }
        done = start + size;
    }
    Ok(losses)
}

/// As [`losses_of_all`], from scores.
///
/// # Errors
/// As [`Criterion::losses_of_scores`].
pub fn losses_of_all_scores(
    criterion: &dyn Criterion,
    scores: &[Vec<f64>],
    targets: &Targets,
) -> Result<Vec<Option<f64>>> {
    match criterion.block() {
        None => criterion.losses_of_scores(scores, targets),
        Some(_) => losses_of_all(criterion, &criterion.output_of(scores)?, targets),
    }
}

/// The mean of the figures that there are; `None` without any.
pub fn mean_of(figures: &[Option<f64>]) -> Option<f64> {
    let known = figures.iter().flatten();
    let count = known.clone().count();
    (count > 0).then(|| known.sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::label::Label;
    use proptest::prelude::*;

    /// The loss of a sample is the number of samples that it is measured among, and a thousandth of its own value.
    struct Crowd(Option<NonZeroUsize>);

    impl Criterion for Crowd {
        fn width(&self) -> usize {
            1
        }
        fn loss(&mut self, _: Logits, _: &Targets) -> Result<Loss> {
            Err(Error::Device("no tape here".into()))
        }
        fn block(&self) -> Option<NonZeroUsize> {
            self.0
        }
        fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
            let count = targets.len() as f64;
            Ok(output
                .values()
                .iter()
                .map(|&value| Some(count + f64::from(value) / 1024.0))
                .collect())
        }
        fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
            Ok(output
                .values()
                .iter()
                .map(|&value| vec![f64::from(value)])
                .collect())
        }
        fn output_of(&self, _: &[Vec<f64>]) -> Result<Array> {
            Ok(Array::zeros([0, 1]))
        }
        fn losses_of_scores(&self, _: &[Vec<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
            Ok(Vec::new())
        }
        fn confidence(&self, _: &[Vec<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
            Ok(Vec::new())
        }
        fn answer(&self, _: &[f64]) -> Answer {
            Answer::Nothing
        }
        fn metric_kinds(&self) -> &[MetricKind] {
            &[]
        }
        fn metrics(&self, _: &[Vec<f64>], _: &[Option<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
            Ok(Vec::new())
        }
        fn axes(&self) -> Axes {
            Axes::new("", "")
        }
    }

    proptest! {
        #[test]
        fn every_loss_is_one_among_equally_many(samples in 1_usize..40, block in 1_usize..12) {
            let output = Array::new([samples, 1], (0..samples).map(|sample| sample as f32).collect()).unwrap();
            let targets = Targets::new(vec![Label::Missing; samples]);
            for (block, among) in [(None, samples), (NonZeroUsize::new(block), block.min(samples))] {
                let losses = losses_of_all(&Crowd(block), &output, &targets).unwrap();
                let expected = (0..samples).map(|sample| Some(among as f64 + sample as f64 / 1024.0));
                prop_assert_eq!(losses, expected.collect::<Vec<_>>());
            }
        }
    }

    /// The loss of a sample is the mean of those that it is measured among.
    #[test]
    fn a_block_has_samples_from_everywhere() {
        struct Mean(Crowd);
        impl Criterion for Mean {
            fn width(&self) -> usize {
                1
            }
            fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
                self.0.loss(output, targets)
            }
            fn block(&self) -> Option<NonZeroUsize> {
                self.0.0
            }
            fn losses(&self, output: &Array, _: &Targets) -> Result<Vec<Option<f64>>> {
                let sum: f32 = output.values().iter().sum();
                Ok(vec![Some(f64::from(sum) / output.len() as f64); output.len()])
            }
            fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
                self.0.scores(output)
            }
            fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
                self.0.output_of(scores)
            }
            fn losses_of_scores(&self, _: &[Vec<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
                Ok(Vec::new())
            }
            fn confidence(&self, _: &[Vec<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
                Ok(Vec::new())
            }
            fn answer(&self, _: &[f64]) -> Answer {
                Answer::Nothing
            }
            fn metric_kinds(&self) -> &[MetricKind] {
                &[]
            }
            fn metrics(&self, _: &[Vec<f64>], _: &[Option<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
                Ok(Vec::new())
            }
            fn axes(&self) -> Axes {
                Axes::new("", "")
            }
        }
        // Sorted by what they are: neighbors would all be alike.
        let output = Array::new([12, 1], [[0.0; 6], [1.0; 6]].concat()).unwrap();
        let targets = Targets::new(vec![Label::Missing; 12]);
        let losses = losses_of_all(&Mean(Crowd(NonZeroUsize::new(4))), &output, &targets).unwrap();
        assert_eq!(losses, vec![Some(0.5); 12]);
    }

    #[test]
    fn shares_of_heads_that_do_not_see_a_sample_are_made_up_for() {
        let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
        let mean = weighted_mean(&[(0.25, Some(&a[..])), (0.25, Some(&b[..])), (0.5, None)]);
        assert_eq!(mean, Some(vec![0.5, 0.5]));
        assert_eq!(weighted_mean(&[(1.0, None)]), None);
        assert_eq!(weighted_mean(&[]), None);
    }

    #[test]
    fn a_mean_is_over_what_is_known() {
        assert_eq!(mean_of(&[Some(1.0), None, Some(2.0)]), Some(1.5));
        assert_eq!(mean_of(&[None]), None);
    }
}
