//! What objectives of a modality's own head have in common.

use gblend_core::{Array, Criterion, Error, ObjectiveContext, Result, Targets};

/// Refuses the joint head.
///
/// # Errors
/// [`Error::Setting`].
pub(in crate::objective) fn check_own(cx: &ObjectiveContext<'_>, kind: &str) -> Result<()> {
    if !cx.is_joint() {
        return Ok(());
    }
    let expected = format!(
        "an objective of the joint head: \"{kind}\" is for a modality's own, in [modality.NAME.objective]"
    );
    Err(Error::setting("kind", format!("\"{kind}\""), expected))
}

/// Rows of one length as an output.
///
/// # Errors
/// [`Error::Shape`] if they are of several.
pub(in crate::objective) fn rows_of(scores: &[Vec<f64>]) -> Result<Array> {
    let length = scores.first().map_or(0, Vec::len);
    if let Some(odd) = scores.iter().find(|row| row.len() != length) {
        return Err(Error::shape("scores", format!("[{length}]"), [odd.len()]));
    }
    let values = scores.iter().flatten();
    Array::new(
        [scores.len(), length],
        values.map(|&score| score as f32).collect(),
    )
}

/// Scores that are an output as it is, of which it is made again by [`rows_of`].
pub(in crate::objective) fn scores_of(output: &Array) -> Vec<Vec<f64>> {
    let length = output.shape().last().copied().unwrap_or(1).max(1);
    let rows = output.values().chunks_exact(length);
    rows.map(|row| row.iter().map(|&value| value.into()).collect())
        .collect()
}

/// The losses of such scores.
///
/// # Errors
/// As [`Criterion::losses`].
pub(in crate::objective) fn losses_of_rows(
    criterion: &impl Criterion,
    scores: &[Vec<f64>],
    targets: &Targets,
) -> Result<Vec<Option<f64>>> {
    if scores.is_empty() && targets.is_empty() {
        return Ok(Vec::new());
    }
    criterion.losses(&rows_of(scores)?, targets)
}

/// The probability of what is right, of which these are the losses. Rounding leaves none above 1.
pub(in crate::objective) fn likelihoods(losses: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let losses = losses.into_iter();
    losses
        .map(|loss| loss.map(|loss| (-loss.max(0.0)).exp()))
        .collect()
}

/// The most that a projection, or a layer before it, may be wide: more is a slip of the finger.
const WIDEST: usize = 1 << 16;

/// Sizes of layers that can be meant.
///
/// # Errors
/// [`Error::Setting`].
pub(in crate::objective) fn check_sizes(width: usize, hidden: &[usize]) -> Result<()> {
    let sizes = hidden.iter().map(|&size| ("hidden", size));
    for (key, size) in [("width", width)].into_iter().chain(sizes) {
        if !(1..=WIDEST).contains(&size) {
            return Err(Error::setting(key, size, format!("1 to {WIDEST}")));
        }
    }
    Ok(())
}
