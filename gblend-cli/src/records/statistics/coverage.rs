//! How often intervals hold what they promise, by simulation. docs/runs.md has the table; `--nocapture` shows it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::iter::repeat_n;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

use super::*;

static ACCURACY: MetricKind = MetricKind::share("accuracy", "accuracy");

/// Comparisons of two methods that are simulated for each figure of the table.
const COMPARISONS: usize = 1000;

const SEEDS: [usize; 3] = [3, 5, 8];

/// Two methods on a test.
#[derive(Clone, Copy, Debug)]
struct Task {
    samples: usize,
    /// Groups that the samples are divided into, and the deviation of their sizes as a part of the mean.
    groups: Option<(usize, f64)>,
    /// Part of the samples that one method gets right and the other one wrong. In three of five it is the better one.
    discordant: f64,
    /// The deviation over seeds of the difference.
    deviation: f64,
    /// How much of what tells the methods apart on a sample is the same for every seed.
    stable: f64,
    /// How much of that is the same for the samples of a group.
    alike: f64,
    /// Whether each seed has test samples of its own.
    anew: bool,
}

const fn task(samples: usize, discordant: f64, deviation: f64, stable: f64) -> Task {
    Task {
        samples,
        groups: None,
        discordant,
        deviation,
        stable,
        alike: 0.0,
        anew: false,
    }
}

const fn groups(groups: usize, samples: usize, spread: f64, alike: f64) -> Task {
    Task {
        groups: Some((groups, spread)),
        alike,
        ..task(samples, 0.15, 0.01, 0.7)
    }
}

const TASKS: [Task; 16] = [
    task(40, 0.05, 0.005, 0.7),
    task(40, 0.15, 0.02, 0.5),
    task(40, 0.3, 0.01, 0.7),
    task(100, 0.05, 0.005, 0.5),
    task(100, 0.3, 0.02, 0.7),
    task(400, 0.05, 0.005, 0.9),
    task(400, 0.15, 0.0, 0.5),
    task(400, 0.15, 0.02, 0.9),
    task(400, 0.3, 0.01, 0.7),
    task(1000, 0.05, 0.0, 0.9),
    task(2000, 0.15, 0.02, 0.9),
    groups(10, 200, 0.3, 0.0),
    groups(10, 200, 0.8, 0.3),
    groups(20, 400, 0.8, 0.3),
    groups(40, 800, 0.8, 0.3),
    Task {
        anew: true,
        ..task(100, 0.15, 0.01, 0.7)
    },
];

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// Test samples, and what each brings with it into every seed.
struct Test {
    of: SampleFigures,
    group: Vec<usize>,
    own: Vec<f64>,
}

impl Task {
    fn difference(&self) -> f64 {
        self.discordant / 5.0
    }

    /// The group of each sample; a group of its own for each if there are none.
    fn group_of_each(&self, rng: &mut impl Rng) -> Vec<usize> {
        let Some((groups, spread)) = self.groups else {
            return (0..self.samples).collect();
        };
        let shape = (1.0 + spread * spread).ln().sqrt();
        let sizes: Vec<f64> = (0..groups).map(|_| (shape * normal(rng)).exp()).collect();
        let all: f64 = sizes.iter().sum();
        let sizes = sizes
            .iter()
            .map(|size| (size / all * self.samples as f64).round().max(1.0) as usize);
        sizes
            .enumerate()
            .flat_map(|(group, size)| repeat_n(group, size))
            .collect()
    }

    fn test(&self, first: usize, rng: &mut impl Rng) -> Test {
        let groups = self.group_of_each(rng);
        let of_groups: Vec<f64> = groups.iter().map(|_| normal(rng)).collect();
        let own = groups
            .iter()
            .map(|&group| self.alike.sqrt() * of_groups[group] + (1.0 - self.alike).sqrt() * normal(rng));
        let own: Vec<f64> = own.collect();
        let names = groups
            .iter()
            .enumerate()
            .map(|(sample, group)| ((first + sample).to_string(), group.to_string()));
        let names: Vec<(String, String)> = names.collect();
        let samples = names.iter().map(|(name, group)| {
            let group = self.groups.is_some().then_some(group.as_str());
            (name.as_str(), group, 0.0)
        });
        Test {
            of: SampleFigures::new(samples).unwrap(),
            group: groups,
            own,
        }
    }

