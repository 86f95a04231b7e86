//! Which values are tried.

use crate::compare::method::KEYS_OF_A_COMPARISON;
use crate::config::{Config, Override};
use crate::error::{Error, Result};

/// The key that is tuned where none is named.
pub const LEARNING_RATE: &str = "optimizer.learning_rate";

/// From one learning rate to the next.
const FACTOR: f64 = 3.0;
/// So many factors from the configuration's learning rate the search for a better one ends.
const FARTHEST: i32 = 4;
/// More runs than this for each method and seed are hardly meant.
const MOST_POINTS: usize = 64;

/// What `--tune` asks for: which keys are chosen by validation, and among which values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq)]
struct Key {
    name: String,
    /// None stands for the values around the configuration's own.
    values: Option<Vec<toml::Value>>,
}

/// One value for each key.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::compare) struct Point {
    pub(in crate::compare) overrides: Vec<Override>,
    /// As a configuration has them.
    pub(in crate::compare) values: Vec<String>,
    /// For each key the position among its values; of values around the configuration's own the exponent.
    position: Vec<i32>,
}

impl Grid {
    /// Reads `KEY=V1,V2,…`, or `optimizer.learning_rate` without values, once for each `--tune`.
    ///
    /// # Errors
    /// [`Error::Usage`] if a key has no values or is named twice, or there are too many combinations.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut keys: Vec<Key> = Vec::new();
        for argument in arguments {
            let key = Key::parse(argument)?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(Error::Usage(format!(
                    "--tune {argument}: `{}` is tuned already",
                    key.name
                )));
            }
            keys.push(key);
        }
        let grid = Self { keys };
        let points = grid.sizes().try_fold(1_usize, usize::checked_mul);
        if points.is_none_or(|points| points > MOST_POINTS) {
            return Err(Error::Usage(format!(
                "--tune: found {} combinations of values, expected at most {MOST_POINTS}",
                points.map_or_else(|| "too many".to_owned(), |points| points.to_string())
            )));
        }
        Ok(grid)
    }

    /// The keys, as they were named.
    pub(in crate::compare) fn names(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.name.clone()).collect()
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.keys
            .iter()
            .map(|key| key.values.as_ref().map_or(3, Vec::len))
    }

    /// The points to begin with, for a method with this configuration.
    pub(in crate::compare) fn begin(&self, config: &Config) -> Vec<Point> {
        let mut positions: Vec<Vec<i32>> = vec![Vec::new()];
        for key in &self.keys {
            let own: Vec<i32> = match &key.values {
                Some(values) => (0..values.len() as i32).collect(),
                None => vec![-1, 0, 1],
            };
            let longer = positions.iter().flat_map(|position| {
                own.iter()
                    .map(|&last| position.iter().copied().chain([last]).collect())
            });
            positions = longer.collect();
        }
        positions
            .into_iter()
            .map(|position| self.at(position, config))
            .collect()
    }

    /// Points beyond `best` that are worth a try: it is the last one tried in a direction in which there are more.
    pub(in crate::compare) fn beyond(&self, best: &Point, tried: &[Point], config: &Config) -> Vec<Point> {
        let steps = self.open_directions(best, tried).filter(|(key, step)| {
            let next = best.position[*key] + step;
            (-FARTHEST..=FARTHEST).contains(&next)
        });
        let next = steps.map(|(key, step)| {
            let mut position = best.position.clone();
            position[key] += step;
            self.at(position, config)
        });
        next.collect()
    }

    /// Whether there is a direction in which nothing beyond `best` was tried although there are values.
    pub(in crate::compare) fn at_edge(&self, best: &Point, tried: &[Point]) -> bool {
        self.open_directions(best, tried).next().is_some()
    }

    /// Keys and steps from `best` to points around the configuration's own value that were not tried.
    fn open_directions<'a>(
        &'a self,
        best: &'a Point,
        tried: &'a [Point],
    ) -> impl Iterator<Item = (usize, i32)> + 'a {
        let around = self
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.values.is_none());
        let steps = around.flat_map(|(key, _)| [(key, -1), (key, 1)]);
        steps.filter(move |(key, step)| {
            let mut next = best.position.clone();
            next[*key] += step;
            !tried.iter().any(|point| point.position == next)
        })
    }

    fn at(&self, position: Vec<i32>, config: &Config) -> Point {
        let values = self
            .keys
            .iter()
            .zip(&position)
            .map(|(key, &at)| match &key.values {
                Some(values) => values[at as usize].clone(),
                None => toml::Value::Float(around(config.optimizer.plugin.learning_rate(), at)),
            });
        let values: Vec<toml::Value> = values.collect();
        Point {
            overrides: self
                .keys
                .iter()
                .zip(&values)
                .map(|(key, value)| Override::new(&key.name.split('.').collect::<Vec<_>>(), value.clone()))
                .collect(),
            values: values
                .iter()
                .map(|value| match value {
                    toml::Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect(),
            position,
        }
    }
}

impl Point {
    /// A folder's name that no other point of the grid has.
    pub(in crate::compare) fn folder(&self) -> String {
        let positions: Vec<String> = self.position.iter().map(i32::to_string).collect();
        format!("point{}", positions.join("_"))
    }
}

/// A learning rate so many factors from another one, with four digits, which are enough to tell them apart.
fn around(rate: f64, exponent: i32) -> f64 {
    let exact = rate * FACTOR.powi(exponent);
    if exponent == 0 {
        return rate;
    }
    format!("{exact:.3e}").parse().unwrap_or(exact)
}

impl Key {
    fn parse(argument: &str) -> Result<Self> {
        let usage = |problem: &str| {
            Error::Usage(format!(
                "--tune {argument}: {problem}, as in --tune optimizer.learning_rate=0.01,0.03,0.1; a configuration comes \
                 before it"
            ))
        };
        let Some((name, values)) = argument.split_once('=') else {
            return match argument {
                LEARNING_RATE => Ok(Self {
                    name: argument.to_owned(),
                    values: None,
                }),
                _ => Err(usage("expected KEY=V1,V2,…")),
            };
        };
        let name = name.trim().to_owned();
        if name == "run.refit" || KEYS_OF_A_COMPARISON.contains(&name.as_str()) {
            return Err(usage("expected a key that a comparison does not set itself"));
        }
        if name.split('.').any(str::is_empty) {
            return Err(usage("expected KEY=V1,V2,…"));
        }
        // What is no list of TOML values is a list of words, as a value of `--set` is one.
        let list: Option<Vec<toml::Value>> = toml::from_str::<toml::Table>(&format!("values = [{values}]"))
            .ok()
            .and_then(|mut table| table.remove("values")?.as_array().cloned());
        let words = || values.split(',').map(|word| word.trim().to_owned());
        let values = list.unwrap_or_else(|| words().map(toml::Value::String).collect());
        let empty = |value: &toml::Value| value.as_str().is_some_and(str::is_empty);
        if values.is_empty() || values.iter().any(empty) {
            return Err(usage(
                "expected at least one value after `=`, and none that is empty",
            ));
        }
        if (1..values.len()).any(|index| values[..index].contains(&values[index])) {
            return Err(usage("expected values that differ"));
        }
        Ok(Self {
            name,
            values: Some(values),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn grid(arguments: &[&str]) -> Result<Grid> {
        Grid::parse(&arguments.iter().map(|&one| one.to_owned()).collect::<Vec<_>>())
    }

    fn config() -> Config {
        Config::load(None, &["optimizer.learning_rate=0.05".parse().unwrap()]).unwrap()
    }

    fn values(points: &[Point]) -> Vec<String> {
        points.iter().map(|point| point.values.join(" ")).collect()
    }

    #[test]
    fn without_values_the_learning_rate_is_tried_a_factor_of_three_around_its_own() {
        let points = grid(&[LEARNING_RATE]).unwrap().begin(&config());
        assert_eq!(values(&points), ["0.01667", "0.05", "0.15"]);
    }

    #[test]
    fn several_keys_are_tried_in_every_combination() {
        let grid = grid(&["optimizer.kind=sgd,adam", "run.batch_size=16,32"]).unwrap();
        let points = grid.begin(&config());
        assert_eq!(values(&points), ["sgd 16", "sgd 32", "adam 16", "adam 32"]);
        let folders: std::collections::BTreeSet<String> = points.iter().map(Point::folder).collect();
        assert_eq!(folders.len(), 4);
        assert!(grid.beyond(&points[0], &points, &config()).is_empty());
        assert!(!grid.at_edge(&points[0], &points));
    }

    #[test]
    fn arguments_that_make_no_grid_are_refused_with_what_is_wrong() {
        for (arguments, part) in [
            (&["examples/scene.toml"][..], "a configuration comes before it"),
            (&["run.epochs="], "at least one value"),
            (&["run.epochs=3,,4"], "none that is empty"),
            (&["run.epochs=3,3"], "differ"),
            (&["run.seed=3,4"], "does not set itself"),
            (&["run.fold=1/3,2/3"], "does not set itself"),
            (&["=3,4"], "KEY=V1"),
            (&["run.epochs=3", "run.epochs=4"], "tuned already"),
            (&["a=1,2,3,4,5,6,7,8,9", "b=1,2,3,4,5,6,7,8"], "at most 64"),
        ] {
            let error = grid(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_search_goes_on_while_an_edge_is_best_and_ends(favorite in -9_i32..10) {
            let (grid, config) = (grid(&[LEARNING_RATE]).unwrap(), config());
            let mut tried = grid.begin(&config);
            let distance = |point: &Point| (point.position[0] - favorite).abs();
            let best = loop {
                let best = tried.iter().min_by_key(|point| distance(point)).unwrap().clone();
                let next = grid.beyond(&best, &tried, &config);
                if next.is_empty() {
                    break best;
                }
                tried.extend(next);
            };
            prop_assert_eq!(best.position[0], favorite.clamp(-FARTHEST, FARTHEST));
            // At the end of the road it is told that there may be more beyond.
            prop_assert_eq!(grid.at_edge(&best, &tried), favorite.abs() >= FARTHEST);
        }
    }
}
