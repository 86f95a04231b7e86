//! Whether training went on for long enough for its figures to mean anything.

use crate::records::{ClassWeight, Confusion, Counts};
use crate::report::charts::{figure, percent, wilson};
use crate::report::reading::Run;

/// A loss that is at least this share of that of guessing is no better.
const AS_GUESSING: f64 = 0.95;

/// The last part of training: a fifth of the epochs.
const LAST_PART: usize = 5;

/// A loss that fell by more in the last part, as a share of all that it fell, had not come to rest. One that falls
/// exponentially is then above a fifth of what it began with.
const STILL_FALLING: f64 = 0.1;

/// How far training got.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Learning {
    /// What guessing is worth, where the test samples tell.
    guess: Option<Guess>,
    /// Trained heads, by position: their training losses, epoch by epoch.
    losses: Vec<(usize, Vec<f64>)>,
    /// Those whose training loss is no better than guessing at the end.
    untaught: Vec<usize>,
    /// Those whose losses still fall at the end.
    falling: Vec<usize>,
}

/// What a network reaches that knows how frequent classes are, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Guess {
    /// The loss of saying so.
    loss: f64,
    /// The accuracy of always saying the most frequent class; with several labels, and where classes are weighted, there is
    /// none.
    accuracy: Option<f64>,
}

impl Guess {
    /// By how frequent the classes are among the samples of these counts, under the weights of classes that losses have.
    fn of(confusion: &Confusion, weights: &[ClassWeight]) -> Option<Self> {
        let share = |count: u64, all: u64| (all > 0).then(|| count as f64 / all as f64);
        let having = |class: usize| weights.get(class).map_or(1.0, |weight| weight.weight);
        let lacking = |class: usize| {
            weights
                .get(class)
                .and_then(|weight| weight.without)
                .unwrap_or(1.0)
        };
        // Each answer is given the probability that is its part of the whole.
        let loss = |masses: &[f64]| -> f64 {
            let whole: f64 = masses.iter().sum();
            let told = masses.iter().filter(|mass| **mass > 0.0);
            told.map(|mass| -mass * (mass / whole).ln()).sum()
        };
        match &confusion.counts {
            Counts::Matrix(matrix) => {
                let sums = matrix.iter().map(|row| row.iter().sum());
                let sums: Vec<u64> = sums.collect();
                let all = sums.iter().sum();
                let shares: Option<Vec<f64>> = sums.iter().map(|&sum| share(sum, all)).collect();
                let shares = shares?;
                let masses = shares
                    .iter()
                    .enumerate()
                    .map(|(class, share)| having(class) * share);
                let most_frequent = shares.iter().copied().fold(0.0, f64::max);
                Some(Self {
                    loss: loss(&masses.collect::<Vec<_>>()),
                    accuracy: Some(most_frequent).filter(|_| weights.is_empty()),
                })
            }
            Counts::PerClass(classes) => {
                let shares = classes.iter().map(|class| {
                    let has = class.true_positives + class.false_negatives;
                    share(has, has + class.false_positives + class.true_negatives)
                });
                let shares: Vec<f64> = shares.collect::<Option<_>>()?;
                let terms = shares
                    .iter()
                    .enumerate()
                    .map(|(class, share)| loss(&[having(class) * share, lacking(class) * (1.0 - share)]));
                Some(Self {
                    loss: terms.sum::<f64>() / shares.len().max(1) as f64,
                    accuracy: None,
                })
            }
            // The loss of the best guess of a number depends on what errors count.
            Counts::Pairs(_) | Counts::Nothing => None,
        }
    }
}

impl Learning {
    /// Of a run.
    pub(super) fn of(run: &Run) -> Self {
        let weights = &run.summary.class_weights;
        let guess = run.test.as_ref();
        let guess = guess.and_then(|test| Guess::of(&test.prediction, weights));
        let losses: Vec<(usize, Vec<f64>)> = run
            .trained()
            .map(|(head, _)| (head, run.training(head).map(|(_, of)| of.loss).collect()))
            .collect();
        let untaught = losses.iter().filter(|(_, losses)| {
            let guess = guess.filter(|guess| guess.loss > 0.0);
            guess
                .zip(losses.last())
                .is_some_and(|(guess, &last)| last >= AS_GUESSING * guess.loss)
        });
        let untaught: Vec<usize> = untaught.map(|(head, _)| *head).collect();
        let falling = losses.iter().filter(|(head, losses)| {
            !untaught.contains(head) && still_falls(losses) && still_generalizes(run, *head)
        });
        Self {
            guess,
            falling: falling.map(|(head, _)| *head).collect(),
            untaught,
            losses,
        }
    }

