//! How sure an estimate is: the movement of resampled samples or batches.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{Movements, Symmetric};
use crate::error::{Error, Result};

/// The change of every head's loss between two checkpoints, sample by sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LossChanges {
    /// `[head][sample]`: loss after minus loss before, on samples that were trained on.
    train: Vec<Vec<Option<f64>>>,
    /// The same on samples that were not.
    held_out: Vec<Vec<Option<f64>>>,
}

impl LossChanges {
    /// From the changes of each head on the same samples.
    ///
    /// # Errors
    /// [`Error::Shape`] if a list is empty or the heads do not have equally many samples, and
    /// [`Error::NonFinite`].
    pub fn new(train: Vec<Vec<f64>>, held_out: Vec<Vec<f64>>) -> Result<Self> {
        Self::with_gaps(without_gaps(train), without_gaps(held_out))
    }

    /// As [`new`](Self::new), with `None` for samples that have nothing for a head to see, because they lack its
    /// modality. A head's means are over the samples that it sees.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Shape`] if a head sees no sample.
    pub fn with_gaps(train: Vec<Vec<Option<f64>>>, held_out: Vec<Vec<Option<f64>>>) -> Result<Self> {
        if train.len() != held_out.len() {
            let expected = format!("held-out changes of {} heads", train.len());
            return Err(Error::shape("loss changes", expected, [held_out.len()]));
        }
        check("training", &train)?;
        check("held-out", &held_out)?;
        Ok(Self { train, held_out })
    }

    /// Means over the samples, and the covariance of the error that their finite number leaves in `ΔO`.
    pub fn movements(&self) -> Movements {
        let all = |samples: &[Vec<Option<f64>>]| (0..samples.first().map_or(0, Vec::len)).collect::<Vec<_>>();
        self.movements_of(&all(&self.train), &all(&self.held_out))
    }

    /// The same from as many samples drawn with replacement. Every head sees the same draw.
    pub fn resampled(&self, rng: &mut impl Rng) -> Movements {
        let train = draw(self.train.first().map_or(0, Vec::len), rng);
        let held_out = draw(self.held_out.first().map_or(0, Vec::len), rng);
        self.movements_of(&train, &held_out)
    }

    fn movements_of(&self, train: &[usize], held_out: &[usize]) -> Movements {
        let means = |changes: &[Vec<Option<f64>>], samples: &[usize]| -> Vec<f64> {
            changes.iter().map(|changes| mean(changes, samples)).collect()
        };
        let (on_train, on_held_out) = (means(&self.train, train), means(&self.held_out, held_out));
        Movements {
            delta_o: on_held_out.iter().zip(&on_train).map(|(v, t)| v - t).collect(),
            delta_g: on_held_out.iter().map(|v| -v).collect(),
            // The two sets of samples are independent, so their errors add.
            covariance: Symmetric::from_fn(self.train.len(), |j, k| {
                error_of_mean(&self.held_out[j], &self.held_out[k], held_out)
                    + error_of_mean(&self.train[j], &self.train[k], train)
            }),
        }
    }
}

/// First-order movements per batch: inner products of a head's step with the gradients of its losses.
#[derive(Clone, Debug, PartialEq)]
pub struct InnerProducts {
    /// `[head][batch]`: `o_k = ⟨∇L^T − ∇L^V, v_k⟩`.
    overfitting: Vec<Vec<Option<f64>>>,
    /// `[head][batch]`: `b_k = ⟨∇L^V, v_k⟩`.
    gain: Vec<Vec<Option<f64>>>,
}

impl InnerProducts {
    /// From the inner products of each head over the same batches.
    ///
    /// # Errors
    /// As [`LossChanges::new`].
    pub fn new(overfitting: Vec<Vec<f64>>, gain: Vec<Vec<f64>>) -> Result<Self> {
        Self::with_gaps(without_gaps(overfitting), without_gaps(gain))
    }

    /// As [`new`](Self::new), with `None` for batches without a sample that a head sees.
    ///
    /// # Errors
    /// As [`LossChanges::with_gaps`].
    pub fn with_gaps(overfitting: Vec<Vec<Option<f64>>>, gain: Vec<Vec<Option<f64>>>) -> Result<Self> {
        let sizes = |lists: &[Vec<Option<f64>>]| lists.iter().map(Vec::len).collect::<Vec<_>>();
        if sizes(&overfitting) != sizes(&gain) {
            let expected = format!("gains for batches {:?}", sizes(&overfitting));
            return Err(Error::shape("inner products", expected, sizes(&gain)));
        }
        check("overfitting", &overfitting)?;
        check("gain", &gain)?;
        Ok(Self { overfitting, gain })
    }

