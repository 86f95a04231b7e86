#![allow(clippy::unwrap_used)]
use super::*;

/// A folder with `count` training and 10 test pictures of 4 x 4 and two recordings of each digit.
fn folder(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let picture = |index: usize| (0..16).map(move |pixel| ((index * 7 + pixel * pixel * 3) % 256) as u8);
    for (part, count) in [("train", count), ("t10k", 10)] {
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, count as u8, 0, 0, 0, 4, 0, 0, 0, 4];
        images.extend((0..count).flat_map(picture));
        std::fs::write(folder.path().join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let mut labels = vec![0, 0, 8, 1, 0, 0, 0, count as u8];
        labels.extend((0..count).map(|index| (index % 10) as u8));
        std::fs::write(folder.path().join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    for digit in 0..10 {
        for speaker in ["ann", "bob"] {
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 8000,
                bits_per_sample: 16,
                sample_format: SampleFormat::Int,
            };
            let path = folder.path().join(format!("{digit}_{speaker}_0.wav"));
            let mut writer = hound::WavWriter::create(path, spec).unwrap();
            (0..400).for_each(|i| writer.write_sample((i * digit % 3000) as i16).unwrap());
            writer.finalize().unwrap();
        }
    }
    folder
}

use hound::SampleFormat;

fn settings() -> AvMnist {
    AvMnist {
        mnist: ".".into(),
        fsdd: ".".into(),
        test_speakers: vec!["bob".into()],
        train_samples: None,
        test_samples: None,
        image_energy: 1.0,
        audio_snr: None,
        seed: 0,
    }
}

fn open(settings: &AvMnist, folder: &Path) -> Result<Box<dyn Source>> {
    settings.open(&OpenContext {
        base: folder,
        seed: Seed::new(0),
    })
}

#[test]
fn pictures_and_recordings_are_of_one_digit_and_speakers_are_disjoint() {
    let folder = folder(40);
    let source = open(&settings(), folder.path()).unwrap();
    assert_eq!(source.len(), 50);
    for index in 0..source.len() {
        let sample = source.sample(index);
        assert!(
            sample.id.contains(&format!("+{}_", sample.label.classes()[0])),
            "{}",
            sample.id
        );
        let test = sample.partition == Partition::Test;
        assert_eq!(sample.group.as_deref(), Some(if test { "bob" } else { "ann" }));
    }
}

#[test]
fn noise_has_the_asked_power_and_is_the_samples_own() {
    let folder = folder(20);
    let clean = open(&settings(), folder.path()).unwrap();
    let noisy = open(
        &AvMnist {
            audio_snr: Some(6.0),
            ..settings()
        },
        folder.path(),
    )
    .unwrap();
    let samples = |source: &dyn Source, index| match source.read(index, 1).unwrap() {
        Media::Waveform(sound) => sound.samples,
        _ => Vec::new(),
    };
    let (mut signal, mut noise) = (0.0, 0.0);
    for index in [3, 5, 7, 9] {
        let (clean, noisy) = (samples(clean.as_ref(), index), samples(noisy.as_ref(), index));
        for (a, b) in clean.iter().zip(&noisy) {
            signal += f64::from(*a).powi(2);
            noise += f64::from(b - a).powi(2);
        }
    }
    let ratio = 10.0 * (signal / noise).log10();
    assert!((ratio - 6.0).abs() < 1.0, "{ratio}");
    assert_ne!(samples(noisy.as_ref(), 3), samples(noisy.as_ref(), 13));
}

#[test]
fn all_the_energy_gives_the_pictures_back_and_less_energy_takes_variance_away() {
    let folder = folder(40);
    let variance = |image_energy: f64| {
        let source = open(
            &AvMnist {
                image_energy,
                ..settings()
            },
            folder.path(),
        )
        .unwrap();
        let pictures: Vec<Vec<u8>> = (0..40)
            .map(|index| match source.read(index, 0).unwrap() {
                Media::Frames(frames) => frames.pixels().to_vec(),
                _ => Vec::new(),
            })
            .collect();
        let mean = |pixel: usize| pictures.iter().map(|p| f64::from(p[pixel])).sum::<f64>() / 40.0;
        let of = |pixel: usize| {
            pictures
                .iter()
                .map(|p| (f64::from(p[pixel]) - mean(pixel)).powi(2))
                .sum::<f64>()
        };
        (0..16).map(of).sum::<f64>()
    };
    let whole = variance(1.0);
    assert!((variance(0.999_999) / whole - 1.0).abs() < 0.01);
    let quarter = variance(0.25) / whole;
    assert!((0.2..0.95).contains(&quarter), "{quarter}");
}

#[test]
fn fingerprints_change_with_content_and_settings() {
    let folder = folder(20);
    let fingerprint = |settings: &AvMnist, stream| {
        open(settings, folder.path())
            .unwrap()
            .fingerprint(0, stream)
            .unwrap()
    };
    for stream in [0, 1] {
        let other = AvMnist {
            image_energy: 0.5,
            audio_snr: Some(3.0),
            ..settings()
        };
        assert_ne!(fingerprint(&settings(), stream), fingerprint(&other, stream));
    }
    let before = fingerprint(&settings(), 1);
    let wav = folder.path().join("0_ann_0.wav");
    std::fs::copy(folder.path().join("5_ann_0.wav"), wav).unwrap();
    assert_ne!(before, fingerprint(&settings(), 1));
}

/// Each damage, and what the message must name.
#[test]
fn damaged_folders_are_refused_with_file_and_reason() {
    type Damage = fn(&Path);
    let cases: [(Damage, &[&str]); 6] = [
        (
            |f| std::fs::remove_file(f.join("train-images-idx3-ubyte")).unwrap(),
            &["train-images", "not found"],
        ),
        (
            |f| {
                let path = f.join("t10k-images-idx3-ubyte");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(path, &bytes[..100]).unwrap();
            },
            &["t10k-images", "cut short"],
        ),
        (
            |f| {
                let path = f.join("train-labels-idx1-ubyte");
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[10] = 11;
                std::fs::write(path, bytes).unwrap();
            },
            &["train-labels", "label 2 is 11", "0 to 9"],
        ),
        (
            |f| std::fs::remove_file(f.join("4_ann_0.wav")).unwrap(),
            &["4_SPEAKER", "training"],
        ),
        (
            |f| std::fs::write(f.join("t10k-labels-idx1-ubyte"), b"text").unwrap(),
            &["t10k-labels", "IDX"],
        ),
        (
            |f| std::fs::write(f.join("train-labels-idx1-ubyte.gz"), b"text").unwrap(),
            &["train-labels-idx1-ubyte.gz"],
        ),
    ];
    for (damage, parts) in cases {
        let folder = folder(20);
        damage(folder.path());
        let error = open(&settings(), folder.path()).err().unwrap().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
    let folder = folder(20);
    let wav = folder.path().join("3_ann_0.wav");
    let bytes = std::fs::read(&wav).unwrap();
    std::fs::write(&wav, &bytes[..bytes.len() / 2]).unwrap();
    let source = open(&settings(), folder.path()).unwrap();
    let error = source.read(3, 1).unwrap_err().to_string();
    assert!(error.contains("3_ann_0.wav"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let folder = folder(20);
    for (settings, key) in [
        (
            AvMnist {
                image_energy: 0.0,
                ..settings()
            },
            "image_energy",
        ),
        (
            AvMnist {
                audio_snr: Some(f64::NAN),
                ..settings()
            },
            "audio_snr",
        ),
        (
            AvMnist {
                train_samples: Some(21),
                ..settings()
            },
            "train_samples",
        ),
        (
            AvMnist {
                test_samples: Some(0),
                ..settings()
            },
            "test_samples",
        ),
        (
            AvMnist {
                test_speakers: vec!["eve".into()],
                ..settings()
            },
            "eve",
        ),
    ] {
        let error = open(&settings, folder.path()).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
}
