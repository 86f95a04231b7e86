//! What the objectives with classes have in common.

use gblend_core::{Array, Axes, Error, Result};

/// What their reports call the axes.
pub(super) const AXES: Axes = Axes::new("true class", "predicted class");

/// `−ln p`. A probability that rounds to 0 counts as the smallest there is: the loss stays finite.
pub(super) fn surprise(probability: f64) -> f64 {
    -probability.max(f64::MIN_POSITIVE).ln()
}

/// There is a score for each class in every row.
///
/// # Errors
/// [`Error::Shape`] if not.
pub(super) fn check_rows(rows: &[Vec<f64>], classes: usize) -> Result<()> {
    match rows.iter().find(|row| row.len() != classes) {
        None => Ok(()),
        Some(odd) => Err(Error::shape(
            "scores",
            format!("{classes}, one for each class"),
            [odd.len()],
        )),
    }
}

/// The output is `[batch, classes]`.
///
/// # Errors
/// [`Error::Shape`] if not.
pub(super) fn check_output(output: &Array, classes: usize) -> Result<()> {
    match *output.shape() {
        [_, width] if width == classes => Ok(()),
        _ => Err(Error::shape(
            "a head's output",
            format!("[batch, {classes}]"),
            output.shape(),
        )),
    }
}

/// The classes of a label are below their number.
///
/// # Errors
/// [`Error::Data`] if not.
pub(super) fn check_classes(labeled: &[usize], classes: usize) -> Result<()> {
    match labeled.iter().find(|&&class| class >= classes) {
        None => Ok(()),
        Some(class) => Err(Error::data(
            "a label",
            format!("class {class}, expected less than {classes}"),
        )),
    }
}

/// An output with these scores, each turned into one element.
///
/// # Errors
/// As [`check_rows`].
pub(super) fn output_of(scores: &[Vec<f64>], classes: usize, of: impl Fn(f64) -> f32) -> Result<Array> {
    check_rows(scores, classes)?;
    let values = scores.iter().flatten().map(|&score| of(score));
    Array::new([scores.len(), classes], values.collect())
}

/// The first position of the highest value; `None` if there is a NaN, which is no prediction.
pub(super) fn highest<T: PartialOrd + Copy>(row: &[T]) -> Option<usize> {
    let mut best: Option<(usize, T)> = None;
    for (index, &value) in row.iter().enumerate() {
        #[allow(clippy::eq_op)] // A NaN is the one value that differs from itself.
        if value != value {
            return None;
        }
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

/// The mean over classes of `2 TP / (2 TP + FP + FN)`, from what was said of each sample and what is right. A class that
/// no sample has and none is said to have does not count.
pub(super) fn macro_f1<'a>(
    said: impl IntoIterator<Item = (&'a [usize], &'a [usize])>,
    classes: usize,
) -> f64 {
    let (mut both, mut either) = (vec![0_usize; classes], vec![0_usize; classes]);
    for (said, right) in said {
        for &class in said {
            both[class] += usize::from(right.contains(&class));
        }
        said.iter().chain(right).for_each(|&class| either[class] += 1);
    }
    let scores: Vec<f64> = both
        .iter()
        .zip(&either)
        .filter(|(_, either)| **either > 0)
        .map(|(&both, &either)| 2.0 * both as f64 / either as f64)
        .collect();
    match scores.len() {
        // Nothing is there and nothing was said.
        0 => 1.0,
        count => scores.iter().sum::<f64>() / count as f64,
    }
}

/// The mean over classes of the share of their samples that is said to have them, from what was said of each sample and
/// what is right. A class that no sample has does not count.
pub(super) fn balanced_accuracy<'a>(
    said: impl IntoIterator<Item = (&'a [usize], &'a [usize])>,
    classes: usize,
) -> f64 {
    let (mut found, mut all) = (vec![0_usize; classes], vec![0_usize; classes]);
    for (said, right) in said {
        for &class in right {
            all[class] += 1;
            found[class] += usize::from(said.contains(&class));
        }
    }
    let present = found.iter().zip(&all).filter(|(_, all)| **all > 0);
    let recalls: Vec<f64> = present.map(|(&found, &all)| found as f64 / all as f64).collect();
    recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_goes_to_the_first_and_a_nan_to_nobody() {
        assert_eq!(highest(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(highest(&[f32::NAN, 1.0]), None);
        assert_eq!(highest::<f32>(&[]), None);
    }

    #[test]
    fn a_class_that_nobody_has_and_nobody_names_does_not_count() {
        assert_eq!(macro_f1([(&[0][..], &[0][..]), (&[], &[])], 2), 1.0);
        assert_eq!(macro_f1([(&[][..], &[][..])], 2), 1.0);
    }
}
