//! Every modality: media in, features out, and clear errors in between.
#![allow(clippy::unwrap_used)]

use gblend_core::media::{DepthMaps, FlowFields, Frames, SequenceShape, Waveform};
use gblend_core::params::{parameter_count, state_of};
use gblend_core::{
    Array, AutoDevice, Batch, BuildContext, Fitted, Media, Modality, Pass, Role, Seed, catalogue,
};
use gblend_modalities as _;

const SHAPE: SequenceShape = SequenceShape {
    frames: 4,
    height: 12,
    width: 10,
    channels: 1,
};

fn media(kind: &str) -> Media {
    let of = |channels| SequenceShape { channels, ..SHAPE };
    let wave = |i: usize| (i as f32 * 0.37).sin();
    match kind {
        "rgb" => {
            let shape = of(3);
            Media::Frames(
                Frames::new(shape, (0..shape.len()).map(|i| (i * 31 % 256) as u8).collect()).unwrap(),
            )
        }
        "flow" => {
            Media::Flow(FlowFields::new(of(2), (0..of(2).len()).map(|i| 30.0 * wave(i)).collect()).unwrap())
        }
        "depth" => {
            Media::Depth(DepthMaps::new(of(1), (0..of(1).len()).map(|i| (i % 9) as f32).collect()).unwrap())
        }
        _ => Media::Waveform(Waveform {
            sample_rate: 16_000,
            samples: (0..4000).map(wave).collect(),
        }),
    }
}

fn modality(json: &str) -> Box<dyn Modality> {
    serde_json::from_str(json).unwrap()
}

fn encode(modality: &dyn Modality, sample: &Array) -> gblend_core::Result<Vec<f32>> {
    let device = AutoDevice::default();
    let cx = BuildContext {
        device: &device,
        sample_shape: sample.shape(),
        fitted: Fitted::nothing(),
        seed: Seed::new(1),
    };
    let mut encoder = modality.build(&cx)?;
    let batch = Batch::stack(&device, &[sample, sample, sample])?;
    assert!(parameter_count(encoder.as_mut())? > 0);
    let features = encoder.encode(&batch, &Pass::evaluate())?.to_vec();
    assert_eq!(features.len(), 3 * encoder.feature_dim());
    Ok(features)
}

