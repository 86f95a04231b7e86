//! What is fitted to the vectors of the training samples.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::category::is_code;
use gblend_core::{Array, Error, FitContext, Result};
use serde::{Deserialize, Serialize};

use super::{Scaling, Vector};
use crate::frontend::moments::{self, MISSING, Moments, Scale};

/// Categories of a column that have a column of their own each.
const MOST_ONE_HOT: usize = 1000;
/// Categories of a column that have a learned vector each.
const MOST_LEARNED: usize = 1 << 20;

/// What has to be known of each column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figures {
    /// Columns of a vector.
    columns: usize,
    /// Columns of numbers, in order.
    numbers: Vec<Number>,
    /// Columns of categories, in order.
    categories: Vec<Categories>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    column: usize,
    mean: f64,
    deviation: f64,
    /// Training samples that lack it.
    missing: u64,
}

impl Number {
    fn scale(&self) -> Scale {
        Scale {
            mean: self.mean,
            deviation: self.deviation,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Categories {
    column: usize,
    /// Rising; a category of its own, the first, for cells that are missing, if there are such.
    values: Vec<Option<f32>>,
}

impl Categories {
    /// Which of them it is.
    fn position(&self, value: f32) -> Option<usize> {
        let value = Some(value).filter(|&value| value != MISSING);
        // `None` is below every number, and there is no NaN.
        let order = |other: &Option<f32>| other.partial_cmp(&value).unwrap_or(std::cmp::Ordering::Less);
        self.values.binary_search_by(order).ok()
    }
}

impl Figures {
    pub(super) fn fit(settings: &Vector, cx: &FitContext<'_>) -> Result<Self> {
        let mut all: Vec<Moments> = Vec::new();
        let named = settings
            .categorical
            .iter()
            .map(|&column| (column, BTreeSet::new()));
        let mut found: BTreeMap<usize, BTreeSet<Ordered>> = named.collect();
        let (most, instead) = match settings.category_width {
            None => (MOST_ONE_HOT, "; `category_width` learns a vector for each"),
            Some(_) => (MOST_LEARNED, ""),
        };
        for sample in cx.samples() {
            let sample = sample?;
            all.resize(sample.len(), Moments::default());
            for (moments, &value) in all.iter_mut().zip(sample.values()) {
                moments.push(value);
            }
            for (column, &value) in sample.values().iter().enumerate() {
                let found = match found.get_mut(&column) {
                    Some(found) => found,
                    None if is_code(value) => found.entry(column).or_default(),
                    None => continue,
                };
                found.insert(Ordered(value));
                if found.len() > most {
                    let value = format!("column {column}");
                    let expected = format!("columns of at most {most} categories{instead}");
                    return Err(Error::setting("categorical", value, expected));
                }
            }
        }
        let numbers = all.iter().enumerate();
        let numbers = numbers.filter(|(column, _)| !found.contains_key(column));
        let categories = found.iter().map(|(&column, found)| {
            // A cell may have been missing before the first code was seen.
            let missing = all.get(column).is_some_and(|moments| moments.missing() > 0);
            let missing = missing.then_some(None);
            let present = found
                .iter()
                .map(|value| value.0)
                .filter(|&value| value != MISSING);
            Categories {
                column,
                values: missing.into_iter().chain(present.map(Some)).collect(),
            }
        });
        Ok(Self {
            columns: all.len(),
            numbers: numbers
                .map(|(column, moments)| {
                    let Scale { mean, deviation } = moments.scale();
                    let missing = moments.missing();
                    Number {
                        column,
                        mean,
                        deviation,
                        missing,
                    }
                })
                .collect(),
            categories: categories.collect(),
        })
    }

    /// What `gblend check` shows.
    pub(super) fn summary(&self) -> Vec<String> {
        let scales: Vec<Scale> = self.numbers.iter().map(Number::scale).collect();
        let mut lines = vec![moments::summary(&scales, "columns")];
        let missing: Vec<&Number> = self.numbers.iter().filter(|number| number.missing > 0).collect();
        if let Some(first) = missing.first() {
            let cells: u64 = missing.iter().map(|number| number.missing).sum();
            lines.push(format!(
                "{cells} cells missing in {} columns, such as column {}",
                missing.len(),
                first.column
            ));
        }
        lines.extend(self.categories.iter().map(|categories| {
            format!(
                "column {}: {} categories",
                categories.column,
                categories.values.len()
            )
        }));
        lines
    }

    /// Columns with an indicator beside them.
    fn indicated(&self, settings: &Vector) -> impl Iterator<Item = &Number> {
        let indicators = settings.indicators;
        self.numbers
            .iter()
            .filter(move |number| indicators && number.missing > 0)
    }

    /// Numbers of what [`apply`](Self::apply) makes that are no number of a category.
    pub(super) fn dense(&self, settings: &Vector) -> usize {
        let one_hot = match settings.category_width {
            None => self.counts().sum(),
            Some(_) => 0,
        };
        self.numbers.len() + self.indicated(settings).count() + one_hot
    }

    /// Categories of each categorical column.
    pub(super) fn counts(&self) -> impl Iterator<Item = usize> {
        self.categories.iter().map(|categories| categories.values.len())
    }

    pub(super) fn apply(&self, settings: &Vector, sample: &Array) -> Result<Array> {
        let values = sample.values();
        if sample.shape() != [self.columns] {
            let expected = format!("[{}], as the training samples", self.columns);
            return Err(Error::shape("a vector", expected, sample.shape()));
        }
        // A damaged file may name any.
        let named = self.numbers.iter().map(|number| number.column);
        let mut named = named.chain(self.categories.iter().map(|categories| categories.column));
        if let Some(column) = named.find(|&column| column >= self.columns) {
            let problem = format!("names column {column} of {}", self.columns);
            return Err(Error::data("what was fitted to the training samples", problem));
        }
        let mut applied = Vec::with_capacity(self.dense(settings) + self.categories.len());
        applied.extend(self.numbers.iter().map(|number| {
            let value = values[number.column];
            match settings.scaling {
                // A category where no training sample had any.
                _ if is_code(value) => 0.0,
                Scaling::Standard => number.scale().of(value, settings.clip),
                Scaling::None if value == MISSING => 0.0,
                Scaling::None => value,
            }
        }));
        let indicators = self.indicated(settings);
        applied.extend(indicators.map(|number| f32::from(values[number.column] == MISSING)));
        for categories in &self.categories {
            let position = categories.position(values[categories.column]);
            match settings.category_width {
                None => applied
                    .extend((0..categories.values.len()).map(|other| f32::from(position == Some(other)))),
                // 0 is what no training sample has.
                Some(_) => applied.push(position.map_or(0.0, |position| (position + 1) as f32)),
            }
        }
        Array::new([applied.len()], applied)
    }

    /// Columns of a sample with a category that no training sample had, or a number that is clipped.
    pub(super) fn unfamiliar(&self, settings: &Vector, sample: &Array) -> Vec<usize> {
        let value = |column: usize| sample.values().get(column).copied();
        let is_beyond = |number: &Number, value: f32| match settings.scaling {
            _ if is_code(value) => true,
            Scaling::Standard => f64::from(number.scale().of(value, f64::MAX).abs()) > settings.clip,
            Scaling::None => false,
        };
        let numbers = self.numbers.iter().filter(|number| {
            value(number.column).is_some_and(|value| value != MISSING && is_beyond(number, value))
        });
        let categories = self.categories.iter().filter(|categories| {
            value(categories.column)
                .is_some_and(|value| value != MISSING && categories.position(value).is_none())
        });
        let numbers = numbers.map(|number| number.column);
        numbers
            .chain(categories.map(|categories| categories.column))
            .collect()
    }
}

/// Numbers in the order that they have, none of which is NaN.
#[derive(Clone, Copy, Debug)]
struct Ordered(f32);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
