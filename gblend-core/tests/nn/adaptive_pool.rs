//! Averages on a smaller grid, against their definition in `f64`.

use gblend_core::nn::{Extents, adaptive_average_pool, backward, concat_channels, multiply, sum};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{AutoDevice, Dims4, Plain};
use gblend_core::{ParamMut, Seed};
use proptest::prelude::*;
use rand::RngExt;

use crate::operation::relative_l2;

fn random(shape: Dims4, seed: u64) -> Plain<Dims4> {
    let mut rng = Seed::new(seed).rng();
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Plain::new(&AutoDevice::default(), shape, values).unwrap()
}

/// The share of value `source` of `from` in mean `mean` of `to`: values overlap a mean if their intervals do.
fn share(from: usize, to: usize, mean: usize, source: usize) -> f64 {
    let overlaps = |source: usize| source * to < (mean + 1) * from && mean * from < (source + 1) * to;
    let count = (0..from).filter(|&source| overlaps(source)).count();
    if overlaps(source) { 1.0 / count as f64 } else { 0.0 }
}

fn sizes() -> impl Strategy<Value = (usize, usize)> {
    (1_usize..7).prop_flat_map(|from| (Just(from), 1..=from))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn each_mean_and_its_gradient_are_those_of_the_definition(
        channels in 1_usize..3,
        (height, rows) in sizes(),
        (width, columns) in sizes(),
        (frames, times) in sizes(),
        batch in 1_usize..4,
        seed in any::<u64>(),
    ) {
        let mut input = random((channels, height, width, frames * batch), seed);
        let to = Extents { height: rows, width: columns, frames: times };
        let pooled = adaptive_average_pool(input.parameter(), frames, to).unwrap();
        let found = pooled.to_vec();
        let projection = random((channels, rows, columns, times * batch), seed ^ 1);
        let (x, r) = (input.to_vec(), projection.to_vec());
        let loss = sum(multiply(pooled, projection.enter(Recorder::for_data())).unwrap()).unwrap();
        let mut gradients = backward(loss).unwrap();
        let gradient = ParamMut::from(&mut input).gradient(&mut gradients).unwrap();
        let (mut expected, mut expected_gradient) = (vec![0.0; found.len()], vec![0.0; x.len()]);
        for c in 0..channels {
            for (i, y) in (0..rows).flat_map(|i| (0..height).map(move |y| (i, y))) {
                for (j, z) in (0..columns).flat_map(|j| (0..width).map(move |z| (j, z))) {
                    for (k, t) in (0..times).flat_map(|k| (0..frames).map(move |t| (k, t))) {
                        let share = share(height, rows, i, y) * share(width, columns, j, z) * share(frames, times, k, t);
                        for n in 0..batch {
                            let mean = (((c * rows + i) * columns + j) * times + k) * batch + n;
                            let source = (((c * height + y) * width + z) * frames + t) * batch + n;
                            expected[mean] += share * f64::from(x[source]);
                            expected_gradient[source] += share * f64::from(r[mean]);
                        }
                    }
                }
            }
        }
        // A mean may cancel to nearly nothing.
        let differences = found.iter().zip(&expected).map(|(&found, expected)| (f64::from(found) - expected).abs());
        prop_assert!(differences.fold(0.0, f64::max) < 1e-5);
        prop_assert!(relative_l2(gradient.values(), &expected_gradient) < 1e-5);
    }
}

#[test]
fn maps_that_have_the_extents_already_are_the_same_to_the_bit() {
    let input = random((2, 3, 4, 2 * 3), 5);
    let to = Extents {
        height: 3,
        width: 4,
        frames: 2,
    };
    let pooled = adaptive_average_pool(input.parameter(), 2, to).unwrap();
    assert_eq!(pooled.to_vec(), input.to_vec());
}

#[test]
fn a_finer_or_an_empty_grid_and_frames_that_do_not_divide_are_refused() {
    for (frames, [height, width, times]) in [
        (2, [4, 4, 2]),
        (2, [3, 5, 2]),
        (2, [3, 4, 3]),
        (2, [0, 4, 2]),
        (2, [3, 0, 2]),
        (2, [3, 4, 0]),
        (4, [3, 4, 2]),
        (0, [3, 4, 2]),
    ] {
        let to = Extents {
            height,
            width,
            frames: times,
        };
        let input = random((2, 3, 4, 2 * 3), 5);
        assert!(
            adaptive_average_pool(input.parameter(), frames, to).is_err(),
            "{frames} {to:?}"
        );
    }
}

#[test]
fn maps_that_differ_in_more_than_channels_are_not_concatenated() {
    let maps = |shape| random(shape, 1).parameter();
    assert!(concat_channels(vec![]).is_err());
    assert!(concat_channels(vec![maps((2, 3, 4, 6)), maps((1, 3, 4, 6))]).is_ok());
    for other in [(2, 4, 4, 6), (2, 3, 5, 6), (2, 3, 4, 5)] {
        assert!(
            concat_channels(vec![maps((2, 3, 4, 6)), maps(other)]).is_err(),
            "{other:?}"
        );
    }
}
