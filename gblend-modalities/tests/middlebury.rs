//! Computed flow against Middlebury's ground truth, if `GBLEND_DATA` names the data folder.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use gblend_core::Array;
use gblend_modalities::frontend::optical_flow;
use image::DynamicImage;

/// Mean endpoint errors of OpenCV 5.0.0 in pixels on the same gray frames, where the truth is known: of
/// `calcOpticalFlowFarneback(a, b, None, 0.5, 5, 15, 3, 5, 1.2, 0)` and of
/// `DISOpticalFlow_create(DISOPTICAL_FLOW_PRESET_MEDIUM)`, both frames read with `imread(…, IMREAD_GRAYSCALE)`.
const OPENCV: [(&str, f64, f64); 8] = [
    ("Dimetrodon", 0.9368, 0.1534),
    ("Grove2", 0.5830, 0.3239),
    ("Grove3", 1.3329, 0.8532),
    ("Hydrangea", 0.5916, 0.2509),
    ("RubberWhale", 0.3615, 0.2235),
    ("Urban2", 1.4256, 0.6520),
    ("Urban3", 2.9729, 1.9859),
    ("Venus", 1.4407, 0.3907),
];

fn data() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GBLEND_DATA") else {
        eprintln!("skipped: GBLEND_DATA is not set");
        return None;
    };
    // Tests run in their crate's folder, a relative path is meant from the workspace's.
    Some(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .join(folder),
    )
}

/// A colored picture's brightness, `[height, width]`.
fn brightness(path: &Path) -> Array {
    let DynamicImage::ImageRgb8(picture) = image::open(path).unwrap() else {
        unreachable!("{} is in color", path.display())
    };
    let (width, height) = picture.dimensions();
    let gray = picture.pixels().map(|pixel| {
        let [red, green, blue] = pixel.0.map(f32::from);
        0.299 * red + 0.587 * green + 0.114 * blue
    });
    Array::new([height as usize, width as usize], gray.collect()).unwrap()
}

/// The true displacement of each pixel, row by row: in these files numbers follow a header of 12 bytes. Beyond 10⁹ it is
/// unknown.
fn displacements(path: &Path) -> Vec<Option<[f32; 2]>> {
    let bytes = std::fs::read(path).unwrap();
    let components = bytes[12..]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    let components: Vec<f32> = components.collect();
    let pixels = components.chunks_exact(2).map(|pixel| [pixel[0], pixel[1]]);
    pixels
        .map(|pixel| (pixel.iter().all(|component| component.abs() <= 1e9)).then_some(pixel))
        .collect()
}

#[test]
fn every_pair_has_a_smaller_endpoint_error_than_with_farneback_and_dis() {
    let Some(data) = data() else { return };
    let mut problems = Vec::new();
    for (name, farneback, dis) in OPENCV {
        let folder = data.join("frontend_gt/middlebury").join(name);
        let flow = optical_flow::between(
            &brightness(&folder.join("frame10.png")),
            &brightness(&folder.join("frame11.png")),
        )
        .unwrap();
        let truth = displacements(&folder.join("flow10.flo"));
        let (x, y) = flow.values().split_at(truth.len());
        assert_eq!(x.len(), y.len());
        let (mut sum, mut count) = (0.0, 0_usize);
        for ((x, y), expected) in x.iter().zip(y).zip(&truth) {
            if let Some(expected) = expected {
                sum += f64::from((x - expected[0]).hypot(y - expected[1]));
                count += 1;
            }
        }
        let error = sum / count as f64;
        eprintln!("{name}: {error:.4} pixels, Farnebäck {farneback}, DIS {dis}");
        if error > farneback || error > dis {
            problems.push(format!("{name}: {error:.4} pixels"));
        }
    }
    assert!(problems.is_empty(), "{problems:?}");
}
