//! The energy of a flow, and the equations of its minimum.
//!
//! Brox, Bruhn, Papenberg and Weickert, ECCV 2004, equations 1 to 5: constancy of the brightness and of its
//! gradient, and smoothness, each under the robust penalty `√(s² + ε²)`. The constancies are divided by the
//! gradients that they stand on, so that strong edges do not count for more than weak ones, and the two have
//! penalties of their own (Zimmer, Bruhn and Weickert, "Optic flow in harmony", IJCV 2011, sections 3.1.2 and
//! 3.1.3).

use super::checkerboard::Equations;
use super::plane::{Plane, repeat_edges};
use super::warp::warp;

/// The weight of the brightness's constancy.
const BRIGHTNESS: f32 = 0.5;

/// The weight of its gradient's constancy, which changes of the light leave true.
const GRADIENT: f32 = 1.0;

/// The weight of smoothness.
const SMOOTHNESS: f32 = 1.2;

/// Added to the squared gradients that constancies are divided by: below, a gradient is noise.
const ZETA: f32 = 1.0;

/// ε of the constancies, in pixels.
const CONSTANCY_EPSILON: f32 = 1e-3;

/// ε of smoothness: below this difference from pixel to pixel, in pixels, flow bends as if it were a membrane.
const SMOOTHNESS_EPSILON: f32 = 1e-2;

/// Constancies that are linear in the flow: `gx u + gy v + gt = 0` at each pixel.
pub(super) struct Constancy {
    brightness: [Plane; 3],
    /// Of the derivative along x.
    along_x: [Plane; 3],
    /// Of the derivative along y.
    along_y: [Plane; 3],
}

impl Constancy {
    /// The constancies between two pictures, linear around `flow`. Where that leads out of the second
    /// picture nothing is known, and they are 0 = 0.
    pub(super) fn around(flow: &[Plane; 2], first: &Plane, second: &Plane) -> Self {
        let warped = warp(second, flow);
        let mean = first.zip(&warped.picture, |a, b| 0.5 * (a + b));
        let change = first.zip(&warped.picture, |a, b| b - a);
        let [x, y] = mean.gradient();
        let [x_change, y_change] = change.gradient();
        let [xx, _] = x.gradient();
        let [xy, yy] = y.gradient();
        let constant = |gx: &Plane, gy: &Plane, change: &Plane| {
            let mut planes = [gx.clone(), gy.clone(), change.clone()];
            let [gx, gy, gt] = &mut planes;
            for (at, &inside) in warped.inside.values.iter().enumerate() {
                let (along_x, along_y) = (gx.values[at], gy.values[at]);
                let known = along_x * flow[0].values[at] + along_y * flow[1].values[at];
                gt.values[at] = (gt.values[at] - known) * inside;
                gx.values[at] = along_x * inside;
                gy.values[at] = along_y * inside;
            }
            planes
        };
        Self {
            brightness: constant(&x, &y, &change),
            along_x: constant(&xx, &xy, &x_change),
            along_y: constant(&xy, &yy, &y_change),
        }
    }

    /// The equations of the minimum, with the weights that the penalties have at `flow`.
    pub(super) fn equations(&self, flow: &[Plane; 2]) -> Equations {
        let [right, below] = smoothness(flow);
        let (height, width) = (right.height, right.width);
        let mut a = [0, 1, 2].map(|_| Plane::zeros(height, width));
        let mut b = [0, 1].map(|_| Plane::zeros(height, width));
        // Slices of one length, so that the compiler sees that no index is out of range and computes several
        // pixels at once.
        let pixels = height * width;
        let (brightness, along_x, along_y) = (
            slices(&self.brightness, pixels),
            slices(&self.along_x, pixels),
            slices(&self.along_y, pixels),
        );
        let [u, v] = slices(flow, pixels);
        let [p, q, r] = a.each_mut().map(|plane| &mut plane.values[..pixels]);
        let [x, y] = b.each_mut().map(|plane| &mut plane.values[..pixels]);
        for at in 0..pixels {
            let line = |[gx, gy, gt]: [&[f32]; 3]| Line::new([gx[at], gy[at], gt[at]], [u[at], v[at]]);
            let (brightness, along_x, along_y) = (line(brightness), line(along_x), line(along_y));
            let weight = BRIGHTNESS / penalty(brightness.square);
            let gradient_weight = GRADIENT / penalty(along_x.square + along_y.square);
            let mut sums = [0.0; 5];
            brightness.add_to(&mut sums, weight);
            along_x.add_to(&mut sums, gradient_weight);
            along_y.add_to(&mut sums, gradient_weight);
            [p[at], q[at], r[at], x[at], y[at]] = sums;
        }
        Equations { a, b, right, below }
    }
}

/// The first `length` values of each plane.
fn slices<const N: usize>(planes: &[Plane; N], length: usize) -> [&[f32]; N] {
    planes.each_ref().map(|plane| &plane.values[..length])
}

