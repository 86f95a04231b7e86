//! Successive over-relaxation on a checkerboard.
//!
//! A pixel's unknowns are coupled to those of its four neighbors alone, so all black pixels of a checkerboard
//! can be solved at once while the white ones stand still (Young, "Iterative Solution of Large Linear Systems",
//! 1971). The colors are stored apart, so that this is a loop over contiguous memory: of each row every other
//! pixel, with one empty pixel at each end. The pixel at place k of a row has its upper and lower neighbors
//! at place k of the other color's rows, and those to its sides at k − 1 and k, or at k and k + 1.

use std::array::from_fn;

use super::plane::Plane;

/// Over-relaxation: near 2, because flow has to spread far where nothing is seen to move.
const OMEGA: f32 = 1.9;

/// For each pixel two equations in its own and its neighbors' two unknowns:
/// `(A + s I) (u, v) = b + Σ sₙ (uₙ, vₙ)` over the four neighbors, `s = Σ sₙ`.
pub(super) struct Equations {
    /// `A`'s upper left, off-diagonal and lower right element.
    pub(super) a: [Plane; 3],
    /// The right-hand side.
    pub(super) b: [Plane; 2],
    /// The weight of the neighbor to the right; 0 in the last column.
    pub(super) right: Plane,
    /// The weight of the neighbor below; 0 in the last row.
    pub(super) below: Plane,
}

impl Equations {
    /// Improves `flow` by so many sweeps over all pixels.
    pub(super) fn relax(&self, flow: &mut [Plane; 2], sweeps: usize) {
        let coefficients = self.coefficients();
        let mut unknowns = [Board::divide(&flow[0]), Board::divide(&flow[1])];
        for _ in 0..sweeps {
            for color in [0, 1] {
                half_sweep(&coefficients, color, &mut unknowns);
            }
        }
        for (board, plane) in unknowns.iter().zip(flow) {
            board.join(plane);
        }
    }

    /// What a sweep reads: `ω (A + s I)⁻¹`, the right-hand side, and the weights to the left, right, above and
    /// below.
    fn coefficients(&self) -> [Board; 9] {
        /// Keeps the matrix of a pixel without neighbors and without gradient from being singular.
        const FLOOR: f32 = 1e-6;
        let (height, width) = (self.right.height, self.right.width);
        let (mut left, mut above) = (Plane::zeros(height, width), Plane::zeros(height, width));
        for row in 0..height {
            left.row_mut(row)[1..].copy_from_slice(&self.right.row(row)[..width - 1]);
            if row > 0 {
                above.row_mut(row).copy_from_slice(self.below.row(row - 1));
            }
        }
        let [mut p, mut q, mut r] = [0, 1, 2].map(|_| Plane::zeros(height, width));
        for at in 0..height * width {
            let sides = left.values[at] + self.right.values[at];
            let s = sides + above.values[at] + self.below.values[at] + FLOOR;
            let [a, b, c] = [0, 1, 2].map(|index| self.a[index].values[at]);
            // det (A + s I); A is positive semidefinite, and what is lost to rounding could make it negative.
            let determinant = s * s + s * (a + c) + (a * c - b * b).max(0.0);
            let scale = OMEGA / determinant;
            p.values[at] = (c + s) * scale;
            q.values[at] = -b * scale;
            r.values[at] = (a + s) * scale;
        }
        let [b, c] = &self.b;
        [&p, &q, &r, b, c, &left, &self.right, &above, &self.below].map(Board::divide)
    }
}

/// A plane, divided by color.
#[derive(Clone, Debug)]
struct Board {
    height: usize,
    /// Pixels of one color in a row with the empty ones at its ends.
    stride: usize,
    /// For each color `[height + 2, stride]`, the first and last row being empty.
    colors: [Vec<f32>; 2],
}

/// The column of the row's first pixel of a color.
fn first_column(row: usize, color: usize) -> usize {
    (row + color) % 2
}

impl Board {
    fn divide(plane: &Plane) -> Self {
        let stride = plane.width.div_ceil(2) + 2;
        let colors = [0, 1].map(|color| {
            let mut values = vec![0.0; stride * (plane.height + 2)];
            for row in 0..plane.height {
                let source = plane.row(row).iter().skip(first_column(row, color)).step_by(2);
                let target = values[(row + 1) * stride + 1..].iter_mut();
                target.zip(source).for_each(|(target, &value)| *target = value);
            }
            values
        });
        Self {
            height: plane.height,
            stride,
            colors,
        }
    }

