//! What would settle a difference that is open.

use serde::{Deserialize, Serialize};

use super::{LEAST_SEEDS, TestedOn, VarianceParts};

/// More seeds than anybody compares with who has so many: a hundred, or ten times as many.
pub fn most_seeds(seeds: usize) -> usize {
    seeds.saturating_mul(10).max(100)
}

/// More test samples than anybody has, as a multiple of those that were there.
const MOST_SAMPLES: f64 = 1000.0;

/// What would settle a difference whose interval has 0 in it, if it is what it was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settles {
    /// Nothing that is worth it: the difference is next to none.
    TooClose,
    /// So many seeds, on the same test samples.
    Seeds(usize),
    /// No number of seeds on the same test samples, but more of these.
    Samples {
        /// Test samples.
        samples: usize,
        /// Groups of samples, where these count as independent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        groups: Option<usize>,
        /// Seeds.
        seeds: usize,
    },
    /// More than [`most_seeds`], and more than a thousand times the test samples, if there are any to multiply.
    OutOfReach,
}

/// What would settle a difference of this mean; `None` where nothing is known of seeds. Differences below `least` are too
/// close; `half_width` is of the parts of a variance.
pub(super) fn settles(
    mean: f64,
    least: f64,
    parts: &VarianceParts,
    tested_on: TestedOn,
    half_width: impl Fn(&VarianceParts) -> Option<f64>,
) -> Option<Settles> {
    parts.of_seeds?;
    let parts = &tested_on.for_more_seeds(parts);
    if mean.abs() < least {
        return Some(Settles::TooClose);
    }
    let settled = |seeds: usize, factor: f64| {
        half_width(&parts.expected(seeds, factor)).is_some_and(|half| mean.abs() > half)
    };
    let most = most_seeds(parts.seeds);
    let fewest = (parts.seeds + 1).max(LEAST_SEEDS);
    if settled(most, 1.0) {
        let (mut open, mut enough) = (fewest - 1, most);
        while enough - open > 1 {
            let middle = usize::midpoint(open, enough);
            match settled(middle, 1.0) {
                true => enough = middle,
                false => open = middle,
            }
        }
        return Some(Settles::Seeds(tested_on.round_up(enough)));
    }
    // With more samples as few seeds as there are may do, or some more.
    let mut seeds = parts.seeds.max(LEAST_SEEDS);
    while seeds < most && !settled(seeds, MOST_SAMPLES) {
        seeds = (2 * seeds).min(most);
    }
    if !settled(seeds, MOST_SAMPLES) {
        return Some(Settles::OutOfReach);
    }
    let (mut open, mut enough) = (1.0, MOST_SAMPLES);
    while enough / open > 1.01 {
        let middle = (open * enough).sqrt();
        match settled(seeds, middle) {
            true => enough = middle,
            false => open = middle,
        }
    }
    let times = |count: usize| two_digits((count as f64 * enough).ceil() as usize);
    Some(Settles::Samples {
        samples: times(parts.samples),
        groups: parts.groups.map(times),
        seeds: tested_on.round_up(seeds),
    })
}

/// Rounded up to two digits: the third is a guess.
fn two_digits(count: usize) -> usize {
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    count.div_ceil(unit) * unit
}
