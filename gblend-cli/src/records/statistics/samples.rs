//! From figures of each test sample to the parts of the variance of their mean.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use gblend_core::LEAST_GROUPS;

use super::VarianceParts;
use super::weights::Weights;

/// The main figure of a run, sample by sample: its mean is the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleFigures {
    samples: Arc<[TestedSample]>,
    values: Arc<[f64]>,
}

/// Which sample, and of which group; hashes of their names, which are the same in every run of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TestedSample {
    name: u64,
    group: Option<u64>,
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl SampleFigures {
    /// From the name of each sample, its group and its figure; `None` without any, or if one is not finite.
    pub fn new<'a>(samples: impl IntoIterator<Item = (&'a str, Option<&'a str>, f64)>) -> Option<Self> {
        let tested = samples.into_iter().map(|(name, group, value)| {
            let sample = TestedSample {
                name: hash(name),
                group: group.map(hash),
            };
            (sample, value)
        });
        let (samples, values): (Vec<TestedSample>, Vec<f64>) = tested.unzip();
        let usable = !values.is_empty() && values.iter().all(|value| value.is_finite());
        usable.then(|| Self {
            samples: samples.into(),
            values: values.into(),
        })
    }

    /// The samples of another run, if they are the same, so that they are in memory once.
    pub fn share(&mut self, other: &Self) {
        if self.samples == other.samples {
            self.samples = Arc::clone(&other.samples);
        }
    }

    /// Other figures of the same samples.
    #[cfg(test)]
    pub(super) fn with_values(&self, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), self.samples.len());
        Self {
            samples: Arc::clone(&self.samples),
            values: values.into(),
        }
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Whether this is the mean, but for rounding.
    pub fn has_mean(&self, figure: f64) -> bool {
        (self.mean() - figure).abs() <= 1e-9 * figure.abs().max(1.0)
    }

    /// Whether both are of the same samples, in any order.
    pub fn tests_the_same(&self, other: &Self) -> bool {
        let names = |of: &Self| {
            of.samples
                .iter()
                .map(|sample| sample.name)
                .collect::<BTreeSet<u64>>()
        };
        self.same_samples(other) || (self.samples.len() == other.samples.len() && names(self) == names(other))
    }

    fn same_samples(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.samples, &other.samples) || self.samples == other.samples
    }
}

