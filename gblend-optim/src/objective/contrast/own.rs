//! What objectives of a modality's own head have in common.

use gblend_core::{Array, Error, ObjectiveContext, Result};

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
