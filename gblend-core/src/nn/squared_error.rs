//! Squared and absolute errors.

use super::arithmetic::subtract;
use super::pointwise::{abs, square};
use super::reduce::mean;
use crate::error::{Error, Result};
use crate::recorder::Recorder;
use crate::tensor::{Features, Loss, Plain};

/// The mean of `(output − target)²` over all elements of `[batch, width]`; `targets` row by row.
///
/// # Errors
/// [`Error::Shape`] if there is not one target for each element, or none at all; [`Error::Device`].
pub fn squared_error(output: Features, targets: &[f32]) -> Result<Loss> {
    mean(square(difference(output, targets)?)?)
}

/// The mean of `|output − target|` over all elements of `[batch, width]`; `targets` row by row.
///
/// # Errors
/// As [`squared_error`].
pub fn absolute_error(output: Features, targets: &[f32]) -> Result<Loss> {
    mean(abs(difference(output, targets)?)?)
}

fn difference(output: Features, targets: &[f32]) -> Result<Features> {
    let &(batch, width) = output.shape();
    if targets.len() != batch * width {
        let expected = format!("one for each element of [{batch}, {width}]");
        return Err(Error::shape("targets", expected, [targets.len()]));
    }
    let targets = Plain::new(&output.device(), (batch, width), targets.to_vec())?;
    subtract(output, targets.enter(Recorder::for_data()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::backward;
    use crate::tensor::AutoDevice;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn losses_and_gradients_are_those_of_the_formulas(
            values in proptest::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0), 6),
        ) {
            let (output, targets): (Vec<f32>, Vec<f32>) = values.iter().copied().unzip();
            let errors: Vec<f64> = values.iter().map(|(o, t)| f64::from(o - t)).collect();
            let tensor = Plain::new(&AutoDevice::default(), (3, 2), output).unwrap();
            let squared = squared_error(tensor.parameter(), &targets).unwrap();
            let absolute = absolute_error(tensor.parameter(), &targets).unwrap();
            let means = [
                errors.iter().map(|e| e * e).sum::<f64>() / 6.0,
                errors.iter().map(|e| e.abs()).sum::<f64>() / 6.0,
            ];
            for (loss, mean) in [&squared, &absolute].into_iter().zip(means) {
                prop_assert!((f64::from(loss.value()) - mean).abs() < 1e-5 * mean.max(1.0));
            }
            let squared = backward(squared).unwrap().get(&tensor).unwrap().into_values();
            let absolute = backward(absolute).unwrap().get(&tensor).unwrap().into_values();
            for ((squared, absolute), error) in squared.into_iter().zip(absolute).zip(errors) {
                prop_assert!((f64::from(squared) - error / 3.0).abs() < 1e-5);
                prop_assert!(error == 0.0 || (f64::from(absolute) - error.signum() / 6.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn targets_of_another_number_are_refused() {
        let output = Plain::new(&AutoDevice::default(), (2, 2), vec![0.0; 4]).unwrap();
        assert!(squared_error(output.parameter(), &[0.0; 2]).is_err());
        assert!(absolute_error(output.parameter(), &[0.0; 5]).is_err());
    }
}
