//! Sounds, pictures and clips of every kind beside what trusted readers make of them: soundfile, Pillow, OpenCV.
//! `xtask/peers/media.py` and `further_pictures.py` write both.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};

use serde_json::Value;

use super::super::blob::Blob;
use super::{Fault, Picture, ffmpeg, picture, sound};

const LIMIT: usize = 1 << 26;

/// The files of an archive, and what each case is.
struct Archive(zip::ZipArchive<Cursor<&'static [u8]>>);

impl Archive {
    fn open(bytes: &'static [u8]) -> (Self, Vec<Value>) {
        let mut archive = Self(zip::ZipArchive::new(Cursor::new(bytes)).unwrap());
        let cases = serde_json::from_slice(&archive.file("cases.json")).unwrap();
        (archive, cases)
    }

    fn file(&mut self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

#[test]
fn sounds_are_read_as_soundfile_reads_them_or_refused_for_the_true_reason() {
    let (mut archive, cases) = Archive::open(include_bytes!("../../../../tests/fixtures/media/sounds.zip"));
    assert_eq!(cases.len(), 200);
    let mut refused = 0;
    for case in &cases {
        let what = format!("{}: {}", text(case, "file"), text(case, "what"));
        let found = sound::wav(&archive.file(text(case, "file")), LIMIT);
        if let Some(reason) = case["refused"].as_str() {
            let Err(Fault::Media(problem)) = found else {
                unreachable!("{what}: {found:?}")
            };
            assert!(problem.contains(reason), "{what}: {problem}");
            refused += 1;
            continue;
        }
        let found = found.unwrap_or_else(|fault| unreachable!("{what}: {fault:?}"));
        assert_eq!(
            u64::from(found.sample_rate),
            case["rate"].as_u64().unwrap(),
            "{what}"
        );
        let expected = archive.file(text(case, "samples"));
        let expected: Vec<f32> = expected
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect();
        assert_eq!(found.samples.len(), expected.len(), "{what}");
        assert_eq!(found.samples, expected, "{what}");
    }
    assert!((10..60).contains(&refused), "{refused}");
}

#[test]
fn pictures_are_read_as_pillow_and_opencv_read_them() {
    let archive = include_bytes!("../../../../tests/fixtures/media/pictures.zip");
    assert_eq!(pictures_read_as_expected(archive), 100);
}

#[test]
fn pictures_in_webp_tiff_and_bmp_are_read_as_pillow_reads_them() {
    let archive = include_bytes!("../../../../tests/fixtures/media/further_pictures.zip");
    assert_eq!(pictures_read_as_expected(archive), 81);
}

/// Reads every picture of an archive, and returns how many there are.
fn pictures_read_as_expected(archive: &'static [u8]) -> usize {
    let (mut archive, cases) = Archive::open(archive);
    for case in &cases {
        let what = format!("{}: {}", text(case, "file"), text(case, "what"));
        let found = picture::decode(&archive.file(text(case, "file")), LIMIT);
        let found = found.unwrap_or_else(|fault| unreachable!("{what}: {fault:?}"));
        let shape = serde_json::json!([found.height, found.width, found.channels]);
        assert_eq!(shape, case["shape"], "{what}");
        let tolerance = case["tolerance"].as_u64().unwrap();
        for (at, (found, expected)) in found
            .values
            .iter()
            .zip(archive.file(text(case, "pixels")))
            .enumerate()
        {
            let far = u64::from(found.abs_diff(expected));
            assert!(
                far <= tolerance,
                "{what}: value {at} is {found}, expected {expected}"
            );
        }
    }
    cases.len()
}

/// Rows and columns of the grid that `media.py` lays over a frame.
const CELLS: [usize; 2] = [4, 6];

/// The parts that numpy's `array_split` makes of a length: the first ones are longer by one where it does not come out even.
fn part(length: usize, parts: usize, index: usize) -> std::ops::Range<usize> {
    let end = |index: usize| index * (length / parts) + index.min(length % parts);
    end(index)..end(index + 1)
}

/// The mean of each cell and channel, frame by frame.
fn means(frames: &[Picture<u8>]) -> Vec<f64> {
    let mut means = Vec::new();
    for frame in frames {
        for row in 0..CELLS[0] {
            for column in 0..CELLS[1] {
                let (ys, xs) = (
                    part(frame.height, CELLS[0], row),
                    part(frame.width, CELLS[1], column),
                );
                for channel in 0..3 {
                    let of_row = |y: usize| {
                        let at = move |x: usize| (y * frame.width + x) * 3 + channel;
                        xs.clone()
                            .map(at)
                            .map(|at| f64::from(frame.values[at]))
                            .sum::<f64>()
                    };
                    means.push(ys.clone().map(of_row).sum::<f64>() / (ys.len() * xs.len()) as f64);
                }
            }
        }
    }
    means
}

fn farthest(found: &[f64], expected: &[f64]) -> f64 {
    let far = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    far.fold(0.0, f64::max)
}

/// What a reader may make of frames that is wrong, by name.
fn misread(frames: &[Picture<u8>]) -> Vec<(&'static str, Vec<Picture<u8>>)> {
    let each = |change: &dyn Fn(&Picture<u8>) -> Vec<u8>| {
        let changed = frames.iter().map(|frame| Picture {
            values: change(frame),
            ..frame.clone()
        });
        changed.collect()
    };
    let scaled = |scale: fn(f64) -> f64| {
        move |frame: &Picture<u8>| {
            let values = frame.values.iter();
            values.map(|&value| scale(f64::from(value)) as u8).collect()
        }
    };
    let turned = |frame: &Picture<u8>| frame.values.chunks(3).rev().flatten().copied().collect();
    let held = [&frames[..1], &frames[..frames.len() - 1]].concat();
    vec![
        ("upside down", each(&turned)),
        ("a frame late", held),
        (
            "full range as limited",
            each(&scaled(|v| (v - 16.0) * 255.0 / 219.0)),
        ),
        (
            "limited range as full",
            each(&scaled(|v| 16.0 + v * 219.0 / 255.0)),
        ),
    ]
}

#[test]
fn clips_have_the_pixels_that_opencv_sees() {
    if std::process::Command::new("ffmpeg")
        .arg("-version")
        .output()
        .is_err()
    {
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: the program `ffmpeg` is not on the PATH");
        }
        return;
    }
    let (mut archive, cases) = Archive::open(include_bytes!("../../../../tests/fixtures/media/clips.zip"));
    assert_eq!(cases.len(), 60);
    let folder = tempfile::tempdir().unwrap();
    for case in &cases {
        let what = format!("{}: {}", text(case, "file"), text(case, "what"));
        let path = folder.path().join(text(case, "file"));
        std::fs::write(&path, archive.file(text(case, "file"))).unwrap();
        let blob = Blob::file(what.clone(), path).unwrap();
        let frames = ffmpeg::frames(&blob, LIMIT).unwrap_or_else(|fault| unreachable!("{what}: {fault:?}"));
        let shape = serde_json::json!([frames.len(), frames[0].height, frames[0].width]);
        assert_eq!(shape, case["shape"], "{what}");
        let expected: Vec<f64> = serde_json::from_value(case["means"].clone()).unwrap();
        let tolerance = case["tolerance"].as_f64().unwrap();
        let found = means(&frames);
        assert_eq!(found.len(), expected.len(), "{what}");
        let far = farthest(&found, &expected);
        assert!(far <= tolerance, "{what}: up to {far} away");
        // The means tell every way in which readers are known to go wrong.
        for (fault, misread) in misread(&frames) {
            let far = farthest(&means(&misread), &expected);
            assert!(far > 2.0 * tolerance, "{what}: {fault} is {far} away");
        }
        if !what.contains("gray") {
            let swapped: Vec<f64> = found
                .chunks(3)
                .flat_map(|cell| [cell[2], cell[1], cell[0]])
                .collect();
            assert!(farthest(&swapped, &expected) > 2.0 * tolerance, "{what}");
        }
    }
}
