//! How feature spaces lie, and what can be read out of them.
//!
//! Features are looked at as they are, without any head. What is read is read on halves: samples are dealt to two halves, at random
//! but always the same, and each half is judged by what is known of the other. So a label that no training sample shares, such as
//! the speakers of a test, can be read, too.

mod geometry;
mod neighbors;
mod probe;
mod vectors;

use gblend_core::{Error, Result, Seed};
use rand::seq::SliceRandom;

use crate::records::{Against, FeatureSpace, LabelReading, PairSpace, States, TowerSpace};

pub use vectors::Vectors;

/// Among how many of the nearest a match is looked for.
const FIRST: [usize; 3] = [1, 5, 10];

/// A label of samples beside the one that heads learn.
pub struct ReadLabel {
    /// Its name.
    pub name: String,
    /// The class of each sample, if it has one.
    pub of_samples: Vec<Option<u32>>,
}

/// Whether what is known of some samples, their features and classes, tells the class of each of others.
type Reading<'a> = dyn Fn((&Vectors, &[u32]), (&Vectors, &[u32])) -> Vec<bool> + 'a;

/// The features of one modality, in each state of its encoder.
pub struct Tower {
    /// The modality.
    pub name: String,
    /// The samples that have it, as positions among all that are looked at.
    pub samples: Vec<usize>,
    /// As trained.
    pub trained: Vectors,
    /// As training began.
    pub initial: Vectors,
    /// As trained alone.
    pub alone: Option<Vectors>,
    /// What the joint head compares, if it matches.
    pub projections: Option<Vectors>,
}

/// Of a sample, the nearest others in the features of a modality in two states of its encoder, as positions among the samples that have
/// the modality.
pub struct NearestOthers {
    /// The sample.
    pub sample: usize,
    /// As training began.
    pub initial: Vec<usize>,
    /// As trained.
    pub trained: Vec<usize>,
}

impl Tower {
    /// What is nearest to `queries` samples that are spread evenly over all that have the modality, whatever they are like.
    pub fn nearest_others(&self, queries: usize, count: usize) -> Vec<NearestOthers> {
        let all = self.samples.len();
        let queries = queries.min(all);
        // In the middle of parts of equal length.
        let asked: Vec<usize> = (0..queries)
            .map(|part| (2 * part + 1) * all / (2 * queries))
            .collect();
        let of = |vectors: &Vectors| {
            let itself = |query: usize, other: usize| asked[query] == other;
            neighbors::nearest(&vectors.select(&asked), vectors, count, itself)
        };
        let nearest = of(&self.initial).into_iter().zip(of(&self.trained));
        let nearest = asked.iter().zip(nearest);
        nearest
            .map(|(&sample, (initial, trained))| NearestOthers {
                sample,
                initial,
                trained,
            })
            .collect()
    }
}

/// Samples that are looked at.
pub struct Spaces<'a> {
    /// How many there are.
    pub samples: usize,
    /// Of each a number that those share which are the same; none if each is itself alone.
    pub identities: Option<&'a [u64]>,
    /// The labels to read.
    pub labels: &'a [ReadLabel],
    /// The modalities.
    pub towers: &'a [Tower],
    /// How many nearest neighbors are asked.
    pub neighbors: usize,
}

