//! A comparison folder.

use std::path::{Component, Path, PathBuf};

use super::{Run, json, problem, text};
use crate::error::Result;
use crate::records::{COMPARISON_FORMAT, Comparison, Row};

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
                    Ok(Cell { seed, run })
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

/// What tables and charts call a row among others.
pub(crate) fn label(row: &Row, comparison: &Comparison) -> String {
    let fusion = comparison.rows.first().map(|row| &row.fusion);
    if row.single().is_some() {
        row.method.clone()
    } else if row.modalities.len() < comparison.modalities.len() {
        format!("{} on {}", row.method, row.modalities.join(" + "))
    } else if fusion.is_some_and(|fusion| *fusion != row.fusion) {
        format!("{} with fusion {}", row.method, row.fusion)
    } else {
        row.method.clone()
    }
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
