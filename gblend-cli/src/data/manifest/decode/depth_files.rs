//! Depth files of the usual datasets against numbers of OpenCV and NumPy, if `GBLEND_DATA` names the data folder.
//!
//! The numbers: `d = cv2.imread(file, cv2.IMREAD_UNCHANGED)` for the PNG files and
//! `d = np.frombuffer(file, "<u2", offset=17)` for the PGM, then `d / 1000`, `d / 5000`,
//! `((d >> 3) | (d << 13)) / 1000` in 16 bits, and `351.3 / (1092.5 - d)` clipped to 10 where it is above 0, all in
//! float64; how many are above 0, their sum, their least and greatest, and three pixels as (row, column).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use super::depth_image::DepthConvention;

struct Expected {
    file: &'static str,
    convention: DepthConvention,
    measured: usize,
    sum: f64,
    range: (f64, f64),
    /// At (240, 320), (100, 500) and (400, 100).
    pixels: [f64; 3],
}

const EXPECTED: [Expected; 5] = [
    Expected {
        file: "depth/00000.png",
        convention: DepthConvention::Scaled(1000.0),
        measured: 267_129,
        sum: 479_199.333,
        range: (0.955, 2.702),
        pixels: [2.195, 1.979, 1.338],
    },
    Expected {
        file: "depth/00004.png",
        convention: DepthConvention::Scaled(1000.0),
        measured: 269_051,
        sum: 486_794.419,
        range: (1.052, 2.702),
        pixels: [2.195, 1.965, 1.398],
    },
    Expected {
        file: "other_formats/TUM_depth.png",
        convention: DepthConvention::Tum,
        measured: 248_250,
        sum: 614943.263,
        range: (1.464, 9.331),
        pixels: [2.184, 2.618, 1.776],
    },
    Expected {
        file: "other_formats/SUN_depth.png",
        convention: DepthConvention::Sun,
        measured: 251_188,
        sum: 794_985.691,
        range: (1.057, 9.87),
        pixels: [0.0, 0.0, 2.256],
    },
    Expected {
        file: "other_formats/NYU_depth.pgm",
        convention: DepthConvention::Nyu,
        measured: 285_001,
        sum: 1017775.204911,
        range: (1.3857988, 6.6914286),
        pixels: [3.0415584, 6.3297297, 2.9897872],
    },
];

#[test]
fn depth_files_have_the_distances_of_their_toolboxes() {
    let Some(data) = std::env::var_os("GBLEND_DATA") else {
        eprintln!("skipped: GBLEND_DATA is not set");
        return;
    };
    // Tests run in their crate's folder, a relative path is meant from the workspace's.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = workspace.join(data).join("frontend_gt/open3d_rgbd/RGBD");
    for expected in &EXPECTED {
        let bytes = std::fs::read(folder.join(expected.file)).unwrap();
        let map = expected.convention.decode(&bytes, usize::MAX).unwrap();
        assert_eq!((map.height, map.width), (480, 640));
        let meters = &map.values;
        let measured: Vec<f64> = meters
            .iter()
            .filter(|&&m| m > 0.0)
            .map(|&m| f64::from(m))
            .collect();
        assert_eq!(measured.len(), expected.measured, "{}", expected.file);
        let sum: f64 = measured.iter().sum();
        assert!(
            (sum - expected.sum).abs() < 1e-6 * expected.sum,
            "{}: {sum}",
            expected.file
        );
        let least = measured.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = measured.iter().copied().fold(0.0, f64::max);
        let pixels = [(240, 320), (100, 500), (400, 100)].map(|(row, column)| meters[row * 640 + column]);
        let found = [least, greatest].into_iter().chain(pixels.map(f64::from));
        let wanted = [expected.range.0, expected.range.1]
            .into_iter()
            .chain(expected.pixels);
        for (found, wanted) in found.zip(wanted) {
            assert!(
                (found - wanted).abs() < 1e-6,
                "{}: {found} against {wanted}",
                expected.file
            );
        }
    }
}
