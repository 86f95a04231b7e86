//! One value for each pixel, and the values around it.

use gblend_core::{Array, Error, Result};

/// A picture of one channel, row-major. Both sides are at least 1 in all that [`Plane::brightness`] made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[height, width]`.
    pub(super) values: Vec<f32>,
}

impl Plane {
    /// A picture as it was given.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is not two-dimensional, without a pixel or too long; [`Error::Data`] if a pixel
    /// is no brightness.
    pub(super) fn brightness(picture: &Array) -> Result<Self> {
        let sides = 1..=65_536;
        let &[height, width] = picture.shape() else {
            return Err(Error::shape("optical flow", "[height, width]", picture.shape()));
        };
        if !(sides.contains(&height) && sides.contains(&width)) {
            return Err(Error::shape(
                "optical flow",
                "sides of 1 to 65536",
                [height, width],
            ));
        }
        // A little room for the rounding of what resized the picture.
        if let Some(value) = picture
            .values()
            .iter()
            .find(|value| !(-1.0..=256.0).contains(*value))
        {
            let problem = format!("found the value {value}, expected brightness from 0 to 255");
            return Err(Error::data("optical flow", problem));
        }
        Ok(Self {
            height,
            width,
            values: picture.values().to_vec(),
        })
    }

    /// Zeros.
    pub(super) fn zeros(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            values: vec![0.0; height * width],
        }
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// One row, to be changed.
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.width..][..self.width]
    }

    /// The row that is `steps` further down, or the last one in that direction.
    pub(super) fn row_near(&self, row: usize, steps: isize) -> &[f32] {
        self.row(row.saturating_add_signed(steps).min(self.height - 1))
    }

    /// A plane of the same size, each value from two others.
    pub(super) fn zip(&self, other: &Self, value: impl Fn(f32, f32) -> f32) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        Self {
            values: pairs.map(|(&a, &b)| value(a, b)).collect(),
            ..*self
        }
    }

    /// Derivatives along x and along y by the stencil (1, −8, 0, 8, −1)/12; edge pixels are repeated.
    pub(super) fn gradient(&self) -> [Self; 2] {
        let (height, width) = (self.height, self.width);
        let (mut along_x, mut along_y) = (Self::zeros(height, width), Self::zeros(height, width));
        let mut padded = vec![0.0; width + 4];
        for row in 0..height {
            repeat_edges(self.row(row), &mut padded);
            for (target, near) in along_x.row_mut(row).iter_mut().zip(padded.windows(5)) {
                *target = stencil(near[0], near[1], near[3], near[4]);
            }
            let [a, b, c, d] = [-2, -1, 1, 2].map(|steps| self.row_near(row, steps));
            let near = a.iter().zip(b).zip(c.iter().zip(d));
            for (target, ((a, b), (c, d))) in along_y.row_mut(row).iter_mut().zip(near) {
                *target = stencil(*a, *b, *c, *d);
            }
        }
        [along_x, along_y]
    }
}

fn stencil(a: f32, b: f32, c: f32, d: f32) -> f32 {
    (8.0 * (c - b) - (d - a)) / 12.0
}

/// Copies a row to the middle of a longer one, and its ends to what is left.
pub(super) fn repeat_edges(row: &[f32], padded: &mut [f32]) {
    let margin = (padded.len() - row.len()) / 2;
    let (Some(&first), Some(&last)) = (row.first(), row.last()) else {
        return;
    };
    padded[..margin].fill(first);
    padded[margin..margin + row.len()].copy_from_slice(row);
    padded[margin + row.len()..].fill(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_of_a_parabola_is_exact_away_from_the_edges() {
        let (height, width) = (7, 9);
        let values = (0..63).map(|at| ((at % 9) * (at % 9) + 3 * (at / 9)) as f32);
        let plane = Plane {
            height,
            width,
            values: values.collect(),
        };
        let [along_x, along_y] = plane.gradient();
        for row in 2..height - 2 {
            for column in 2..width - 2 {
                assert!((along_x.row(row)[column] - 2.0 * column as f32).abs() < 1e-4);
                assert!((along_y.row(row)[column] - 3.0).abs() < 1e-4);
            }
        }
    }
}
