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
    /// What is drawn as a whole of each.
    units: [Units; 2],
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
        let units = [&train, &held_out].map(|lists| Units::alone(lists.first().map_or(0, Vec::len)));
        Ok(Self {
            train,
            held_out,
            units,
        })
    }

    /// The same samples in groups, of which each sample's number is given: training samples, then held-out ones. Those of one group are alike (one
    /// speaker, one patient), so that groups and not samples are what is drawn, and what an error is of.
    ///
    /// With few groups there is little to draw from, and errors come out too small.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many numbers as samples.
    pub fn in_groups(self, train: &[usize], held_out: &[usize]) -> Result<Self> {
        let [of_train, of_held_out] = &self.units;
        for (units, numbers) in [(of_train, train), (of_held_out, held_out)] {
            if units.samples() != numbers.len() {
                let expected = format!("groups of {} samples", units.samples());
                return Err(Error::shape("groups of loss changes", expected, [numbers.len()]));
            }
        }
        let units = [train, held_out].map(Units::of_groups);
        Ok(Self { units, ..self })
    }

    /// Means over the samples, and the covariance of the error that their finite number, or that of their groups, leaves in `ΔO`.
    pub fn movements(&self) -> Movements {
        let [train, held_out] = self.units.each_ref().map(Units::all);
        self.movements_of(&train, &held_out)
    }

    /// The same from as many samples or groups drawn with replacement. Every head sees the same draw.
    pub fn resampled(&self, rng: &mut impl Rng) -> Movements {
        let [of_train, of_held_out] = &self.units;
        let train = of_train.drawn(draw(of_train.count(), rng));
        let held_out = of_held_out.drawn(draw(of_held_out.count(), rng));
        self.movements_of(&train, &held_out)
    }

    fn movements_of(&self, train: &Drawn<'_>, held_out: &Drawn<'_>) -> Movements {
        let means = |changes: &[Vec<Option<f64>>], drawn: &Drawn<'_>| -> Vec<f64> {
            let of_head = |changes: &Vec<Option<f64>>| mean(changes, &drawn.samples);
            changes.iter().map(of_head).collect()
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

/// Samples that are drawn together: those of a group, or each on its own.
#[derive(Clone, Debug, PartialEq)]
struct Units {
    /// The samples, those of a unit one after another.
    order: Vec<usize>,
    /// Where each unit begins, and the end of the last.
    bounds: Vec<usize>,
}

impl Units {
    fn alone(samples: usize) -> Self {
        Self {
            order: (0..samples).collect(),
            bounds: (0..=samples).collect(),
        }
    }

    fn of_groups(numbers: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by_key(|&sample| numbers[sample]);
        let is_first = |&at: &usize| at == 0 || numbers[order[at - 1]] != numbers[order[at]];
        let mut bounds: Vec<usize> = (0..order.len()).filter(is_first).collect();
        bounds.push(order.len());
        Self { order, bounds }
    }

    fn samples(&self) -> usize {
        self.order.len()
    }

    fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    fn is_of_groups(&self) -> bool {
        self.count() < self.samples()
    }

    fn members(&self, unit: usize) -> &[usize] {
        &self.order[self.bounds[unit]..self.bounds[unit + 1]]
    }

    fn drawn(&self, units: Vec<usize>) -> Drawn<'_> {
        let samples = units.iter().flat_map(|&unit| self.members(unit)).copied();
        Drawn {
            samples: samples.collect(),
            of: self,
            units,
        }
    }

    fn all(&self) -> Drawn<'_> {
        self.drawn((0..self.count()).collect())
    }
}

/// Some units, of which one may be there more than once.
struct Drawn<'a> {
    of: &'a Units,
    units: Vec<usize>,
    samples: Vec<usize>,
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
fn error_of_mean(a: &[Option<f64>], b: &[Option<f64>], drawn: &Drawn<'_>) -> f64 {
    let samples = &drawn.samples;
    let count = |values| shared(values, values, samples) as f64;
    if drawn.of.is_of_groups() {
        let (units, sum) = products_of_units(a, b, drawn);
        return match units {
            0 | 1 => 0.0,
            units => sum * units as f64 / (units - 1) as f64 / (count(a) * count(b)),
        };
    }
    match shared(a, b, samples) {
        0 | 1 => 0.0,
        both => {
            let overlap = (both * both) as f64 / (count(a) * count(b));
            covariance(a, b, samples) / (both - 1) as f64 * overlap
        }
    }
}

/// In how many units both have samples, and the products of the deviations in each, added up within the unit before they are
/// multiplied: the sandwich estimator of clustered data (Liang and Zeger, 1986).
fn products_of_units(a: &[Option<f64>], b: &[Option<f64>], drawn: &Drawn<'_>) -> (usize, f64) {
    let (mean_a, mean_b) = (mean(a, &drawn.samples), mean(b, &drawn.samples));
    let deviation = |values: &[Option<f64>], mean: f64, unit: usize| -> Option<f64> {
        let seen = drawn.of.members(unit).iter().filter_map(|&i| values[i]);
        seen.map(|value| value - mean).reduce(|sum, value| sum + value)
    };
    let products = drawn
        .units
        .iter()
        .filter_map(|&unit| Some(deviation(a, mean_a, unit)? * deviation(b, mean_b, unit)?));
    products.fold((0, 0.0), |(units, sum), product| (units + 1, sum + product))
}
