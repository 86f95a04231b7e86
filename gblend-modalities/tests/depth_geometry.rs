//! Normals of a real depth map against least squares of NumPy, if `GBLEND_DATA` names the data folder.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use gblend_modalities::frontend::depth_geometry::{DepthMap, Intrinsics, normals};
use gblend_modalities::frontend::hha::estimated_gravity;
use image::DynamicImage;

fn folder() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GBLEND_DATA") else {
        eprintln!("skipped: GBLEND_DATA is not set");
        return None;
    };
    // Tests run in their crate's folder, a relative path is meant from the workspace's.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Some(workspace.join(folder).join("frontend_gt/open3d_rgbd/RGBD"))
}

/// `numpy.linalg.lstsq` of `1 / z` on `[(column − 319.5) / 525, (row − 239.5) / 525, 1]` over the pixels up to 10 to each
/// side whose depth is within a tenth, in float64; the negative of the solution, of length 1.
const NORMALS: [(usize, usize, [f64; 3]); 5] = [
    (240, 320, [-0.425274, 0.048501, -0.903764]),
    (400, 100, [0.33256, -0.93538, -0.120286]),
    (420, 400, [-0.015581, -0.99976, -0.015386]),
    (300, 250, [0.963113, -0.010455, -0.268894]),
    (200, 450, [0.141035, -0.455288, -0.879103]),
];

#[test]
fn normals_of_a_real_room_are_those_of_least_squares() {
    let Some(folder) = folder() else { return };
    let DynamicImage::ImageLuma16(millimeters) = image::open(folder.join("depth/00000.png")).unwrap() else {
        unreachable!("the depth picture has gray of 16 bits")
    };
    let meters: Vec<f32> = millimeters
        .iter()
        .map(|&value| (f64::from(value) / 1000.0) as f32)
        .collect();
    let camera = Intrinsics {
        fx: 525.0,
        fy: 525.0,
        cx: 319.5,
        cy: 239.5,
    };
    let map = DepthMap {
        meters: &meters,
        width: 640,
    };
    let found = normals(map, camera, 10);
    for (row, column, expected) in NORMALS {
        let normal = found[row * 640 + column].unwrap();
        for (found, expected) in normal.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "({row}, {column}): {normal:?}");
        }
    }
    // The picture shows a level floor at the bottom, which a level camera would see along the rows.
    let down = estimated_gravity(&found);
    assert!(down.y > 0.95, "{down:?}");
}