    /// Whether no head has learned even its training samples.
    pub(super) fn is_nothing(&self) -> bool {
        !self.untaught.is_empty() && self.untaught.len() == self.losses.len()
    }

    /// Whether some head could have learned more in more epochs.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.untaught.is_empty() || !self.falling.is_empty()
    }

    /// Whether the joint head had the time to show what it is good for, and is better than guessing.
    pub(super) fn joint_can_be_judged(&self, run: &Run) -> bool {
        let joint = run.summary.heads.len() - 1;
        !self.untaught.contains(&joint) && !self.falling.contains(&joint) && self.at_chance(run).is_none()
    }

    /// The interval of the run's accuracy, if guessing is in it or above it, and the accuracy of guessing.
    fn at_chance(&self, run: &Run) -> Option<((f64, f64), f64)> {
        let guess = self.guess?.accuracy?;
        let interval = wilson(run.prediction()?.test_accuracy?, run.test_samples())?;
        // One class alone is always guessed right.
        (guess < 1.0 && interval.0 <= guess).then_some((interval, guess))
    }

    /// What there is to say of it.
    pub(super) fn sentences(&self, run: &Run) -> Vec<String> {
        let epochs = run.summary.epochs;
        let mut sentences = Vec::new();
        if let (Some(guess), false) = (self.guess, self.untaught.is_empty()) {
            let list = self.list(run, &self.untaught, |losses| losses.last().copied().map(figure));
            let guess = figure(guess.loss);
            sentences.push(if self.is_nothing() {
                format!(
                    "Nothing is learned yet: after {epochs} epoch(s) the training losses ({list}) are still those of \
                     guessing by how frequent the classes are ({guess}), and no other figure of the heads means anything. \
                     Train for longer (run.epochs), or with another learning rate (optimizer.learning_rate); if that \
                     changes nothing, look at whether the labels belong to the samples."
                )
            } else {
                format!(
                    "After {epochs} epoch(s) the training loss of some heads ({list}) is still that of guessing by how \
                     frequent the classes are ({guess}). Longer training (run.epochs) or another learning rate tells \
                     whether they have anything to learn from."
                )
            });
        }
        if let (false, Some(((low, high), guess))) = (self.is_nothing(), self.at_chance(run)) {
            sentences.push(format!(
                "Nothing on the test samples shows that the run is better than guessing: its accuracy lies between {} and \
                 {}, always saying the most frequent class reaches {}. Either they are too few, or what it learns from its \
                 training samples does not carry over: more samples, augmentation or a smaller encoder come before any \
                 other setting.",
                percent(low),
                percent(high),
                percent(guess)
            ));
        }
        if !self.falling.is_empty() {
            let list = self.list(run, &self.falling, |losses| {
                let before = losses.get(losses.len().checked_sub(1 + last_part(losses.len()))?)?;
                Some(format!("from {} to {}", figure(*before), figure(*losses.last()?)))
            });
            sentences.push(format!(
                "Training ended while losses still fell: {list} in the last fifth of the epochs. Train for longer \
                 (run.epochs, {epochs} here) before other settings are judged."
            ));
        }
        sentences
    }

    /// Heads by name, with what there is to say of their losses.
    fn list(&self, run: &Run, heads: &[usize], say: impl Fn(&[f64]) -> Option<String>) -> String {
        let wanted = self.losses.iter().filter(|(head, _)| heads.contains(head));
        let said = wanted.filter_map(|(head, losses)| {
            let name = &run.summary.heads.get(*head)?.name;
            Some(format!("{name} {}", say(losses)?))
        });
        said.collect::<Vec<_>>().join(", ")
    }
}