/// The parts of the variance of a mean over seeds. Of each seed there is the figure, and what it is the sum of, sample by
/// sample: one run, or two with opposite signs. `None` without seeds or samples.
///
/// Samples may differ between seeds, and between the two runs of one: what seeds have in common is counted on the samples
/// that they have in common. Where all have the same ones, this is the analysis of variance of a table of seeds by samples:
/// `of_seeds` is `MS_seed / (S N)`, `of_these_seeds` is `MS_sample / (S N)`, and `of_samples` is `(MS_sample − MS_rest) / (S N)`.
/// Of groups the sums count, as in a ratio estimator, and the variance is that of the jackknife that leaves out one group at a
/// time.
pub(super) fn parts(seeds: &[(f64, Vec<(f64, &SampleFigures)>)], of_each: &Weights) -> Option<VarianceParts> {
    let sources = || {
        seeds
            .iter()
            .flat_map(|(_, sources)| sources.iter().map(|(_, of)| *of))
    };
    let tested = Tested::of(sources())?;
    let values = || sources().flat_map(|of| of.values.iter().copied());
    let centers = tested.centers(seeds, of_each);
    let shares: Vec<Vec<f64>> = seeds
        .iter()
        .zip(of_each.iter())
        .map(|((_, sources), of_each)| {
            let mut shares = tested.shares(sources, &centers);
            shares.iter_mut().for_each(|share| *share *= of_each);
            shares
        })
        .collect();
    let weights = tested.weights(seeds, of_each);
    let mut mean = vec![0.0; tested.units];
    for shares in &shares {
        mean.iter_mut()
            .zip(shares)
            .for_each(|(mean, share)| *mean += share);
    }
    let each: f64 = shares.iter().map(|shares| jackknife(shares, &weights)).sum();
    let these = jackknife(&mean, &weights);
    let figures: Vec<f64> = seeds.iter().map(|(figure, _)| *figure).collect();
    let of_seeds = of_each.variance_of_mean(&figures);
    let common = match seeds.len() {
        1 => these,
        _ => ((these - each) / (1.0 - of_each.squares())).max(0.0),
    };

    // Where hardly a sample is told apart, the variance of those that are says little, and where none is, nothing. Of one that
    // counts for 1 the square is 1; without any the interval ends where 95 of 100 tests had shown one, at three of `N`.
    let size = tested.samples.len() as f64;
    let binary = values().all(|value| value == 0.0 || value == 1.0);
    let square = values().map(|value| value * value).sum::<f64>() / values().count() as f64;
    let alike = each * (seeds.len() as f64).powi(2) <= 1e-18 * if binary { 1.0 } else { square };
    let least = match (alike, binary) {
        (true, true) => 2.0,
        (true, false) => 2.0 * square,
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    let least = least / (size + 2.0).powi(2);
    let freedom = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>() - 1.0;
    let parts = VarianceParts {
        seeds: seeds.len(),
        samples: tested.samples.len(),
        groups: tested.groups.filter(|_| tested.by_group),
        few_groups: tested.groups.filter(|_| !tested.by_group),
        of_seeds,
        seed_freedom: of_each.unequal_freedom(),
        of_samples: if these < least { least } else { common },
        of_these_seeds: these.max(least),
        sample_freedom: freedom.max(1.0),
    };
    let finite = [
        parts.of_samples,
        parts.of_these_seeds,
        parts.sample_freedom,
        of_seeds.unwrap_or(0.0),
    ];
    finite.iter().all(|part| part.is_finite()).then_some(parts)
}

/// The variance of a sum whose parts these are, about their mean, by leaving out one at a time; `weights` are the parts of
/// the samples that each has.
///
/// B. Efron and C. Stein, "The Jackknife Estimate of Variance", The Annals of Statistics 9 (1981),
/// <https://doi.org/10.1214/aos/1176345462>.
fn jackknife(parts: &[f64], weights: &[f64]) -> f64 {
    let count = parts.len() as f64;
    let squares = parts.iter().zip(weights).map(|(part, weight)| {
        let left = (1.0 - weight).max(1e-9);
        (part / left).powi(2)
    });
    (count - 1.0) / count * squares.sum::<f64>()
}

/// Every sample that was tested, and what counts as independent.
struct Tested {
    samples: Vec<TestedSample>,
    /// Positions of samples by name; `None` where every run has the same samples.
    positions: Option<HashMap<u64, usize>>,
    /// Named groups; `None` if no sample has one.
    groups: Option<usize>,
    by_group: bool,
    /// The unit of each sample, and how many there are.
    unit: Vec<usize>,
    units: usize,
}

impl Tested {
    fn of<'a>(sources: impl Iterator<Item = &'a SampleFigures> + Clone) -> Option<Self> {
        let first = sources.clone().next()?;
        let same = sources.clone().all(|other| first.same_samples(other));
        let (samples, positions) = if same {
            (first.samples.to_vec(), None)
        } else {
            let mut samples = Vec::new();
            let mut positions = HashMap::new();
            for sample in sources.flat_map(|of| of.samples.iter()) {
                positions.entry(sample.name).or_insert_with(|| {
                    samples.push(*sample);
                    samples.len() - 1
                });
            }
            (samples, Some(positions))
        };
        let mut named: BTreeMap<u64, usize> = BTreeMap::new();
        let mut units = 0;
        let mut next = || {
            units += 1;
            units - 1
        };
        let unit: Vec<usize> = samples
            .iter()
            .map(|sample| match sample.group {
                Some(group) => *named.entry(group).or_insert_with(&mut next),
                // A sample without a group is one of its own.
                None => next(),
            })
            .collect();
        let by_group = !named.is_empty() && units >= LEAST_GROUPS;
        let alone = !by_group;
        Some(Self {
            groups: (!named.is_empty()).then_some(named.len()),
            by_group,
            unit: if alone { (0..samples.len()).collect() } else { unit },
            units: if alone { samples.len() } else { units },
            samples,
            positions,
        })
    }

    /// The units of a run's samples.
    fn units_of<'a>(&'a self, of: &'a SampleFigures) -> impl Iterator<Item = usize> + 'a {
        of.samples.iter().enumerate().filter_map(|(position, sample)| {
            let position = match &self.positions {
                None => position,
                Some(positions) => *positions.get(&sample.name)?,
            };
            self.unit.get(position).copied()
        })
    }

    /// The means over all seeds that shares are about, of each of the runs of a seed, where seeds are tested on different samples: a few units
    /// about their own mean vary by less than they do. Where all have the same samples, each seed's own mean takes out what the seed does
    /// to all of them.
    fn centers(&self, seeds: &[(f64, Vec<(f64, &SampleFigures)>)], of_each: &Weights) -> Option<Vec<f64>> {
        let samples = self.samples.len();
        let mut all = seeds.iter().flat_map(|(_, sources)| sources);
        all.find(|(_, of)| of.samples.len() < samples)?;
        let runs = seeds.iter().map(|(_, sources)| sources.len()).max()?;
        let mean = |run: usize| {
            let of = seeds.iter().zip(of_each.iter());
            let of = of.filter_map(|((_, sources), weight)| Some(weight * sources.get(run)?.1.mean()));
            of.sum()
        };
        Some((0..runs).map(mean).collect())
    }

    /// What each unit adds to the figure of a seed, about the mean.
    fn shares(&self, sources: &[(f64, &SampleFigures)], centers: &Option<Vec<f64>>) -> Vec<f64> {
        let mut shares = vec![0.0; self.units];
        for (run, (sign, of)) in sources.iter().enumerate() {
            let center = centers.as_ref().and_then(|centers| centers.get(run).copied());
            let (mean, count) = (center.unwrap_or_else(|| of.mean()), of.values.len() as f64);
            for (unit, value) in self.units_of(of).zip(&*of.values) {
                shares[unit] += sign * (value - mean) / count;
            }
        }
        shares
    }

    /// The part of the samples that each unit has, as a mean over all runs.
    fn weights(&self, seeds: &[(f64, Vec<(f64, &SampleFigures)>)], of_each: &Weights) -> Vec<f64> {
        let mut weights = vec![0.0; self.units];
        for ((_, sources), of_each) in seeds.iter().zip(of_each.iter()) {
            for (_, of) in sources {
                let share = of_each / (sources.len() * of.values.len()) as f64;
                self.units_of(of).for_each(|unit| weights[unit] += share);
            }
        }
        weights
    }
}