    /// Means over the batches, and the covariance of `o` from batch to batch, so that
    /// [`Movements::second_moments`] are `E[o_j o_k]`.
    pub fn movements(&self) -> Movements {
        let batches = self.overfitting.first().map_or(0, Vec::len);
        self.movements_of(&(0..batches).collect::<Vec<_>>())
    }

    /// The same from as many batches drawn with replacement.
    pub fn resampled(&self, rng: &mut impl Rng) -> Movements {
        self.movements_of(&draw(self.overfitting.first().map_or(0, Vec::len), rng))
    }

    fn movements_of(&self, batches: &[usize]) -> Movements {
        let means = |lists: &[Vec<Option<f64>>]| -> Vec<f64> {
            lists.iter().map(|list| mean(list, batches)).collect()
        };
        Movements {
            delta_o: means(&self.overfitting),
            delta_g: means(&self.gain),
            covariance: Symmetric::from_fn(self.gain.len(), |j, k| {
                covariance(&self.overfitting[j], &self.overfitting[k], batches)
            }),
        }
    }
}

/// Where a figure lies with 95 % of the resamples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

impl Interval {
    /// The central 95 % of some values (Efron's percentile interval); `None` without values. A NaN counts as
    /// larger than any number.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| values[((last as f64 * share).round() as usize).min(last)];
        Some(Self {
            low: at(0.025),
            high: at(0.975),
        })
    }
}

fn without_gaps(lists: Vec<Vec<f64>>) -> Vec<Vec<Option<f64>>> {
    let list = |list: Vec<f64>| list.into_iter().map(Some).collect();
    lists.into_iter().map(list).collect()
}

fn check(what: &str, lists: &[Vec<Option<f64>>]) -> Result<()> {
    let samples = lists.first().map_or(0, Vec::len);
    if samples == 0 || lists.iter().any(|list| list.len() != samples) {
        return Err(Error::shape(
            format!("{what} changes"),
            "at least one head and one sample, and as many for each head",
            lists.iter().map(Vec::len).collect::<Vec<_>>(),
        ));
    }
    for (head, list) in lists.iter().enumerate() {
        if list.iter().all(Option::is_none) {
            let operation = format!("{what} changes of head {head}");
            return Err(Error::shape(operation, "at least one sample that it sees", [0]));
        }
        if let Some(&value) = list.iter().flatten().find(|value| !value.is_finite()) {
            return Err(Error::NonFinite {
                location: format!("a {what} change of head {head}"),
                value,
            });
        }
    }
    Ok(())
}

fn draw(count: usize, rng: &mut impl Rng) -> Vec<usize> {
    (0..count).map(|_| rng.random_range(0..count)).collect()
}

/// The mean of those that there are; 0 if there is none, as may happen in a draw.
fn mean(values: &[Option<f64>], samples: &[usize]) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for value in samples.iter().filter_map(|&i| values[i]) {
        sum += value;
        count += 1;
    }
    sum / count.max(1) as f64
}

/// How many of the samples both have.
fn shared(a: &[Option<f64>], b: &[Option<f64>], samples: &[usize]) -> usize {
    let both = |&&i: &&usize| a[i].is_some() && b[i].is_some();
    samples.iter().filter(both).count()
}

/// The mean product of deviations, over the samples that both have.
fn covariance(a: &[Option<f64>], b: &[Option<f64>], samples: &[usize]) -> f64 {
    let (mean_a, mean_b) = (mean(a, samples), mean(b, samples));
    let products = samples
        .iter()
        .filter_map(|&i| Some((a[i]? - mean_a) * (b[i]? - mean_b)));
    products.sum::<f64>() / shared(a, b, samples).max(1) as f64
}

/// The covariance of two means over samples: only the samples that both have tie them together. 0 for a single one,
/// about which nothing is known.
fn error_of_mean(a: &[Option<f64>], b: &[Option<f64>], samples: &[usize]) -> f64 {
    match shared(a, b, samples) {
        0 | 1 => 0.0,
        both => {
            let count = |values| shared(values, values, samples) as f64;
            let overlap = (both * both) as f64 / (count(a) * count(b));
            covariance(a, b, samples) / (both - 1) as f64 * overlap
        }
    }
}