    /// What the better and the other method say of each sample, seed by seed.
    ///
    /// The upper end of a normal distribution is right by the better method alone, the lower end by the other one alone; a
    /// seed moves both ends.
    fn draw(&self, seeds: usize, rng: &mut impl Rng) -> Vec<[SampleFigures; 2]> {
        let same = self.test(0, rng);
        let seeds = (0..seeds).map(|seed| {
            let anew = self.anew.then(|| self.test((seed + 1) * self.samples, rng));
            self.said(anew.as_ref().unwrap_or(&same), rng)
        });
        seeds.collect()
    }

    /// What both methods say where every seed is tested on one of so many folds, dealt so often: whole groups, or one by one.
    fn draw_folds(&self, folds: usize, deals: usize, rng: &mut impl Rng) -> Vec<[SampleFigures; 2]> {
        let all = self.test(0, rng);
        let units = self.groups.map_or(self.samples, |(groups, _)| groups);
        let mut said = Vec::new();
        for _ in 0..deals {
            let mut fold_of: Vec<usize> = (0..units).map(|unit| unit % folds).collect();
            fold_of.shuffle(rng);
            for fold in 0..folds {
                let here = (0..all.own.len()).filter(|&sample| fold_of[all.group[sample]] == fold);
                let here: Vec<usize> = here.collect();
                let names: Vec<(String, String)> = here
                    .iter()
                    .map(|sample| (sample.to_string(), all.group[*sample].to_string()))
                    .collect();
                let samples = names.iter().map(|(name, group)| {
                    let group = self.groups.is_some().then_some(group.as_str());
                    (name.as_str(), group, 0.0)
                });
                let test = Test {
                    of: SampleFigures::new(samples).unwrap(),
                    group: here.iter().map(|&sample| all.group[sample]).collect(),
                    own: here.iter().map(|&sample| all.own[sample]).collect(),
                };
                said.push(self.said(&test, rng));
            }
        }
        said
    }

    /// What both methods say of each sample with one seed.
    fn said(&self, test: &Test, rng: &mut impl Rng) -> [SampleFigures; 2] {
        let standard = Normal::standard();
        let shift = self.deviation * normal(rng) / 2.0;
        let better = (0.6 * self.discordant + shift).clamp(1e-9, 1.0);
        let other = (0.4 * self.discordant - shift).clamp(1e-9, 1.0);
        let (upper, lower) = (standard.inverse_cdf(1.0 - better), standard.inverse_cdf(other));
        let said = test.own.iter().map(|own| {
            let value = self.stable.sqrt() * own + (1.0 - self.stable).sqrt() * normal(rng);
            let both = f64::from(u8::from(rng.random_bool(0.7)));
            match value {
                value if value > upper => (1.0, 0.0),
                value if value < lower => (0.0, 1.0),
                _ => (both, both),
            }
        });
        let (better, other) = said.unzip();
        [better, other].map(|values| test.of.with_values(values))
    }

    /// Parts of the intervals that have the difference in them: over seeds and samples, and over seeds alone.
    fn coverage(&self, seed: u64, draw: impl Fn(&mut ChaCha8Rng) -> Vec<[SampleFigures; 2]>) -> [f64; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut held = [0; 2];
        for _ in 0..COMPARISONS {
            let drawn = draw(&mut rng);
            let pairs = drawn.iter().map(|pair| {
                let [better, other] = pair.each_ref().map(Measured::of);
                (better, other)
            });
            let pairs: Vec<(Measured<'_>, Measured<'_>)> = pairs.collect();
            let figures = pairs.iter().map(|(better, other)| (better.figure, other.figure));
            let whole = interval(pairs.iter().copied());
            let alone = interval(figures);
            for (held, (mean, half)) in held.iter_mut().zip([whole, alone]) {
                *held += usize::from((mean - self.difference()).abs() <= half);
            }
        }
        held.map(|held| held as f64 / COMPARISONS as f64)
    }
}

