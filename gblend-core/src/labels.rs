//! The labels of many samples in few bytes.

use crate::error::{Error, Result};
use crate::label::{Label, LabelKind, finite, other_kind};
use crate::targets::Targets;

/// The class of a sample without a label. No class has this index: [`Labels::push`] refuses it.
const MISSING: u32 = u32::MAX;

/// The labels of samples 0, 1, …, all of one kind or missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Class(Vec<u32>),
    Classes {
        /// Those of each sample, one sample after another.
        classes: Vec<u32>,
        /// Where those of each sample end.
        ends: Vec<usize>,
    },
    /// NaN where there is none: a label is finite.
    Number(Vec<f64>),
}

/// Missing numbers are alike, which NaNs are not.
impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Classes { classes, ends }, Self::Classes { classes: b, ends: e }) => {
                classes == b && ends == e
            }
            (Self::Number(a), Self::Number(b)) => {
                let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
                bits(a) == bits(b)
            }
            _ => false,
        }
    }
}

impl Labels {
    /// No labels yet.
    pub fn none(kind: LabelKind) -> Self {
        Self::with_capacity(kind, 0)
    }

    /// No labels yet, with room for those of `samples` samples.
    pub fn with_capacity(kind: LabelKind, samples: usize) -> Self {
        Self(match kind {
            LabelKind::Class => Kept::Class(Vec::with_capacity(samples)),
            LabelKind::Classes => Kept::Classes {
                classes: Vec::new(),
                ends: Vec::with_capacity(samples),
            },
            LabelKind::Number => Kept::Number(Vec::with_capacity(samples)),
        })
    }

