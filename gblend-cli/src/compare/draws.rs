//! The seeds of a comparison, and what is tested with each.

use crate::config::{Config, LEAST_FOLDS, Override, TestFold};
use crate::error::{Error, Result};

/// More folds than this are hardly meant.
const MOST_FOLDS: usize = 1000;

/// A seed, and the fold that is tested with it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draw {
    pub(super) seed: u64,
    fold: Option<(TestFold, u64)>,
}

impl Draw {
    /// A seed with the test samples of the configuration.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self { seed, fold: None }
    }

    /// This fold with another seed.
    pub(super) fn with_seed(&self, seed: u64) -> Self {
        Self {
            seed,
            fold: self.fold,
        }
    }

    /// What it changes in a configuration.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut overrides = vec![Override::new(&["run", "seed"], whole(self.seed))];
        if let Some((fold, seed)) = self.fold {
            overrides.push(Override::new(&["run", "fold"], fold.to_string()));
            overrides.push(Override::new(&["run", "fold_seed"], whole(seed)));
        }
        overrides
    }

    /// What messages call it, as in `seed 3` or `seed 3, fold 4/5`.
    pub(super) fn label(&self) -> String {
        match self.fold {
            None => format!("seed {}", self.seed),
            Some((fold, _)) => format!("seed {}, fold {fold}", self.seed),
        }
    }

    /// A folder's name for what was chosen with this fold alone; none where every seed has the same test.
    pub(super) fn folder(&self) -> Option<String> {
        let (fold, seed) = self.fold?;
        let of = format!("fold-{}-of-{}", fold.number(), fold.of());
        Some(match seed {
            0 => of,
            seed => format!("{of}-deal-{seed}"),
        })
    }
}

/// The draws of so many seeds, from the configuration's on. With folds they are tested in turn, each deal as often as it has
/// folds, so that every sample is tested equally often.
///
/// # Errors
/// [`Error::Usage`] if seeds and folds do not go together.
pub(super) fn draws(base: &Config, seeds: usize, folds: Option<usize>) -> Result<Vec<Draw>> {
    let seed = |offset: usize| base.run.seed.saturating_add(offset as u64);
    let Some(folds) = folds else {
        return Ok((0..seeds).map(|offset| Draw::of_seed(seed(offset))).collect());
    };
    if !seeds.is_multiple_of(folds.max(1)) {
        return Err(Error::Usage(format!(
            "--seeds {seeds} and --folds {folds}: expected a multiple of {folds}, so that every sample is tested equally often"
        )));
    }
    let draw = |offset: usize| {
        let fold = fold(offset % folds, folds)?;
        let deal = base.run.fold_seed.saturating_add((offset / folds) as u64);
        Ok(Draw {
            seed: seed(offset),
            fold: Some((fold, deal)),
        })
    };
    (0..seeds).map(draw).collect()
}

/// What makes a configuration the one that a comparison over so many folds starts from: it tests the first of them.
///
/// # Errors
/// [`Error::Usage`] if it names a fold itself, or there cannot be so many.
pub fn first_of_folds(base: &Config, folds: usize) -> Result<Override> {
    if let Some(fold) = base.run.fold {
        return Err(Error::Usage(format!(
            "--folds {folds}: the configuration tests fold {fold} (run.fold) already; leave out one of both"
        )));
    }
    Ok(Override::new(&["run", "fold"], fold(0, folds)?.to_string()))
}

fn fold(index: usize, folds: usize) -> Result<TestFold> {
    let number = |count: usize| u32::try_from(count).ok().filter(|_| folds <= MOST_FOLDS);
    let fold = number(index + 1)
        .zip(number(folds))
        .and_then(|(number, of)| TestFold::new(number, of));
    fold.ok_or_else(|| Error::Usage(format!("--folds {folds}: expected {LEAST_FOLDS} to {MOST_FOLDS}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn scene(overrides: &[&str]) -> Config {
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        Config::load(None, &overrides).unwrap()
    }

    #[test]
    fn every_fold_of_every_deal_is_tested_with_a_seed_of_its_own() {
        let draws = draws(&scene(&["run.seed=7", "run.fold_seed=2"]), 6, Some(3)).unwrap();
        let labels: Vec<String> = draws.iter().map(Draw::label).collect();
        assert_eq!(labels[0], "seed 7, fold 1/3");
        assert_eq!(labels[5], "seed 12, fold 3/3");
        let folders: BTreeSet<_> = draws.iter().map(Draw::folder).collect();
        assert_eq!(folders.len(), 6);
        let config = |draw: &Draw| {
            let base = scene(&[]);
            Config::parse(
                "base",
                &base.to_toml().unwrap(),
                base.base.clone(),
                &draw.overrides(),
            )
            .unwrap()
        };
        let deals: Vec<u64> = draws.iter().map(|draw| config(draw).run.fold_seed).collect();
        assert_eq!(deals, [2, 2, 2, 3, 3, 3]);
        let folds: Vec<String> = draws
            .iter()
            .map(|draw| config(draw).run.fold.unwrap().to_string())
            .collect();
        assert_eq!(folds, ["1/3", "2/3", "3/3", "1/3", "2/3", "3/3"]);
    }

    #[test]
    fn without_folds_nothing_but_the_seed_changes() {
        let draws = draws(&scene(&[]), 2, None).unwrap();
        assert_eq!(draws, [Draw::of_seed(0), Draw::of_seed(1)]);
        assert!(
            draws
                .iter()
                .all(|draw| draw.overrides().len() == 1 && draw.folder().is_none())
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let refused = |found: Result<Vec<Draw>>, part: &str| {
            let problem = found.unwrap_err().to_string();
            assert!(problem.contains(part), "{problem}");
        };
        refused(draws(&scene(&[]), 3, Some(5)), "a multiple of 5");
        refused(draws(&scene(&[]), 1, Some(1)), "2 to 1000");
        refused(draws(&scene(&[]), 1001, Some(1001)), "2 to 1000");
        let problem = first_of_folds(&scene(&["run.fold=1/3"]), 5)
            .unwrap_err()
            .to_string();
        assert!(problem.contains("fold 1/3"), "{problem}");
        assert!(first_of_folds(&scene(&[]), 0).is_err());
    }
}
