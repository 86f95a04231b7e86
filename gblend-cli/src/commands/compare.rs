//! `gblend compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use gblend_core::{Better, MetricFormat, MetricKind};

use super::device::DeviceOption;
use super::distributed::DistributedOption;
use super::train::parse_overrides;
use super::{print, print_json};
use crate::compare::{
    DEFAULT_METHODS, Grid, LEARNING_RATE, Method, Scope, Tuning, Workers, compare, first_of_folds, serve,
};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::process::Interrupt;
use crate::progress::Board;
use crate::ranks::Ranks;
use crate::records::{
    Comparison, Difference, Figure, FigureDifference, LEAST_SEEDS, Row, Simplex, SimplexPoint,
};
use crate::tables::table;
use crate::training::agree_on_task;

/// Seeds that leave an interval that tells something.
const TELLING_SEEDS: usize = 5;

/// Seeds where neither seeds nor folds are asked for.
const DEFAULT_SEEDS: usize = 3;

/// Compares ways of training on one task, over several seeds.
///
/// Every method trains on the same splits with the same seed. Each modality alone, naive joint training and equal weights are
/// always among them, since the others are measured by these. Runs go side by side on the cores; a comparison that was interrupted
/// goes on where it stopped.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The configuration file. Without one, the built-in scene.
    config: Option<PathBuf>,
    /// Overrides a key of the configuration for every method.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    distributed: DistributedOption,
    /// How many seeds, from run.seed on. Default: 3, or as many as there are folds.
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Tests every sample: the dataset is dealt to so many folds, whole groups where it has groups, and each seed trains without one of
    /// them and is tested on it. The dataset's own test is not asked. With --tune every fold has a tuning of its own. More seeds, a
    /// multiple, deal the samples again.
    #[arg(long, value_name = "K")]
    folds: Option<usize>,
    /// What to compare: single, joint, dropout, pretrained, early-stop, equal, equal-joint, ogr, ogr-online, umt, or any kind of blend; what
    /// others are measured by, single, joint and equal, always runs.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', default_values_t = DEFAULT_METHODS.map(String::from))]
    methods: Vec<String>,
    /// A method of your own: its name and the keys that it sets, as in "adam optimizer.kind=adam".
    #[arg(long, value_name = "NAME KEY=VALUE …")]
    variant: Vec<String>,
    /// Chooses these values of a key for each method by its validation samples, with seeds of its own, before it is compared.
    /// Without values the learning rate, a factor of 3 around the configuration's and further while an edge is best.
    #[arg(long, value_name = "KEY=V1,V2,…", num_args = 0..=1, default_missing_value = LEARNING_RATE)]
    tune: Vec<String>,
    /// How many seeds of its own each method is tuned with.
    #[arg(long, value_name = "N", default_value_t = 2, requires = "tune")]
    tune_seeds: usize,
    /// Also runs joint, equal and ogr on every combination of modalities.
    #[arg(long)]
    subsets: bool,
    /// Also runs joint, equal and ogr with every kind of fusion.
    #[arg(long)]
    fusions: bool,
    /// Also trains with fixed weights on a grid over the simplex with so many steps, and tells how far from the best of
    /// them the estimate is.
    #[arg(long, value_name = "STEPS")]
    simplex: Option<usize>,
    /// The comparison's folder. Default: runs/NAME-compare, or runs/NAME-compare-K-folds.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time. Default: as many as run.threads, or as there are cores; one on a GPU.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Prints compare.json in place of the table.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

impl Compare {
    pub(super) fn run(self) -> Result<()> {
        self.distributed.run(|ranks| self.compare(ranks))
    }