impl Spaces<'_> {
    /// Measures them.
    ///
    /// # Errors
    /// [`Error::Data`] if a label has one class, or too few samples to divide.
    pub fn measure(&self) -> Result<FeatureSpace> {
        let towers = self.towers.iter().map(|tower| self.tower(tower));
        let towers: Vec<TowerSpace> = towers.collect::<Result<_>>()?;
        let mut pairs = Vec::new();
        for (place, from) in self.towers.iter().enumerate() {
            for to in &self.towers[place + 1..] {
                pairs.extend(self.pair(from, to));
            }
        }
        Ok(FeatureSpace {
            samples: self.samples,
            neighbors: self.neighbors,
            towers,
            pairs,
        })
    }

    fn tower(&self, tower: &Tower) -> Result<TowerSpace> {
        let against = |of: &dyn Fn(&Vectors, &Vectors) -> f64| Against {
            initial: of(&tower.trained, &tower.initial),
            alone: tower.alone.as_ref().map(|alone| of(&tower.trained, alone)),
        };
        let labels = self.labels.iter().map(|label| self.reading(tower, label));
        Ok(TowerSpace {
            name: tower.name.clone(),
            samples: tower.samples.len(),
            labels: labels.collect::<Result<_>>()?,
            overlap: against(&|one, other| neighbors::overlap(one, other, self.neighbors)),
            kernel_alignment: against(&geometry::kernel_alignment),
            uniformity: states(tower, &geometry::uniformity),
        })
    }

    fn reading(&self, tower: &Tower, label: &ReadLabel) -> Result<LabelReading> {
        let known = tower.samples.iter().enumerate();
        let (places, classes): (Vec<usize>, Vec<u32>) = known
            .filter_map(|(place, &sample)| Some((place, (*label.of_samples.get(sample)?)?)))
            .unzip();
        let mut different = classes.clone();
        different.sort_unstable();
        different.dedup();
        if different.len() < 2 || places.len() < 4 {
            let problem = format!(
                "{} samples with `{}` and {} classes of it, expected at least 4 and 2: nothing can be read of it",
                places.len(),
                label.name,
                different.len()
            );
            return Err(Error::data(format!("label `{}`", label.name), problem));
        }
        let halves = halves(places.len());
        let share = |right: &Reading<'_>, vectors: &Vectors| {
            let vectors = vectors.select(&places);
            let parts = halves.each_ref().map(|half| {
                let classes: Vec<u32> = half.iter().map(|&place| classes[place]).collect();
                (vectors.select(half), classes)
            });
            let [(one, of_one), (other, of_other)] = &parts;
            let mut judged = right((one, of_one), (other, of_other));
            judged.extend(right((other, of_other), (one, of_one)));
            judged.iter().filter(|&&right| right).count() as f64 / judged.len() as f64
        };
        let knn = |vectors: &Vectors| {
            let of = |known: (&Vectors, &[u32]), judged: (&Vectors, &[u32])| {
                neighbors::knn_right(known, judged, self.neighbors)
            };
            share(&of, vectors)
        };
        let probe = |vectors: &Vectors| share(&probe::probe_right, vectors);
        let retrieval = |vectors: &Vectors| {
            neighbors::mean_average_precision(&vectors.select(&places), &classes).unwrap_or(0.0)
        };
        Ok(LabelReading {
            label: label.name.clone(),
            classes: different.len(),
            samples: places.len(),
            knn: states(tower, &knn),
            probe: states(tower, &probe),
            retrieval: states(tower, &retrieval),
        })
    }

    /// Two modalities; `None` if no sample has both projections.
    fn pair(&self, from: &Tower, to: &Tower) -> Option<PairSpace> {
        let (of_from, of_to) = (from.projections.as_ref()?, to.projections.as_ref()?);
        let both = from.samples.iter().enumerate().filter_map(|(place, sample)| {
            let other = to.samples.binary_search(sample).ok()?;
            Some((place, other, *sample))
        });
        let both: Vec<(usize, usize, usize)> = both.collect();
        if both.is_empty() {
            return None;
        }
        let one = of_from.select(&both.iter().map(|both| both.0).collect::<Vec<_>>());
        let other = of_to.select(&both.iter().map(|both| both.1).collect::<Vec<_>>());
        let number = |&(_, _, sample): &(usize, usize, usize)| {
            self.identities
                .map_or(sample as u64, |identities| identities[sample])
        };
        let numbers: Vec<u64> = both.iter().map(number).collect();
        Some(PairSpace {
            from: from.name.clone(),
            to: to.name.clone(),
            samples: both.len(),
            recall: neighbors::recall(&one, &other, &numbers, FIRST),
            recall_back: neighbors::recall(&other, &one, &numbers, FIRST),
            gap: geometry::gap(&one, &other),
            alignment: geometry::alignment(&one, &other),
        })
    }
}

/// A figure of the features in each state.
fn states(tower: &Tower, of: &dyn Fn(&Vectors) -> f64) -> States {
    States {
        trained: of(&tower.trained),
        initial: of(&tower.initial),
        alone: tower.alone.as_ref().map(of),
    }
}

/// Two halves of so many samples, always the same.
fn halves(count: usize) -> [Vec<usize>; 2] {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut Seed::new(0).derive("halves").rng());
    let mut second = order.split_off(count / 2);
    order.sort_unstable();
    second.sort_unstable();
    [order, second]
}

#[cfg(test)]
mod tests;
