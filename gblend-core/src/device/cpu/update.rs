//! Updates of parameters: one pass over the values, a rule for each of them.

use dfdx::shapes::HasShape;
use dfdx::tensor::Cpu;

use crate::array::Array;
use crate::device::Store;
use crate::engine::ParamOn;
use crate::engine::cpu::raw::contiguous_mut;
use crate::error::{Error, Result};
use crate::rule::Rule;
use crate::shape::Shape;

/// A moment of a parameter, as many values as that has.
pub(crate) type Moment = Vec<f32>;

/// A moment of `tensor`.
pub(crate) fn moment_of<S: Shape>(_: &ParamOn<S, Cpu>, values: Vec<f32>) -> Result<Moment> {
    Ok(values)
}

/// A copy of a moment, of the shape of its parameter.
pub(crate) fn read_moment(moment: &Moment, shape: Vec<usize>) -> Result<Array> {
    Array::new(shape, moment.clone())
}

/// Moves a parameter and its moments as `rule` says.
pub(crate) fn update<S: Shape, const N: usize>(
    tensor: &mut ParamOn<S, Cpu>,
    store: &mut Store,
    moments: &mut [Moment; N],
    rule: &impl Rule<N>,
) -> Result<()> {
    let gradient = store.get_or_alloc_mut(tensor).map_err(Error::device)?;
    let extents = tensor.shape().extents();
    let parameter =
        contiguous_mut(tensor).ok_or_else(|| Error::shape("an update", "a contiguous parameter", extents))?;
    in_place(rule, parameter, gradient, moments);
    Ok(())
}

fn in_place<const N: usize>(
    rule: &impl Rule<N>,
    parameter: &mut [f32],
    gradient: &[f32],
    moments: &mut [Moment; N],
) {
    let lengths = moments.iter().map(Vec::len).chain([gradient.len()]);
    let count = lengths.fold(parameter.len(), usize::min);
    // Slices of one length, so that no access below has to be checked against another.
    let (parameter, gradient) = (&mut parameter[..count], &gradient[..count]);
    let mut moments = moments.each_mut().map(|moment| &mut moment[..count]);
    for at in 0..count {
        let before = moments.each_ref().map(|moment| moment[at]);
        let (moved, after) = rule.apply(parameter[at], gradient[at], before);
        parameter[at] = moved;
        for (moment, after) in moments.iter_mut().zip(after) {
            moment[at] = after;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dfdx::tensor::TensorFromVec;
    use proptest::prelude::*;

    use super::*;
    use crate::device::composed;
    use crate::rule::Value;
    use crate::shape::{Dims1, Dims2};

    /// Every operation of a rule, in orders in which rounding tells them apart.
    struct Everything([f32; 4]);

    impl Rule<2> for Everything {
        fn apply<V: Value>(&self, parameter: V, gradient: V, [mean, square]: [V; 2]) -> (V, [V; 2]) {
            let [decay, beta, epsilon, rate] = self.0;
            let gradient = gradient + parameter.clone() * decay;
            let mean = mean.clone() + (gradient.clone() - mean) * beta;
            let square = square * beta + gradient.clone() * gradient * (1.0 - beta);
            let root = (square.clone() * 1.5 * 0.7 + epsilon).sqrt();
            (parameter - mean.clone() * 0.3 * rate / root, [mean, square])
        }
    }

    fn tensor<S: Shape>(values: &[f32], shape: S) -> ParamOn<S, Cpu> {
        Cpu::default().tensor_from_vec(values.to_vec(), shape)
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn a_rule_gives_the_same_bits_value_by_value_and_on_whole_tensors(
            values in prop::collection::vec(prop::array::uniform4(-3.0_f32..3.0), 1..40),
            constants in prop::array::uniform4(0.01_f32..0.9),
        ) {
            let column = |at: usize| values.iter().map(|value| value[at]).collect::<Vec<f32>>();
            let (rule, length) = (Everything(constants), values.len());
            let squares: Vec<f32> = column(3).iter().map(|value| value.abs()).collect();
            let (mut parameter, gradient) = (column(0), column(1));
            let mut moments = [column(2), squares.clone()];
            in_place(&rule, &mut parameter, &gradient, &mut moments);

            let mut whole = tensor(&column(0), (length, 1));
            let mut of_whole = [tensor(&column(2), (length,)), tensor(&squares, (length,))];
            composed::update::update(&rule, &mut whole, tensor(&gradient, (length,)), &mut of_whole).unwrap();
            prop_assert_eq!(bits(&whole.as_vec()), bits(&parameter));
            for (whole, moment) in of_whole.iter().zip(&moments) {
                prop_assert_eq!(bits(&whole.as_vec()), bits(moment));
            }
        }
    }

    #[test]
    fn an_update_leaves_a_copy_of_the_parameter_as_it_was() {
        let mut parameter: ParamOn<Dims2, Cpu> = tensor(&[1.0, 2.0, 3.0, 4.0], (2, 2));
        let copy = parameter.clone();
        let mut store = Store::leaky();
        store.get_or_alloc_mut(&parameter).unwrap().fill(1.0);
        let mut moments = [vec![0.0; 4], vec![0.0; 4]];
        update(&mut parameter, &mut store, &mut moments, &Everything([0.1; 4])).unwrap();
        assert_eq!(copy.as_vec(), [1.0, 2.0, 3.0, 4.0]);
        assert!(
            parameter
                .as_vec()
                .iter()
                .zip(copy.as_vec())
                .all(|(&moved, kept)| moved < kept)
        );
    }

    #[test]
    fn moments_of_another_length_are_refused_on_whole_tensors() {
        let mut parameter: ParamOn<Dims1, Cpu> = tensor(&[1.0, 2.0], (2,));
        let mut moments = [tensor(&[0.0; 2], (2,)), tensor(&[0.0; 3], (3,))];
        let gradient = tensor(&[1.0; 2], (2,));
        let error = composed::update::update(&Everything([0.1; 4]), &mut parameter, gradient, &mut moments);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("2 values") && error.contains("[3]"), "{error}");
    }
}