    fn compare(&self, ranks: &Ranks) -> Result<()> {
        let mut overrides = parse_overrides(&self.set, None)?;
        overrides.extend(self.device.overrides());
        let mut config = Config::load(self.config.as_deref(), &overrides)?;
        if let (Some(folds), Some(_)) = (self.folds, self.simplex) {
            return Err(Error::Usage(format!(
                "--folds {folds} and --simplex: the best weights of a grid are told of one test; leave out one of both"
            )));
        }
        if let Some(folds) = self.folds {
            overrides.push(first_of_folds(&config, folds)?);
            config = Config::load(self.config.as_deref(), &overrides)?;
        }
        let names: Vec<String> = config
            .modalities
            .iter()
            .map(|modality| modality.name.clone())
            .collect();
        let mut methods = Vec::new();
        for method in &self.methods {
            methods.extend(Method::parse(method.trim(), &names)?);
        }
        for variant in &self.variant {
            methods.push(Method::parse_variant(variant)?);
        }
        let scope = Scope {
            methods,
            seeds: self.seeds.or(self.folds).unwrap_or(DEFAULT_SEEDS),
            folds: self.folds,
            subsets: self.subsets,
            fusions: self.fusions,
            simplex: self.simplex,
        };
        let tuning = self.tuning(&config)?;
        let folder = self.out.clone().unwrap_or_else(|| self.default_folder());
        let interrupt = Interrupt::by_signals();
        agree_on_task(&config, ranks)?;
        if !ranks.is_first() {
            return serve(&config, ranks, &interrupt);
        }
        let board = Board::new(self.quiet);
        let comparison = compare(
            &config,
            &folder,
            &scope,
            tuning.as_ref(),
            Workers {
                jobs: self.jobs,
                ranks,
            },
            &interrupt,
            &board,
        )
        .map_err(Error::located(&config))?;
        board.finish();
        if self.json {
            print_json(&comparison)?;
        } else {
            print(&closing(&comparison, &folder))?;
        }
        match &comparison.left_out[..] {
            [] => Ok(()),
            left_out => Err(Error::LeftOut(left_out.to_vec())),
        }
    }

    /// What `--tune` asks for.
    fn tuning(&self, config: &Config) -> Result<Option<Tuning>> {
        if self.tune.is_empty() {
            return Ok(None);
        }
        if self.simplex.is_some() {
            return Err(Error::Usage(
                "--tune and --simplex: a grid of fixed weights is of one setting; name it with --set".into(),
            ));
        }
        if let (Some(folds), true) = (self.folds, config.run.validation == 0.0) {
            return Err(Error::Usage(format!(
                "--tune and --folds {folds}: there are no validation samples to choose by; run.validation sets some of those that are not \
                 tested aside"
            )));
        }
        if self.tune_seeds == 0 {
            return Err(Error::Usage("--tune-seeds 0: expected at least 1".into()));
        }
        Ok(Some(Tuning {
            grid: Grid::parse(&self.tune)?,
            seeds: self.tune_seeds,
        }))
    }

    fn default_folder(&self) -> PathBuf {
        let stem = self.config.as_deref().and_then(Path::file_stem);
        let name = stem.map_or_else(|| "scene".into(), |stem| stem.to_string_lossy());
        Path::new("runs").join(match self.folds {
            None => format!("{name}-compare"),
            Some(folds) => format!("{name}-compare-{folds}-folds"),
        })
    }
}

/// The table, what its marks mean, and where to go from here.
fn closing(comparison: &Comparison, folder: &Path) -> String {
    let fusions = comparison
        .rows
        .iter()
        .any(|row| row.fusion != comparison.rows[0].fusion);
    let subset = |row: &Row| row.modalities.len() > 1 && row.modalities.len() < comparison.modalities.len();
    let subsets = comparison.rows.iter().any(subset);
    let mut header = vec!["method"];
    header.extend(subsets.then_some("modalities"));
    header.extend(fusions.then_some("fusion"));
    let left = header.len();
    let main = comparison.main();
    let figure = format!("test {}", main.label);
    header.push(&figure);
    let beside = comparison.rows.iter().any(|row| !row.joint_head.is_empty());
    header.extend(beside.then_some("by joint head"));
    let tuned = comparison.rows.iter().find_map(|row| row.tunings().first());
    let keys = tuned.map_or_else(String::new, |tuned| {
        let last = |key: &String| key.rsplit('.').next().unwrap_or_default().to_owned();
        tuned.keys.iter().map(last).collect::<Vec<_>>().join(", ")
    });
    header.extend(tuned.is_some().then_some(keys.as_str()));
    header.extend(["− best single", "− joint", "− equal", "seconds"]);
    let rows = comparison.rows.iter().map(|row| {
        let mut cells = vec![row.method.clone()];
        cells.extend(subsets.then(|| row.modalities.join(" + ")));
        cells.extend(fusions.then(|| row.fusion.clone()));
        cells.push(Figure::new(row.mean, main).with_interval(row.ci95));
        let by_joint = || match row.by_joint_head(main) {
            None => "-".to_owned(),
            Some((mean, ci95)) => Figure::new(mean, main).with_interval(ci95),
        };
        cells.extend(beside.then(by_joint));
        let of_row = row.tuned_to().unwrap_or_else(|| "-".to_owned());
        cells.extend(tuned.is_some().then_some(of_row));
        cells.push(signed(row.paired_difference_to_best_single.as_ref(), main));
        cells.push(signed(row.paired_difference_to_joint.as_ref(), main));
        cells.push(signed(row.paired_difference_to_equal.as_ref(), main));
        cells.push(format!("{:.1}", row.seconds));
        cells
    });
    let best = comparison
        .rows
        .iter()
        .find_map(|row| row.paired_difference_to_best_single.as_ref());
    let best = best.map_or("-", |difference| difference.to.as_str());
    let intervals = intervals(comparison);
    let simplex = comparison
        .simplex
        .as_ref()
        .map_or_else(String::new, |found| format!("\n{}", search(found, main)));
    let intervals = match main.better {
        Better::Higher => intervals,
        Better::Lower => format!("{intervals}; of the {} less is better", main.label),
    };
    let more = comparison.intervals_do_not_know().into_iter();
    let more = more.chain(
        comparison
            .open_question()
            .map(|question| format!("open: {question}")),
    );
    let more: String = more.map(|line| format!("\n{line}")).collect();
    let spaces = feature_spaces(comparison);
    format!(
        "{}\n\n{spaces}best single modality: {best}\n{intervals}{more}{simplex}\ncomparison: {}",
        table(&header, left, rows),
        folder.display(),
    )
}

