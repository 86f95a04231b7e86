//! Looking up a picture where a flow points.

use super::plane::Plane;

/// A picture as seen from where a flow starts.
pub(super) struct Warped {
    /// `picture(x + u, y + v)`, bicubic.
    pub(super) picture: Plane,
    /// 1 where the flow points into the picture, 0 where it points outside.
    pub(super) inside: Plane,
}

/// The picture as seen from where the flow starts.
pub(super) fn warp(picture: &Plane, [u, v]: &[Plane; 2]) -> Warped {
    let (height, width) = (picture.height, picture.width);
    let (mut warped, mut inside) = (Plane::zeros(height, width), Plane::zeros(height, width));
    let (bottom, right) = ((height - 1) as f32, (width - 1) as f32);
    for row in 0..height {
        for column in 0..width {
            let at = row * width + column;
            let (x, y) = (column as f32 + u.values[at], row as f32 + v.values[at]);
            if x >= 0.0 && x <= right && y >= 0.0 && y <= bottom {
                inside.values[at] = 1.0;
            }
            warped.values[at] = bicubic(picture, x.clamp(0.0, right), y.clamp(0.0, bottom));
        }
    }
    Warped {
        picture: warped,
        inside,
    }
}

/// The value at a point within the picture (Keys, "Cubic convolution interpolation for digital image
/// processing", 1981); edge pixels are repeated.
fn bicubic(picture: &Plane, x: f32, y: f32) -> f32 {
    let (left, top) = (x as usize, y as usize);
    let (across, down) = (weights(x - left as f32), weights(y - top as f32));
    let width = picture.width;
    let mut sum = 0.0;
    if left >= 1 && left + 2 < width {
        for (steps, weight) in (-1..).zip(down) {
            let row = &picture.row_near(top, steps)[left - 1..][..4];
            sum +=
                weight * (row[0] * across[0] + row[1] * across[1] + row[2] * across[2] + row[3] * across[3]);
        }
        return sum;
    }
    for (steps, weight) in (-1..).zip(down) {
        let row = picture.row_near(top, steps);
        for (steps, across) in (-1..).zip(across) {
            sum += weight * across * row[left.saturating_add_signed(steps).min(width - 1)];
        }
    }
    sum
}

/// The weights of the four nearest pixels on a line, the point being `t` behind the second.
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plane(height: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Plane {
        let values = (0..height * width).map(|at| value(at / width, at % width));
        Plane {
            height,
            width,
            values: values.collect(),
        }
    }

    proptest! {
        #[test]
        fn a_slope_is_met_between_its_pixels(u in -1.5_f32..1.5, v in -1.5_f32..1.5) {
            let slope = |y: f32, x: f32| 3.0 * x - 2.0 * y;
            let picture = plane(9, 8, |row, column| slope(row as f32, column as f32));
            let warped = warp(&picture, &[plane(9, 8, |_, _| u), plane(9, 8, |_, _| v)]).picture;
            for row in 3..5 {
                for column in 3..4 {
                    let expected = slope(row as f32 + v, column as f32 + u);
                    prop_assert!((warped.row(row)[column] - expected).abs() < 1e-3);
                }
            }
        }

        #[test]
        fn no_flow_leaves_the_picture_as_it_is(height in 1_usize..6, width in 1_usize..6) {
            let picture = plane(height, width, |row, column| (7 * row + 3 * column) as f32);
            let still = [0, 1].map(|_| Plane::zeros(height, width));
            let warped = warp(&picture, &still);
            prop_assert_eq!(warped.picture, picture);
            prop_assert!(warped.inside.values.iter().all(|&inside| inside == 1.0));
        }

        #[test]
        fn any_flow_is_followed_and_what_lies_outside_is_marked(u: f32, v: f32) {
            let picture = plane(4, 3, |row, column| (row + column) as f32);
            let warped = warp(&picture, &[plane(4, 3, |_, _| u), plane(4, 3, |_, _| v)]);
            if u.abs() > 2.0 || v.abs() > 3.0 {
                prop_assert!(warped.inside.values.iter().all(|&inside| inside == 0.0));
            }
        }
    }
}
