//! What a probe of one head shows.

use serde::{Deserialize, Serialize};

/// The loss of each sample at one moment of a probe; `None` for those that the head does not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleLosses {
    /// Of training samples.
    pub train: Vec<Option<f64>>,
    /// Of held-out samples.
    pub held_out: Vec<Option<f64>>,
}

impl SampleLosses {
    /// The mean loss of the held-out samples.
    pub fn held_out_mean(&self) -> f64 {
        let seen = || self.held_out.iter().flatten();
        seen().sum::<f64>() / seen().count().max(1) as f64
    }
}

/// The losses before a probe, and after each length that it reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeLosses {
    /// Where the live network stands.
    pub before: SampleLosses,
    /// After each length, in order.
    pub after: Vec<SampleLosses>,
}

impl ProbeLosses {
    /// Whether there is nothing left to see: the last of `lengths` lengths was reached, or the last two were worse on
    /// held-out samples than the best before them.
    pub fn is_over(&self, lengths: usize) -> bool {
        self.after.len() >= lengths || self.is_past_the_best()
    }

    fn is_past_the_best(&self) -> bool {
        let Some((earlier, [a, b])) = self.after.split_last_chunk::<2>() else {
            return false;
        };
        let best = earlier
            .iter()
            .map(SampleLosses::held_out_mean)
            .fold(f64::INFINITY, f64::min);
        a.held_out_mean() > best && b.held_out_mean() > best
    }
}
