//! Fixed weights on a grid over the simplex: where the best ones are, and how far from them an estimate is.

use std::collections::BTreeMap;

use gblend_core::MetricKind;

use crate::error::{Error, Result};
use crate::records::{Difference, Simplex, SimplexPoint, mean_and_ci95};

/// More cells than this for one seed is a slip, not a search.
const MOST_POINTS: usize = 1000;

/// Every vector of `heads` weights that are multiples of `1 / steps` and add up to 1.
///
/// # Errors
/// [`Error::Usage`] if that is none, or more than anybody could wait for.
pub(super) fn grid(heads: usize, steps: usize) -> Result<Vec<Vec<f64>>> {
    // steps + heads - 1 over heads - 1, which cannot overflow before it is too large.
    let mut points = 1_usize;
    for part in 1..heads {
        points = points.saturating_mul(steps.saturating_add(part)) / part;
        if points > MOST_POINTS {
            break;
        }
    }
    if steps == 0 || points > MOST_POINTS {
        return Err(Error::Usage(format!(
            "--simplex {steps}: a grid over the weights of {heads} heads with {steps} steps, expected at least 1 step and at \
             most {MOST_POINTS} points"
        )));
    }
    let mut grid = Vec::with_capacity(points);
    let mut parts = vec![0; heads];
    fill(&mut parts, 0, steps, &mut |parts| {
        grid.push(parts.iter().map(|&part| part as f64 / steps as f64).collect());
    });
    Ok(grid)
}

fn fill(parts: &mut [usize], head: usize, left: usize, found: &mut impl FnMut(&[usize])) {
    if head + 1 == parts.len() {
        parts[head] = left;
        found(parts);
        return;
    }
    for part in 0..=left {
        parts[head] = part;
        fill(parts, head + 1, left - part, found);
    }
}

/// A point from its weights and its main figure with each seed.
pub(super) fn point(weights: Vec<f64>, main: &MetricKind, figures: Vec<f64>) -> SimplexPoint {
    let mean = mean_and_ci95(&figures).0;
    let (test_accuracy, test_metrics) = match main.name.as_ref() {
        "accuracy" => (figures, BTreeMap::new()),
        name => (Vec::new(), BTreeMap::from([(name.to_owned(), figures)])),
    };
    SimplexPoint {
        weights,
        test_accuracy,
        test_metrics,
        mean,
    }
}

