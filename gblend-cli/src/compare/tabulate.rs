//! From the results of cells to the rows of a comparison.

use std::collections::BTreeMap;

use gblend_core::{Better, JOINT, MetricKind};

use super::measured::Done;
use super::method::Method;
use super::plan::{Entry, Plan};
use super::simplex::{judge, point};
use super::spaces;
use crate::config::Config;
use crate::records::{
    COMPARISON_FORMAT, Comparison, Estimate, Folds, LeftOut, Measured, ObjectiveDescription, OtherSamples,
    Row, SeedsAlone, Simplex, difference, estimate,
};

/// What rows are judged by: the objective of a method that trains the joint head, if there is a result of one. A modality
/// alone may be asked something else.
fn objective(plan: &Plan, results: &[Option<Done>]) -> Option<ObjectiveDescription> {
    let cells = || {
        plan.cells
            .iter()
            .zip(results)
            .filter_map(|(cell, done)| Some((cell, done.as_ref()?)))
    };
    let blended = cells().find(|(cell, _)| !matches!(plan.entries[cell.entry].method, Method::Single(_)));
    let (_, done) = blended.or_else(|| cells().next())?;
    done.objective.clone()
}

/// The rows that there are results for, of `results`, one for each cell of the plan.
pub(super) fn tabulate(
    base: &Config,
    plan: &Plan,
    results: &[Option<Done>],
    left_out: Vec<LeftOut>,
) -> Comparison {
    let objective = objective(plan, results);
    let table = Table {
        plan,
        results,
        kinds: ObjectiveDescription::metrics(objective.as_ref()),
        main: ObjectiveDescription::main(objective.as_ref()),
    };
    let entries = plan.entries.iter().enumerate();
    let entries = entries.filter(|(_, entry)| !matches!(entry.method, Method::Fixed(_)));
    let rows = entries
        .filter_map(|(index, entry)| table.row(index, entry, base))
        .collect();
    Comparison {
        format: COMPARISON_FORMAT.to_owned(),
        gblend: env!("CARGO_PKG_VERSION").to_owned(),
        modalities: base
            .modalities
            .iter()
            .map(|modality| modality.name.clone())
            .collect(),
        predict: base.blend.pipeline.predict,
        test_samples: table.test_samples(),
        folds: plan.folds.map(|of| Folds {
            of,
            deals: plan.seeds.len() / of.max(1),
            first_seed: plan.seeds.first().copied().unwrap_or(0),
        }),
        other_samples: table.other_samples(base),
        rows,
        simplex: table.simplex(base),
        seeds_alone: seeds_alone(results),
        feature_spaces: spaces::rows(plan, results),
        objective: objective.clone(),
        left_out,
    }
}

/// Why nothing is known of the samples of some runs.
fn seeds_alone(results: &[Option<Done>]) -> Vec<SeedsAlone> {
    let mut problems: BTreeMap<&str, usize> = BTreeMap::new();
    for problem in results.iter().flatten().filter_map(Done::lacks_samples) {
        *problems.entry(problem).or_default() += 1;
    }
    let alone = problems.into_iter().map(|(problem, runs)| SeedsAlone {
        problem: problem.to_owned(),
        runs,
    });
    alone.collect()
}

struct Table<'a> {
    plan: &'a Plan,
    results: &'a [Option<Done>],
    /// The figures of the objective, and the main one of them.
    kinds: &'a [MetricKind],
    main: &'a MetricKind,
}

