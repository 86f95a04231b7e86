//! Sums and maxima of a row, lane by lane, so that they fill vectors.

/// Lanes of a partial result: a vector of the widest instruction set. Rows of operands that are read as whole vectors are a
/// multiple of this long.
pub(super) const LANES: usize = 16;

/// Sum of a function of each place below `length`.
#[inline(always)]
pub(super) fn sum(length: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = length / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest: f32 = (whole..length).map(&term).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Sum of `values`.
#[inline(always)]
pub(super) fn total(values: &[f32]) -> f32 {
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for row in rows {
        for (sum, &value) in lanes.iter_mut().zip(row) {
            *sum += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

/// Sum of the products of values of the same place, of two rows of one length.
#[inline(always)]
pub(super) fn inner_product(left: &[f32], right: &[f32]) -> f32 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for ((sum, &left), &right) in lanes.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    let rest: f32 = rest.map(|(left, right)| left * right).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The largest of `values`, −∞ of none; a NaN is passed over.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let larger = |largest: f32, value: f32| if value > largest { value } else { largest };
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for row in rows {
        for (lane, &value) in lanes.iter_mut().zip(row) {
            *lane = larger(*lane, value);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_left_out_and_nothing_taken_twice(values in prop::collection::vec(-100_i16..100, 0..70)) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            prop_assert_eq!(sum(values.len(), |i| values[i]), values.iter().sum::<f32>());
            prop_assert_eq!(total(&values), values.iter().sum::<f32>());
            let squares: Vec<f32> = values.iter().map(|value| value * value).collect();
            prop_assert_eq!(inner_product(&values, &values), squares.iter().sum::<f32>());
            prop_assert_eq!(max(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
