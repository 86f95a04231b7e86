//! The modality keeps what the trait promises.
#![allow(clippy::unwrap_used, missing_docs)]

use gblend_core::conformance::{self, arbitrary};
use gblend_core::{Array, Media, MediaKind, Seed};
use gblend_inertial::Inertial;
use gblend_inertial::inertial::Augment;

#[test]
fn inertial_keeps_the_rules() {
    let size = arbitrary::MediaSize {
        array: vec![50, 6],
        ..arbitrary::MediaSize::default()
    };
    let media = arbitrary::samples(MediaKind::Array, &size, 4, Seed::new(1)).unwrap();
    let plain = Inertial {
        steps: 24,
        ..Inertial::default()
    };
    conformance::modality(&plain, &media).unwrap();
    let everything = Inertial {
        mean: Some(vec![0.5; 6]),
        deviation: Some(vec![2.0; 6]),
        augment: Augment {
            jitter: 0.1,
            time_shift: 3,
            scale: 0.2,
        },
        ..plain
    };
    conformance::modality(&everything, &media).unwrap();
}

#[test]
fn recordings_that_do_not_move_keep_the_rules() {
    let still: Vec<Media> = (0..3)
        .map(|level| {
            Array::new([20, 3], vec![level as f32; 60])
                .map(Media::Array)
                .unwrap()
        })
        .collect();
    let modality = Inertial {
        mean: Some(vec![0.0; 3]),
        deviation: Some(vec![1.0; 3]),
        ..Inertial::default()
    };
    conformance::modality(&modality, &still).unwrap();
}