/// What the features of modalities tell under each method, if labels say so.
fn feature_spaces(comparison: &Comparison) -> String {
    if comparison.feature_spaces.is_empty() {
        return String::new();
    }
    let kind = MetricKind::share("share", "share");
    let rows = comparison.feature_spaces.iter().map(|row| {
        let figure = match row.figure.as_str() {
            "knn" => "nearest neighbors",
            "probe" => "linear probe",
            "retrieval" => "retrieval mAP",
            _ => "recall@1",
        };
        vec![
            row.tower.clone(),
            row.label.clone(),
            figure.to_owned(),
            row.method.clone(),
            Figure::new(row.mean, &kind).with_interval(row.ci95),
            signed(row.paired_difference_to_joint.as_ref(), &kind),
        ]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    rows.sort_by(|a, b| a[..3].cmp(&b[..3]));
    let header = ["features of", "label", "figure", "method", "test", "− joint"];
    format!("{}\n\n", table(&header, 4, rows))
}

/// What intervals are over, and what marks mean.
fn intervals(comparison: &Comparison) -> String {
    let over = comparison.intervals_are_over();
    let seeds = comparison
        .rows
        .iter()
        .map(|row| row.seeds.len())
        .max()
        .unwrap_or(0);
    let known = comparison.rows.iter().any(|row| row.parts.is_some());
    let more = format!("--seeds {}", comparison.tested_on().round_up(TELLING_SEEDS));
    match seeds {
        0 => "no run has a result".to_owned(),
        1 if !known => {
            format!("one seed: there are no intervals, and a difference may be chance; {more} tells more")
        }
        1 => format!(
            "± 95 % intervals over {over}: what another seed would have found is not in them, and no difference is marked; \
             {more} tells more"
        ),
        _ if seeds < LEAST_SEEDS => format!(
            "± 95 % intervals over {over}, differences seed by seed: too few seeds to mark any; {more} tells more"
        ),
        _ => format!(
            "± 95 % intervals over {over}, differences seed by seed; * the interval leaves out 0 (not corrected for the \
             number of rows)"
        ),
    }
}

/// What the search of the weights found.
fn search(simplex: &Simplex, main: &MetricKind) -> String {
    let named = |weights: &[f64]| {
        let weights = simplex.heads.iter().zip(weights);
        let weights: Vec<String> = weights
            .map(|(head, weight)| format!("{head} {weight:.2}"))
            .collect();
        weights.join(", ")
    };
    let gain = |point: &SimplexPoint| main.better.gain(point.mean);
    let best = simplex.points.iter().max_by(|a, b| gain(a).total_cmp(&gain(b)));
    let best = best.map_or_else(String::new, |best| {
        format!(
            "best fixed weights of {}: {} with {}\n",
            simplex.points.len(),
            named(&best.weights),
            Figure::new(best.mean, main).text()
        )
    });
    format!(
        "{best}ogr: {} with {}; regret {}{} (the best weights by the other seeds, less ogr)",
        named(&simplex.estimate.weights),
        Figure::new(simplex.estimate.mean, main).text(),
        signed(Some(&simplex.regret), main),
        match main.format {
            MetricFormat::Percent => " points",
            _ => "",
        },
    )
}

/// `+5.3 ± 1.7 *`, shares in points.
fn signed(difference: Option<&Difference>, main: &MetricKind) -> String {
    let Some(difference) = difference else {
        return String::new();
    };
    let mark = if difference.significant { " *" } else { "  " };
    let figure = FigureDifference::new(difference.mean, main);
    match difference.ci95 {
        Some(ci95) => format!("{} ± {}{mark}", figure.signed(), figure.width(ci95)),
        None => figure.signed(),
    }
}