    fn join(&self, plane: &mut Plane) {
        for (color, values) in self.colors.iter().enumerate() {
            for row in 0..plane.height {
                let target = plane.row_mut(row).iter_mut();
                let target = target.skip(first_column(row, color)).step_by(2);
                let source = &values[(row + 1) * self.stride + 1..];
                target.zip(source).for_each(|(target, &value)| *target = value);
            }
        }
    }

    /// The values of one color, to be changed, and those of the other.
    fn of_color(&mut self, color: usize) -> (&mut [f32], &[f32]) {
        let [black, white] = &mut self.colors;
        if color == 0 {
            (black, white)
        } else {
            (white, black)
        }
    }
}

/// Solves each pixel of one color for its own unknowns.
fn half_sweep(coefficients: &[Board; 9], color: usize, [u, v]: &mut [Board; 2]) {
    let (height, stride) = (u.height, u.stride);
    let (length, keep) = (stride - 2, 1.0 - OMEGA);
    let ((u, other_u), (v, other_v)) = (u.of_color(color), v.of_color(color));
    for row in 0..height {
        let start = (row + 1) * stride + 1;
        let [p, q, r, b, c, left, right, above, below]: [&[f32]; 9] =
            from_fn(|index| &coefficients[index].colors[color][start..][..length]);
        let to_the_right = start + first_column(row, color);
        let neighbors = [to_the_right - 1, to_the_right, start - stride, start + stride];
        let [u_left, u_right, u_above, u_below] = neighbors.map(|from| &other_u[from..][..length]);
        let [v_left, v_right, v_above, v_below] = neighbors.map(|from| &other_v[from..][..length]);
        let (u, v) = (&mut u[start..][..length], &mut v[start..][..length]);
        for k in 0..length {
            let (beside_u, beside_v) = (
                left[k] * u_left[k] + right[k] * u_right[k],
                left[k] * v_left[k] + right[k] * v_right[k],
            );
            let x = b[k] + beside_u + above[k] * u_above[k] + below[k] * u_below[k];
            let y = c[k] + beside_v + above[k] * v_above[k] + below[k] * v_below[k];
            u[k] = keep * u[k] + p[k] * x + q[k] * y;
            v[k] = keep * v[k] + q[k] * x + r[k] * y;
        }
    }
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

    /// A made-up number between 0 and 1.
    fn made_up(row: usize, column: usize, salt: usize) -> f32 {
        ((row * 31 + column * 17 + salt * 7) % 23) as f32 / 23.0
    }

    proptest! {
        #[test]
        fn a_divided_plane_joins_to_itself(height in 1_usize..6, width in 1_usize..6) {
            let source = plane(height, width, |row, column| (row * 10 + column) as f32);
            let mut joined = Plane::zeros(height, width);
            Board::divide(&source).join(&mut joined);
            prop_assert_eq!(joined, source);
        }

        #[test]
        fn enough_sweeps_solve_the_equations(height in 1_usize..6, width in 1_usize..6) {
            let salted = |salt| move |row, column| made_up(row, column, salt);
            let a = [
                plane(height, width, |row, column| 1.0 + made_up(row, column, 1)),
                plane(height, width, salted(2)),
                plane(height, width, |row, column| 1.0 + made_up(row, column, 3)),
            ];
            let b = [plane(height, width, salted(4)), plane(height, width, salted(5))];
            let right = plane(height, width, |row, column| {
                if column + 1 < width { made_up(row, column, 6) } else { 0.0 }
            });
            let below = plane(height, width, |row, column| {
                if row + 1 < height { made_up(row, column, 7) } else { 0.0 }
            });
            let equations = Equations { a, b, right, below };
            let mut flow = [Plane::zeros(height, width), Plane::zeros(height, width)];
            equations.relax(&mut flow, 500);
            for row in 0..height {
                for column in 0..width {
                    let here = |plane: &Plane| plane.row(row)[column];
                    let coupling = |plane: &Plane| {
                        let mut sum = 0.0;
                        let mut add = |weight: f32, r: usize, c: usize| sum += weight * (plane.row(r)[c] - here(plane));
                        if column + 1 < width { add(here(&equations.right), row, column + 1); }
                        if column > 0 { add(equations.right.row(row)[column - 1], row, column - 1); }
                        if row + 1 < height { add(here(&equations.below), row + 1, column); }
                        if row > 0 { add(equations.below.row(row - 1)[column], row - 1, column); }
                        sum
                    };
                    let ([p, q, r], [u, v]) = (&equations.a, &flow);
                    let x = here(p) * here(u) + here(q) * here(v) - coupling(u) - here(&equations.b[0]);
                    let y = here(q) * here(u) + here(r) * here(v) - coupling(v) - here(&equations.b[1]);
                    prop_assert!(x.abs() < 1e-4 && y.abs() < 1e-4, "{x} {y}");
                }
            }
        }
    }
}