    /// These labels, of samples 0, 1, ….
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn of<'a>(kind: LabelKind, labels: impl IntoIterator<Item = &'a Label>) -> Result<Self> {
        let mut all = Self::none(kind);
        labels.into_iter().try_for_each(|label| all.push(label))?;
        Ok(all)
    }

    /// Appends the label of the next sample.
    ///
    /// # Errors
    /// [`Error::Data`] if the label is of another kind or names a class that 32 bits do not hold,
    /// [`Error::NonFinite`] if it is a number that is not finite.
    pub fn push(&mut self, label: &Label) -> Result<()> {
        let narrow = |class: usize| {
            let narrow = u32::try_from(class).ok().filter(|&class| class != MISSING);
            narrow.ok_or_else(|| {
                Error::data(
                    "the dataset",
                    format!("class {class}, expected less than 2^32 - 1"),
                )
            })
        };
        match (&mut self.0, label) {
            (Kept::Class(all), Label::Missing) => all.push(MISSING),
            (Kept::Class(all), Label::Class(class)) => all.push(narrow(*class)?),
            (Kept::Classes { classes, ends }, Label::Missing) => {
                classes.push(MISSING);
                ends.push(classes.len());
            }
            (Kept::Classes { classes, ends }, Label::Classes(set)) => {
                let set: Vec<u32> = set.iter().map(|&class| narrow(class)).collect::<Result<_>>()?;
                classes.extend(set);
                ends.push(classes.len());
            }
            (Kept::Number(all), Label::Missing) => all.push(f64::NAN),
            (Kept::Number(all), Label::Number(number)) => all.push(finite(*number)?),
            (_, label) => return Err(other_kind(self.kind(), label)),
        }
        Ok(())
    }

    /// The kind of all labels that there are.
    pub fn kind(&self) -> LabelKind {
        match &self.0 {
            Kept::Class(_) => LabelKind::Class,
            Kept::Classes { .. } => LabelKind::Classes,
            Kept::Number(_) => LabelKind::Number,
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Class(classes) => classes.len(),
            Kept::Classes { ends, .. } => ends.len(),
            Kept::Number(numbers) => numbers.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of a sample; beyond the last one there is none.
    pub fn get(&self, sample: usize) -> Label {
        match &self.0 {
            _ if self.is_missing(sample) => Label::Missing,
            Kept::Class(classes) => Label::Class(classes[sample] as usize),
            Kept::Classes { .. } => Label::Classes(self.classes(sample).collect()),
            Kept::Number(numbers) => Label::Number(numbers[sample]),
        }
    }

    /// Whether a sample has no label.
    pub fn is_missing(&self, sample: usize) -> bool {
        match &self.0 {
            Kept::Class(classes) => classes.get(sample).is_none_or(|&class| class == MISSING),
            Kept::Classes { ends, .. } => sample >= ends.len() || self.stored(sample) == [MISSING],
            Kept::Number(numbers) => numbers.get(sample).is_none_or(|number| number.is_nan()),
        }
    }

    /// The classes of a sample.
    pub fn classes(&self, sample: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let known = self.stored(sample).iter().filter(|&&class| class != MISSING);
        known.map(|&class| class as usize)
    }

    /// The number of a sample.
    pub fn number(&self, sample: usize) -> Option<f64> {
        match &self.0 {
            Kept::Number(numbers) => numbers.get(sample).copied().filter(|number| !number.is_nan()),
            _ => None,
        }
    }

    /// The label of each sample in turn.
    pub fn iter(&self) -> impl Iterator<Item = Label> + '_ {
        (0..self.len()).map(|sample| self.get(sample))
    }

    /// Those of some samples, in this order.
    #[must_use]
    pub fn select(&self, samples: impl IntoIterator<Item = usize>) -> Self {
        let samples = samples.into_iter();
        Self(match &self.0 {
            Kept::Class(classes) => Kept::Class(samples.filter_map(|s| classes.get(s).copied()).collect()),
            Kept::Classes { ends, .. } => {
                let (mut found, mut found_ends) = (Vec::new(), Vec::new());
                for sample in samples.filter(|&sample| sample < ends.len()) {
                    found.extend_from_slice(self.stored(sample));
                    found_ends.push(found.len());
                }
                Kept::Classes {
                    classes: found,
                    ends: found_ends,
                }
            }
            Kept::Number(numbers) => Kept::Number(samples.filter_map(|s| numbers.get(s).copied()).collect()),
        })
    }

    /// Those of some samples, each at its place; the others are missing.
    #[must_use]
    pub fn only(&self, samples: impl IntoIterator<Item = usize>) -> Self {
        let mut only = Self::with_capacity(self.kind(), self.len());
        let mut wanted = vec![false; self.len()];
        for sample in samples {
            if let Some(wanted) = wanted.get_mut(sample) {
                *wanted = true;
            }
        }
        for (sample, wanted) in wanted.into_iter().enumerate() {
            match &mut only.0 {
                Kept::Class(classes) if wanted => classes.extend(self.stored(sample)),
                Kept::Class(classes) => classes.push(MISSING),
                Kept::Classes { classes, ends } => {
                    if wanted {
                        classes.extend(self.stored(sample));
                    } else {
                        classes.push(MISSING);
                    }
                    ends.push(classes.len());
                }
                Kept::Number(numbers) => {
                    let number = self.number(sample).filter(|_| wanted);
                    numbers.push(number.unwrap_or(f64::NAN));
                }
            }
        }
        only
    }

    /// What the heads should say of some samples.
    pub fn targets(&self, samples: &[usize]) -> Targets {
        Targets::new(samples.iter().map(|&sample| self.get(sample)).collect())
    }

    fn stored(&self, sample: usize) -> &[u32] {
        match &self.0 {
            Kept::Class(classes) => classes.get(sample..=sample).unwrap_or_default(),
            Kept::Classes { classes, ends } => {
                let start = sample
                    .checked_sub(1)
                    .map_or(Some(0), |before| ends.get(before).copied());
                let range = start.zip(ends.get(sample).copied());
                range
                    .and_then(|(start, end)| classes.get(start..end))
                    .unwrap_or_default()
            }
            Kept::Number(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Labels of a kind from arbitrary bits, one of eight missing.
    fn label(kind: LabelKind, bits: u16) -> Label {
        match kind {
            _ if bits.is_multiple_of(8) => Label::Missing,
            LabelKind::Class => Label::Class(usize::from(bits)),
            LabelKind::Classes => Label::Classes((0..9).filter(|class| bits >> class & 1 == 1).collect()),
            LabelKind::Number => Label::Number(f64::from(bits) / 7.0 - 1000.0),
        }
    }

    proptest! {
        #[test]
        fn labels_are_kept_as_they_were(bits in proptest::collection::vec(any::<u16>(), 1..20), kind in 0_usize..3) {
            let kind = LabelKind::ALL[kind];
            let labels: Vec<Label> = bits.iter().map(|&bits| label(kind, bits)).collect();
            let kept = Labels::of(kind, &labels).unwrap();
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), labels.clone());
            for (sample, label) in labels.iter().enumerate() {
                prop_assert_eq!(kept.classes(sample).collect::<Vec<_>>(), label.classes());
                prop_assert_eq!(kept.is_missing(sample), label.is_missing());
            }
            let samples: Vec<usize> = (0..labels.len()).rev().step_by(2).collect();
            let some: Vec<Label> = samples.iter().map(|&sample| labels[sample].clone()).collect();
            prop_assert_eq!(kept.targets(&samples), Targets::new(some.clone()));
            let only = kept.only(samples.iter().copied());
            for (sample, label) in labels.iter().enumerate() {
                let expected = if samples.contains(&sample) { label.clone() } else { Label::Missing };
                prop_assert_eq!(only.get(sample), expected);
            }
            prop_assert_eq!(kept.select(samples), Labels::of(kind, &some).unwrap());
        }
    }

    #[test]
    fn a_label_of_another_kind_a_class_beyond_32_bits_and_a_number_that_is_none_are_refused() {
        for (kind, label) in [
            (LabelKind::Class, Label::Classes(vec![0])),
            (LabelKind::Classes, Label::Class(0)),
            (LabelKind::Number, Label::Class(0)),
            (LabelKind::Class, Label::Number(1.0)),
            (LabelKind::Class, Label::Class(u32::MAX as usize)),
            (LabelKind::Classes, Label::Classes(vec![0, 1 << 32])),
            (LabelKind::Number, Label::Number(f64::NAN)),
            (LabelKind::Number, Label::Number(f64::INFINITY)),
        ] {
            assert!(Labels::none(kind).push(&label).is_err(), "{label:?}");
        }
    }

    #[test]
    fn a_refused_label_leaves_the_others_as_they_were() {
        let mut labels = Labels::of(LabelKind::Classes, &[Label::Classes(vec![1])]).unwrap();
        assert!(labels.push(&Label::Classes(vec![0, 1 << 32])).is_err());
        assert_eq!(labels.iter().collect::<Vec<_>>(), [Label::Classes(vec![1])]);
    }
}
