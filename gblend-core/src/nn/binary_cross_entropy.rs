//! Binary cross entropy, one answer per class.

use super::arithmetic::multiply;
use super::loss::{check_classes, check_rows, check_weights, matrix};
use super::reduce::mean;
use crate::array::Array;
use crate::error::Result;
use crate::recorder::Recorder;
use crate::tensor::{Logits, Loss, Plain};

/// Mean over the batch and over the classes of `log(1 + exp(∓logit))`, minus for the classes of a sample and plus
/// for the others.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if there is not one set of classes for each row of `[batch, classes]`,
/// [`Error::Data`](crate::Error::Data) if one of them is not below the number of classes,
/// [`Error::Device`](crate::Error::Device).
pub fn binary_cross_entropy(logits: Logits, classes: &[Vec<usize>]) -> Result<Loss> {
    mean(of_each_class(logits, classes)?)
}

/// As [`binary_cross_entropy`], with a weight for each class of each row, `[batch, classes]` row by row, by which its term is
/// multiplied. It is divided by the number of terms, and not by the sum of their weights.
///
/// # Errors
/// As [`binary_cross_entropy`], and [`Error::Shape`](crate::Error::Shape) if there is not one weight for each term.
pub fn weighted_binary_cross_entropy(
    logits: Logits,
    classes: &[Vec<usize>],
    weights: &[f32],
) -> Result<Loss> {
    let &(batch, width) = logits.shape();
    check_weights(batch * width, weights)?;
    let weights = Plain::new(&logits.device(), (batch, width), weights.to_vec())?;
    let terms = of_each_class(logits, classes)?;
    mean(multiply(terms, weights.enter(Recorder::for_data()))?)
}

/// The term of each class of each row, `[batch, classes]`.
fn of_each_class(logits: Logits, classes: &[Vec<usize>]) -> Result<Logits> {
    let &(batch, width) = logits.shape();
    check(batch, width, classes)?;
    let mut targets = vec![0.0; batch * width];
    for (row, classes) in targets.chunks_exact_mut(width.max(1)).zip(classes) {
        classes.iter().for_each(|&class| row[class] = 1.0);
    }
    let targets = Plain::new(&logits.device(), (batch, width), targets)?.enter(Recorder::for_data());
    logits.run(|logits| logits.try_bce_with_logits(targets.into_engine()))
}

/// The binary cross entropy of each sample in `f64`, as a mean over classes, from logits `[batch, classes]` on the
/// host.
///
/// # Errors
/// As [`binary_cross_entropy`].
pub fn binary_cross_entropy_of_each(logits: &Array, classes: &[Vec<usize>]) -> Result<Vec<f64>> {
    weighted_binary_cross_entropy_of_each(logits, classes, |_, _| 1.0)
}

/// As [`binary_cross_entropy_of_each`], the term of each class times what `weight` says of the class, and of whether the sample
/// has it.
///
/// # Errors
/// As [`binary_cross_entropy`].
pub fn weighted_binary_cross_entropy_of_each(
    logits: &Array,
    classes: &[Vec<usize>],
    weight: impl Fn(usize, bool) -> f64,
) -> Result<Vec<f64>> {
    let (batch, width) = matrix(logits)?;
    check(batch, width, classes)?;
    let rows = logits.values().chunks_exact(width.max(1)).zip(classes);
    let losses = rows.map(|(row, classes)| {
        let terms = row.iter().enumerate().map(|(class, &logit)| {
            let has = classes.contains(&class);
            let toward = if has { -logit } else { logit };
            weight(class, has) * softplus(f64::from(toward))
        });
        terms.sum::<f64>() / width.max(1) as f64
    });
    Ok(losses.collect())
}

/// The sigmoid of each class score in `f64`, from logits `[batch, classes]` on the host.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the logits are no matrix.
pub fn sigmoid_of_each(logits: &Array) -> Result<Vec<Vec<f64>>> {
    let (_, width) = matrix(logits)?;
    let rows = logits.values().chunks_exact(width.max(1));
    let sigmoid = |&x: &f32| 1.0 / (1.0 + (-f64::from(x)).exp());
    Ok(rows.map(|row| row.iter().map(sigmoid).collect()).collect())
}

