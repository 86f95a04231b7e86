//! The runs that tuning takes, round by round.

use std::path::{Path, PathBuf};

use super::grid::Grid;
use super::search::{Outcome, Search};
use super::{FIRST_SEED, Tuning};
use crate::compare::draws::Draw;
use crate::compare::plan::{Cell, Choice, Entry, Plan};
use crate::config::{Config, Override};
use crate::error::{Error, Result};

/// The folder of its runs in that of the comparison.
const FOLDER: &str = "tuning";

/// Tuning under way.
pub(in crate::compare) struct Stage<'a> {
    base: &'a Config,
    /// The comparison's folder, from the root of the file system.
    folder: PathBuf,
    grid: &'a Grid,
    /// What it is tuned for; its test samples are left alone, and its seed is not used.
    draw: Draw,
    seeds: Vec<u64>,
    entries: &'a [Entry],
    /// One for each entry; none for those whose own configuration cannot be read, which the comparison tells.
    entrants: Vec<Option<Entrant<'a>>>,
}

struct Entrant<'a> {
    entry: &'a Entry,
    config: Config,
    search: Search,
    settled: bool,
}

/// Which setting and seed a cell of a round is of: entry, point, position of the seed.
type Place = (usize, usize, usize);

/// The runs that can be made at the same time.
pub(in crate::compare) struct Round {
    pub(in crate::compare) plan: Plan,
    places: Vec<Place>,
}

impl<'a> Stage<'a> {
    /// # Errors
    /// If the folder has no path from the root.
    pub(in crate::compare) fn begin(
        base: &'a Config,
        folder: &Path,
        entries: &'a [Entry],
        tuning: &'a Tuning,
        draw: &Draw,
    ) -> Result<Self> {
        let folder = std::path::absolute(folder).map_err(Error::read(folder))?;
        let first = base.run.seed.saturating_add(FIRST_SEED);
        let seeds: Vec<u64> = (0..tuning.seeds as u64)
            .map(|offset| first.saturating_add(offset))
            .collect();
        let mut stage = Self {
            base,
            folder,
            grid: &tuning.grid,
            draw: draw.clone(),
            seeds,
            entries,
            entrants: Vec::new(),
        };
        for entry in entries {
            let config = stage.config(entry, base.run.seed, &[], |_| String::new()).ok();
            stage.entrants.push(config.map(|config| Entrant {
                entry,
                search: Search::begin(&tuning.grid, &config, tuning.seeds),
                config,
                settled: false,
            }));
        }
        Ok(stage)
    }

    fn config(
        &self,
        entry: &Entry,
        seed: u64,
        own: &[Override],
        single: impl Fn(&str) -> String,
    ) -> Result<Config> {
        let mut overrides = entry.overrides(self.base, single, &self.draw.with_seed(seed));
        overrides.extend_from_slice(own);
        // What is chosen by validation samples must not be trained on them, and nobody is to see the test samples.
        overrides.push(Override::new(&["run", "refit"], false));
        overrides.push(Override::new(&["run", "test"], false));
        Ok(Config::of_run(&self.folder.join("config.toml"), &overrides)?)
    }

    fn cell_folder(&self, entry: &Entry, point: &str, seed: u64) -> String {
        let of = self
            .draw
            .folder()
            .map_or_else(String::new, |fold| format!("{fold}/"));
        format!("{FOLDER}/{of}{}/{point}/seed-{seed}", entry.folder(self.base))
    }

    /// The run folder of a modality that was trained alone with the settings that were found for it.
    fn single(&self, modality: &str, seed: u64) -> String {
        let found = self
            .entrants
            .iter()
            .flatten()
            .find(|entrant| entrant.entry.is_single(modality));
        let best = found.and_then(|entrant| Some((entrant, entrant.search.best()?)));
        best.map_or_else(String::new, |(entrant, best)| {
            let point = entrant.search.point(best).folder();
            let folder = self.folder.join(self.cell_folder(entrant.entry, &point, seed));
            folder.to_string_lossy().into_owned()
        })
    }