/// The mean of differences and half their interval, without what [`difference`] finds out beside it.
fn interval<'a, M: Into<Measured<'a>>>(pairs: impl Iterator<Item = (M, M)>) -> (f64, f64) {
    let pairs: Vec<(Measured<'_>, Measured<'_>)> = pairs.map(|(a, b)| (a.into(), b.into())).collect();
    let estimate = of_pairs(&pairs, &ACCURACY);
    (estimate.mean, estimate.ci95.unwrap())
}

#[test]
fn intervals_hold_their_promise_at_three_five_and_eight_seeds() {
    println!(
        "| samples | groups | discordant | deviation of seeds | same for every seed | 3, 5, 8 seeds | seeds alone |"
    );
    println!("|---|---|---|---|---|---|---|");
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    for task in TASKS {
        let found = SEEDS.map(|seeds| task.coverage(seeds as u64, |rng| task.draw(seeds, rng)));
        let column = |of: usize| found.map(|found| percent(found[of])).join(", ");
        println!(
            "| {}{} | {} | {} % | {} | {} % | {} | {} |",
            task.samples,
            if task.anew { ", others for each seed" } else { "" },
            task.groups.map_or_else(String::new, |(groups, spread)| {
                format!(
                    "{groups}, sizes ± {:.0} %, {:.0} % alike",
                    100.0 * spread,
                    100.0 * task.alike
                )
            }),
            100.0 * task.discordant,
            percent(task.deviation),
            100.0 * task.stable,
            column(0),
            column(1),
        );
        // Of fewer than five samples that tell methods apart, an interval may hold more often than it promises.
        let few = task.discordant * (task.samples as f64) < 5.0;
        for (seeds, [whole, alone]) in SEEDS.into_iter().zip(found) {
            assert!(
                whole >= 0.93 && (few || whole <= 0.975),
                "{task:?}, {seeds} seeds: {whole}"
            );
            let better = task.anew || (whole - 0.95).abs() <= (alone - 0.95).abs() + 0.03;
            assert!(
                better,
                "{task:?}, {seeds} seeds: {alone} over seeds alone, {whole}"
            );
        }
    }
}

#[test]
fn intervals_over_folds_hold_their_promise_however_often_samples_are_dealt() {
    println!("| samples | groups | folds | told apart | deviation of seeds | same for every seed | held |");
    println!("|---|---|---|---|---|---|---|");
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    for (folds, deals, task) in [
        (5, 1, task(400, 0.15, 0.01, 0.7)),
        (5, 3, task(400, 0.15, 0.01, 0.7)),
        (10, 1, task(1000, 0.3, 0.02, 0.9)),
        (10, 2, task(1000, 0.05, 0.0, 0.9)),
        (5, 1, groups(50, 1000, 0.3, 0.3)),
        (10, 1, groups(50, 1000, 0.8, 0.3)),
        (10, 3, groups(50, 1000, 0.3, 0.3)),
    ] {
        let [held, _] = task.coverage((100 * folds + deals) as u64, |rng| {
            task.draw_folds(folds, deals, rng)
        });
        println!(
            "| {} | {} | {} | {} % | {} | {} % | {} |",
            task.samples,
            task.groups.map_or_else(String::new, |(groups, spread)| format!(
                "{groups}, sizes ± {:.0} %",
                100.0 * spread
            )),
            if deals == 1 {
                folds.to_string()
            } else {
                format!("{deals} × {folds}")
            },
            100.0 * task.discordant,
            percent(task.deviation),
            100.0 * task.stable,
            percent(held),
        );
        assert!(
            (0.93..=0.975).contains(&held),
            "{task:?}, {deals} x {folds} folds: {held}"
        );
    }
}
