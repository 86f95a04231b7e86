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

/// As many choices of several tunings as fit into a table.
const MOST_TEXTS: usize = 3;

impl Tuned {
    /// The values that were chosen in several tunings, each with how often, the most frequent first and no more than three; `None`
    /// without one.
    pub fn text_of(tunings: &[Self]) -> Option<String> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for text in tunings.iter().map(Self::text) {
            match counts.iter_mut().find(|(known, _)| *known == text) {
                Some((_, count)) => *count += 1,
                None => counts.push((text, 1)),
            }
        }
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let texts = counts
            .iter()
            .take(MOST_TEXTS)
            .map(|(text, count)| match tunings.len() {
                1 => text.clone(),
                _ => format!("{text} ×{count}"),
            });
        let mut texts: Vec<String> = texts.collect();
        let others: usize = counts.iter().skip(MOST_TEXTS).map(|(_, count)| count).sum();
        texts.extend((others > 0).then(|| format!("others ×{others}")));
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// The values that were chosen, as a table shows them.
    pub fn text(&self) -> String {
        let chosen = self.points.get(self.chosen);
        let values = chosen.map_or_else(String::new, |point| point.values.join(", "));
        let mark = if self.at_edge { " (edge)" } else { "" };
        format!("{values}{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuned(value: &str) -> Tuned {
        Tuned {
            keys: vec!["optimizer.learning_rate".into()],
            seeds: vec![0],
            points: vec![TunedPoint {
                values: vec![value.into()],
                figures: None,
                problem: None,
            }],
            chosen: 0,
            at_edge: value == "0.81",
        }
    }

    #[test]
    fn several_tunings_are_told_by_their_choices_and_how_often_each_was_made() {
        let text =
            |values: &[&str]| Tuned::text_of(&values.iter().map(|value| tuned(value)).collect::<Vec<_>>());
        assert_eq!(text(&[]), None);
        assert_eq!(text(&["0.1"]).as_deref(), Some("0.1"));
        assert_eq!(
            text(&["0.1", "0.81", "0.1"]).as_deref(),
            Some("0.1 ×2; 0.81 (edge) ×1")
        );
        let many = ["1", "2", "3", "4", "5", "3"];
        assert_eq!(text(&many).as_deref(), Some("3 ×2; 1 ×1; 2 ×1; others ×2"));
    }
}