    /// The runs to make next: those whose outcome is open, of entries that need no other one or whose others are settled.
    /// None once everything is.
    ///
    /// # Errors
    /// A setting that the configuration refuses.
    pub(in crate::compare) fn round(&mut self) -> Result<Option<Round>> {
        for entrant in self.entrants.iter_mut().flatten() {
            entrant.settled = entrant.search.settle(self.grid, &entrant.config);
        }
        let mut round = Round {
            plan: Plan::default(),
            places: Vec::new(),
        };
        for (entry, entrant) in self.entrants.iter().enumerate() {
            let Some(entrant) = entrant else { continue };
            let others = self.entrants.iter().flatten();
            let mut needed = others.filter(|other| entrant.entry.method.needs(&other.entry.method));
            if needed.any(|other| !other.settled) {
                continue;
            }
            for (point, seed) in entrant.search.open() {
                let (at, number) = (entrant.search.point(point), self.seeds[seed]);
                let config = self.config(entrant.entry, number, &at.overrides, |modality| {
                    self.single(modality, number)
                })?;
                round.plan.cells.push(Cell {
                    entry,
                    seed: number,
                    config: config.to_toml()?,
                    folder: self.cell_folder(entrant.entry, &at.folder(), number),
                    label: format!(
                        "tuning {}, {}, {}",
                        entrant.entry.label(self.base),
                        at.values.join(", "),
                        self.draw.with_seed(number).label()
                    ),
                });
                round.places.push((entry, point, seed));
            }
        }
        // All of them: a cell names its entry by its place among these.
        round.plan.entries = self.entries.to_vec();
        round.plan.seeds.clone_from(&self.seeds);
        Ok((!round.places.is_empty()).then_some(round))
    }

    /// Takes what came of the cells of a round, in their order.
    pub(in crate::compare) fn learn(&mut self, round: &Round, outcomes: impl IntoIterator<Item = Outcome>) {
        for (&(entry, point, seed), outcome) in round.places.iter().zip(outcomes) {
            if let Some(entrant) = &mut self.entrants[entry] {
                entrant.search.learn(point, seed, outcome);
            }
        }
    }

    /// What was chosen for each entry.
    pub(in crate::compare) fn choices(&self) -> Vec<Choice> {
        let choice = |entrant: &Option<Entrant<'_>>| {
            let Some(entrant) = entrant else {
                return Choice::Own;
            };
            let search = &entrant.search;
            match (search.best(), search.record(self.grid, &self.seeds)) {
                (Some(best), Some(tuned)) => Choice::Tuned(search.point(best).overrides.clone(), tuned),
                _ => Choice::Failed(format!(
                    "no setting that was tried could be trained with: {}",
                    search.problem().unwrap_or("no run ended")
                )),
            }
        };
        self.entrants.iter().map(choice).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compare::method::Method;
    use crate::compare::tuning::LEARNING_RATE;

    #[test]
    fn an_entry_that_cannot_be_configured_moves_no_other_from_its_place() {
        let base = Config::load(None, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), base.to_toml().unwrap()).unwrap();
        let entry = |method, fusion: &str| Entry {
            method,
            modalities: base
                .modalities
                .iter()
                .map(|modality| modality.name.clone())
                .collect(),
            fusion: fusion.to_owned(),
        };
        let entries = [
            entry(Method::Joint, "concat"),
            entry(Method::Equal, "no-such-fusion"),
            entry(Method::Ogr, "concat"),
        ];
        let tuning = Tuning {
            grid: Grid::parse(&[LEARNING_RATE.to_owned()]).unwrap(),
            seeds: 1,
        };
        let mut stage = Stage::begin(&base, folder.path(), &entries, &tuning, &Draw::of_seed(0)).unwrap();
        let round = stage.round().unwrap().unwrap();
        assert_eq!(round.plan.entries, entries);
        assert_eq!(round.plan.cells.len(), 6);
        for cell in &round.plan.cells {
            let of_cell = Config::parse("cell", &cell.config, base.base.clone(), &[]).unwrap();
            let kind = of_cell.blend.plugin.typetag_name();
            assert_eq!(round.plan.entries[cell.entry].method.name(), kind);
        }
        stage.learn(&round, round.plan.cells.iter().map(|_| Ok([0.5, -1.0])));
        let choices = stage.choices();
        assert!(matches!(
            choices[..],
            [Choice::Tuned(..), Choice::Own, Choice::Tuned(..)]
        ));
    }
}
