//! What the heads should say of a batch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::label::{Label, LabelKind, finite, other_kind};
use crate::nn::{RowIndex, take_rows};
use crate::sameness::Sameness;
use crate::tensor::Logits;

/// What the heads should say of each sample of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Targets {
    /// The label of each sample.
    pub labels: Vec<Label>,
    /// By what makes samples the same, a number of each that those share which are.
    identities: BTreeMap<Sameness, Vec<u64>>,
}

impl Targets {
    /// Samples with these labels, each itself alone.
    pub fn new(labels: Vec<Label>) -> Self {
        Self {
            labels,
            identities: BTreeMap::new(),
        }
    }

    /// The same samples, of which those are the same in this respect that have the same number.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one number for each sample.
    pub fn with_identities(mut self, sameness: Sameness, identities: Vec<u64>) -> Result<Self> {
        if identities.len() != self.len() {
            let expected = format!("one for each of {} samples", self.len());
            return Err(Error::shape(
                "numbers of samples that are the same",
                expected,
                [identities.len()],
            ));
        }
        self.identities.insert(sameness, identities);
        Ok(self)
    }

    /// A number of each sample that those share which are the same in this respect; `None` if each is itself alone.
    pub fn identities(&self, sameness: &Sameness) -> Option<&[u64]> {
        self.identities.get(sameness).map(Vec::as_slice)
    }

    /// As [`identities`](Self::identities), where each is itself alone the numbers of the samples themselves, if they are known: by them
    /// a sample is known again in a later batch.
    pub fn numbers(&self, sameness: &Sameness) -> Option<&[u64]> {
        self.identities(sameness)
            .or_else(|| self.identities(&Sameness::Sample))
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The classes of a sample; none beyond the last.
    pub fn classes(&self, sample: usize) -> &[usize] {
        self.labels.get(sample).map_or(&[], Label::classes)
    }

    /// Those of the samples at these positions; positions beyond the last are left out.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        let labels = samples
            .iter()
            .filter_map(|&sample| self.labels.get(sample).cloned());
        let identities = self.identities.iter().map(|(sameness, numbers)| {
            let numbers = samples.iter().filter_map(|&sample| numbers.get(sample).copied());
            (sameness.clone(), numbers.collect())
        });
        Self {
            labels: labels.collect(),
            identities: identities.collect(),
        }
    }

    /// Appends those of further samples. What makes samples the same has to be known of all of them, or each is itself alone.
    pub fn append(&mut self, further: Self) {
        if self.is_empty() {
            *self = further;
            return;
        }
        if !further.is_empty() {
            self.identities
                .retain(|sameness, _| further.identities.contains_key(sameness));
        }
        for (sameness, numbers) in further.identities {
            if let Some(known) = self.identities.get_mut(&sameness) {
                known.extend(numbers);
            }
        }
        self.labels.extend(further.labels);
    }

    /// Positions of the samples that have a label; `None` if all have.
    pub fn labeled(&self) -> Option<Vec<usize>> {
        let labels = self.labels.iter().enumerate();
        let labeled = labels.filter(|(_, label)| !label.is_missing());
        let labeled: Vec<usize> = labeled.map(|(sample, _)| sample).collect();
        (labeled.len() < self.len()).then_some(labeled)
    }

    /// The class of each sample that has a label.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is of another kind.
    pub fn class_of_each(&self) -> Result<Labeled<usize>> {
        self.of_each(LabelKind::Class, |label| match label {
            Label::Class(class) => Some(Ok(*class)),
            _ => None,
        })
    }

    /// The classes of each sample that has a label.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is of another kind.
    pub fn classes_of_each(&self) -> Result<Labeled<Vec<usize>>> {
        self.of_each(LabelKind::Classes, |label| match label {
            Label::Classes(classes) => Some(Ok(classes.clone())),
            _ => None,
        })
    }

