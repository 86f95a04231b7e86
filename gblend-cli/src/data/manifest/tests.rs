//! Media of real files as the dataset hands it over.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use gblend_core::Media;
use gblend_core::media::Waveform;
use hound::{SampleFormat, WavSpec, WavWriter};

use super::*;

/// The media of the only stream of samples whose files are `names`.
pub(super) fn read(folder: &Path, names: &[&str], stream: &str) -> Vec<Result<Media>> {
    let rows: String = names.iter().map(|name| format!("{name},x,train\n")).collect();
    std::fs::write(folder.join("table.csv"), format!("file,label,split\n{rows}")).unwrap();
    let settings: Manifest = toml::from_str(&format!(
        "table = \"table.csv\"\nlabel = \"label\"\nsplit = \"split\"\n[streams.only]\ncolumn = \"file\"\n{stream}"
    ))
    .unwrap();
    let context = OpenContext {
        base: folder,
        seed: Seed::new(0),
    };
    let source = settings.open(&context).unwrap();
    (0..source.len()).map(|index| source.read(index, 0)).collect()
}

fn sounds(folder: &Path, names: &[&str]) -> Vec<Waveform> {
    let media = read(folder, names, "media = \"waveform\"").into_iter();
    let sound = media.map(|media| match media.unwrap() {
        Media::Waveform(sound) => sound,
        _ => unreachable!(),
    });
    sound.collect()
}

/// Two seconds of a tone that rises.
fn wav(path: &Path) {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for index in 0..88_200 {
        let seconds = f64::from(index) / 44_100.0;
        let phase = 200.0 * seconds + 400.0 * seconds * seconds;
        let value = (std::f64::consts::TAU * phase).sin() * 12_000.0;
        writer.write_sample(value as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// The largest correlation of two sounds of which one may begin later, by what an encoder puts in front.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let at = |lag: usize| {
        let pairs = a
            .iter()
            .zip(&b[lag..])
            .map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in pairs {
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
        ab / (aa * bb).sqrt()
    };
    (0..2500).map(at).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn compressed_sound_is_that_of_the_wav_it_was_made_from() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: the program `ffmpeg` is not on the PATH");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    wav(&folder.path().join("a.wav"));
    for (name, codec) in [
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.ogg", "libvorbis"),
    ] {
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-i", "a.wav", "-c:a", codec, name])
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(made.success(), "{name}");
    }
    let found = sounds(folder.path(), &["a.wav", "a.flac", "a.mp3", "a.ogg"]);
    assert_eq!(found[0].samples.len(), 88_200);
    assert_eq!(found[1], found[0]);
    for (sound, name) in found[2..].iter().zip(["mp3", "ogg"]) {
        assert_eq!(sound.sample_rate, 44_100, "{name}");
        assert!(
            sound.samples.len().abs_diff(88_200) < 2500,
            "{name} {}",
            sound.samples.len()
        );
        // Half of it, so that it may be found later in the other.
        let found = correlation(&found[0].samples[..44_100], &sound.samples);
        assert!(found > 0.999, "{name}: {found}");
    }
}

#[test]
fn wide_samples_keep_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |bits_per_sample, sample_format| WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample,
        sample_format,
    };
    let integers = [0, 1, -1, 8_388_607, -8_388_608, 1_234_567];
    let mut writer = WavWriter::create(folder.path().join("i.wav"), spec(24, SampleFormat::Int)).unwrap();
    integers
        .iter()
        .for_each(|&value| writer.write_sample(value).unwrap());
    writer.finalize().unwrap();
    let floats = [0.0_f32, 0.1, -0.75, 1.5, f32::MIN_POSITIVE];
    let mut writer = WavWriter::create(folder.path().join("f.wav"), spec(32, SampleFormat::Float)).unwrap();
    floats
        .iter()
        .for_each(|&value| writer.write_sample(value).unwrap());
    writer.finalize().unwrap();
    let found = sounds(folder.path(), &["i.wav", "f.wav"]);
    // A float has the 24 bits that this takes.
    assert_eq!(found[0].samples, integers.map(|value| value as f32 / 8_388_608.0));
    assert_eq!(found[1].samples, floats);
}

#[test]
fn an_array_is_what_its_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:117}\n");
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.bytes());
    let values = [1.0_f32, -2.5, 3.0, 0.25, 5.0, 6.0];
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(folder.path().join("a.npy"), &bytes).unwrap();
    std::fs::write(folder.path().join("cut.npy"), &bytes[..bytes.len() - 1]).unwrap();
    let found = read(folder.path(), &["a.npy", "cut.npy"], "media = \"array\"");
    let Ok(Media::Array(array)) = &found[0] else {
        unreachable!()
    };
    assert_eq!((array.shape(), array.values()), (&[2, 3][..], &values[..]));
    let error = found[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("cut.npy"), "{error}");
}

#[test]
fn depth_pictures_are_read_as_their_dataset_stores_them() {
    let folder = tempfile::tempdir().unwrap();
    let millimeters = 2500_u16;
    for (name, value) in [
        ("plain", millimeters),
        ("tum", 12_500),
        ("sun", millimeters.rotate_left(3)),
    ] {
        let picture = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(3, 2, image::Luma([value]));
        picture.save(folder.path().join(format!("{name}.png"))).unwrap();
    }
    // A disparity of 600, its bytes in the wrong order.
    let disparity = 600_u16.to_le_bytes();
    let pgm = [b"P5 3 2 65535\n".as_slice(), &disparity.repeat(6)].concat();
    std::fs::write(folder.path().join("nyu.pgm"), pgm).unwrap();
    let nyu = (351.3_f64 / (1092.5 - 600.0)) as f32;
    for (file, stream, expected) in [
        ("plain.png", "", 2.5),
        ("plain.png", "depth_scale = 500", 5.0),
        ("tum.png", "depth_format = \"tum\"", 2.5),
        ("sun.png", "depth_format = \"sun\"", 2.5),
        ("nyu.pgm", "depth_format = \"nyu\"", nyu),
    ] {
        let found = read(folder.path(), &[file], &format!("media = \"depth\"\n{stream}"));
        let Ok(Media::Depth(maps)) = &found[0] else {
            unreachable!("{:?}", found[0])
        };
        assert_eq!(maps.meters(), [expected; 6], "{stream}");
    }
}
