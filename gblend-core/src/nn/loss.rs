//! Cross entropy, and the backward pass.

use dfdx::shapes::Axis;

use super::arithmetic::multiply;
use super::reduce::sum;
use crate::array::Array;
use crate::engine::{self, enclosed};
use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::tensor::{Gradients, Logits, Loss, Plain};

/// Mean over the batch of `−log softmax(logits)[label]`.
///
/// # Errors
/// [`Error::Shape`] if there is not one label for each row of `[batch, classes]`, [`Error::Data`] if a
/// label is not below the number of classes, [`Error::Device`].
pub fn cross_entropy(logits: Logits, labels: &[usize]) -> Result<Loss> {
    weighted_cross_entropy(logits, labels, &vec![1.0; labels.len()])
}

/// Mean over the batch of `−weight · log softmax(logits)[label]`, one weight for each row. It is divided by the number of
/// rows, and not by the sum of their weights.
///
/// # Errors
/// As [`cross_entropy`], and [`Error::Shape`] if there is not one weight for each row.
pub fn weighted_cross_entropy(logits: Logits, labels: &[usize], weights: &[f32]) -> Result<Loss> {
    let &(batch, classes) = logits.shape();
    check_labels(batch, classes, labels)?;
    check_weights(batch, weights)?;
    let mut share = vec![0.0; batch * classes];
    let rows = share.chunks_exact_mut(classes.max(1)).zip(labels);
    for ((row, &label), weight) in rows.zip(weights) {
        row[label] = -weight / batch as f32;
    }
    let share = Plain::new(&logits.device(), (batch, classes), share)?;
    let log = logits.run(|logits| enclosed(logits, |logits| logits.try_log_softmax::<Axis<1>>()))?;
    sum(multiply(log, share.enter(Recorder::for_data()))?)
}

/// Runs the backward pass.
///
/// # Errors
/// [`Error::Device`] if the loss was not recorded, or the device fails.
pub fn backward(loss: Loss) -> Result<Gradients> {
    engine::backward(loss.into_engine()).map(Gradients)
}

/// The cross entropy of each sample in `f64`, from logits `[batch, classes]` on the host.
///
/// # Errors
/// As [`cross_entropy`].
pub fn cross_entropy_of_each(logits: &Array, labels: &[usize]) -> Result<Vec<f64>> {
    let (batch, classes) = matrix(logits)?;
    check_labels(batch, classes, labels)?;
    let rows = logits.values().chunks_exact(classes.max(1)).zip(labels);
    Ok(rows
        .map(|(row, &label)| log_sum_exp(row) - f64::from(row[label]))
        .collect())
}

/// The softmax of each sample in `f64`, from logits `[batch, classes]` on the host.
///
/// # Errors
/// [`Error::Shape`] if the logits are no matrix.
pub fn softmax_of_each(logits: &Array) -> Result<Vec<Vec<f64>>> {
    let (_, classes) = matrix(logits)?;
    let rows = logits.values().chunks_exact(classes.max(1));
    Ok(rows
        .map(|row| {
            let total = log_sum_exp(row);
            row.iter().map(|&x| (f64::from(x) - total).exp()).collect()
        })
        .collect())
}

/// `log Σ exp(x)`, with the largest taken out so that nothing overflows; NaN if one of them is.
fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    let sum: f64 = row.iter().map(|&x| (f64::from(x) - largest).exp()).sum();
    largest + sum.ln()
}

/// Batch and classes of logits on the host.
pub(super) fn matrix(logits: &Array) -> Result<(usize, usize)> {
    match *logits.shape() {
        [batch, classes] => Ok((batch, classes)),
        _ => Err(Error::shape("logits", "[batch, classes]", logits.shape())),
    }
}

fn check_labels(batch: usize, classes: usize, labels: &[usize]) -> Result<()> {
    check_rows(batch, labels.len())?;
    for (row, label) in labels.iter().enumerate() {
        check_classes(row, classes, std::slice::from_ref(label))?;
    }
    Ok(())
}

