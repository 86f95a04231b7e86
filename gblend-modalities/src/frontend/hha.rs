//! HHA: horizontal disparity, height above ground, angle with gravity (Gupta, Girshick, Arbeláez and Malik, "Learning
//! Rich Features from RGB-D Images", ECCV 2014, section 3).

use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::depth_geometry::{DepthMap, Intrinsics, normals};

/// What is assumed about the direction of gravity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Estimated from each map: floors and walls stand at right angles, and the camera is held upright to about 45°
    /// (Gupta, Arbeláez and Malik, CVPR 2013, section 4.1).
    #[default]
    Estimated,
    /// Along the columns of the picture, downward: the camera was held level.
    Level,
}

/// One pixel of HHA in its units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hha {
    /// Inverse depth, per meter: disparity up to the camera's baseline and focal length.
    pub inverse_depth: f64,
    /// Meters above the ground.
    pub height: f64,
    /// Degrees between gravity and the surface's normal into the surface: 0 for a floor, 90 for a wall, 180 for a
    /// ceiling.
    pub angle: f64,
}

/// Share of pixels that may be lower than the ground: single wrong depths, which lie anywhere.
const BELOW_GROUND: f64 = 0.01;

/// HHA of every pixel, with normals from windows of `radius` pixels to each side; `None` where nothing was measured or there is no normal.
///
/// The ground is the lowest that is seen, all but the lowest hundredth of the pixels: a map that shows no floor has its
/// heights from the lowest thing it shows.
pub fn hha(map: DepthMap<'_>, camera: Intrinsics, radius: usize, gravity: Gravity) -> Vec<Option<Hha>> {
    let normals = normals(map, camera, radius);
    let down = match gravity {
        Gravity::Level => Vector3::y(),
        Gravity::Estimated => estimated_gravity(&normals),
    };
    let width = map.width.max(1);
    let lowness = |at: usize| {
        let depth = f64::from(map.meters[at]);
        let [x, y] = camera.ray(at / width, at % width);
        down.dot(&Vector3::new(x * depth, y * depth, depth))
    };
    let measured = (0..map.meters.len()).filter(|&at| map.meters[at] > 0.0);
    let mut lows: Vec<f64> = measured.map(lowness).collect();
    lows.sort_unstable_by(f64::total_cmp);
    let rank = (lows.len().saturating_sub(1) as f64 * (1.0 - BELOW_GROUND)).round() as usize;
    let ground = lows.get(rank).copied().unwrap_or_default();
    normals
        .iter()
        .enumerate()
        .map(|(at, normal)| {
            let inward = -down.dot(&Vector3::from(*normal.as_ref()?));
            Some(Hha {
                inverse_depth: 1.0 / f64::from(map.meters[at]),
                height: (ground - lowness(at)).max(0.0),
                angle: inward.clamp(-1.0, 1.0).acos().to_degrees(),
            })
        })
        .collect()
}

/// The unit vector along which things fall, in the camera's axes, estimated from normals.
///
/// Starts downward in the picture. Each round takes the normals within some angle of the axis for floors and those within
/// it of a right angle for walls, and moves to the axis that is most parallel to the ones and most orthogonal to the
/// others: 5 rounds at 45°, 5 at 15°. Without a normal it stays where it is.
pub fn estimated_gravity(normals: &[Option<[f64; 3]>]) -> Vector3<f64> {
    const ROUNDS: [(f64, usize); 2] = [(45.0, 5), (15.0, 5)];
    let mut down = Vector3::y();
    for (degrees, rounds) in ROUNDS {
        let (parallel, orthogonal) = (degrees.to_radians().cos(), degrees.to_radians().sin());
        for _ in 0..rounds {
            let mut scatter = Matrix3::zeros();
            for normal in normals.iter().flatten() {
                let normal = Vector3::from(*normal);
                let along = normal.dot(&down).abs();
                if along > parallel {
                    scatter -= normal * normal.transpose();
                } else if along < orthogonal {
                    scatter += normal * normal.transpose();
                }
            }
            if scatter == Matrix3::zeros() {
                return down;
            }
            let eigen = SymmetricEigen::new(scatter);
            let axis: Vector3<f64> = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
            down = if axis.dot(&down) < 0.0 { -axis } else { axis };
        }
    }
    down
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::depth_geometry::tests::{CAMERA, planes};
    use super::*;
    use proptest::prelude::*;

    /// A room seen by a camera that is pitched down and rolled by angles in radians: the direction of gravity and the
    /// depths. The floor is 0.8 m below the camera, the walls are 3 m ahead and 1 m to the left.
    fn room(pitch: f64, roll: f64) -> (Vector3<f64>, Vec<f32>) {
        let turn = nalgebra::Rotation3::from_axis_angle(&Vector3::z_axis(), roll)
            * nalgebra::Rotation3::from_axis_angle(&Vector3::x_axis(), pitch);
        let away = |x, y, z| {
            let turned = turn * Vector3::new(x, y, z);
            [turned.x, turned.y, turned.z]
        };
        let depths = planes(&[
            (away(0.0, 1.0, 0.0), 0.8),
            (away(0.0, 0.0, 1.0), 3.0),
            (away(-1.0, 0.0, 0.0), 1.0),
        ]);
        (turn * Vector3::y(), depths)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn gravity_is_found_in_a_room(pitch in 0.0_f64..0.5, roll in -0.3_f64..0.3) {
            let (down, meters) = room(-pitch, roll);
            let found = estimated_gravity(&normals(DepthMap { meters: &meters, width: 64 }, CAMERA, 3));
            let degrees = found.dot(&down).clamp(-1.0, 1.0).acos().to_degrees();
            prop_assert!(degrees < 3.0, "{} degrees off", degrees);
        }
    }

    #[test]
    fn a_floor_has_angle_0_and_height_0_and_a_wall_90() {
        let (_, meters) = room(0.0, 0.0);
        let map = DepthMap {
            meters: &meters,
            width: 64,
        };
        for gravity in [Gravity::Level, Gravity::Estimated] {
            let found = hha(map, CAMERA, 3, gravity);
            let at = |row: usize, column: usize| found[row * 64 + column].unwrap();
            let floor = at(47, 40);
            assert!(floor.angle < 2.0 && floor.height < 0.05, "{floor:?}");
            let ahead = at(20, 40);
            assert!((ahead.angle - 90.0).abs() < 2.0, "{ahead:?}");
            assert!((ahead.inverse_depth - 1.0 / 3.0).abs() < 1e-6, "{ahead:?}");
            // Row 20 is 3.5 / 62 of the depth above the axis, which is 0.8 m above the floor.
            assert!((ahead.height - 0.969).abs() < 0.06, "{ahead:?}");
        }
    }

    #[test]
    fn a_map_without_measurements_has_no_hha() {
        let meters = [0.0; 64];
        let map = DepthMap {
            meters: &meters,
            width: 8,
        };
        assert!(
            hha(map, CAMERA, 3, Gravity::Estimated)
                .iter()
                .all(Option::is_none)
        );
    }
}
