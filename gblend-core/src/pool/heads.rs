//! The pool of an objective's heads.

use serde::{Deserialize, Serialize};

use super::{AveragePool, ExponentPool, Opinions, PoolError};
use crate::class_weights::ClassWeights;
use crate::label::Label;
use crate::sample_size::{EffectiveGroups, SampleSize};

/// How an objective's heads are taken together by a pool that is fitted, from their scores of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// Not at all: one head predicts.
    #[default]
    Never,
    /// Scores are the probabilities of classes of which one is right: [`ExponentPool`] of one question for each sample.
    OneClass,
    /// Scores are a probability for each class, any number of which are right: [`ExponentPool`] of one question for each
    /// class of each sample, with the same exponents for all.
    EachClass,
    /// The one score is a number: [`AveragePool`].
    Number,
}

/// The pool of several heads, fitted on samples that trained nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeadPool {
    /// Of [`Pooling::OneClass`].
    OneClass(ExponentPool),
    /// Of [`Pooling::EachClass`].
    EachClass(ExponentPool),
    /// Of [`Pooling::Number`].
    Number(AveragePool),
}

impl HeadPool {
    /// Fits the pool to the scores of every head for each sample, `[sample][head][score]`, and what is right. Samples without
    /// a label tell nothing. With `weights` samples count by their classes, as in the losses of the heads. Where samples are of
    /// groups, `groups` has the number of each sample's, any number that no other group has. `None` for heads that are not
    /// pooled.
    ///
    /// # Errors
    /// [`PoolError::Empty`] without a sample that has a label, or without heads; [`PoolError::Sizes`] if samples have
    /// different numbers of heads or scores, or there is not one group for each; [`PoolError::Value`] if a score is none of its
    /// kind, or a label of another kind.
    pub fn fit(
        pooling: Pooling,
        scores: &[Vec<&[f64]>],
        labels: &[Label],
        weights: Option<&ClassWeights>,
        groups: Option<&[usize]>,
    ) -> Result<Option<Self>, PoolError> {
        let size = size_of_labeled(labels, groups)?;
        let labeled = scores.iter().zip(labels).filter(|(_, label)| !label.is_missing());
        let labeled: Vec<(&Vec<&[f64]>, &Label)> = labeled.collect();
        let Some((first, _)) = labeled.first() else {
            return Err(PoolError::Empty);
        };
        let width = first.first().map_or(0, |scores| scores.len());
        Ok(match pooling {
            Pooling::Never => None,
            Pooling::OneClass => {
                let mut opinions = Opinions::new(first.len(), width);
                let mut right = Vec::with_capacity(labeled.len());
                for (heads, label) in &labeled {
                    opinions.push(heads)?;
                    right.push(one_class(label)?);
                }
                let of_class = |&class: &usize| weights.map_or(1.0, |weights| weights.of_class(class));
                let weights: Vec<f64> = right.iter().map(of_class).collect();
                let pool = ExponentPool::fit_weighted(&opinions, &right, &weights, size)?;
                Some(Self::OneClass(pool))
            }
            Pooling::EachClass => {
                let mut opinions = Opinions::new(first.len(), 2);
                let mut right = Vec::with_capacity(labeled.len() * width);
                let mut weight_of_each = Vec::with_capacity(labeled.len() * width);
                for (heads, label) in &labeled {
                    let Label::Classes(classes) = label else {
                        return Err(other_label());
                    };
                    for class in 0..width {
                        push_class(&mut opinions, heads, class)?;
                        let has = classes.contains(&class);
                        right.push(usize::from(!has));
                        weight_of_each.push(weights.map_or(1.0, |weights| weights.of_answer(class, has)));
                    }
                }
                let pool = ExponentPool::fit_weighted(&opinions, &right, &weight_of_each, size)?;
                Some(Self::EachClass(pool))
            }
            Pooling::Number => {
                let rows = labeled.iter().map(|(heads, _)| numbers(heads));
                let rows: Vec<Vec<f64>> = rows.collect::<Result<_, _>>()?;
                let right = labeled.iter().map(|(_, label)| match label {
                    Label::Number(number) => Ok(*number),
                    _ => Err(other_label()),
                });
                let right: Vec<f64> = right.collect::<Result<_, _>>()?;
                Some(Self::Number(AveragePool::fit(&rows, &right, size)?))
            }
        })
    }