/// There is one label for each row of logits.
pub(super) fn check_rows(batch: usize, labels: usize) -> Result<()> {
    if labels == batch {
        return Ok(());
    }
    let expected = format!("one for each of {batch} rows of logits");
    Err(Error::shape("labels", expected, [labels]))
}

/// There are so many weights.
pub(super) fn check_weights(expected: usize, weights: &[f32]) -> Result<()> {
    if weights.len() == expected {
        return Ok(());
    }
    Err(Error::shape(
        "weights of a loss",
        format!("{expected}"),
        [weights.len()],
    ))
}

/// The classes of a row are below their number.
pub(super) fn check_classes(row: usize, width: usize, classes: &[usize]) -> Result<()> {
    match classes.iter().find(|&&class| class >= width) {
        None => Ok(()),
        Some(class) => Err(Error::data(
            format!("label of row {row}"),
            format!("expected a class below {width}, found {class}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::{AutoDevice, Dims2};
    use proptest::prelude::*;

    fn logits(values: &[f32], batch: usize) -> Plain<Dims2> {
        let shape = (batch, values.len() / batch);
        Plain::new(&AutoDevice::default(), shape, values.to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn the_mean_of_each_is_the_loss(values in proptest::collection::vec(-20.0_f32..20.0, 12), labels in proptest::collection::vec(0_usize..4, 3)) {
            let loss = cross_entropy(logits(&values, 3).parameter(), &labels).unwrap().value();
            let each = cross_entropy_of_each(&Array::new([3, 4], values).unwrap(), &labels).unwrap();
            let mean = each.iter().sum::<f64>() / 3.0;
            prop_assert!((f64::from(loss) - mean).abs() < 1e-5 * mean.max(1.0));
        }

        #[test]
        fn probabilities_add_up_to_one(values in proptest::collection::vec(-1e4_f32..1e4, 12)) {
            for row in softmax_of_each(&Array::new([3, 4], values).unwrap()).unwrap() {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_gradient_is_softmax_minus_one_hot_over_the_batch() {
        let values = [0.5, -1.0, 2.0, 0.0, 0.0, 0.0];
        let tensor = logits(&values, 2);
        let loss = cross_entropy(tensor.parameter(), &[2, 0]).unwrap();
        let gradient = backward(loss).unwrap().get(&tensor).unwrap().into_values();
        let softmax = softmax_of_each(&Array::new([2, 3], values.to_vec()).unwrap()).unwrap();
        for (i, gradient) in gradient.into_iter().enumerate() {
            let hot = f64::from(u8::from(i == 2 || i == 3));
            let expected = (softmax[i / 3][i % 3] - hot) / 2.0;
            assert!((f64::from(gradient) - expected).abs() < 1e-7);
        }
    }

    #[test]
    fn a_weighted_loss_is_divided_by_the_number_of_rows() {
        // PyTorch's cross_entropy with weight=[0.5, 1.0, 4.0] and reduction="sum", over 3; its formula in float64 NumPy.
        let values = [0.5, -1.0, 2.0, 0.0, 0.25, -0.5, 1.0, 1.0, -1.0];
        let tensor = logits(&values, 3);
        let loss = weighted_cross_entropy(tensor.parameter(), &[2, 0, 1], &[4.0, 0.5, 1.0]).unwrap();
        assert!(
            (f64::from(loss.value()) - 0.751_531_103_701_799_5).abs() < 1e-6,
            "{}",
            loss.value()
        );
        let wrong = weighted_cross_entropy(logits(&values, 3).parameter(), &[2, 0, 1], &[1.0; 2]);
        assert!(wrong.unwrap_err().to_string().contains("weights"));
    }

    #[test]
    fn a_nan_logit_gives_a_nan_loss() {
        let array = Array::new([1, 2], vec![f32::NAN, 1.0]).unwrap();
        assert!(cross_entropy_of_each(&array, &[1]).unwrap()[0].is_nan());
    }

    #[test]
    fn a_label_out_of_range_is_an_error() {
        let error = cross_entropy(logits(&[0.0; 6], 2).parameter(), &[0, 3]).unwrap_err();
        assert!(error.to_string().contains("row 1") && error.to_string().contains("below 3"));
    }
}
