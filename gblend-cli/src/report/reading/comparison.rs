//! A comparison folder.

use std::path::{Component, Path, PathBuf};

use gblend_core::MetricKind;

use super::{Run, json, problem, text};
use crate::error::Result;
use crate::records::{COMPARISON_FORMAT, Comparison, Measured, Row, SampleFigures};
use crate::run_folder::read_test_samples;

/// A comparison, and the runs that it is of.
#[derive(Debug)]
pub(crate) struct Compared {
    /// What the page calls it.
    pub(crate) name: String,
    /// `config.toml`, which every method starts from, if it is there.
    pub(crate) config: Option<String>,
    /// `compare.json`.
    pub(crate) result: Comparison,
    /// The runs of each row, in its order.
    pub(crate) cells: Vec<Vec<Cell>>,
}

/// One run of a row; `run` is `None` where the folder is gone.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Its seed.
    pub(crate) seed: u64,
    /// What it left behind.
    pub(crate) run: Option<Run>,
    /// The main figure of the comparison, sample by sample, if that is known.
    pub(crate) samples: Option<SampleFigures>,
}

impl Compared {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Run`](crate::Error::Run) if `compare.json` contradicts itself, or a run that is there is damaged.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let result: Comparison = json(folder, "compare.json")?;
        check(folder, &result)?;
        let cells = result
            .rows
            .iter()
            .map(|row| {
                let runs = row.seeds.iter().zip(&row.runs);
                runs.map(|(&seed, run)| {
                    let path = below(folder, run)?;
                    let run = path.is_dir().then(|| Run::read(&path)).transpose()?;
                    let samples = run
                        .as_ref()
                        .map(|run| samples(&path, run, result.main()))
                        .transpose()?;
                    Ok(Cell {
                        seed,
                        run,
                        samples: samples.flatten(),
                    })
                })
                .collect()
            })
            .collect::<Result<_>>()?;
        let config = folder.join("config.toml").is_file();
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let last = absolute.file_name().unwrap_or(absolute.as_os_str());
        Ok(Self {
            name: last.to_string_lossy().into_owned(),
            config: config.then(|| text(folder, "config.toml")).transpose()?,
            result,
            cells,
        })
    }

    /// The position of the row whose first seed the page shows in detail: of those with every modality, the first whose
    /// weights come from estimates, else from what the run shows, else one that trains several heads.
    pub(crate) fn representative(&self) -> Option<usize> {
        let rows = self.result.rows.iter().enumerate();
        let shown = rows.filter_map(|(position, row)| Some((position, row, self.run(position)?)));
        let ranked = shown.map(|(position, row, run)| {
            let blends = run.trained().count() > 1;
            // The row of equal weights itself has no difference to it.
            let baseline = row.paired_difference_to_equal.is_none();
            (
                position,
                (self.has_all(row), run.advice.weights, blends, !baseline),
            )
        });
        // Of several, the first.
        ranked
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(position, _)| position)
    }

    /// Whether a row's method was trained on every modality.
    pub(crate) fn has_all(&self, row: &Row) -> bool {
        row.modalities.len() == self.result.modalities.len()
    }

    /// A run of a row: that of its first seed whose folder is there.
    pub(crate) fn run(&self, row: usize) -> Option<&Run> {
        self.cells.get(row)?.iter().find_map(|cell| cell.run.as_ref())
    }

    /// The main figure of two rows with the seeds that both have, and what is known of samples.
    pub(crate) fn pairs<'a>(&'a self, row: &Row, other: &Row) -> Vec<(Measured<'a>, Measured<'a>)> {
        let own = self.measured(row);
        let others = self.measured(other);
        let pairs = own.into_iter().filter_map(|(seed, measured)| {
            let (_, found) = others.iter().find(|(of, _)| *of == seed)?;
            Some((measured, *found))
        });
        pairs.collect()
    }

    /// The main figure of a row with each seed, and what is known of samples.
    fn measured(&self, row: &Row) -> Vec<(u64, Measured<'_>)> {
        let position = self.result.rows.iter().position(|other| other == row);
        let cells = position.and_then(|position| self.cells.get(position));
        let figures = row.figures(&self.result.main().name);
        let seeds = row.seeds.iter().zip(figures).enumerate();
        let measured = seeds.map(|(place, (&seed, &figure))| {
            let cell = cells
                .and_then(|cells| cells.get(place))
                .filter(|cell| cell.seed == seed);
            let samples = cell.and_then(|cell| cell.samples.as_ref());
            let samples = samples.filter(|samples| samples.has_mean(figure));
            let weight = row.weight(place);
            (
                seed,
                Measured {
                    figure,
                    weight,
                    samples,
                },
            )
        });
        measured.collect()
    }

    /// The position of the row of the modality that is best alone, as the comparison says, else by its mean.
    pub(crate) fn best_single(&self) -> Option<usize> {
        let rows = &self.result.rows;
        let named = rows
            .iter()
            .find_map(|row| Some(&row.paired_difference_to_best_single.as_ref()?.to))
            .and_then(|to| rows.iter().position(|row| row.method == *to));
        let singles = rows.iter().enumerate();
        let singles = singles.filter(|(_, row)| row.single().is_some());
        let gain = |row: &Row| self.result.main().better.gain(row.mean);
        let best = singles.max_by(|(_, a), (_, b)| gain(a).total_cmp(&gain(b)));
        named.or(best.map(|(position, _)| position))
    }
}

/// The main figure of a run, sample by sample, if it is that of its summary.
fn samples(folder: &Path, run: &Run, main: &MetricKind) -> Result<Option<SampleFigures>> {
    let file = read_test_samples(folder).map_err(|found| problem(folder, found))?;
    let figure = run.prediction().and_then(|rule| rule.metrics().get(&main.name));
    let samples = file.and_then(|file| file.of(&main.name, run.summary.predict));
    Ok(samples.filter(|samples| figure.is_some_and(|figure| samples.has_mean(figure))))
}

/// What tables and charts call a row among others.
pub(crate) fn label(row: &Row, comparison: &Comparison) -> String {
    comparison.label(row)
}

fn check(folder: &Path, result: &Comparison) -> Result<()> {
    if result.format != COMPARISON_FORMAT {
        let found = format!(
            "compare.json has the format `{}`, this gblend reads `{COMPARISON_FORMAT}`",
            result.format
        );
        return Err(problem(folder, found));
    }
    for row in &result.rows {
        let figures = row.figures(&result.main().name).len();
        let (seeds, runs) = (row.seeds.len(), row.runs.len());
        if seeds != figures || seeds != runs {
            let found = format!(
                "compare.json: `{}` has {seeds} seeds, {figures} figures and {runs} runs, expected as many of each",
                row.method
            );
            return Err(problem(folder, found));
        }
    }
    if let Some(simplex) = &result.simplex {
        let heads = simplex.heads.len();
        let mut points = simplex.points.iter().chain([&simplex.estimate]);
        if let Some(point) = points.find(|point| point.weights.len() != heads) {
            let found = format!(
                "compare.json: a point of the simplex has {} weights, expected {heads}",
                point.weights.len()
            );
            return Err(problem(folder, found));
        }
    }
    Ok(())
}

/// A folder below another. A file from elsewhere must not make this one read anything on the machine.
fn below(folder: &Path, relative: &str) -> Result<PathBuf> {
    let path = Path::new(relative);
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(folder.join(path));
    }
    Err(problem(
        folder,
        format!("compare.json: the run `{relative}` is not in the comparison's folder"),
    ))
}