impl Table<'_> {
    /// The cells of an entry that have the main figure: seed, result, folder.
    fn cells(&self, entry: usize) -> impl Iterator<Item = (u64, &Done, &str)> {
        let cells = self.plan.cells.iter().zip(self.results);
        let own = cells.filter(move |(cell, _)| cell.entry == entry);
        let done = own.filter_map(|(cell, done)| Some((cell.seed, done.as_ref()?, cell.folder.as_str())));
        done.filter(|(_, done, _)| done.metrics.get(&self.main.name).is_some())
    }

    /// Test samples of a run, or of the folds of a deal together.
    fn test_samples(&self) -> usize {
        let of = |entry: usize, seeds: &[u64]| -> usize {
            let cells = self.plan.cells.iter().zip(self.results);
            let own = cells.filter(|(cell, _)| cell.entry == entry && seeds.contains(&cell.seed));
            own.filter_map(|(_, done)| Some(done.as_ref()?.test_samples))
                .sum()
        };
        let together = self.plan.folds.unwrap_or(1).max(1);
        let deals = self.plan.seeds.chunks(together);
        let all = deals.flat_map(|deal| (0..self.plan.entries.len()).map(move |entry| of(entry, deal)));
        all.max().unwrap_or(0)
    }

    /// Methods that were not tested on the samples of the first one with the same seed.
    fn other_samples(&self, base: &Config) -> Vec<OtherSamples> {
        let tested = |entry: usize, seed: u64| {
            let (_, done, _) = self.cells(entry).find(|(of, ..)| *of == seed)?;
            done.tested()
        };
        let entries = || 0..self.plan.entries.len();
        let label = |entry: usize| self.plan.entries[entry].label(base);
        let first = |seed: u64| entries().find_map(|entry| Some((entry, tested(entry, seed)?)));
        let unlike = |entry: usize| {
            self.plan.seeds.iter().find_map(|&seed| {
                let (other, samples) = first(seed)?;
                let own = tested(entry, seed)?;
                (!own.tests_the_same(samples)).then(|| OtherSamples {
                    method: label(entry),
                    than: label(other),
                    seed,
                })
            })
        };
        entries().filter_map(unlike).collect()
    }

    /// The main figure of a cell.
    fn main(&self, done: &Done) -> f64 {
        done.metrics.get(&self.main.name).unwrap_or(f64::NAN)
    }

    fn figure(&self, entry: usize, seed: u64) -> Option<f64> {
        self.cells(entry)
            .find(|(of, ..)| *of == seed)
            .map(|(_, done, _)| self.main(done))
    }

    /// The main figure of an entry with a seed, and what is known of samples.
    fn measured(&self, entry: usize, seed: u64) -> Option<Measured<'_>> {
        let (_, done, _) = self.cells(entry).find(|(of, ..)| *of == seed)?;
        done.measured(&self.main.name, self.plan.tested_on())
    }

    /// The main figure of two entries with the seeds that both have.
    fn pairs(&self, entry: usize, other: usize) -> impl Iterator<Item = (Measured<'_>, Measured<'_>)> {
        self.cells(entry).filter_map(move |(seed, done, _)| {
            Some((
                done.measured(&self.main.name, self.plan.tested_on())?,
                self.measured(other, seed)?,
            ))
        })
    }

    fn row(&self, index: usize, entry: &Entry, base: &Config) -> Option<Row> {
        let cells: Vec<_> = self.cells(index).collect();
        if cells.is_empty() {
            return None;
        }
        let of_each = |name: &str| -> Option<Vec<f64>> {
            cells.iter().map(|(_, done, _)| done.metrics.get(name)).collect()
        };
        let main = cells
            .iter()
            .filter_map(|(_, done, _)| done.measured(&self.main.name, self.plan.tested_on()));
        let Estimate { mean, ci95, parts } = estimate(&main.collect::<Vec<_>>(), self.main);
        let joint: Option<Vec<Measured<'_>>> = cells
            .iter()
            .map(|(_, done, _)| done.measured_joint_head(self.plan.tested_on()))
            .collect();
        let joint = joint.unwrap_or_default();
        let to = |other: Option<usize>| {
            let other = other.filter(|&other| other != index)?;
            let name = self.plan.entries[other].label(base);
            difference(&name, self.pairs(index, other), self.main, self.plan.tested_on())
        };
        let tunings = self.plan.tuned.get(index).cloned().unwrap_or_default();
        let (tuned, tuned_by_fold) = match self.plan.folds {
            None => (tunings.into_iter().next(), Vec::new()),
            Some(_) => (None, tunings),
        };
        // Of the same modalities and fusion; a network of one modality is measured by those of all.
        let modalities = match entry.method {
            Method::Single(_) => base.modalities.len(),
            _ => entry.modalities.len(),
        };
        let baseline = |method: Method| {
            self.plan.entries.iter().position(|other| {
                let covers = entry
                    .modalities
                    .iter()
                    .all(|name| other.modalities.contains(name));
                let size = other.modalities.len() == modalities;
                other.method == method && covers && size && other.fusion == entry.fusion
            })
        };
        let rivals = match entry.method {
            Method::Single(_) => base
                .modalities
                .iter()
                .map(|modality| modality.name.clone())
                .collect(),
            _ => entry.modalities.clone(),
        };
        Some(Row {
            method: entry.method.name(),
            modalities: entry.modalities.clone(),
            fusion: entry.fusion.clone(),
            tuned,
            tuned_by_fold,
            seeds: cells.iter().map(|(seed, ..)| *seed).collect(),
            joint_head: joint.iter().map(|joint| joint.figure).collect(),
            joint_head_ci95: (!joint.is_empty())
                .then(|| estimate(&joint, self.main).ci95)
                .flatten(),
            mean,
            ci95,
            parts,
            paired_difference_to_best_single: to(self.best_single(&rivals)),
            paired_difference_to_joint: to(baseline(Method::Joint)),
            paired_difference_to_equal: to(baseline(Method::Equal)),
            paired_difference_to_equal_joint: to(baseline(Method::EqualJoint)),
            seconds: cells.iter().map(|(_, done, _)| done.seconds).sum::<f64>() / cells.len() as f64,
            runs: cells.iter().map(|(.., folder)| (*folder).to_owned()).collect(),
            tested: match self.plan.folds {
                Some(_) => cells.iter().map(|(_, done, _)| done.test_samples).collect(),
                None => Vec::new(),
            },
            test_accuracy: of_each("accuracy").unwrap_or_default(),
            test_metrics: self.others(of_each),
        })
    }

    /// Figures that have no list of their own. Those of classification are in the run folders.
    fn others(&self, of_each: impl Fn(&str) -> Option<Vec<f64>>) -> BTreeMap<String, Vec<f64>> {
        let classification = ObjectiveDescription::metrics(None);
        let others = self.kinds.iter().filter(|kind| !classification.contains(kind));
        let others = others.filter_map(|kind| Some((kind.name.to_string(), of_each(&kind.name)?)));
        others.collect()
    }

    /// The modality of these that is best alone, as a mean over its seeds.
    fn best_single(&self, modalities: &[String]) -> Option<usize> {
        let entries = self.plan.entries.iter().enumerate();
        let singles = entries.filter_map(|(index, entry)| match &entry.method {
            Method::Single(name) if modalities.contains(name) => {
                let own = self.cells(index);
                let own =
                    own.filter_map(|(_, done, _)| done.measured(&self.main.name, self.plan.tested_on()));
                let own: Vec<Measured<'_>> = own.collect();
                (!own.is_empty()).then(|| (index, self.main.better.gain(estimate(&own, self.main).mean)))
            }
            _ => None,
        });
        singles
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(index, _)| index)
    }

    /// The points of the grid, over the seeds with which every one of them is done.
    fn simplex(&self, base: &Config) -> Option<Simplex> {
        let entries = || self.plan.entries.iter().enumerate();
        let points: Vec<(usize, &Vec<f64>)> = entries()
            .filter_map(|(index, entry)| match &entry.method {
                Method::Fixed(weights) => Some((index, weights)),
                _ => None,
            })
            .collect();
        let modalities = base.modalities.len();
        let (ogr, _) = entries().find(|(_, entry)| {
            entry.method == Method::Ogr
                && entry.modalities.len() == modalities
                && entry.fusion == base.fusion.plugin.typetag_name()
        })?;
        let whole = |seed: &u64| {
            let mut all = points.iter().map(|(index, _)| *index).chain([ogr]);
            all.all(|index| self.figure(index, *seed).is_some())
        };
        let seeds: Vec<u64> = self.plan.seeds.iter().copied().filter(whole).collect();
        let figures = |entry: usize| {
            let figures = seeds.iter().filter_map(|&seed| self.figure(entry, seed));
            figures.collect::<Vec<f64>>()
        };
        let (_, first) = points.first()?;
        let steps = grid_steps(&points);
        let mut mean = vec![0.0; first.len()];
        for (seed, done, _) in self.cells(ogr) {
            if seeds.contains(&seed) {
                mean.iter_mut()
                    .zip(&done.weights)
                    .for_each(|(mean, weight)| *mean += weight / seeds.len() as f64);
            }
        }
        let estimate = point(mean, self.main, figures(ogr));
        let grid = points
            .iter()
            .map(|&(index, weights)| point(weights.clone(), self.main, figures(index)));
        let heads = base.modalities.iter().map(|modality| modality.name.clone());
        let regret = |best: &[usize]| {
            let pairs = best.iter().zip(&seeds).filter_map(|(&best, &seed)| {
                let (entry, _) = points.get(best)?;
                let (best, ogr) = (self.measured(*entry, seed)?, self.measured(ogr, seed)?);
                // Better is larger, of errors too.
                Some(match self.main.better {
                    Better::Higher => (best, ogr),
                    Better::Lower => (ogr, best),
                })
            });
            difference("ogr", pairs, self.main, self.plan.tested_on())
        };
        judge(
            heads.chain([JOINT.to_owned()]).collect(),
            self.main,
            steps,
            grid.collect(),
            estimate,
            regret,
        )
    }
}

/// Steps from one corner of a grid to another, from its finest weight.
fn grid_steps(points: &[(usize, &Vec<f64>)]) -> usize {
    let weights = points.iter().flat_map(|(_, weights)| weights.iter().copied());
    let finest = weights.filter(|&weight| weight > 0.0).fold(1.0, f64::min);
    (1.0 / finest).round() as usize
}