    /// The pooled scores of a sample, from those of each head.
    ///
    /// # Errors
    /// [`PoolError::Sizes`] if there are not as many heads as it was fitted on or they differ in their scores,
    /// [`PoolError::Value`] if a score is none of its kind.
    pub fn scores(&self, heads: &[&[f64]]) -> Result<Vec<f64>, PoolError> {
        let width = heads.first().map_or(0, |scores| scores.len());
        match self {
            Self::OneClass(pool) => {
                let mut opinions = Opinions::new(heads.len(), width);
                opinions.push(heads)?;
                Ok(pool.probabilities(&opinions)?.pop().unwrap_or_default())
            }
            Self::EachClass(pool) => {
                let mut opinions = Opinions::new(heads.len(), 2);
                (0..width).try_for_each(|class| push_class(&mut opinions, heads, class))?;
                let answers = pool.probabilities(&opinions)?.into_iter();
                Ok(answers.filter_map(|answer| answer.first().copied()).collect())
            }
            Self::Number(pool) => Ok(vec![pool.predict(&numbers(heads)?)?]),
        }
    }

    /// How much each head counts, and last, where there is such an expert, the mean of them all.
    pub fn exponents(&self) -> Vec<f64> {
        match self {
            Self::OneClass(pool) | Self::EachClass(pool) => pool.exponents(),
            Self::Number(pool) => pool.weights().to_vec(),
        }
    }
}

/// How many samples have a label, and of how many groups those are.
fn size_of_labeled(labels: &[Label], groups: Option<&[usize]>) -> Result<SampleSize, PoolError> {
    let samples = labels.iter().filter(|label| !label.is_missing()).count();
    let Some(groups) = groups else {
        return Ok(SampleSize::independent(samples));
    };
    if groups.len() != labels.len() {
        return Err(PoolError::Sizes {
            what: "groups of samples",
            expected: labels.len(),
            found: groups.len(),
        });
    }
    let labeled = groups.iter().zip(labels).filter(|(_, label)| !label.is_missing());
    let labeled: Vec<usize> = labeled.map(|(&group, _)| group).collect();
    Ok(SampleSize::in_groups(samples, EffectiveGroups::of(&labeled)))
}

/// Whether the sample has the class, or not: a question with two answers.
fn push_class(opinions: &mut Opinions, heads: &[&[f64]], class: usize) -> Result<(), PoolError> {
    let answers = heads.iter().map(|scores| match scores.get(class) {
        Some(&probability) => Ok([probability, 1.0 - probability]),
        None => Err(PoolError::Sizes {
            what: "scores of a head",
            expected: class + 1,
            found: scores.len(),
        }),
    });
    let answers: Vec<[f64; 2]> = answers.collect::<Result<_, _>>()?;
    let answers: Vec<&[f64]> = answers.iter().map(|answers| answers.as_slice()).collect();
    opinions.push(&answers)
}

/// The number that each head predicts.
fn numbers(heads: &[&[f64]]) -> Result<Vec<f64>, PoolError> {
    let numbers = heads.iter().map(|scores| match scores {
        [number] => Ok(*number),
        other => Err(PoolError::Sizes {
            what: "numbers of a head",
            expected: 1,
            found: other.len(),
        }),
    });
    numbers.collect()
}

fn one_class(label: &Label) -> Result<usize, PoolError> {
    match label {
        Label::Class(class) => Ok(*class),
        _ => Err(other_label()),
    }
}

