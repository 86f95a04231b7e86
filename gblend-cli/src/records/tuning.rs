//! What a method was tuned to before it was compared.

use serde::{Deserialize, Serialize};

/// The settings of a method, chosen by validation samples with seeds that nothing else is run with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// The keys that were tuned.
    pub keys: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// What was tried.
    pub points: Vec<TunedPoint>,
    /// The position of the best of them.
    pub chosen: usize,
    /// Whether the best one is the last in its direction, so that one farther away may be better.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_edge: bool,
}

/// Settings that were tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedPoint {
    /// The value of each key, as a configuration has it.
    pub values: Vec<String>,
    /// What validation samples said with these, as means over the seeds: the first decides, the second between equals, and a
    /// better one is larger. Absent where a run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<[f64; 2]>,
    /// Why a run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Tuned {
    /// The values that were chosen, as a table shows them.
    pub fn text(&self) -> String {
        let chosen = self.points.get(self.chosen);
        let values = chosen.map_or_else(String::new, |point| point.values.join(", "));
        let mark = if self.at_edge { " (edge)" } else { "" };
        format!("{values}{mark}")
    }
}