#[test]
fn each_channel_has_its_own_mean_and_deviation_and_gray_pictures_become_three_channels() {
    let table = r#"{"kind": "rgb", "mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}"#;
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let plain = modality(r#"{"kind": "rgb", "mean": 0, "deviation": 1}"#);
    let gray = Frames::new(SHAPE, (0..SHAPE.len()).map(|i| (i * 31 % 256) as u8).collect()).unwrap();
    for media in [media("rgb"), Media::Frames(gray)] {
        let unchanged = plain.prepare(&media).unwrap();
        let changed = modality(table).prepare(&media).unwrap();
        assert_eq!(changed.shape()[0], 3);
        let plane = changed.len() / 3;
        for (at, value) in changed.values().iter().enumerate() {
            let (channel, from) = (at / plane, at % unchanged.len());
            let expected = (unchanged.values()[from] - mean[channel]) / deviation[channel];
            assert!((value - expected).abs() < 1e-6, "{at}: {value} {expected}");
        }
    }
}

#[test]
fn every_modality_of_pictures_encodes_its_media_with_every_architecture() {
    let pictures = |kind: &&str| ["rgb", "flow", "depth", "audio"].contains(kind);
    let catalogue = catalogue().unwrap();
    let kinds: Vec<&str> = catalogue
        .of(Role::Modality)
        .map(|plugin| plugin.kind)
        .filter(pictures)
        .collect();
    assert_eq!(kinds.len(), 4);
    for kind in kinds {
        for (architecture, size) in [
            ("plain", r#""channels": [4, 6]"#),
            ("residual", r#""channels": [4, 6]"#),
            ("factorized", r#""channels": [4, 6]"#),
            ("r2plus1d", r#""channels": [4, 6]"#),
            ("transformer", r#""width": 8"#),
        ] {
            let json =
                format!(r#"{{"kind": "{kind}", "encoder": {{"architecture": "{architecture}", {size}}}}}"#);
            let modality = modality(&json);
            let media = media(kind);
            assert_eq!(media.kind(), modality.media());
            let sample = modality.prepare(&media).unwrap();
            assert!(
                sample
                    .values()
                    .iter()
                    .all(|value| value.is_finite() && value.abs() < 10.0)
            );
            assert_eq!(
                modality.prepare(&media).unwrap(),
                sample,
                "preparation is not deterministic"
            );
            let features = encode(modality.as_ref(), &sample).unwrap();
            assert!(
                features.iter().any(|&value| value != features[0]),
                "{kind} {architecture}"
            );
        }
    }
}

#[test]
fn every_modality_refuses_media_of_another_kind_by_name() {
    for plugin in catalogue().unwrap().of(Role::Modality) {
        let modality = modality(&format!(r#"{{"kind": "{}"}}"#, plugin.kind));
        for other in ["rgb", "flow", "depth", "audio"] {
            let media = media(other);
            if media.kind() != modality.media() {
                let error = modality.prepare(&media).unwrap_err().to_string();
                assert!(
                    error.contains(plugin.kind) && error.contains(&media.kind().to_string()),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn the_same_seed_builds_the_same_encoder_and_another_seed_another() {
    let modality = modality(r#"{"kind": "rgb"}"#);
    let device = AutoDevice::default();
    let build = |seed| {
        let cx = BuildContext {
            device: &device,
            sample_shape: &[3, 8, 8, 2],
            fitted: Fitted::nothing(),
            seed: Seed::new(seed),
        };
        state_of(modality.build(&cx).unwrap().as_mut()).unwrap()
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn size_and_frames_decide_the_shape_of_a_sample() {
    for kind in ["rgb", "flow", "depth"] {
        let modality = modality(&format!(r#"{{"kind": "{kind}", "size": [6, 7], "frames": 2}}"#));
        assert_eq!(modality.prepare(&media(kind)).unwrap().shape()[1..], [6, 7, 2]);
    }
    let audio = modality(r#"{"kind": "audio", "seconds": 0.5}"#);
    assert_eq!(audio.prepare(&media("audio")).unwrap().shape(), [1, 64, 51, 1]);
}

#[test]
fn halving_flow_halves_its_displacements() {
    let field = FlowFields::new(SequenceShape { channels: 2, ..SHAPE }, [8.0, -6.0].repeat(480)).unwrap();
    let whole = modality(r#"{"kind": "flow", "limit": 10}"#)
        .prepare(&Media::Flow(field.clone()))
        .unwrap();
    let half = modality(r#"{"kind": "flow", "limit": 10, "size": [6, 5]}"#)
        .prepare(&Media::Flow(field))
        .unwrap();
    assert!((whole.values()[0] - 0.8).abs() < 1e-6);
    assert!((half.values()[0] - 0.4).abs() < 1e-6);
    assert!((half.values()[half.len() - 1] + 0.3).abs() < 1e-6);
}

/// Frames of a texture that moves `step` pixels to the right from one to the next.
fn moving(frames: usize, channels: usize, step: usize) -> Media {
    let shape = SequenceShape {
        frames,
        height: 40,
        width: 40,
        channels,
    };
    let value = |at: usize| {
        let (frame, row, column) = (at / 1600, (at / 40 % 40) as f32, (at % 40) as f32);
        let x = column - (step * frame) as f32;
        128.0 + 40.0 * (0.3 * x + 0.15 * row).sin() + 40.0 * (0.2 * x - 0.4 * row).sin()
    };
    let pixels = (0..shape.len()).map(|at| value(at / channels).round() as u8);
    Media::Frames(Frames::new(shape, pixels.collect()).unwrap())
}

#[test]
fn flow_from_frames_has_a_field_fewer_and_is_their_movement() {
    let flow = modality(r#"{"kind": "flow", "from": "frames", "limit": 4}"#);
    assert_eq!(flow.media(), gblend_core::MediaKind::Frames);
    for channels in [1, 3] {
        let sample = flow.prepare(&moving(4, channels, 2)).unwrap();
        assert_eq!(sample.shape(), [2, 40, 40, 3]);
        let middle = (20 * 40 + 20) * 3;
        for field in 0..3 {
            let (x, y) = (
                sample.values()[middle + field],
                sample.values()[4800 + middle + field],
            );
            assert!((x - 0.5).abs() < 0.05 && y.abs() < 0.05, "{x} {y}");
        }
    }
    let still = flow.prepare(&moving(2, 1, 0)).unwrap();
    assert!(still.values().iter().all(|&value| value == 0.0));
}

#[test]
fn flow_from_frames_is_in_pixels_of_the_size_and_clipped_at_the_limit() {
    let at_middle = |json: &str, side: usize| {
        let sample = modality(json).prepare(&moving(3, 1, 4)).unwrap();
        assert_eq!(sample.shape()[1..3], [side, side]);
        sample.values()[(side / 2 * side + side / 2) * sample.shape()[3]]
    };
    let half = at_middle(
        r#"{"kind": "flow", "from": "frames", "limit": 4, "size": [20, 20], "frames": 1}"#,
        20,
    );
    assert!((half - 0.5).abs() < 0.05, "{half}");
    let clipped = at_middle(r#"{"kind": "flow", "from": "frames", "limit": 2}"#, 40);
    assert_eq!(clipped, 1.0);
}

#[test]
fn one_frame_alone_has_no_flow() {
    let flow = modality(r#"{"kind": "flow", "from": "frames"}"#);
    let error = flow.prepare(&moving(1, 1, 0)).unwrap_err().to_string();
    assert!(error.contains("found 1 frame, expected at least 2"), "{error}");
    let error = flow.prepare(&media("flow")).unwrap_err().to_string();
    assert!(error.contains("expected frames"), "{error}");
}

#[test]
fn a_pixel_without_depth_is_marked_and_counts_as_the_middle() {
    let maps = DepthMaps::new(SequenceShape { frames: 1, ..SHAPE }, vec![0.0; 120]).unwrap();
    let sample = modality(r#"{"kind": "depth"}"#)
        .prepare(&Media::Depth(maps))
        .unwrap();
    assert_eq!(sample.shape(), [2, 12, 10, 1]);
    assert!(sample.values().iter().all(|&value| value == 0.0));
}

const CAMERA: &str = r#""intrinsics": {"fx": 120, "fy": 120, "cx": 4.5, "cy": -30}"#;

#[test]
fn a_level_floor_is_encoded_by_its_normal_and_by_hha() {
    // The floor 1.5 m below a level camera, seen in the lower rows; nothing was measured in the others.
    let depth = |row: usize| {
        if row > 5 {
            1.5 * 120.0 / (row as f32 + 30.0)
        } else {
            0.0
        }
    };
    let shape = SequenceShape { frames: 1, ..SHAPE };
    let maps = DepthMaps::new(shape, (0..120).map(|at| depth(at / 10)).collect()).unwrap();
    let media = Media::Depth(maps);
    let sample = |encoding: &str| {
        let json = format!(r#"{{"kind": "depth", "range": [1, 9], "encoding": "{encoding}", {CAMERA}}}"#);
        modality(&json).prepare(&media).unwrap()
    };
    let at = |sample: &Array, channel: usize, row: usize| sample.values()[channel * 120 + row * 10 + 5];
    let normals = sample("normals");
    assert_eq!(normals.shape(), [4, 12, 10, 1]);
    let hha = sample("hha");
    assert_eq!(hha.shape(), [4, 12, 10, 1]);
    // The last row is 1.5 · 120 / 41 m away, on the ground and flat.
    let disparity = (41.0 / 180.0 - 1.0 / 9.0) / (1.0 - 1.0 / 9.0) * 2.0 - 1.0;
    for (found, expected) in [
        (at(&normals, 0, 11), 0.0),
        (at(&normals, 1, 11), -1.0),
        (at(&normals, 2, 11), 0.0),
        (at(&normals, 3, 11), 1.0),
        (at(&hha, 0, 11), disparity),
        (at(&hha, 1, 11), -1.0),
        (at(&hha, 2, 11), -1.0),
        (at(&hha, 3, 11), 1.0),
    ] {
        assert!((found - expected).abs() < 2e-3, "{found} against {expected}");
    }
    for channel in 0..4 {
        assert_eq!(at(&normals, channel, 0), 0.0);
        assert_eq!(at(&hha, channel, 0), 0.0);
    }
}

#[test]
fn every_scale_of_depth_ends_at_the_range_and_differs_between() {
    let shape = SequenceShape {
        frames: 1,
        height: 1,
        width: 3,
        channels: 1,
    };
    let media = Media::Depth(DepthMaps::new(shape, vec![1.0, 2.0, 4.0]).unwrap());
    for (scale, middle) in [
        ("linear", -1.0 / 3.0),
        ("inverse", 1.0 / 3.0),
        ("logarithmic", 0.0),
    ] {
        let json = format!(r#"{{"kind": "depth", "range": [1, 4], "scale": "{scale}"}}"#);
        let sample = modality(&json).prepare(&media).unwrap();
        for (found, expected) in sample.values().iter().zip([-1.0, middle, 1.0]) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{scale}: {found} against {expected}"
            );
        }
    }
}

#[test]
fn a_clip_takes_frames_in_a_row_from_the_middle() {
    let shape = SequenceShape {
        frames: 9,
        height: 1,
        width: 1,
        channels: 1,
    };
    let media = Media::Frames(Frames::new(shape, (0..9).collect()).unwrap());
    let frames = |settings: &str| {
        let json = format!(r#"{{"kind": "rgb", "mean": 0, "deviation": 1, "frames": 3, {settings}}}"#);
        let sample = modality(&json).prepare(&media).unwrap().into_values();
        sample
            .iter()
            .map(|value| (value * 255.0).round() as usize)
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(r#""sampling": "spread""#), [1, 4, 7]);
    assert_eq!(frames(r#""sampling": "clip""#), [3, 4, 5]);
    assert_eq!(frames(r#""sampling": "clip", "stride": 2"#), [2, 4, 6]);
}

#[test]
fn a_sound_of_another_rate_has_nearly_the_spectrogram_of_its_own() {
    let sound = |rate: u32| {
        let step = std::f64::consts::TAU * 700.0 / f64::from(rate);
        let samples = (0..rate / 2).map(|at| (0.5 * (f64::from(at) * step).sin()) as f32);
        Media::Waveform(Waveform {
            sample_rate: rate,
            samples: samples.collect(),
        })
    };
    let audio = modality(r#"{"kind": "audio", "dynamic_range": 60}"#);
    let expected = audio.prepare(&sound(16_000)).unwrap();
    for rate in [8000, 22_050, 44_100, 48_000] {
        let found = audio.prepare(&sound(rate)).unwrap();
        assert_eq!(found.shape(), expected.shape());
        let frames = found.shape()[2];
        let inner = (0..found.len()).filter(|at| (4..frames - 4).contains(&(at % frames)));
        let worst = inner
            .map(|at| (found.values()[at] - expected.values()[at]).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.01, "{rate}: {worst}");
    }
}

#[test]
fn noise_in_training_needs_fixed_normalization_and_follows_the_seed() {
    let augmented = |settings: &str, seed| {
        let json = format!(r#"{{"kind": "audio", {settings} "augment": {{"noise_snr": [5, 15]}}}}"#);
        let audio = modality(&json);
        let sample = audio.prepare(&media("audio")).unwrap();
        let found = audio.augment(sample.clone(), &mut Seed::new(seed).rng());
        found.map(|found| (sample, found))
    };
    let (sample, noisy) = augmented("", 1).unwrap();
    assert_eq!(noisy, augmented("", 1).unwrap().1);
    assert_ne!(noisy, augmented("", 2).unwrap().1);
    let louder = noisy
        .values()
        .iter()
        .zip(sample.values())
        .filter(|(a, b)| a > b)
        .count();
    assert!(louder > noisy.len() / 2);
    let error = augmented(r#""normalization": "band","#, 1)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("augment.noise_snr") && error.contains("fixed"),
        "{error}"
    );
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (json, kind, key) in [
        (r#"{"kind": "rgb", "stride": 0}"#, "rgb", "stride"),
        (
            r#"{"kind": "depth", "range": [0, 1], "scale": "inverse"}"#,
            "depth",
            "range",
        ),
        (r#"{"kind": "depth", "encoding": "hha"}"#, "depth", "intrinsics"),
        (
            r#"{"kind": "depth", "encoding": "normals", "intrinsics": {"fx": 0, "fy": 1, "cx": 0, "cy": 0}}"#,
            "depth",
            "intrinsics.fx",
        ),
        (r#"{"kind": "rgb", "deviation": 0}"#, "rgb", "deviation"),
        (r#"{"kind": "rgb", "deviation": [1, 1, 0]}"#, "rgb", "deviation"),
        (r#"{"kind": "rgb", "frames": 0}"#, "rgb", "frames"),
        (r#"{"kind": "rgb", "size": [0, 4]}"#, "rgb", "size"),
        (r#"{"kind": "flow", "limit": -1}"#, "flow", "limit"),
        (r#"{"kind": "depth", "range": [3, 1]}"#, "depth", "range"),
        (r#"{"kind": "audio", "seconds": 0}"#, "audio", "seconds"),
        (r#"{"kind": "audio", "sample_rate": 10}"#, "audio", "sample_rate"),
    ] {
        let error = modality(json).prepare(&media(kind)).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let sample = modality(r#"{"kind": "rgb"}"#).prepare(&media("rgb")).unwrap();
    for (json, key) in [
        (
            r#"{"kind": "rgb", "encoder": {"channels": []}}"#,
            "encoder.channels",
        ),
        (r#"{"kind": "rgb", "encoder": {"blocks": 0}}"#, "encoder.blocks"),
        (r#"{"kind": "rgb", "encoder": {"dropout": 1.0}}"#, "dropout"),
    ] {
        let error = encode(modality(json).as_ref(), &sample).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