/// `log(1 + exp(x))` without overflow; NaN for NaN.
fn softplus(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn check(batch: usize, width: usize, classes: &[Vec<usize>]) -> Result<()> {
    check_rows(batch, classes.len())?;
    for (row, classes) in classes.iter().enumerate() {
        check_classes(row, width, classes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::backward;
    use crate::tensor::AutoDevice;
    use proptest::prelude::*;

    fn sets(bits: &[u8]) -> Vec<Vec<usize>> {
        let set = |bits: &u8| (0..4).filter(|class| bits >> class & 1 == 1).collect();
        bits.iter().map(set).collect()
    }

    proptest! {
        #[test]
        fn the_loss_is_the_mean_of_each_and_its_gradient_that_of_the_sigmoid(
            values in proptest::collection::vec(-20.0_f32..20.0, 12),
            bits in proptest::collection::vec(any::<u8>(), 3),
        ) {
            let sets = sets(&bits);
            let tensor = Plain::new(&AutoDevice::default(), (3, 4), values.clone()).unwrap();
            let loss = binary_cross_entropy(tensor.parameter(), &sets).unwrap();
            let array = Array::new([3, 4], values).unwrap();
            let mean = binary_cross_entropy_of_each(&array, &sets).unwrap().iter().sum::<f64>() / 3.0;
            prop_assert!((f64::from(loss.value()) - mean).abs() < 1e-5 * mean.max(1.0));
            let gradient = backward(loss).unwrap().get(&tensor).unwrap().into_values();
            let sigmoid = sigmoid_of_each(&array).unwrap();
            for (i, gradient) in gradient.into_iter().enumerate() {
                let hot = f64::from(u8::from(sets[i / 4].contains(&(i % 4))));
                prop_assert!((f64::from(gradient) - (sigmoid[i / 4][i % 4] - hot) / 12.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn large_scores_neither_overflow_nor_hide_a_nan() {
        let array = Array::new([1, 3], vec![1e30, -1e30, f32::NAN]).unwrap();
        let right = Array::new([1, 2], vec![1e30, -1e30]).unwrap();
        assert_eq!(binary_cross_entropy_of_each(&right, &[vec![0]]).unwrap(), [0.0]);
        assert!(binary_cross_entropy_of_each(&array, &[vec![0]]).unwrap()[0].is_nan());
    }

    #[test]
    fn it_is_that_of_pytorch() {
        // torch.nn.functional.binary_cross_entropy_with_logits, float64.
        let array = Array::new([2, 3], vec![0.5, -1.25, 3.0, 0.0, 2.5, -0.75]).unwrap();
        let each = binary_cross_entropy_of_each(&array, &[vec![0, 2], vec![1]]).unwrap();
        let expected = [0.258197805699741, 0.386302640322465];
        for (each, expected) in each.into_iter().zip(expected) {
            assert!((each - expected).abs() < 1e-12, "{each} {expected}");
        }
    }

    #[test]
    fn weights_of_having_a_class_are_pytorchs_pos_weight() {
        // The same with pos_weight=[2.0, 0.5, 4.0]; its formula in float64 NumPy.
        const WEIGHTED: [f64; 2] = [0.46481081866685153, 0.3731543512737067];
        let array = Array::new([2, 3], vec![0.5, -1.25, 3.0, 0.0, 2.5, -0.75]).unwrap();
        let positive = [2.0_f64, 0.5, 4.0];
        let weight = |class: usize, has: bool| if has { positive[class] } else { 1.0 };
        let sets = [vec![0, 2], vec![1]];
        let each = weighted_binary_cross_entropy_of_each(&array, &sets, weight).unwrap();
        for (each, expected) in each.iter().zip(WEIGHTED) {
            assert!((each - expected).abs() < 1e-12, "{each} {expected}");
        }
        let tensor = Plain::new(&AutoDevice::default(), (2, 3), array.values().to_vec()).unwrap();
        let weights: Vec<f32> = sets
            .iter()
            .flat_map(|set| (0..3).map(|class| weight(class, set.contains(&class)) as f32))
            .collect();
        let loss = weighted_binary_cross_entropy(tensor.parameter(), &sets, &weights).unwrap();
        let mean = WEIGHTED.iter().sum::<f64>() / 2.0;
        assert!((f64::from(loss.value()) - mean).abs() < 1e-6);
        assert!(weighted_binary_cross_entropy(tensor.parameter(), &sets, &weights[1..]).is_err());
    }

    #[test]
    fn a_class_out_of_range_is_an_error() {
        let array = Array::zeros([2, 3]);
        let error = binary_cross_entropy_of_each(&array, &[vec![], vec![1, 3]]).unwrap_err();
        assert!(
            error.to_string().contains("row 1") && error.to_string().contains("below 3"),
            "{error}"
        );
        assert!(binary_cross_entropy_of_each(&array, &[vec![]]).is_err());
    }
}