    /// The number of each sample that has a label.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is of another kind, [`Error::NonFinite`] if it is not finite.
    pub fn number_of_each(&self) -> Result<Labeled<f64>> {
        self.of_each(LabelKind::Number, |label| match label {
            Label::Number(number) => Some(finite(*number)),
            _ => None,
        })
    }

    /// What `of` reads of every label of the kind that is there.
    fn of_each<T>(&self, kind: LabelKind, of: impl Fn(&Label) -> Option<Result<T>>) -> Result<Labeled<T>> {
        let known = self.labels.iter().filter(|label| !label.is_missing());
        let values = known.map(|label| of(label).unwrap_or_else(|| Err(other_kind(kind, label))));
        Ok(Labeled {
            samples: self.len(),
            positions: self.labeled(),
            values: values.collect::<Result<_>>()?,
        })
    }
}

/// What is known of those samples of a batch that have a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Labeled<T> {
    /// Of the batch.
    samples: usize,
    /// `None` if every sample has a label.
    positions: Option<Vec<usize>>,
    values: Vec<T>,
}

impl<T> Labeled<T> {
    /// What is known of each, in the order of the batch.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The rows of `[batch, width]` that are theirs, on the tape. If every sample has a label, that is `rows` as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one row for each sample of the batch, [`Error::Data`] if none has a label,
    /// [`Error::Device`].
    pub fn rows(&self, rows: Logits) -> Result<Logits> {
        let &(batch, width) = rows.shape();
        self.check(batch, width)?;
        if self.values.is_empty() {
            let problem = "no sample has a label, expected at least one";
            return Err(Error::data("a batch", problem));
        }
        match &self.positions {
            None => Ok(rows),
            Some(positions) => {
                let index = RowIndex::new(&rows.device(), positions.clone())?;
                take_rows(rows, &index)
            }
        }
    }