/// `√(s² + ε²)`, whose inverse is the weight of the penalty on s.
fn penalty(square: f32) -> f32 {
    (square + CONSTANCY_EPSILON * CONSTANCY_EPSILON).sqrt()
}

/// One constancy at one pixel.
struct Line {
    coefficients: [f32; 3],
    /// One over the squared gradient.
    norm: f32,
    /// The square of what is left of the constancy, about the squared distance of the flow from the line.
    square: f32,
}

impl Line {
    fn new(coefficients: [f32; 3], [u, v]: [f32; 2]) -> Self {
        let [gx, gy, gt] = coefficients;
        let norm = 1.0 / (gx * gx + gy * gy + ZETA);
        let rest = gx * u + gy * v + gt;
        Self {
            coefficients,
            norm,
            square: rest * rest * norm,
        }
    }

    fn add_to(&self, [a, b, c, x, y]: &mut [f32; 5], weight: f32) {
        let [gx, gy, gt] = self.coefficients;
        let weight = weight * self.norm;
        *a += weight * gx * gx;
        *b += weight * gx * gy;
        *c += weight * gy * gy;
        *x -= weight * gx * gt;
        *y -= weight * gy * gt;
    }
}

/// The weights between each pixel and its neighbors to the right and below.
fn smoothness(flow: &[Plane; 2]) -> [Plane; 2] {
    let (height, width) = (flow[0].height, flow[0].width);
    let mut weights = Plane::zeros(height, width);
    let mut squares = vec![0.0; width];
    let mut padded = vec![0.0; width + 2];
    for row in 0..height {
        squares.fill(SMOOTHNESS_EPSILON * SMOOTHNESS_EPSILON);
        for plane in flow {
            repeat_edges(plane.row(row), &mut padded);
            let vertical = plane.row_near(row, -1).iter().zip(plane.row_near(row, 1));
            let horizontal = padded.iter().zip(&padded[2..]);
            for (square, ((left, right), (above, below))) in squares.iter_mut().zip(horizontal.zip(vertical))
            {
                *square += 0.25 * ((right - left).powi(2) + (below - above).powi(2));
            }
        }
        for (weight, square) in weights.row_mut(row).iter_mut().zip(&squares) {
            *weight = SMOOTHNESS / square.sqrt();
        }
    }
    let (mut right, mut below) = (Plane::zeros(height, width), Plane::zeros(height, width));
    for row in 0..height {
        let here = weights.row(row);
        for (target, pair) in right.row_mut(row).iter_mut().zip(here.windows(2)) {
            *target = 0.5 * (pair[0] + pair[1]);
        }
        if row + 1 < height {
            let pairs = here.iter().zip(weights.row(row + 1));
            for (target, (a, b)) in below.row_mut(row).iter_mut().zip(pairs) {
                *target = 0.5 * (a + b);
            }
        }
    }
    [right, below]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(u: f32, v: f32) -> [Plane; 2] {
        [u, v].map(|value| Plane {
            height: 6,
            width: 7,
            values: vec![value; 42],
        })
    }

    fn slope(offset: f32) -> Plane {
        let values = (0..42).map(|at| 4.0 * ((at % 7) as f32 - offset) + (at / 7) as f32);
        Plane {
            height: 6,
            width: 7,
            values: values.collect(),
        }
    }

    #[test]
    fn the_constancies_of_a_moved_slope_hold_for_its_movement() {
        let constancy = Constancy::around(&flow(0.0, 0.0), &slope(0.0), &slope(0.5));
        let [gx, gy, gt] = constancy.brightness;
        for at in [16, 17, 18, 23, 24, 25] {
            let rest = gx.values[at] * 0.5 + gy.values[at] * 0.0 + gt.values[at];
            assert!(rest.abs() < 1e-4, "{rest}");
        }
    }

    #[test]
    fn nothing_is_known_where_the_flow_leaves_the_picture() {
        let equations =
            Constancy::around(&flow(7.0, 0.0), &slope(0.0), &slope(1.0)).equations(&flow(7.0, 0.0));
        for plane in equations.a.iter().chain(&equations.b) {
            assert!(plane.values.iter().all(|&value| value == 0.0));
        }
    }

    #[test]
    fn neighbors_across_a_jump_are_coupled_less_and_none_beyond_the_edge() {
        let mut uneven = flow(0.0, 0.0);
        for row in 0..6 {
            uneven[0].row_mut(row)[4..].fill(3.0);
        }
        let [right, below] = smoothness(&uneven);
        assert!(right.row(2)[3] < 0.1 * right.row(2)[0]);
        assert!((0..6).all(|row| right.row(row)[6] == 0.0));
        assert!(below.row(5).iter().all(|&weight| weight == 0.0));
    }
}