fn other_label() -> PoolError {
    PoolError::Value {
        what: "label of another kind",
        value: f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::label::LabelKind;
    use crate::labels::Labels;
    use proptest::prelude::*;

    /// Two heads' probabilities of two classes, and which is right.
    fn sample() -> impl Strategy<Value = ([f64; 2], usize)> {
        (proptest::array::uniform2(0.02_f64..0.98), 0_usize..2)
    }

    proptest! {
        /// A class or its absence is what two classes are, so both poolings fit the same problem.
        #[test]
        fn each_class_of_one_is_one_of_two(samples in proptest::collection::vec(sample(), 1..40)) {
            let both: Vec<[[f64; 2]; 2]> = samples.iter().map(|(p, _)| p.map(|p| [p, 1.0 - p])).collect();
            let of_two: Vec<Vec<&[f64]>> = both.iter().map(|heads| heads.iter().map(|p| &p[..]).collect()).collect();
            let of_one: Vec<Vec<&[f64]>> = both.iter().map(|heads| heads.iter().map(|p| &p[..1]).collect()).collect();
            let class: Vec<Label> = samples.iter().map(|(_, class)| Label::Class(*class)).collect();
            let set = |class: usize| if class == 0 { vec![0] } else { vec![] };
            let sets: Vec<Label> = samples.iter().map(|(_, class)| Label::Classes(set(*class))).collect();
            let one = HeadPool::fit(Pooling::OneClass, &of_two, &class, None, None).unwrap().unwrap();
            let each = HeadPool::fit(Pooling::EachClass, &of_one, &sets, None, None).unwrap().unwrap();
            prop_assert_eq!(one.exponents(), each.exponents());
            prop_assert_eq!(one.scores(&of_two[0]).unwrap()[0], each.scores(&of_one[0]).unwrap()[0]);
        }

        #[test]
        fn samples_without_a_label_tell_nothing(samples in proptest::collection::vec(sample(), 2..20), gap in 1_usize..20) {
            let both: Vec<[[f64; 2]; 2]> = samples.iter().map(|(p, _)| p.map(|p| [p, 1.0 - p])).collect();
            let scores: Vec<Vec<&[f64]>> = both.iter().map(|heads| heads.iter().map(|p| &p[..]).collect()).collect();
            let mut labels: Vec<Label> = samples.iter().map(|(_, class)| Label::Class(*class)).collect();
            let gap = gap % labels.len();
            labels[gap] = Label::Missing;
            let with = HeadPool::fit(Pooling::OneClass, &scores, &labels, None, None).unwrap();
            let (mut fewer, mut known) = (scores.clone(), labels.clone());
            fewer.remove(gap);
            known.remove(gap);
            prop_assert_eq!(with, HeadPool::fit(Pooling::OneClass, &fewer, &known, None, None).unwrap());
        }

        /// Where every class has equally many samples, each counts for one.
        #[test]
        fn weights_of_equally_frequent_classes_change_no_bit(
            heads in proptest::collection::vec(proptest::array::uniform2(0.02_f64..0.98), 1..20),
        ) {
            let both: Vec<[[f64; 2]; 2]> = heads.iter().chain(&heads).map(|p| p.map(|p| [p, 1.0 - p])).collect();
            let scores: Vec<Vec<&[f64]>> = both.iter().map(|heads| heads.iter().map(|p| &p[..]).collect()).collect();
            let classes: Vec<Label> = (0..both.len()).map(|sample| Label::Class(sample % 2)).collect();
            let weights = ClassWeights::balanced(&Labels::of(LabelKind::Class, &classes).unwrap(), 2).unwrap();
            prop_assert_eq!(
                HeadPool::fit(Pooling::OneClass, &scores, &classes, Some(&weights), None).unwrap(),
                HeadPool::fit(Pooling::OneClass, &scores, &classes, None, None).unwrap()
            );
            let sets: Vec<Label> = (0..both.len()).map(|sample| Label::Classes(vec![sample % 2])).collect();
            let weights = ClassWeights::balanced(&Labels::of(LabelKind::Classes, &sets).unwrap(), 2).unwrap();
            prop_assert_eq!(
                HeadPool::fit(Pooling::EachClass, &scores, &sets, Some(&weights), None).unwrap(),
                HeadPool::fit(Pooling::EachClass, &scores, &sets, None, None).unwrap()
            );
        }

        #[test]
        fn a_pool_survives_json(samples in proptest::collection::vec(sample(), 1..20)) {
            let numbers: Vec<Vec<&[f64]>> = samples.iter().map(|(p, _)| p.chunks(1).collect()).collect();
            let right: Vec<Label> = samples.iter().map(|(p, class)| Label::Number(p[*class])).collect();
            let pool = HeadPool::fit(Pooling::Number, &numbers, &right, None, None).unwrap().unwrap();
            let json = serde_json::to_string(&pool).unwrap();
            prop_assert_eq!(serde_json::from_str::<HeadPool>(&json).unwrap(), pool);
        }
    }

    #[test]
    fn what_is_of_another_kind_is_refused() {
        let scores: [Vec<&[f64]>; 1] = [vec![&[0.5, 0.5], &[0.5, 0.5]]];
        for pooling in [Pooling::OneClass, Pooling::EachClass, Pooling::Number] {
            let label = if pooling == Pooling::OneClass {
                Label::Number(1.0)
            } else {
                Label::Class(0)
            };
            assert!(
                HeadPool::fit(pooling, &scores, &[label], None, None).is_err(),
                "{pooling:?}"
            );
            assert_eq!(
                HeadPool::fit(pooling, &scores, &[Label::Missing], None, None),
                Err(PoolError::Empty)
            );
        }
        assert_eq!(
            HeadPool::fit(Pooling::Never, &scores, &[Label::Class(0)], None, None),
            Ok(None)
        );
        let nan: [Vec<&[f64]>; 1] = [vec![&[f64::NAN, 0.5]]];
        assert!(HeadPool::fit(Pooling::OneClass, &nan, &[Label::Class(0)], None, None).is_err());
    }
}
