//! What the classes of a dataset are to its samples, and how far class scores are from that.
//!
//! A sample either has exactly one class, and class scores are a softmax under the cross entropy; or it has any
//! number of classes, and each score is a sigmoid of its own under the binary cross entropy. Everything else,
//! blending included, knows losses and probabilities alone.

use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::nn::{
    binary_cross_entropy, binary_cross_entropy_of_each, cross_entropy, cross_entropy_of_each,
    sigmoid_of_each, softmax_of_each,
};
use crate::tensor::{Logits, Loss};

/// What the classes of a dataset are to a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A sample has exactly one class.
    #[default]
    SingleLabel,
    /// A sample has any number of classes, none included.
    MultiLabel,
}

impl Task {
    /// The probability of each class for each row of logits `[batch, classes]`: a softmax, or a sigmoid of each.
    ///
    /// # Errors
    /// [`Error::Shape`] if the logits are no matrix.
    pub fn probabilities(self, logits: &Array) -> Result<Vec<Vec<f64>>> {
        match self {
            Self::SingleLabel => softmax_of_each(logits),
            Self::MultiLabel => sigmoid_of_each(logits),
        }
    }
}

/// The class or classes of one sample, as indices into [`Source::classes`](crate::Source::classes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// The one class of a sample under [`Task::SingleLabel`].
    Class(usize),
    /// The classes of a sample under [`Task::MultiLabel`], in ascending order and each once.
    Classes(Vec<usize>),
}

impl Label {
    /// Every class of the sample.
    pub fn classes(&self) -> &[usize] {
        match self {
            Self::Class(class) => std::slice::from_ref(class),
            Self::Classes(classes) => classes,
        }
    }

    /// The task that such labels are for.
    pub fn task(&self) -> Task {
        match self {
            Self::Class(_) => Task::SingleLabel,
            Self::Classes(_) => Task::MultiLabel,
        }
    }
}

impl From<usize> for Label {
    fn from(class: usize) -> Self {
        Self::Class(class)
    }
}

/// What the heads should say of each sample of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// One class per sample.
    Single(Vec<usize>),
    /// The classes of each sample.
    Multi(Vec<Vec<usize>>),
}

impl Targets {
    /// No targets yet.
    pub fn none(task: Task) -> Self {
        match task {
            Task::SingleLabel => Self::Single(Vec::new()),
            Task::MultiLabel => Self::Multi(Vec::new()),
        }
    }

    /// The labels of some samples.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is for another task.
    pub fn of<'a>(task: Task, labels: impl IntoIterator<Item = &'a Label>) -> Result<Self> {
        let mut targets = Self::none(task);
        for label in labels {
            match (&mut targets, label) {
                (Self::Single(classes), Label::Class(class)) => classes.push(*class),
                (Self::Multi(sets), Label::Classes(set)) => sets.push(set.clone()),
                _ => {
                    let problem = format!("a label for {:?}, expected one for {task:?}", label.task());
                    return Err(Error::data("the dataset", problem));
                }
            }
        }
        Ok(targets)
    }

    /// The task that they are for.
    pub fn task(&self) -> Task {
        match self {
            Self::Single(_) => Task::SingleLabel,
            Self::Multi(_) => Task::MultiLabel,
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Single(classes) => classes.len(),
            Self::Multi(sets) => sets.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes of sample `sample`; none beyond the last.
    pub fn classes(&self, sample: usize) -> &[usize] {
        match self {
            Self::Single(classes) => classes.get(sample).map_or(&[], std::slice::from_ref),
            Self::Multi(sets) => sets.get(sample).map_or(&[], Vec::as_slice),
        }
    }

    /// Those of the samples at these positions; positions beyond the last are left out.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        match self {
            Self::Single(classes) => {
                Self::Single(samples.iter().filter_map(|&s| classes.get(s).copied()).collect())
            }
            Self::Multi(sets) => Self::Multi(samples.iter().filter_map(|&s| sets.get(s).cloned()).collect()),
        }
    }

    /// Appends those of further samples.
    ///
    /// # Errors
    /// [`Error::Data`] if they are for another task.
    pub fn append(&mut self, further: Self) -> Result<()> {
        match (self, further) {
            (Self::Single(classes), Self::Single(further)) => classes.extend(further),
            (Self::Multi(sets), Self::Multi(further)) => sets.extend(further),
            _ => {
                return Err(Error::data(
                    "a batch",
                    "labels for another task than those before it",
                ));
            }
        }
        Ok(())
    }

    /// The mean loss of logits `[batch, classes]`: the cross entropy, or the mean over classes of the binary one.
    ///
    /// # Errors
    /// As [`cross_entropy`].
    pub fn loss(&self, logits: Logits) -> Result<Loss> {
        match self {
            Self::Single(classes) => cross_entropy(logits, classes),
            Self::Multi(sets) => binary_cross_entropy(logits, sets),
        }
    }

    /// The loss of each sample in `f64`, from logits `[batch, classes]` on the host.
    ///
    /// # Errors
    /// As [`cross_entropy`].
    pub fn loss_of_each(&self, logits: &Array) -> Result<Vec<f64>> {
        match self {
            Self::Single(classes) => cross_entropy_of_each(logits, classes),
            Self::Multi(sets) => binary_cross_entropy_of_each(logits, sets),
        }
    }

    /// The loss of each sample in `f64`, from the probability of each class. One that rounds to 0 counts as the
    /// smallest there is: the loss stays finite.
    pub fn loss_of_probabilities(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let surprise = |probability: f64| -probability.max(f64::MIN_POSITIVE).ln();
        let losses = rows.iter().enumerate().map(|(sample, row)| match self {
            Self::Single(_) => self
                .classes(sample)
                .iter()
                .map(|&class| surprise(row[class]))
                .sum(),
            Self::Multi(_) => mean_over_classes(row, self.classes(sample), surprise),
        });
        losses.collect()
    }

    /// The probability that each row gives to what is right: of the class, or as a mean over the classes, of those
    /// that the sample has and against those that it has not.
    pub fn probability_of_right(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let right = rows.iter().enumerate().map(|(sample, row)| match self {
            Self::Single(_) => self.classes(sample).iter().map(|&class| row[class]).sum(),
            Self::Multi(_) => mean_over_classes(row, self.classes(sample), |probability| probability),
        });
        right.collect()
    }
}

