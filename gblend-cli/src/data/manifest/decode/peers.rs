//! Sounds and pictures of every kind beside what trusted readers make of them: soundfile, Pillow, OpenCV.
//! `xtask/peers/media.py` writes both.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};

use serde_json::Value;

use super::{Fault, picture, sound};

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
    let (mut archive, cases) = Archive::open(include_bytes!("../../../../tests/fixtures/media/pictures.zip"));
    assert_eq!(cases.len(), 100);
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
}
