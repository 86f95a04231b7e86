//! The surprise of rows by either route, against its definition in `f64`.

use dfdx::prelude::{Cpu, PutTape, SumTo, Tensor, TensorFromVec, TryMul};
use gblend_core::engine::{Engine, RecorderOn, backward, composed};
use gblend_core::nn::{Candidates, Negatives};
use gblend_core::tensor::{Dims0, Dims1, Dims2};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    width: usize,
    values: Vec<f32>,
    rights: Vec<usize>,
    identities: Option<Vec<u64>>,
    without_itself: bool,
    weights: Vec<f32>,
}

fn case() -> impl Strategy<Value = Case> {
    (1_usize..8, 1_usize..40).prop_flat_map(|(rows, width)| {
        (
            prop::collection::vec(-90.0_f32..90.0, rows * width),
            prop::collection::vec(0..width, rows),
            prop::option::of(prop::collection::vec(0_u64..4, rows.max(width))),
            any::<bool>(),
            prop::collection::vec(-2.0_f32..2.0, rows),
        )
            .prop_map(
                move |(values, rights, identities, without_itself, weights)| Case {
                    rows,
                    width,
                    values,
                    rights,
                    identities,
                    without_itself,
                    weights,
                },
            )
    })
}

impl Case {
    fn candidates(&self) -> Candidates {
        let identities = self.identities.clone();
        let negatives = match self.without_itself {
            true => Negatives::of_each_other(identities),
            false => Negatives::of_pairs(identities),
        };
        Candidates::new(&self.rights, negatives)
    }

    fn counts(&self, row: usize, place: usize) -> bool {
        let same = |identities: &Vec<u64>| identities[row] == identities[place];
        let left_out = (self.without_itself && row == place) || self.identities.as_ref().is_some_and(same);
        place == self.rights[row] || !left_out
    }

    /// The surprises, and the gradient of their weighted sum.
    fn by_definition(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut surprises, mut gradient) = (Vec::new(), Vec::new());
        for row in 0..self.rows {
            let value = |place: usize| f64::from(self.values[row * self.width + place]);
            let counted = || (0..self.width).filter(|&place| self.counts(row, place));
            let largest = counted().map(value).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = counted().map(|place| (value(place) - largest).exp()).sum();
            surprises.push(largest + sum.ln() - value(self.rights[row]));
            for place in 0..self.width {
                let share = if self.counts(row, place) {
                    (value(place) - largest).exp() / sum
                } else {
                    0.0
                };
                let right = f64::from(u8::from(place == self.rights[row]));
                gradient.push(f64::from(self.weights[row]) * (share - right));
            }
        }
        (surprises, gradient)
    }

    fn computed(&self, fast: bool) -> (Vec<f32>, Vec<f32>) {
        let device = Cpu::default();
        let input: Tensor<Dims2, f32, Cpu> =
            device.tensor_from_vec(self.values.clone(), (self.rows, self.width));
        let taped = input.clone().put_tape(RecorderOn::for_parameter());
        let surprises = match fast {
            true => Cpu::surprises(taped, &self.candidates()),
            false => composed::surprises(taped, &self.candidates()),
        };
        let surprises = surprises.unwrap();
        let output = surprises.as_vec();
        let weights: Tensor<Dims1, f32, Cpu> = device.tensor_from_vec(self.weights.clone(), (self.rows,));
        let weighted = surprises
            .try_mul(weights.put_tape(RecorderOn::for_data()))
            .unwrap();
        let sum = weighted.try_sum::<Dims0, _>().unwrap();
        let grads = backward(sum).unwrap();
        (output, grads.get(&input).as_vec())
    }
}

fn assert_close(found: &[f32], expected: &[f64], within: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(
            difference <= within * expected.abs().max(1.0),
            "{what} {place}: {found}, expected {expected}"
        );
    }
}

proptest! {
    #[test]
    fn surprises_and_their_gradient_are_those_of_the_definition(case in case()) {
        let (surprises, gradient) = case.by_definition();
        for fast in [true, false] {
            let (found, slopes) = case.computed(fast);
            let within = if fast { 2e-6 } else { 1e-5 };
            assert_close(&found, &surprises, within, "surprise");
            assert_close(&slopes, &gradient, within, "slope");
        }
    }

    #[test]
    fn any_number_of_threads_has_the_same_bits(case in case()) {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.computed(true))
        };
        prop_assert_eq!(with(1), with(3));
    }
}

#[test]
fn candidates_of_other_rows_and_places_that_are_not_there_are_refused() {
    use gblend_core::AutoDevice;
    use gblend_core::nn::surprises;
    use gblend_core::tensor::Plain;
    let rows = || {
        let plain = Plain::<Dims2>::new(&AutoDevice::default(), (2, 3), vec![0.0; 6]).unwrap();
        plain.parameter()
    };
    let candidates = |rights: &[usize]| Candidates::new(rights, Negatives::of_pairs(None));
    assert!(surprises(rows(), &candidates(&[0, 2])).is_ok());
    for rights in [&[0][..], &[0, 3]] {
        assert!(surprises(rows(), &candidates(rights)).is_err(), "{rights:?}");
    }
}
