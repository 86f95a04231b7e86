//! Charts: what they show in words, drawings, and the table behind them.

mod accuracy;
mod confusion;
mod curves;
mod estimate;
mod feature_space;
mod figures;
mod ink;
mod per_class;
mod plane;
mod reliability;
mod rows;
mod scatter;
mod sheet;
mod simplex;
mod subsets;
mod time;
mod units;
mod weights;

pub(super) use accuracy::{of_comparison, of_run, of_runs, wilson};
pub(super) use confusion::{confusion_table, confusions};
pub(super) use curves::loss_curves;
pub(super) use estimate::estimates;
pub(super) use feature_space::{labels_read, recall, spaces_beside_joint, spaces_of_methods};
pub(super) use figures::{difference, figure, of_kind, of_kind_within, percent, points};
pub(super) use ink::Ink;
pub(super) use per_class::{ClassGain, per_class};
pub(super) use reliability::reliability;
pub(super) use scatter::scatters;
pub(super) use simplex::simplex;
pub(super) use subsets::{subsets_of_run, subsets_trained};
pub(super) use time::{duration, mebibytes, time_of_comparison, time_of_run};
pub(super) use weights::blend_weights;

/// A chart as it stands on a page.
#[derive(Debug)]
pub(super) struct Chart {
    /// Its heading.
    pub(super) title: String,
    /// What it is of, for everyone.
    pub(super) caption: String,
    /// What colors and lines stand for.
    pub(super) legend: Vec<Key>,
    /// One or several pictures side by side.
    pub(super) drawings: Vec<Drawing>,
    /// The figures behind it.
    pub(super) table: Table,
}

/// A picture.
#[derive(Debug)]
pub(super) struct Drawing {
    /// Its name.
    pub(super) title: String,
    /// What it shows, for those who do not see it.
    pub(super) says: String,
    /// Elements of an SVG of `size`.
    pub(super) svg: String,
    /// Width and height in units of the drawing.
    pub(super) size: (u32, u32),
    /// Width and height on a page, in CSS pixels.
    pub(super) pixels: (u32, u32),
}

/// What a color stands for.
#[derive(Debug)]
pub(super) struct Key {
    /// The color.
    pub(super) ink: Ink,
    /// How it is drawn.
    pub(super) stroke: Stroke,
    /// What it stands for.
    pub(super) means: String,
}

impl Key {
    /// A color that fills areas.
    pub(super) fn area(ink: Ink, means: &str) -> Self {
        Self {
            ink,
            stroke: Stroke::Area,
            means: means.to_owned(),
        }
    }
}

/// How a color is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    /// A line.
    Line,
    /// An area.
    Area,
}

/// Rows of figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The names of the columns.
    pub(super) header: Vec<String>,
    /// Columns from the left that are words.
    pub(super) words: usize,
    /// Its rows.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows yet, whose first columns are words.
    pub(super) fn new(words: usize, header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&name| name.to_owned()).collect(),
            words,
            rows: Vec::new(),
        }
    }
}
