//! Whether weights can be expected to be worth more than equal ones.
//!
//! What is said follows from tasks of which one thing was turned at a time (docs/blending.md, "Where weights pay").

use gblend_core::{BlendReport, HeadReport};

/// A modality with less of an equal share, at the most that its interval allows, hardly generalizes.
const LITTLE: f64 = 0.5;

/// What the weights of an estimate lead one to expect; nothing if they are neither near equal ones nor far from them.
pub(super) fn expected(report: &BlendReport) -> Option<String> {
    let equal = 1.0 / report.heads.len() as f64;
    let interval = |head: &HeadReport| Some((head.weight_low?, head.weight_high?));
    let intervals: Vec<(f64, f64)> = report.heads.iter().map(interval).collect::<Option<_>>()?;
    if intervals.iter().all(|&(low, high)| low <= equal && equal <= high) {
        return Some(format!(
            "An equal share, {equal:.2}, is in the interval of every weight: this estimate does not tell them from equal ones. \
             blend.kind = \"equal\" is as good as far as it knows, and takes no estimate."
        ));
    }
    let modalities = report.heads.iter().zip(&intervals).take(report.heads.len() - 1);
    let little = modalities.filter(|(_, interval)| interval.1 < LITTLE * equal);
    let little: Vec<String> = little
        .map(|(head, (low, high))| format!("{} [{low:.2}, {high:.2}]", head.name))
        .collect();
    (!little.is_empty()).then(|| {
        format!(
            "Less than half of an equal share, {equal:.2}, is all that the interval of a weight allows ({}). Where a modality is mostly \
             noise, weights were worth one or two points beside equal ones; `gblend compare --methods equal,ogr` tells what they are \
             worth here.",
            little.join(", ")
        )
    })
}
