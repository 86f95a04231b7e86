//! How sure an estimate is: the movement of resampled samples or batches.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{Movements, Symmetric};
use crate::error::{Error, Result};

/// The change of every head's loss between two checkpoints, sample by sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LossChanges {
    /// `[head][sample]`: loss after minus loss before, on samples that were trained on.
    train: Vec<Vec<f64>>,
    /// The same on samples that were not.
    held_out: Vec<Vec<f64>>,
}

impl LossChanges {
    /// From the changes of each head on the same samples.
    ///
    /// # Errors
    /// [`Error::Shape`] if a list is empty or the heads do not have equally many samples, and
    /// [`Error::NonFinite`].
    pub fn new(train: Vec<Vec<f64>>, held_out: Vec<Vec<f64>>) -> Result<Self> {
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
        let all = |samples: &[Vec<f64>]| (0..samples.first().map_or(0, Vec::len)).collect::<Vec<_>>();
        self.movements_of(&all(&self.train), &all(&self.held_out))
    }

    /// The same from as many samples drawn with replacement. Every head sees the same draw.
    pub fn resampled(&self, rng: &mut impl Rng) -> Movements {
        let train = draw(self.train.first().map_or(0, Vec::len), rng);
        let held_out = draw(self.held_out.first().map_or(0, Vec::len), rng);
        self.movements_of(&train, &held_out)
    }

    fn movements_of(&self, train: &[usize], held_out: &[usize]) -> Movements {
        let means = |changes: &[Vec<f64>], samples: &[usize]| -> Vec<f64> {
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
    overfitting: Vec<Vec<f64>>,
    /// `[head][batch]`: `b_k = ⟨∇L^V, v_k⟩`.
    gain: Vec<Vec<f64>>,
}

impl InnerProducts {
    /// From the inner products of each head over the same batches.
    ///
    /// # Errors
    /// As [`LossChanges::new`].
    pub fn new(overfitting: Vec<Vec<f64>>, gain: Vec<Vec<f64>>) -> Result<Self> {
        let sizes = |lists: &[Vec<f64>]| lists.iter().map(Vec::len).collect::<Vec<_>>();
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
        let means =
            |lists: &[Vec<f64>]| -> Vec<f64> { lists.iter().map(|list| mean(list, batches)).collect() };
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

fn check(what: &str, lists: &[Vec<f64>]) -> Result<()> {
    let samples = lists.first().map_or(0, Vec::len);
    if samples == 0 || lists.iter().any(|list| list.len() != samples) {
        return Err(Error::shape(
            format!("{what} changes"),
            "at least one head and one sample, and as many for each head",
            lists.iter().map(Vec::len).collect::<Vec<_>>(),
        ));
    }
    for (head, list) in lists.iter().enumerate() {
        if let Some(&value) = list.iter().find(|value| !value.is_finite()) {
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

fn mean(values: &[f64], samples: &[usize]) -> f64 {
    samples.iter().map(|&i| values[i]).sum::<f64>() / samples.len().max(1) as f64
}

/// The mean product of deviations.
fn covariance(a: &[f64], b: &[f64], samples: &[usize]) -> f64 {
    let (mean_a, mean_b) = (mean(a, samples), mean(b, samples));
    let products = samples.iter().map(|&i| (a[i] - mean_a) * (b[i] - mean_b));
    products.sum::<f64>() / samples.len().max(1) as f64
}

/// The covariance of two means over samples; 0 for a single sample, about which nothing is known.
fn error_of_mean(a: &[f64], b: &[f64], samples: &[usize]) -> f64 {
    match samples.len() {
        0 | 1 => 0.0,
        count => covariance(a, b, samples) / (count - 1) as f64,
    }
}
