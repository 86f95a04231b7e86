//! What a depth map and the camera's intrinsics say about surfaces: points and normals.
//!
//! The camera's axes: x to the right, y down, z ahead.

use gblend_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pinhole camera, in pixels of the pictures that it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intrinsics {
    /// Focal length along a row.
    pub fx: f64,
    /// Focal length along a column.
    pub fy: f64,
    /// Column of the optical axis, counted from 0 in the middle of the first pixel.
    pub cx: f64,
    /// Row of the optical axis.
    pub cy: f64,
}

impl Intrinsics {
    /// The camera again, if it can be one.
    ///
    /// # Errors
    /// [`Error::Setting`] if a focal length is not above 0 or a number is not finite.
    pub fn checked(self) -> Result<Self> {
        for (key, value) in [("intrinsics.fx", self.fx), ("intrinsics.fy", self.fy)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::setting(key, value, "a number of pixels above 0"));
            }
        }
        for (key, value) in [("intrinsics.cx", self.cx), ("intrinsics.cy", self.cy)] {
            if !value.is_finite() {
                return Err(Error::setting(key, value, "a number of pixels"));
            }
        }
        Ok(self)
    }

    /// Where the ray through a pixel is at a depth of 1: x and y.
    pub fn ray(self, row: usize, column: usize) -> [f64; 2] {
        [
            (column as f64 - self.cx) / self.fx,
            (row as f64 - self.cy) / self.fy,
        ]
    }
}

/// One depth map, `[height, width]` in meters, 0 where nothing was measured.
#[derive(Clone, Copy, Debug)]
pub struct DepthMap<'a> {
    /// The depths.
    pub meters: &'a [f32],
    /// Columns.
    pub width: usize,
}

/// Largest difference in depth, as a share of it, of pixels that are taken for one surface.
pub const SAME_SURFACE: f64 = 0.1;

/// The unit normal of every pixel, toward the camera; `None` where nothing was measured or too little around it.
///
/// On a plane `a X + b Y + c Z = 1` the inverse depth is `a x + b y + c` in the rays' coordinates, so that least squares
/// on inverse depths in a window of `radius` pixels to each side give `(a, b, c)`, the normal's direction (the fit of Gupta, Arbeláez and Malik,
/// CVPR 2013). Pixels at another depth are left out of the window, so that edges stay edges.
pub fn normals(map: DepthMap<'_>, camera: Intrinsics, radius: usize) -> Vec<Option<[f64; 3]>> {
    let width = map.width.max(1);
    let height = map.meters.len() / width;
    let normal = |row: usize, column: usize| {
        let depth = f64::from(map.meters[row * width + column]);
        if depth <= 0.0 {
            return None;
        }
        let mut fit = PlaneFit::default();
        for r in row.saturating_sub(radius)..(row + radius + 1).min(height) {
            for c in column.saturating_sub(radius)..(column + radius + 1).min(width) {
                let other = f64::from(map.meters[r * width + c]);
                if other > 0.0 && (other - depth).abs() <= SAME_SURFACE * depth {
                    // Counted in pixels from the middle one, where the sums are well conditioned.
                    let (x, y) = (c as f64 - column as f64, r as f64 - row as f64);
                    fit.add(x, y, 1.0 / other);
                }
            }
        }
        let [x, y] = camera.ray(row, column);
        let (along_row, along_column, middle) = fit.solve()?;
        let (a, b) = (along_row * camera.fx, along_column * camera.fy);
        let c = middle - a * x - b * y;
        let length = (a * a + b * b + c * c).sqrt();
        // a X + b Y + c Z is 1 on the plane: (a, b, c) points away from the camera.
        (length > 0.0).then(|| [-a / length, -b / length, -c / length])
    };
    (0..height)
        .flat_map(|row| (0..width).map(move |column| (row, column)))
        .map(|(row, column)| normal(row, column))
        .collect()
}

/// Least squares of `q = s x + t y + m`.
#[derive(Default)]
struct PlaneFit {
    count: f64,
    x: f64,
    y: f64,
    q: f64,
    xx: f64,
    xy: f64,
    yy: f64,
    xq: f64,
    yq: f64,
}

impl PlaneFit {
    fn add(&mut self, x: f64, y: f64, q: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.q += q;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
        self.xq += x * q;
        self.yq += y * q;
    }

    /// `s`, `t`, `m`; `None` if the points are on one line.
    fn solve(&self) -> Option<(f64, f64, f64)> {
        let n = self.count;
        let xx = self.xx - self.x * self.x / n;
        let xy = self.xy - self.x * self.y / n;
        let yy = self.yy - self.y * self.y / n;
        let xq = self.xq - self.x * self.q / n;
        let yq = self.yq - self.y * self.q / n;
        let determinant = xx * yy - xy * xy;
        // Three pixels that are not on a line make at least 1/3.
        if n < 3.0 || determinant < 0.1 {
            return None;
        }
        let s = (xq * yy - yq * xy) / determinant;
        let t = (yq * xx - xq * xy) / determinant;
        Some((s, t, (self.q - s * self.x - t * self.y) / n))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    pub(crate) const CAMERA: Intrinsics = Intrinsics {
        fx: 60.0,
        fy: 62.0,
        cx: 31.5,
        cy: 23.5,
    };

    /// The nearest of some planes `n · p = distance` at every pixel of 48 × 64, 0 where there is none ahead.
    pub(crate) fn planes(planes: &[([f64; 3], f64)]) -> Vec<f32> {
        let pixels = (0..48).flat_map(|row| (0..64).map(move |column| CAMERA.ray(row, column)));
        pixels
            .map(|[x, y]| {
                let depths = planes
                    .iter()
                    .map(|(n, distance)| distance / (n[0] * x + n[1] * y + n[2]));
                let nearest = depths.filter(|&depth| depth > 0.0).fold(f64::INFINITY, f64::min);
                if nearest.is_finite() { nearest as f32 } else { 0.0 }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_plane_has_its_normal_everywhere(a in -0.6_f64..0.6, b in -0.6_f64..0.6, distance in 0.5_f64..5.0) {
            let length = (a * a + b * b + 1.0).sqrt();
            let away = [a / length, b / length, 1.0 / length];
            let meters = planes(&[(away, distance)]);
            for normal in normals(DepthMap { meters: &meters, width: 64 }, CAMERA, 3) {
                let normal = normal.unwrap();
                for (found, away) in normal.iter().zip(away) {
                    prop_assert!((found + away).abs() < 1e-4, "{:?} against {:?}", normal, away);
                }
            }
        }

        #[test]
        fn any_depths_have_unit_normals_or_none(meters in proptest::collection::vec(0_f32..9.0, 60)) {
            for normal in normals(DepthMap { meters: &meters, width: 10 }, CAMERA, 3).into_iter().flatten() {
                let length: f64 = normal.iter().map(|n| n * n).sum();
                prop_assert!((length - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn unmeasured_and_lone_pixels_have_no_normal() {
        let mut meters = vec![0.0; 48 * 64];
        meters[100] = 1.0;
        meters[101] = 1.0;
        let found = normals(
            DepthMap {
                meters: &meters,
                width: 64,
            },
            CAMERA,
            3,
        );
        assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn a_camera_without_a_focal_length_is_refused() {
        for fx in [0.0, -1.0, f64::NAN] {
            let error = Intrinsics { fx, ..CAMERA }.checked().unwrap_err().to_string();
            assert!(error.contains("intrinsics.fx"), "{error}");
        }
        assert!(
            Intrinsics {
                cy: f64::INFINITY,
                ..CAMERA
            }
            .checked()
            .is_err()
        );
    }
}