/// The number of steps from one epoch to the next that are the last part of so many epochs.
fn last_part(epochs: usize) -> usize {
    epochs.div_ceil(LAST_PART)
}

/// Whether a good part of all that a loss fell, it fell in the last part.
fn still_falls(losses: &[f64]) -> bool {
    let before = losses.len().checked_sub(1 + last_part(losses.len()));
    let (Some(before), Some(first), Some(last)) = (
        before.and_then(|at| losses.get(at)),
        losses.first(),
        losses.last(),
    ) else {
        return false;
    };
    let (in_all, at_the_end) = (first - last, before - last);
    in_all > 0.0 && at_the_end > STILL_FALLING * in_all
}

/// Whether the validation loss of a head, if there is one, was lowest in the last part too.
fn still_generalizes(run: &Run, head: usize) -> bool {
    let losses: Vec<f64> = run.validation(head).map(|(_, of)| of.loss).collect();
    let lowest = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    lowest.is_none_or(|(at, _)| at + last_part(losses.len()) >= losses.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decay(epochs: usize, rate: f64) -> Vec<f64> {
        (0..epochs)
            .map(|epoch| (-rate * epoch as f64 / epochs as f64).exp())
            .collect()
    }

    proptest! {
        #[test]
        fn a_loss_that_falls_all_the_way_has_not_come_to_rest(epochs in 2_usize..200, slope in 0.01..1.0_f64) {
            let losses: Vec<f64> = (0..epochs).map(|epoch| 500.0 - slope * epoch as f64).collect();
            prop_assert!(still_falls(&losses));
        }

        #[test]
        fn a_loss_that_rose_or_stayed_has(epochs in 1_usize..200, slope in 0.0..1.0_f64) {
            let losses: Vec<f64> = (0..epochs).map(|epoch| 1.0 + slope * epoch as f64).collect();
            prop_assert!(!still_falls(&losses));
        }

        #[test]
        fn how_long_an_exponential_was_followed_decides(epochs in 10_usize..200) {
            // At the end 37 % are left, or 2 %.
            prop_assert!(still_falls(&decay(epochs, 1.0)));
            prop_assert!(!still_falls(&decay(epochs, 4.0)));
        }

        #[test]
        fn guessing_is_worth_the_entropy_of_the_classes(counts in proptest::collection::vec(1_u64..50, 2..6)) {
            let rows = counts.iter().enumerate().map(|(class, &count)| {
                (0..counts.len()).map(|said| if said == class { count } else { 0 }).collect()
            });
            let confusion = Confusion {
                name: "joint".into(),
                samples: counts.iter().sum(),
                counts: Counts::Matrix(rows.collect()),
            };
            let guess = Guess::of(&confusion, &[]);
            let classes = counts.len() as f64;
            let bounds = guess.map(|guess| (guess.loss > 0.0, guess.loss <= classes.ln() + 1e-12));
            prop_assert_eq!(bounds, Some((true, true)));
            let equal = counts.iter().all(|count| *count == counts[0]);
            let reached = guess.is_some_and(|guess| (guess.loss - classes.ln()).abs() < 1e-12);
            prop_assert_eq!(equal, reached);
        }

        #[test]
        fn under_balanced_weights_guessing_is_worth_as_much_as_if_classes_were_equally_frequent(
            counts in proptest::collection::vec(1_u64..50, 2..6),
        ) {
            let classes = counts.len();
            let row = |class: usize| (0..classes).map(|said| if said == class { counts[class] } else { 0 }).collect();
            let confusion = Confusion {
                name: "joint".into(),
                samples: counts.iter().sum(),
                counts: Counts::Matrix((0..classes).map(row).collect()),
            };
            let weights: Vec<ClassWeight> = counts
                .iter()
                .map(|&count| ClassWeight {
                    class: count.to_string(),
                    weight: confusion.samples as f64 / (classes as f64 * count as f64),
                    without: None,
                })
                .collect();
            let guess = Guess::of(&confusion, &weights);
            prop_assert!(guess.is_some_and(|guess| (guess.loss - (classes as f64).ln()).abs() < 1e-9));
            prop_assert!(guess.is_some_and(|guess| guess.accuracy.is_none()));
        }
    }
}