/// The mean over classes of `of` the probability that is given to what is right of each.
fn mean_over_classes(row: &[f64], classes: &[usize], of: impl Fn(f64) -> f64) -> f64 {
    let terms = row.iter().enumerate().map(|(class, &probability)| {
        of(if classes.contains(&class) {
            probability
        } else {
            1.0 - probability
        })
    });
    terms.sum::<f64>() / row.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn targets(task: Task, bits: &[u8]) -> Targets {
        let label = |&bits: &u8| match task {
            Task::SingleLabel => Label::Class(usize::from(bits % 3)),
            Task::MultiLabel => Label::Classes((0..3).filter(|class| bits >> class & 1 == 1).collect()),
        };
        let labels: Vec<Label> = bits.iter().map(label).collect();
        Targets::of(task, &labels).unwrap()
    }

    proptest! {
        #[test]
        fn losses_from_probabilities_are_those_from_logits(
            values in proptest::collection::vec(-20.0_f32..20.0, 12),
            bits in proptest::collection::vec(any::<u8>(), 4),
            multi: bool,
        ) {
            let task = if multi { Task::MultiLabel } else { Task::SingleLabel };
            let logits = Array::new([4, 3], values).unwrap();
            let targets = targets(task, &bits);
            let rows = task.probabilities(&logits).unwrap();
            for (a, b) in targets.loss_of_each(&logits).unwrap().iter().zip(targets.loss_of_probabilities(&rows)) {
                prop_assert!((a - b).abs() < 1e-6 * a.max(1.0), "{} {}", a, b);
            }
        }

        #[test]
        fn selecting_and_appending_are_those_of_the_samples(
            bits in proptest::collection::vec(any::<u8>(), 1..8), at in 0_usize..8, multi: bool,
        ) {
            let task = if multi { Task::MultiLabel } else { Task::SingleLabel };
            let all = targets(task, &bits);
            let at = at % bits.len();
            let (first, rest): (Vec<usize>, Vec<usize>) = (0..bits.len()).partition(|&sample| sample < at);
            let mut again = all.select(&first);
            again.append(all.select(&rest)).unwrap();
            prop_assert_eq!(again, all);
        }
    }

    #[test]
    fn labels_of_two_tasks_do_not_mix() {
        assert!(Targets::of(Task::SingleLabel, &[Label::Classes(vec![0])]).is_err());
        assert!(Targets::of(Task::MultiLabel, &[Label::Class(0)]).is_err());
        assert!(
            Targets::none(Task::MultiLabel)
                .append(Targets::none(Task::SingleLabel))
                .is_err()
        );
    }

    #[test]
    fn what_is_right_is_a_class_or_each_answer() {
        let rows = vec![vec![0.7, 0.2, 0.1]];
        assert_eq!(Targets::Single(vec![1]).probability_of_right(&rows), [0.2]);
        let multi = Targets::Multi(vec![vec![0]]).probability_of_right(&rows)[0];
        assert!((multi - (0.7 + 0.8 + 0.9) / 3.0).abs() < 1e-15);
    }
}
