//! The same picture at smaller and smaller sizes.

use gblend_core::Result;
use gblend_core::media::SequenceShape;

use super::plane::{Plane, repeat_edges};
use crate::frontend::pictures::Planes;

/// The smaller side at the coarsest level, in pixels, if the picture is larger.
const COARSEST: usize = 16;

/// The deviation of the Gaussian under which the largest picture is seen, in pixels: noise and the steps of
/// 8-bit values would otherwise dominate the second derivatives.
const BLUR: f32 = 0.8;

/// The picture and its halves, largest first.
///
/// # Errors
/// If a side is longer than pictures may be.
pub(super) fn of(picture: &Plane) -> Result<Vec<Plane>> {
    let mut size = [picture.height, picture.width];
    let mut levels = vec![blurred(picture)];
    loop {
        size = size.map(|side| side.div_ceil(2));
        match levels.last() {
            Some(last) if size[0].min(size[1]) >= COARSEST => {
                let smaller = resized(last, size[0], size[1])?;
                levels.push(smaller);
            }
            _ => return Ok(levels),
        }
    }
}

/// A flow at a larger size, its displacements as much longer.
///
/// # Errors
/// If a side is longer than pictures may be.
pub(super) fn enlarged(flow: &[Plane; 2], height: usize, width: usize) -> Result<[Plane; 2]> {
    let longer = |plane: &Plane, scale: f32| -> Result<Plane> {
        let mut plane = resized(plane, height, width)?;
        plane.values.iter_mut().for_each(|value| *value *= scale);
        Ok(plane)
    };
    let [x, y] = flow;
    Ok([
        longer(x, width as f32 / x.width as f32)?,
        longer(y, height as f32 / y.height as f32)?,
    ])
}

fn resized(plane: &Plane, height: usize, width: usize) -> Result<Plane> {
    let shape = SequenceShape {
        frames: 1,
        height: plane.height,
        width: plane.width,
        channels: 1,
    };
    let planes = Planes::gather(&plane.values, shape, &[0]).resized(height, width)?;
    Ok(Plane {
        height,
        width,
        values: planes.into_sample()?.into_values(),
    })
}

/// The picture under a Gaussian of 7 × 7 pixels; edge pixels are repeated.
fn blurred(plane: &Plane) -> Plane {
    let kernel = [-3.0_f32, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0].map(|x| (-0.5 * (x / BLUR).powi(2)).exp());
    let sum: f32 = kernel.iter().sum();
    let kernel = kernel.map(|weight| weight / sum);
    let mut along_rows = Plane::zeros(plane.height, plane.width);
    let mut padded = vec![0.0; plane.width + kernel.len() - 1];
    for row in 0..plane.height {
        repeat_edges(plane.row(row), &mut padded);
        let near = padded.windows(kernel.len());
        for (target, near) in along_rows.row_mut(row).iter_mut().zip(near) {
            *target = near
                .iter()
                .zip(&kernel)
                .map(|(value, weight)| value * weight)
                .sum();
        }
    }
    let mut result = Plane::zeros(plane.height, plane.width);
    for row in 0..plane.height {
        for (steps, weight) in (-3..).zip(kernel) {
            let source = along_rows.row_near(row, steps);
            for (target, value) in result.row_mut(row).iter_mut().zip(source) {
                *target += value * weight;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sizes(height: usize, width: usize) -> Vec<[usize; 2]> {
        let levels = of(&Plane::zeros(height, width)).unwrap();
        levels.iter().map(|level| [level.height, level.width]).collect()
    }

    #[test]
    fn sides_are_halved_until_the_smaller_one_is_at_its_least() {
        assert_eq!(sizes(64, 100), [[64, 100], [32, 50], [16, 25]]);
        assert_eq!(sizes(16, 30), [[16, 30]]);
        assert_eq!(sizes(1, 500), [[1, 500]]);
    }

    #[test]
    fn an_enlarged_flow_is_as_much_longer() {
        let flat = |value| Plane {
            height: 2,
            width: 3,
            values: vec![value; 6],
        };
        let [x, y] = enlarged(&[flat(1.0), flat(-1.0)], 4, 9).unwrap();
        assert!(x.values.iter().all(|value| (value - 3.0).abs() < 1e-5));
        assert!(y.values.iter().all(|value| (value + 2.0).abs() < 1e-5));
    }
}
