//! How much samples count by their classes, where some classes are rare.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::label::{Label, LabelKind};
use crate::labels::Labels;
use crate::params::{ParamPath, ParamVisitor};

/// A weight for each class, by which the losses of its samples are multiplied.
///
/// Their mean over the samples that they were fitted to is 1. So a loss stays a mean over samples, and neither the learning
/// rate nor the length of a gradient depends on how weights are scaled: what counts is their ratio. With any number of
/// classes for each sample, each class has two weights, of the samples that have it and of those that lack it, whose mean
/// over the samples is 1 for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassWeights {
    /// Of the samples that have the class, `[classes]`; buffers, so that they go with the model.
    having: Array,
    /// Of those that lack it, `[classes]`, where each class is a question of its own.
    lacking: Option<Array>,
}

/// Samples that have a label, and those of each class among them.
struct Counts {
    samples: usize,
    of_class: Vec<usize>,
}

impl Counts {
    fn of(labels: &Labels, classes: usize) -> Result<Self> {
        let mut counts = Self {
            samples: 0,
            of_class: vec![0; classes],
        };
        for sample in (0..labels.len()).filter(|&sample| !labels.is_missing(sample)) {
            counts.samples += 1;
            for class in labels.classes(sample) {
                let count = counts.of_class.get_mut(class).ok_or_else(|| {
                    Error::data("a label", format!("class {class}, expected less than {classes}"))
                })?;
                *count += 1;
            }
        }
        Ok(counts)
    }
}

impl ClassWeights {
    /// Weights under which every class counts as much as any other: `n / (C n_c)` of n samples of C classes, n_c of which
    /// have class c, as scikit-learn's `class_weight="balanced"`. With any number of classes for each sample that is so of
    /// each class and its absence: `n / (2 n_c)` and `n / (2 (n − n_c))`, whose ratio is PyTorch's `pos_weight`.
    ///
    /// What no sample has, a class or the absence of one, has the weight 1 and is not counted among the C.
    ///
    /// # Errors
    /// [`Error::Data`] if labels are numbers, or a class is not below `classes`.
    pub fn balanced(labels: &Labels, classes: usize) -> Result<Self> {
        let Counts { samples, of_class } = Counts::of(labels, classes)?;
        let shares = |answers: usize, count: usize| match count {
            0 => 1.0,
            count => (samples as f64 / (answers as f64 * count as f64)) as f32,
        };
        match labels.kind() {
            LabelKind::Class => {
                let present = of_class.iter().filter(|&&count| count > 0).count();
                let having = of_class.iter().map(|&count| shares(present, count));
                Self::new(having.collect(), None)
            }
            LabelKind::Classes => {
                let pairs = of_class.iter().map(|&count| {
                    let without = samples - count;
                    let answers = usize::from(count > 0) + usize::from(without > 0);
                    (shares(answers, count), shares(answers, without))
                });
                let (having, lacking) = pairs.unzip();
                Self::new(having, Some(lacking))
            }
            LabelKind::Number => Err(Error::data("the labels", "numbers, expected classes")),
        }
    }

    /// Weights in these ratios, one for each class, scaled to a mean of 1. With any number of classes for each sample a
    /// ratio is that of having the class to lacking it.
    ///
    /// # Errors
    /// As [`balanced`](Self::balanced), and [`Error::Data`] if a scaled weight is not a positive number in single precision.
    pub fn in_ratios(labels: &Labels, ratios: &[f64]) -> Result<Self> {
        let Counts { samples, of_class } = Counts::of(labels, ratios.len())?;
        let scale = |total: f64| match samples {
            0 => 1.0,
            samples => samples as f64 / total,
        };
        match labels.kind() {
            LabelKind::Class => {
                let parts = ratios.iter().zip(&of_class);
                let scale = scale(parts.map(|(ratio, &count)| ratio * count as f64).sum());
                let having = ratios.iter().map(|ratio| (ratio * scale) as f32);
                Self::new(having.collect(), None)
            }
            LabelKind::Classes => {
                let pairs = ratios.iter().zip(&of_class).map(|(ratio, &count)| {
                    let scale = scale(ratio * count as f64 + (samples - count) as f64);
                    ((ratio * scale) as f32, scale as f32)
                });
                let (having, lacking) = pairs.unzip();
                Self::new(having, Some(lacking))
            }
            LabelKind::Number => Err(Error::data("the labels", "numbers, expected classes")),
        }
    }