    /// The rows of `[batch, width]` that are theirs, on the host.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one row for each sample of the batch.
    pub fn rows_of<'a>(&self, rows: &'a Array) -> Result<Cow<'a, Array>> {
        let &[batch, width] = rows.shape() else {
            return Err(Error::shape("a head's output", "[batch, width]", rows.shape()));
        };
        self.check(batch, width)?;
        let Some(positions) = &self.positions else {
            return Ok(Cow::Borrowed(rows));
        };
        let values = positions
            .iter()
            .flat_map(|&position| &rows.values()[position * width..][..width]);
        let values: Vec<f32> = values.copied().collect();
        Ok(Cow::Owned(Array::new([positions.len(), width], values)?))
    }

    /// A figure of each of them, from what a list of the whole batch has of it and from what is known: `None` where there
    /// is no label.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one entry for each sample of the batch.
    pub fn each_with<R: AsRef<[S]>, S, F>(
        &self,
        of_batch: &[R],
        mut figure: impl FnMut(&[S], &T) -> F,
    ) -> Result<Vec<Option<F>>> {
        self.check(of_batch.len(), 1)?;
        let figures = self.values.iter().enumerate().map(|(index, value)| {
            let position = self
                .positions
                .as_ref()
                .map_or(index, |positions| positions[index]);
            figure(of_batch[position].as_ref(), value)
        });
        Ok(self.spread(figures))
    }

    /// A figure of each of them as one of each sample of the batch: `None` where there is no label.
    pub fn spread<F>(&self, figures: impl IntoIterator<Item = F>) -> Vec<Option<F>> {
        let mut figures = figures.into_iter();
        match &self.positions {
            None => figures.map(Some).collect(),
            Some(positions) => {
                let mut spread: Vec<Option<F>> = (0..self.samples).map(|_| None).collect();
                for &position in positions {
                    spread[position] = figures.next();
                }
                spread
            }
        }
    }

    fn check(&self, batch: usize, width: usize) -> Result<()> {
        if batch == self.samples {
            return Ok(());
        }
        let expected = format!("one row for each of {} labels", self.samples);
        Err(Error::shape("a head's output", expected, [batch, width]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn targets(bits: &[u8]) -> Targets {
        let label = |&bits: &u8| match bits % 3 {
            0 => Label::Missing,
            _ => Label::Number(f64::from(bits)),
        };
        Targets::new(bits.iter().map(label).collect())
    }

    proptest! {
        #[test]
        fn selecting_and_appending_are_those_of_the_samples(
            bits in proptest::collection::vec(any::<u8>(), 1..8), at in 0_usize..8,
        ) {
            let all = targets(&bits);
            let at = at % bits.len();
            let (first, rest): (Vec<usize>, Vec<usize>) = (0..bits.len()).partition(|&sample| sample < at);
            let mut again = all.select(&first);
            again.append(all.select(&rest));
            prop_assert_eq!(again, all);
        }

        #[test]
        fn what_is_known_stays_with_its_sample(bits in proptest::collection::vec(any::<u8>(), 1..12)) {
            let targets = targets(&bits);
            let labeled = targets.number_of_each().unwrap();
            let expected: Vec<Option<f64>> = targets.labels.iter().map(|label| match label {
                Label::Number(number) => Some(*number),
                _ => None,
            }).collect();
            prop_assert_eq!(labeled.spread(labeled.values().iter().copied()), expected.clone());
            let rows = Array::new([bits.len(), 1], bits.iter().map(|&bits| f32::from(bits)).collect()).unwrap();
            let known: Vec<f64> = expected.iter().flatten().copied().collect();
            let found: Vec<f64> = labeled.rows_of(&rows).unwrap().values().iter().map(|&v| f64::from(v)).collect();
            prop_assert_eq!(&found, &known);
            let lists: Vec<[f32; 1]> = rows.values().iter().map(|&value| [value]).collect();
            let pairs = labeled.each_with(&lists, |list: &[f32], &number| (f64::from(list[0]), number)).unwrap();
            for (of_batch, number) in pairs.into_iter().flatten() {
                prop_assert_eq!(of_batch, number);
            }
        }
    }

    proptest! {
        #[test]
        fn who_is_the_same_stays_so_under_selecting_and_appending(
            numbers in proptest::collection::vec(0_u64..3, 1..8), at in 0_usize..8,
        ) {
            let all = targets(&vec![1; numbers.len()]).with_identities(Sameness::Text, numbers.clone()).unwrap();
            let at = at % numbers.len();
            let (first, rest): (Vec<usize>, Vec<usize>) = (0..numbers.len()).partition(|&sample| sample < at);
            let mut again = Targets::default();
            again.append(all.select(&first));
            again.append(all.select(&rest));
            prop_assert_eq!(&again, &all);
            prop_assert_eq!(again.identities(&Sameness::Text), Some(&numbers[..]));
            prop_assert_eq!(again.identities(&Sameness::Label), None);
            // Of some nothing is known, and so of all.
            again.append(targets(&[1]));
            prop_assert_eq!(again.identities(&Sameness::Text), None);
        }
    }

    #[test]
    fn numbers_of_other_samples_are_refused() {
        assert!(targets(&[1, 2]).with_identities(Sameness::Text, vec![0]).is_err());
    }

    #[test]
    fn labels_of_another_kind_and_numbers_that_are_none_are_refused() {
        let targets = Targets::new(vec![Label::Missing, Label::Class(1)]);
        assert_eq!(targets.class_of_each().unwrap().values(), [1]);
        assert!(matches!(targets.classes_of_each(), Err(Error::Data { .. })));
        assert!(matches!(targets.number_of_each(), Err(Error::Data { .. })));
        let targets = Targets::new(vec![Label::Number(f64::NAN)]);
        assert!(matches!(targets.number_of_each(), Err(Error::NonFinite { .. })));
    }

    #[test]
    fn a_batch_of_other_length_is_refused() {
        let labeled = targets(&[1, 2, 3]).number_of_each().unwrap();
        assert!(labeled.rows_of(&Array::zeros([2, 1])).is_err());
        assert!(labeled.rows_of(&Array::zeros([3])).is_err());
        assert!(labeled.each_with(&[[0.0]; 4], |_: &[f64], _| ()).is_err());
    }
}
