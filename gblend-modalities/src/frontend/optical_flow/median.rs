//! The median of each pixel's neighborhood.
//!
//! Between two warps it takes outliers out of the flow, which robust penalties leave in (Sun, Roth and Black,
//! "Secrets of optical flow estimation and their principles", CVPR 2010).

use super::plane::{Plane, repeat_edges};

/// The median of 3 × 3 pixels; edge pixels are repeated.
pub(super) fn median(plane: &Plane) -> Plane {
    let mut result = Plane::zeros(plane.height, plane.width);
    let mut rows = [-1, 0, 1].map(|_| vec![0.0; plane.width + 2]);
    for row in 0..plane.height {
        for (steps, padded) in (-1..).zip(&mut rows) {
            repeat_edges(plane.row_near(row, steps), padded);
        }
        let [above, here, below] = &rows;
        let near = above.windows(3).zip(here.windows(3)).zip(below.windows(3));
        for (target, ((a, b), c)) in result.row_mut(row).iter_mut().zip(near) {
            *target = of_nine([a[0], a[1], a[2]], [b[0], b[1], b[2]], [c[0], c[1], c[2]]);
        }
    }
    result
}

/// The median of nine values: that of the largest of the smallest, the middle of the middle and the smallest
/// of the largest of three triples.
fn of_nine(a: [f32; 3], b: [f32; 3], c: [f32; 3]) -> f32 {
    let ([a, b, c], [d, e, f], [g, h, i]) = (sorted(a), sorted(b), sorted(c));
    let low = a.max(d).max(g);
    let [_, middle, _] = sorted([b, e, h]);
    let high = c.min(f).min(i);
    sorted([low, middle, high])[1]
}

fn sorted([a, b, c]: [f32; 3]) -> [f32; 3] {
    let (a, b) = (a.min(b), a.max(b));
    let (b, c) = (b.min(c), b.max(c));
    let (a, b) = (a.min(b), a.max(b));
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_middle_one_of_the_nine_in_order(values: [i8; 9]) {
            let [a, b, c, d, e, f, g, h, i] = values.map(f32::from);
            let mut sorted = values;
            sorted.sort_unstable();
            prop_assert_eq!(of_nine([a, b, c], [d, e, f], [g, h, i]), f32::from(sorted[4]));
        }
    }

    #[test]
    fn an_outlier_goes_and_an_edge_stays() {
        let values = (0..30).map(|at| if at % 6 < 3 { 1.0 } else { 5.0 });
        let step = Plane {
            height: 5,
            width: 6,
            values: values.collect(),
        };
        let mut with_outlier = step.clone();
        with_outlier.row_mut(2)[1] = 100.0;
        assert_eq!(median(&with_outlier), step);
    }
}