    fn new(having: Vec<f32>, lacking: Option<Vec<f32>>) -> Result<Self> {
        let all = having.iter().chain(lacking.iter().flatten());
        if let Some(odd) = all.copied().find(|weight| !weight.is_normal() || *weight < 0.0) {
            let problem = format!("{odd} in single precision, expected a number above 0");
            return Err(Error::data("a weight of a class", problem));
        }
        let array = |weights: Vec<f32>| Array::new([weights.len()], weights);
        Ok(Self {
            having: array(having)?,
            lacking: lacking.map(array).transpose()?,
        })
    }

    /// The weight of a sample of this class; 1 beyond the last one.
    pub fn of_class(&self, class: usize) -> f64 {
        weight(&self.having, class)
    }

    /// The weight of what a sample is to a class that it has or lacks; of lacking it, where a sample has one class, none is
    /// known and it is 1.
    pub fn of_answer(&self, class: usize, has: bool) -> f64 {
        match (&self.lacking, has) {
            (_, true) => weight(&self.having, class),
            (Some(lacking), false) => weight(lacking, class),
            (None, false) => 1.0,
        }
    }

    /// The weight of a sample with one class; 1 of any other one.
    pub fn of_label(&self, label: &Label) -> f64 {
        match label {
            Label::Class(class) => self.of_class(*class),
            _ => 1.0,
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.having.len()
    }

    /// Whether each class is a question of its own, with a weight for lacking it too.
    pub fn is_of_answers(&self) -> bool {
        self.lacking.is_some()
    }

    /// Shows them as buffers.
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.buffer(&path.join("having"), &mut self.having)?;
        match &mut self.lacking {
            Some(lacking) => visitor.buffer(&path.join("lacking"), lacking),
            None => Ok(()),
        }
    }
}

