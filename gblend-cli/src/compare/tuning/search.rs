//! The search for the settings of one method.

use super::grid::{Grid, Point};
use crate::config::Config;
use crate::records::{Tuned, TunedPoint};

/// What a run with some settings and a seed came to: what the validation samples said, or why there is nothing.
pub(in crate::compare) type Outcome = Result<[f64; 2], String>;

/// The search for the settings of one method: points, and what came of each with every seed.
#[derive(Debug)]
pub(in crate::compare) struct Search {
    points: Vec<Point>,
    outcomes: Vec<Vec<Option<Outcome>>>,
    seeds: usize,
}

impl Search {
    pub(in crate::compare) fn begin(grid: &Grid, config: &Config, seeds: usize) -> Self {
        let mut search = Self {
            points: Vec::new(),
            outcomes: Vec::new(),
            seeds,
        };
        search.add(grid.begin(config));
        search
    }

    fn add(&mut self, points: Vec<Point>) {
        self.outcomes
            .extend(points.iter().map(|_| vec![None; self.seeds]));
        self.points.extend(points);
    }

    pub(in crate::compare) fn point(&self, point: usize) -> &Point {
        &self.points[point]
    }

    /// Points and positions of seeds of which nothing is known.
    pub(in crate::compare) fn open(&self) -> impl Iterator<Item = (usize, usize)> {
        let points = self.outcomes.iter().enumerate();
        points.flat_map(|(point, seeds)| {
            let open = seeds.iter().enumerate().filter(|(_, outcome)| outcome.is_none());
            open.map(move |(seed, _)| (point, seed))
        })
    }

    pub(in crate::compare) fn learn(&mut self, point: usize, seed: usize, outcome: Outcome) {
        self.outcomes[point][seed] = Some(outcome);
    }

    /// Adds points while the best one is at an edge. Whether there is nothing left to try.
    pub(in crate::compare) fn settle(&mut self, grid: &Grid, config: &Config) -> bool {
        if self.open().next().is_some() {
            return false;
        }
        if let Some(best) = self.best() {
            let beyond = grid.beyond(&self.points[best], &self.points, config);
            self.add(beyond);
        }
        self.open().next().is_none()
    }

    /// Means over the seeds; `None` where a run failed.
    fn figures(&self, point: usize) -> Option<[f64; 2]> {
        let mut sum = [0.0; 2];
        for outcome in &self.outcomes[point] {
            let figures = outcome.as_ref()?.as_ref().ok()?;
            sum.iter_mut()
                .zip(figures)
                .for_each(|(sum, figure)| *sum += figure);
        }
        Some(sum.map(|sum| sum / self.seeds.max(1) as f64))
    }

    /// The best point, of equals the first; `None` if each has a run that failed.
    pub(in crate::compare) fn best(&self) -> Option<usize> {
        let points = (0..self.points.len()).filter_map(|point| Some((point, self.figures(point)?)));
        let better = |a: &[f64; 2], b: &[f64; 2]| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]));
        let best = points.reduce(|best, next| match better(&next.1, &best.1) {
            std::cmp::Ordering::Greater => next,
            _ => best,
        });
        best.map(|(point, _)| point)
    }

    /// Why a run failed, of the first that did.
    pub(in crate::compare) fn problem(&self) -> Option<&str> {
        let outcomes = self.outcomes.iter().flatten().flatten();
        outcomes
            .filter_map(|outcome| outcome.as_ref().err())
            .map(String::as_str)
            .next()
    }

    /// What was tried and chosen.
    pub(in crate::compare) fn record(&self, grid: &Grid, seeds: &[u64]) -> Option<Tuned> {
        let chosen = self.best()?;
        let points = (0..self.points.len()).map(|point| TunedPoint {
            values: self.points[point].values.clone(),
            figures: self.figures(point),
            problem: self.outcomes[point]
                .iter()
                .flatten()
                .find_map(|outcome| outcome.as_ref().err().cloned()),
        });
        Some(Tuned {
            keys: grid.names(),
            seeds: seeds.to_vec(),
            points: points.collect(),
            chosen,
            at_edge: grid.at_edge(&self.points[chosen], &self.points),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compare::tuning::grid::LEARNING_RATE;

    fn search(outcomes: &[[Outcome; 2]]) -> (Search, Grid) {
        let grid = Grid::parse(&[LEARNING_RATE.to_owned()]).unwrap();
        let mut search = Search::begin(&grid, &Config::load(None, &[]).unwrap(), 2);
        for (point, outcomes) in outcomes.iter().enumerate() {
            for (seed, outcome) in outcomes.iter().enumerate() {
                search.learn(point, seed, outcome.clone());
            }
        }
        (search, grid)
    }

    #[test]
    fn the_best_mean_over_seeds_wins_and_the_loss_decides_between_equals() {
        let (search, grid) = search(&[
            [Ok([0.5, -1.0]), Ok([0.75, -1.0])],
            [Ok([0.75, -0.75]), Ok([0.5, -0.75])],
            [Ok([0.25, -0.5]), Ok([0.25, -0.5])],
        ]);
        assert_eq!(search.best(), Some(1));
        let record = search.record(&grid, &[7, 8]).unwrap();
        assert_eq!((record.chosen, record.at_edge), (1, false));
        assert_eq!(record.points[1].figures, Some([0.625, -0.75]));
    }

    #[test]
    fn settings_with_a_run_that_failed_are_not_chosen_and_tell_why() {
        let failed = || Err("the loss is not finite".to_owned());
        let (search, grid) = search(&[
            [Ok([0.25, -1.0]), Ok([0.25, -1.0])],
            [Ok([0.5, -1.0]), Ok([0.5, -1.0])],
            [Ok([1.0, 0.0]), failed()],
        ]);
        assert_eq!(search.best(), Some(1));
        let record = search.record(&grid, &[7, 8]).unwrap();
        assert_eq!(record.points[2].figures, None);
        assert_eq!(
            record.points[2].problem.as_deref(),
            Some("the loss is not finite")
        );
    }

    #[test]
    fn where_every_setting_failed_there_is_no_choice() {
        let failed = || Err("diverged".to_owned());
        let (mut search, grid) = search(&[[failed(), failed()], [failed(), failed()], [failed(), failed()]]);
        assert_eq!((search.best(), search.record(&grid, &[7, 8])), (None, None));
        assert_eq!(search.problem(), Some("diverged"));
        assert!(search.settle(&grid, &Config::load(None, &[]).unwrap()));
    }
}
