//! What is right for every sample of a dataset, in few bytes.

use gblend_core::{Error, Label, Result, Targets, Task};

/// The labels of samples 0, 1, … of a dataset.
#[derive(Debug)]
pub(super) enum Labels {
    /// The one class of each.
    Single(Vec<u32>),
    /// The classes of each, one sample after another.
    Multi {
        classes: Vec<u32>,
        /// Where those of each sample end.
        ends: Vec<usize>,
    },
}

impl Labels {
    /// No labels yet, with room for those of `samples` samples.
    pub(super) fn none(task: Task, samples: usize) -> Self {
        match task {
            Task::SingleLabel => Self::Single(Vec::with_capacity(samples)),
            Task::MultiLabel => Self::Multi {
                classes: Vec::new(),
                ends: Vec::with_capacity(samples),
            },
        }
    }

    /// The labels of samples that are known to be for `task`.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(super) fn of<'a>(task: Task, labels: impl ExactSizeIterator<Item = &'a Label>) -> Result<Self> {
        let mut all = Self::none(task, labels.len());
        for label in labels {
            all.push(label)?;
        }
        Ok(all)
    }

    /// Appends the label of the next sample.
    ///
    /// # Errors
    /// [`Error::Data`] if it is for another task, or a class is beyond 32 bits.
    pub(super) fn push(&mut self, label: &Label) -> Result<()> {
        let class = |class: usize| {
            u32::try_from(class).map_err(|_| {
                let problem = format!("label {class}, expected at most {}", u32::MAX);
                Error::data("the dataset", problem)
            })
        };
        match (self, label) {
            (Self::Single(classes), Label::Class(of_sample)) => classes.push(class(*of_sample)?),
            (Self::Multi { classes, ends }, Label::Classes(of_sample)) => {
                for &of_sample in of_sample {
                    classes.push(class(of_sample)?);
                }
                ends.push(classes.len());
            }
            (all, label) => {
                let (found, expected) = (label.task(), all.task());
                let problem = format!("a label for {found:?}, expected one for {expected:?}");
                return Err(Error::data("the dataset", problem));
            }
        }
        Ok(())
    }

    /// The task that they are for.
    pub(super) fn task(&self) -> Task {
        match self {
            Self::Single(_) => Task::SingleLabel,
            Self::Multi { .. } => Task::MultiLabel,
        }
    }

    /// The classes of one sample.
    pub(super) fn classes(&self, sample: usize) -> impl Iterator<Item = usize> + Clone {
        let classes = match self {
            Self::Single(classes) => std::slice::from_ref(&classes[sample]),
            Self::Multi { classes, ends } => {
                let start = sample.checked_sub(1).map_or(0, |before| ends[before]);
                &classes[start..ends[sample]]
            }
        };
        classes.iter().map(|&class| class as usize)
    }

    /// What the heads should say of some samples.
    pub(super) fn targets(&self, samples: &[usize]) -> Targets {
        let samples = samples.iter();
        match self {
            Self::Single(classes) => Targets::Single(samples.map(|&s| classes[s] as usize).collect()),
            Self::Multi { .. } => Targets::Multi(samples.map(|&s| self.classes(s).collect()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_are_kept_as_they_were(
            sets in proptest::collection::vec(proptest::collection::btree_set(0_usize..9, 0..4), 1..20), multi: bool,
        ) {
            let label = |set: &std::collections::BTreeSet<usize>| match multi {
                true => Label::Classes(set.iter().copied().collect()),
                false => Label::Class(set.len()),
            };
            let (labels, task): (Vec<Label>, _) = (
                sets.iter().map(label).collect(),
                if multi { Task::MultiLabel } else { Task::SingleLabel },
            );
            let kept = Labels::of(task, labels.iter()).unwrap();
            for (sample, label) in labels.iter().enumerate() {
                prop_assert_eq!(kept.classes(sample).collect::<Vec<_>>(), label.classes());
            }
            let samples: Vec<usize> = (0..labels.len()).rev().collect();
            let expected = Targets::of(task, samples.iter().map(|&sample| &labels[sample])).unwrap();
            prop_assert_eq!(kept.targets(&samples), expected);
        }
    }

    #[test]
    fn a_label_for_another_task_or_of_a_class_beyond_32_bits_is_refused() {
        for (task, label) in [
            (Task::SingleLabel, Label::Classes(vec![0])),
            (Task::MultiLabel, Label::Class(0)),
            (Task::SingleLabel, Label::Class(1 << 32)),
            (Task::MultiLabel, Label::Classes(vec![0, 1 << 32])),
        ] {
            assert!(Labels::none(task, 1).push(&label).is_err(), "{label:?}");
        }
    }
}