fn weight(weights: &Array, class: usize) -> f64 {
    weights
        .values()
        .get(class)
        .map_or(1.0, |&weight| f64::from(weight))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const CLASSES: usize = 3;

    fn labels(kind: LabelKind, bits: &[u8]) -> Labels {
        let label = |&bits: &u8| match kind {
            _ if bits.is_multiple_of(7) => Label::Missing,
            LabelKind::Class => Label::Class(usize::from(bits) % CLASSES),
            _ => Label::Classes((0..CLASSES).filter(|class| bits >> class & 1 == 1).collect()),
        };
        Labels::of(kind, &bits.iter().map(label).collect::<Vec<_>>()).unwrap()
    }

    /// The mean weight over the samples, of each question that there is.
    fn means(weights: &ClassWeights, labels: &Labels) -> Vec<f64> {
        let known: Vec<Label> = labels.iter().filter(|label| !label.is_missing()).collect();
        let mean = |of: &dyn Fn(&Label) -> f64| known.iter().map(of).sum::<f64>() / known.len() as f64;
        match labels.kind() {
            LabelKind::Class => vec![mean(&|label| weights.of_label(label))],
            _ => (0..CLASSES)
                .map(|class| mean(&|label| weights.of_answer(class, label.classes().contains(&class))))
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn the_mean_over_the_samples_is_one(
            bits in proptest::collection::vec(any::<u8>(), 1..40), several: bool,
            ratios in proptest::collection::vec(0.01_f64..100.0, CLASSES),
        ) {
            let kind = if several { LabelKind::Classes } else { LabelKind::Class };
            let labels = labels(kind, &bits);
            prop_assume!((0..labels.len()).any(|sample| !labels.is_missing(sample)));
            for weights in [ClassWeights::balanced(&labels, CLASSES), ClassWeights::in_ratios(&labels, &ratios)] {
                for mean in means(&weights.unwrap(), &labels) {
                    prop_assert!((mean - 1.0).abs() < 1e-5, "{mean}");
                }
            }
        }

        #[test]
        fn the_scale_of_ratios_says_nothing(
            bits in proptest::collection::vec(any::<u8>(), 1..40),
            ratios in proptest::collection::vec(0.01_f64..100.0, CLASSES), factor in 0.01_f64..100.0,
        ) {
            let labels = labels(LabelKind::Class, &bits);
            prop_assume!((0..labels.len()).any(|sample| !labels.is_missing(sample)));
            let scaled: Vec<f64> = ratios.iter().map(|ratio| ratio * factor).collect();
            let [one, other] = [&ratios, &scaled].map(|ratios| ClassWeights::in_ratios(&labels, ratios).unwrap());
            for class in 0..CLASSES {
                prop_assert!((one.of_class(class) / other.of_class(class) - 1.0).abs() < 1e-6);
            }
        }

        #[test]
        fn equally_many_samples_of_each_class_weigh_exactly_one(of_each in 1_usize..50) {
            let all: Vec<Label> = (0..of_each * CLASSES).map(|sample| Label::Class(sample % CLASSES)).collect();
            let labels = Labels::of(LabelKind::Class, &all).unwrap();
            let weights = ClassWeights::balanced(&labels, CLASSES).unwrap();
            prop_assert!((0..CLASSES).all(|class| weights.of_class(class) == 1.0));
            let all: Vec<Label> = (0..2 * of_each)
                .map(|sample| Label::Classes(if sample % 2 == 0 { vec![0, 2] } else { vec![1] }))
                .collect();
            let labels = Labels::of(LabelKind::Classes, &all).unwrap();
            let weights = ClassWeights::balanced(&labels, CLASSES).unwrap();
            let of = |class| [weights.of_answer(class, true), weights.of_answer(class, false)];
            prop_assert!((0..CLASSES).all(|class| of(class) == [1.0, 1.0]));
        }
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2]).
        let all = [[0; 6].as_slice(), &[1; 3], &[2]].concat();
        let all: Vec<Label> = all.into_iter().map(Label::Class).collect();
        let labels = Labels::of(LabelKind::Class, &all).unwrap();
        let weights = ClassWeights::balanced(&labels, CLASSES).unwrap();
        let expected = [0.5555555555555556, 1.1111111111111112, 3.3333333333333335];
        for (class, expected) in expected.into_iter().enumerate() {
            assert!((weights.of_class(class) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn what_no_sample_has_counts_for_nothing() {
        let labels = Labels::of(
            LabelKind::Class,
            &[Label::Class(0), Label::Class(0), Label::Class(2)],
        )
        .unwrap();
        let weights = ClassWeights::balanced(&labels, CLASSES).unwrap();
        assert_eq!([0, 1, 2].map(|class| weights.of_class(class)), [0.75, 1.0, 1.5]);
        let all = [Label::Classes(vec![0]), Label::Classes(vec![0, 2])];
        let labels = Labels::of(LabelKind::Classes, &all).unwrap();
        let weights = ClassWeights::balanced(&labels, CLASSES).unwrap();
        for (class, has) in [
            (0, true),
            (0, false),
            (1, true),
            (1, false),
            (2, true),
            (2, false),
        ] {
            assert_eq!(weights.of_answer(class, has), 1.0);
        }
        let nobody = ClassWeights::balanced(&Labels::none(LabelKind::Class), CLASSES).unwrap();
        assert_eq!(nobody.of_class(1), 1.0);
    }

    #[test]
    fn numbers_unknown_classes_and_weights_beyond_single_precision_are_refused() {
        let numbers = Labels::of(LabelKind::Number, &[Label::Number(1.0)]).unwrap();
        assert!(ClassWeights::balanced(&numbers, CLASSES).is_err());
        let labels = Labels::of(LabelKind::Class, &[Label::Class(3)]).unwrap();
        assert!(ClassWeights::balanced(&labels, CLASSES).is_err());
        let labels = Labels::of(LabelKind::Class, &[Label::Class(0)]).unwrap();
        assert!(ClassWeights::in_ratios(&labels, &[1.0, 1e-200, 1.0]).is_err());
    }
}
