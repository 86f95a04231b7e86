//! What a flow must be, on pictures whose movement is known.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const SIDE: usize = 48;

/// A texture of waves of several lengths, moved by `(u, v)`.
fn texture(u: f32, v: f32) -> Array {
    let waves = [
        (0.31, 0.12, 0.0),
        (-0.17, 0.41, 1.0),
        (0.23, -0.29, 2.0),
        (0.05, 0.07, 3.0),
    ];
    let value = |at: usize| {
        let (x, y) = ((at % SIDE) as f32 - u, (at / SIDE) as f32 - v);
        let sum: f32 = waves.iter().map(|(a, b, c)| (a * x + b * y + c).sin()).sum();
        128.0 + 30.0 * sum
    };
    Array::new([SIDE, SIDE], (0..SIDE * SIDE).map(value).collect()).unwrap()
}

/// The mean distance of a flow from a movement, 8 pixels and more away from the edges.
fn error(flow: &Array, u: f32, v: f32) -> f32 {
    let (x, y) = flow.values().split_at(SIDE * SIDE);
    let inner = |at: &usize| (8..SIDE - 8).contains(&(at % SIDE)) && (8..SIDE - 8).contains(&(at / SIDE));
    let pixels: Vec<usize> = (0..SIDE * SIDE).filter(inner).collect();
    let sum: f32 = pixels.iter().map(|&at| (x[at] - u).hypot(y[at] - v)).sum();
    sum / pixels.len() as f32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_flow_of_a_moved_texture_is_its_movement(u in -5.0_f32..5.0, v in -5.0_f32..5.0) {
        let flow = between(&texture(0.0, 0.0), &texture(u, v)).unwrap();
        prop_assert_eq!(flow.shape(), [2, SIDE, SIDE]);
        let error = error(&flow, u, v);
        prop_assert!(error < 0.1, "{error} pixels");
    }

    #[test]
    fn swapped_frames_flow_the_other_way(u in -3.0_f32..3.0, v in -3.0_f32..3.0) {
        let (first, second) = (texture(0.0, 0.0), texture(u, v));
        let (there, back) = (between(&first, &second).unwrap(), between(&second, &first).unwrap());
        let sums = there.values().iter().zip(back.values()).map(|(a, b)| a + b);
        let sums = Array::new([2, SIDE, SIDE], sums.collect()).unwrap();
        prop_assert!(error(&sums, 0.0, 0.0) < 0.1);
    }

    #[test]
    fn pictures_of_any_size_and_content_have_a_finite_flow_and_always_the_same(
        height in 1_usize..40, width in 1_usize..40, salt in 1_usize..1000,
    ) {
        let noise = |salt: usize| {
            let values = (0..height * width).map(|at| ((at + 7) * salt * 2_654_435_761 % 256) as f32);
            Array::new([height, width], values.collect()).unwrap()
        };
        let flow = between(&noise(salt), &noise(salt + 1)).unwrap();
        prop_assert_eq!(flow.shape(), [2, height, width]);
        prop_assert!(flow.values().iter().all(|value| value.is_finite()));
        prop_assert_eq!(between(&noise(salt), &noise(salt + 1)).unwrap(), flow);
    }
}

#[test]
fn what_stands_still_has_no_flow() {
    let flow = between(&texture(0.0, 0.0), &texture(0.0, 0.0)).unwrap();
    assert!(flow.values().iter().all(|&value| value == 0.0));
}

#[test]
fn pictures_without_structure_have_no_flow() {
    let flat = |value| Array::new([20, 30], vec![value; 600]).unwrap();
    let flow = between(&flat(10.0), &flat(200.0)).unwrap();
    assert!(flow.values().iter().all(|value| value.abs() < 1e-3));
}

#[test]
fn pictures_that_are_none_or_differ_in_size_are_refused() {
    let good = Array::zeros([4, 5]);
    for (bad, reason) in [
        (Array::zeros([5, 4]), "[4, 5]"),
        (Array::zeros([4, 5, 1]), "[height, width]"),
        (Array::zeros([0, 5]), "65536"),
        (Array::new([4, 5], vec![f32::NAN; 20]).unwrap(), "brightness"),
        (Array::new([4, 5], vec![300.0; 20]).unwrap(), "300"),
    ] {
        let message = between(&good, &bad).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
        assert!(between(&bad, &good).is_err());
    }
}