/// Judges an estimate by the points of a grid; `None` if there is no point. Every list of figures has the same seeds in
/// the same order. `regret` is how much better the points at these positions, one for each seed, are than the estimate.
pub(super) fn judge(
    heads: Vec<String>,
    main: &MetricKind,
    steps: usize,
    points: Vec<SimplexPoint>,
    estimate: SimplexPoint,
    regret: impl FnOnce(&[usize]) -> Option<Difference>,
) -> Option<Simplex> {
    let gains = |point: &SimplexPoint| -> Vec<f64> {
        let figures = point.figures(&main.name).iter();
        figures.map(|&figure| main.better.gain(figure)).collect()
    };
    let seeds = estimate.figures(&main.name).len();
    let best_without = |seed: usize| {
        let others = |point: &SimplexPoint| -> f64 {
            let gains = gains(point).into_iter().enumerate();
            // With one seed there are no others, and its own has to do.
            gains
                .filter(|(other, _)| seeds == 1 || *other != seed)
                .map(|(_, gain)| gain)
                .sum()
        };
        let best = points
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| others(a).total_cmp(&others(b)));
        best.map(|(position, _)| position)
    };
    let best: Option<Vec<usize>> = (0..seeds).map(best_without).collect();
    let regret = regret(&best?)?;
    Some(Simplex {
        heads,
        steps,
        points,
        estimate,
        regret,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::records::{TestedOn, difference};
    use gblend_core::Better;
    use proptest::prelude::*;

    static MAIN: MetricKind = MetricKind::share("accuracy", "accuracy");

    /// As [`judge`], over seeds alone.
    fn judged(heads: usize, main: &MetricKind, points: Vec<SimplexPoint>, estimate: SimplexPoint) -> Simplex {
        let heads = (0..heads).map(|head| head.to_string()).collect();
        let gain = |of: &SimplexPoint, seed: usize| main.better.gain(of.figures(&main.name)[seed]);
        let (all, own) = (points.clone(), estimate.clone());
        let regret = |best: &[usize]| {
            let pairs = best.iter().enumerate();
            difference(
                "ogr",
                pairs.map(|(seed, &best)| (gain(&all[best], seed), gain(&own, seed))),
                main,
                TestedOn::ItsOwn,
            )
        };
        judge(heads, main, 2, points, estimate, regret).unwrap()
    }

    proptest! {
        #[test]
        fn a_grid_has_every_point_of_the_simplex_once(heads in 2_usize..5, steps in 1_usize..8) {
            let grid = grid(heads, steps).unwrap();
            for weights in &grid {
                prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                prop_assert!(weights.iter().all(|&weight| weight >= 0.0));
            }
            let parts = |weights: &[f64]| -> Vec<usize> {
                weights.iter().map(|weight| (weight * steps as f64).round() as usize).collect()
            };
            let unique: std::collections::BTreeSet<Vec<usize>> = grid.iter().map(|weights| parts(weights)).collect();
            prop_assert_eq!(unique.len(), grid.len());
            // Stars and bars.
            let count = (1..heads).fold(1, |product, part| product * (steps + part) / part);
            prop_assert_eq!(grid.len(), count);
        }

        #[test]
        fn a_grid_without_end_is_refused(heads in 2_usize..9, steps in 1001_usize..usize::MAX) {
            prop_assert!(grid(heads, steps).is_err());
        }
    }

    #[test]
    fn no_seed_chooses_the_point_that_it_is_judged_by() {
        // By its own accuracy each seed would choose another point and regret 0.4; by the others' it finds nothing.
        let lucky = |seed: usize| {
            let accuracies = (0..3).map(|other| if other == seed { 0.9 } else { 0.4 });
            point(vec![0.5, 0.5], &MAIN, accuracies.collect())
        };
        let points = (0..3).map(lucky).collect();
        let estimate = point(vec![0.3, 0.7], &MAIN, vec![0.5; 3]);
        let simplex = judged(2, &MAIN, points, estimate);
        assert!((simplex.regret.mean + 0.1).abs() < 1e-12, "{:?}", simplex.regret);
    }

    #[test]
    fn the_best_point_is_the_regret_of_the_others() {
        let good = point(vec![1.0, 0.0], &MAIN, vec![0.8, 0.9, 0.7]);
        let bad = point(vec![0.0, 1.0], &MAIN, vec![0.5; 3]);
        let estimate = point(vec![0.5, 0.5], &MAIN, vec![0.7, 0.8, 0.6]);
        let simplex = judged(2, &MAIN, vec![bad, good], estimate);
        assert!((simplex.regret.mean - 0.1).abs() < 1e-12 && simplex.regret.significant);
    }

    #[test]
    fn of_errors_the_smallest_is_the_best() {
        let main = MetricKind::number("mae", "MAE", Better::Lower);
        let good = point(vec![1.0, 0.0], &main, vec![0.2, 0.1]);
        let bad = point(vec![0.0, 1.0], &main, vec![0.5, 0.5]);
        let estimate = point(vec![0.5, 0.5], &main, vec![0.3, 0.2]);
        let simplex = judged(2, &main, vec![bad, good], estimate);
        assert!((simplex.regret.mean - 0.1).abs() < 1e-12, "{:?}", simplex.regret);
        assert_eq!(simplex.points[0].figures("mae"), [0.5, 0.5]);
        assert!(simplex.points[0].test_accuracy.is_empty());
    }
}
